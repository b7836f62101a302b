#!/bin/bash
# The checks that need no build: layers and format. Runs all of them and fails if one fails.
#   --results FILE  also appends a line "name pass|fail" for each
set -uo pipefail
cd "$(dirname "$0")/.." || exit
results=/dev/null
[ "${1:-}" != --results ] || results=$2
failed=0

check() {
  local name=$1
  shift
  if "$@"; then
    echo "$name pass" >>"$results"
  else
    echo "$name fail" >>"$results"
    echo "FAILED: $name ($*)"
    failed=1
  fi
}

check layers-self-test tools/check_layers.py --self-test
check layers tools/check_layers.py
check format tools/format.sh --check
exit $failed
