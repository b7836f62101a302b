#!/bin/bash
# Builds Rondo, makes the demo model and quantizes it with one command; compares methods and widths,
# and lets transformers load the result. Everything lies in build/demo, which is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."

env=$(tools/deps_dir.sh)
tools/build.sh rondo rondo-server rondo-worker rondo-rank

demo=build/demo
rm -rf "$demo"
echo "== the demo model"
"$env/bin/python" tools/convert_smollm2.py "$demo/smollm2"

# Hidden size 576 holds 9 groups of 64; 128 does not divide it. The order of the columns is worth more
# than anything else at 4 bits (docs/results.md).
options=(--model "$demo/smollm2" --group-size 64 --act-order static
  --calibration tests/data/smollm2/calib_valid_32x512.npy --samples 32 --seq-len 512 --workers 2
  --eval wikitext2=tests/data/smollm2/ppl_test_40x512.npy --eval-seq-len 512 --eval-windows 20)
command=(build/bin/rondo quantize --method gptq --bits 4 "${options[@]}" --out "$demo/smollm2-w4")
echo "== ${command[*]}"
"${command[@]}" | tee "$demo/smollm2-w4.txt"

exec "$env/bin/python" tools/demo_table.py --first "$demo/smollm2-w4.txt" --folder "$demo" -- "${options[@]}"
