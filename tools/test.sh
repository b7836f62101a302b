#!/bin/bash
# Every test: checks of the sources, all tests of the build in build/current; under AddressSanitizer
# and UBSan the unit tests of the parts without torch, faults, and a minute of fuzzing for each reader
# of untrusted files. The last line counts them.
set -uo pipefail
cd "$(dirname "$0")/.." || exit
results=$PWD/build/test-results
rm -rf "$results"
mkdir -p "$results"
jobs=$(nproc)
more_jobs=$((jobs + 1))  # where one test waits for a minute and a half

# run_suite NAME BUILD_DIR CTEST_ARGUMENT...: gtest writes one file a program into the folder, too.
run_suite() {
  local name=$1 dir=$2
  shift 2
  echo "== $name"
  mkdir -p "$results/$name"
  GTEST_OUTPUT=xml:$results/$name/ GTEST_COLOR=no ctest --test-dir "$dir" -j "$jobs" \
    --output-on-failure --no-tests=error --output-junit "$results/$name/ctest.xml" "$@"
}

echo "== checks"
tools/check.sh --results "$results/checks.txt"
if tools/build.sh; then
  run_suite tests build/current -j "$more_jobs"
else
  echo "build fail" >>"$results/checks.txt"
fi
# The faults are the short form of `make chaos`: without what waits for leases, and without limits on
# times.
if cmake --preset asan-ubsan && cmake --build build/asan-ubsan -j "$jobs"; then
  export ASAN_OPTIONS=detect_stack_use_after_return=1 UBSAN_OPTIONS=print_stacktrace=1
  run_suite asan-ubsan build/asan-ubsan -L unit
  GTEST_FILTER=-Impatient* run_suite faults build/asan-ubsan -L faults -E load
else
  echo "asan-ubsan-build fail" >>"$results/checks.txt"
fi
if cmake --preset fuzz && cmake --build build/fuzz -j "$jobs" --target rondo_fuzz_targets; then
  run_suite fuzz build/fuzz -L fuzz
else
  echo "fuzz-build fail" >>"$results/checks.txt"
fi
exec python3 tools/test_summary.py "$results"
