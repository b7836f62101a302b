#!/bin/bash
# run.sh [SECONDS [TARGET]]: fuzzes each target (or one) for so long (60) under AddressSanitizer and
# UBSan. Needs clang-14.
set -euo pipefail
cd "$(dirname "$0")/../.."
cmake --preset fuzz-all -DRONDO_FUZZ_SECONDS="${1:-60}" >/dev/null
cmake --build build/fuzz-all -j "$(nproc)" --target rondo_fuzz_targets
ctest --test-dir build/fuzz-all -R "rondo_fuzz_${2:-}" -j "$(nproc)" --verbose --no-tests=error
