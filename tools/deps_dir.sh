#!/bin/sh
# Prints the folder of the Python environment that the pinned requirements belong to. Set RONDO_DEPS
# to keep such environments elsewhere.
set -eu
cd "$(dirname "$0")/requirements"
root=${RONDO_DEPS:-${XDG_CACHE_HOME:-${HOME:-$PWD/../../build}/.cache}/rondo}
echo "$root/$(cat torch-cpu.txt torch.txt python.txt | sha256sum | cut -c1-16)"
