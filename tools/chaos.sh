#!/bin/bash
# Every fuzz target for a minute, unit tests under ThreadSanitizer, then the long form of tests/faults (docs/reliability.md), for a quiet machine. Each run
# prints the seed that repeats it.
#   RONDO_CHAOS_LONG=14      gang faults of each kind, at random (rank, step); crashes at later hits, too
#   RONDO_CHAOS_SECONDS=120  length of one run of the chaos test, which runs ten times
#   RONDO_SOAK_SECONDS=1800  how long clients are at work in the soak
set -euo pipefail
cd "$(dirname "$0")/.." || exit
export RONDO_CHAOS_LONG=${RONDO_CHAOS_LONG:-14} RONDO_CHAOS_SECONDS=${RONDO_CHAOS_SECONDS:-120} \
  RONDO_SOAK_SECONDS=${RONDO_SOAK_SECONDS:-1800}
tests/fuzz/run.sh 60
cmake --preset tsan
cmake --build build/tsan -j "$(nproc)"
ctest --preset tsan
cmake --preset faults
cmake --build build/faults -j "$(nproc)"
ctest --test-dir build/faults -L faults -E chaos --output-on-failure --no-tests=error
ctest --test-dir build/faults -R chaos --repeat until-fail:10 --output-on-failure --no-tests=error
