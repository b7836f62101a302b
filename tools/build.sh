#!/bin/bash
# build.sh [TARGET...]: configures the preset `release`, or `cuda` where nvcc is found (CUDA=0: not),
# builds the targets (none: everything) and links the programs into build/bin.
set -euo pipefail
cd "$(dirname "$0")/.."

env=$(tools/deps_dir.sh)
RONDO_TORCH_DIR=$(echo "$env"/lib/python3*/site-packages/torch)
export RONDO_TORCH_DIR RONDO_PYTHON=$env/bin/python

preset=release
nvcc=$(command -v nvcc || command -v /usr/local/cuda/bin/nvcc || true)
if [ -n "$nvcc" ] && [ "${CUDA:-1}" != 0 ]; then
  preset=cuda
  export CUDACXX=$nvcc
fi
cmake --preset "$preset"
cmake --build "build/$preset" -j "$(nproc)" --target "${@:-all}"

mkdir -p build/bin
for program in rondo rondo-server rondo-worker rondo-rank; do
  ln -sfn "../$preset/bin/$program" "build/bin/$program"
done
ln -sfn "$preset" build/current
