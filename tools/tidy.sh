#!/bin/bash
# tidy.sh [FILE...]: clang-tidy and clang's own warnings on the given .cc files (none: all), and every
# header on its own. Three quarters of an hour on two cores.
set -euo pipefail
cd "$(dirname "$0")/.."
env=$(tools/deps_dir.sh)
RONDO_TORCH_DIR=$(echo "$env"/lib/python3*/site-packages/torch)
export RONDO_TORCH_DIR RONDO_PYTHON=$env/bin/python
cmake --preset tidy >/dev/null
# Generated sources must be there before anything can be parsed.
cmake --build build/tidy -j "$(nproc)" --target rondo_proto all_verify_interface_header_sets
files=("$@")
if [ ${#files[@]} -eq 0 ]; then
  mapfile -t files < <(python3 - <<'PYTHON'
import json, os
for entry in json.load(open("build/tidy/compile_commands.json")):
    path = os.path.relpath(entry["file"])
    if not path.startswith("build/") and path.endswith(".cc"):
        print(path)
PYTHON
  )
fi
printf '%s\n' "${files[@]}" | xargs -P "$(nproc)" -n 4 clang-tidy-14 --quiet -p build/tidy
