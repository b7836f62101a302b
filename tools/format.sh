#!/bin/bash
# Formats every source in place; --check only names what differs, and fails.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=(-i)
[ "${1:-}" != --check ] || mode=(--dry-run -Werror)
tools/sources.sh | xargs clang-format-14 "${mode[@]}"
