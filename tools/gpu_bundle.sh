#!/bin/bash
# Collects into .gpu/ what tests/gpu/run.sh needs on a machine that has a GPU, torch and CUDA but none
# of the other packages: stripped programs and the shared libraries that are neither the system's C and
# C++ runtime, torch's nor CUDA's. Needs a build with CUDA (make build; and the gpu tests' targets).
set -euo pipefail
cd "$(dirname "$0")/.."
build=build/cuda
bundle=.gpu
programs=(rondo rondo-worker rondo-rank rondo_cuda_kernels_test rondo_nccl_test rondo_job_bench)

tools/build.sh "${programs[@]}"
rm -rf "$bundle"
mkdir -p "$bundle/bin" "$bundle/lib"
for program in "${programs[@]}"; do
  strip -o "$bundle/bin/$program" "$build/bin/$program"
  ldd "$build/bin/$program" | awk '$2 == "=>" && $3 ~ /^\// {print $3}'
done | sort -u | grep -vE '/(torch|nvidia|cuda[^/]*)/|/lib(c|m|dl|rt|pthread|util|gcc_s|stdc\+\+)\.so' |
  xargs -I{} cp -L {} "$bundle/lib/"
du -sh "$bundle"
