#!/bin/bash
# Every CUDA and NCCL check in one go, on a machine with a GPU and torch: kernels against their CPU
# twins, the communicator over NCCL with several ranks on one GPU, a job on the GPU with 1 and 2 stages,
# and timings. Programs come from .gpu/ (tools/gpu_bundle.sh), or from build/cuda where that is built.
set -uo pipefail
cd "$(dirname "$0")/../.."
failed=0
bin=.gpu/bin
if [ -d .gpu/bin ]; then
  torch_lib=$(python3 -c 'import os, torch; print(os.path.join(os.path.dirname(torch.__file__), "lib"))')
  nvidia_libs=$(find "$torch_lib/../../nvidia" -maxdepth 3 -name lib -type d 2>/dev/null | paste -sd:)
  export LD_LIBRARY_PATH=$PWD/.gpu/lib:$torch_lib:$nvidia_libs:${LD_LIBRARY_PATH:-}
else
  bin=build/cuda/bin
fi
export RONDO_REQUIRE_GPU=1 RONDO_SHARE_GPU=1
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

step() {
  local name=$1
  shift
  echo "== $name: $*"
  if "$@"; then
    echo "PASSED $name"
  else
    echo "FAILED $name"
    failed=$((failed + 1))
  fi
}

# quantize NAME WORKERS OPTION...: the tiny LLaMA into $out/NAME; the job's JSON beside it.
quantize() {
  local name=$1 workers=$2
  shift 2
  "$bin/rondo" quantize --json --model tests/data/models/llama-tiny --method gptq --bits 4 \
    --group-size 32 --calibration tests/data/text/calibration.txt --samples 16 --seq-len 256 \
    --workers "$workers" --dtype float32 --eval heldout=tests/data/text/heldout.txt \
    --eval-seq-len 256 --eval-windows 64 --out "$out/$name" "$@" | tail -n 1 >"$out/$name.json"
}

# Perplexities of a GPU job and of its CPU twin to 0.5 %: codes may differ where float sums do.
same_quality() {
  python3 - "$out/$1.json" "$out/$2.json" <<'PYTHON'
import json, sys
ppl = [next(e["perplexity"] for e in json.load(open(p))["evaluations"]
            if e["quantized"] and e["set"] == "heldout") for p in sys.argv[1:]]
print("perplexities", *ppl)
sys.exit(abs(ppl[0] / ppl[1] - 1) > 0.005)
PYTHON
}

nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader
step kernels "$bin/rondo_cuda_kernels_test"
step nccl "$bin/rondo_nccl_test"
RONDO_DEVICE=cpu step cpu-job quantize cpu 1
step gpu-job-1 quantize gpu1 1
step gpu-job-2-stages-over-nccl quantize gpu2 2
step gpu-sequential-2-stages quantize seq2 2 --propagate quantized
step gpu-equals-cpu same_quality gpu1 cpu
step stages-agree cmp <(python3 tests/gpu/tensors_digest.py "$out/gpu1") \
  <(python3 tests/gpu/tensors_digest.py "$out/gpu2")
if command -v compute-sanitizer >/dev/null; then
  step memcheck compute-sanitizer --tool memcheck --error-exitcode 1 "$bin/rondo_cuda_kernels_test"
  step racecheck compute-sanitizer --tool racecheck --error-exitcode 1 "$bin/rondo_cuda_kernels_test"
fi
echo "$failed failed"
exit "$((failed > 0))"
