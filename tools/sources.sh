#!/bin/sh
# Prints our C++ and CUDA sources, tracked or new, one a line, from the root of the project.
set -eu
cd "$(dirname "$0")/.."
if git rev-parse --git-dir >/dev/null 2>&1; then
  git ls-files --cached --others --exclude-standard -- '*.h' '*.cc' '*.cu' '*.cuh'
else
  find common kernels server worker client tests -regex '.*\.\(h\|cc\|cu\|cuh\)'
fi | while read -r file; do if [ -e "$file" ]; then echo "$file"; fi; done | sort -u
