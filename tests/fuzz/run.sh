#!/bin/bash
# run.sh [SECONDS [TARGET...]]: fuzzes each target for so long (60) under AddressSanitizer and UBSan.
# Needs clang-14. A crash is written into the working folder; its input belongs into corpus/TARGET, once the
# reader is repaired.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-60}
targets=("${@:2}")
[ ${#targets[@]} -gt 0 ] || targets=(safetensors config_json index_json tokenizer_json sentence_piece s3_answers)
cmake --preset fuzz >/dev/null
cmake --build build/fuzz -j "$(nproc)" --target "${targets[@]/#/rondo_fuzz_}"
for target in "${targets[@]}"; do
  found=build/fuzz/found/$target
  mkdir -p "$found"
  echo "== $target"
  build/fuzz/bin/rondo_fuzz_"$target" -max_total_time="$seconds" -timeout=10 -max_len=8192 \
    -print_final_stats=1 "$found" "tests/fuzz/corpus/$target"
done
