#!/bin/bash
# Installs what the project needs: Debian packages, and PyPI packages in an environment of its own
# (tools/deps_dir.sh). A run with nothing to do takes no time; an interrupted one is taken up again.
#   CUDA=1    torch's CUDA libraries (default where nvcc or an NVIDIA driver is found; CUDA=0: not)
#   CHECKS=1  also what tests and the demo need: transformers, gguf, grpcio, the demo model
#   FUZZ=1    also clang
#   TIDY=1    also clang and clang-tidy
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
requirements=$tools/requirements

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# Prints name=version for each package of a list that is not installed in a version that fits.
missing_packages() {
  local name version installed
  while read -r name version; do
    case $name in '' | '#'*) continue ;; esac
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Version}' "$name" 2>/dev/null || true)
    # The pattern is meant to be one.
    # shellcheck disable=SC2254
    case $installed in "installed "$version) ;; *) echo "$name=$version" ;; esac
  done <"$1"
}

install_packages() {
  local missing
  mapfile -t missing < <(missing_packages "$1")
  [ ${#missing[@]} -gt 0 ] || return 0
  echo "installing ${#missing[@]} Debian packages"
  as_root apt-get update -q
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
    -o DPkg::Lock::Timeout=600 "${missing[@]}"
}

find_python() {
  local python
  for python in /usr/bin/python3 python3; do
    if "$python" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$python"
      return
    fi
  done
  echo "no Python >= 3.11 with venv: install python3-venv" >&2
  return 1
}

# install_requirements NAME: pinned and complete, so pip has nothing to resolve. The stamp comes last.
install_requirements() {
  local stamp=$env/.installed-$1
  [ ! -e "$stamp" ] || return 0
  echo "installing Python packages of tools/requirements/$1.txt into $env"
  [ -x "$env/bin/pip" ] || "$(find_python)" -m venv --clear "$env"
  "$env/bin/pip" install --quiet --disable-pip-version-check --no-input --no-deps --retries 5 \
    -r "$requirements/$1.txt"
  # The wheel's own old protobuf would shadow the system's (docs/adr/0001-pins-and-header-isolation.md).
  rm -rf "$env"/lib/python3*/site-packages/torch/include/google \
    "$env"/lib/python3*/site-packages/torch/bin/protoc*
  touch "$stamp"
}

cuda=${CUDA:-}
if [ -z "$cuda" ]; then
  if command -v nvcc nvidia-smi /usr/local/cuda/bin/nvcc >/dev/null || [ -e /dev/nvidiactl ]; then
    cuda=1
  else
    cuda=0
  fi
fi

env=$("$tools/deps_dir.sh")
mkdir -p "$env"
exec 9>"$env.lock"
flock 9  # Two installations at once would spoil each other.
install_packages "$requirements/apt.txt"
[ "${FUZZ:-0}${TIDY:-0}" = 00 ] || install_packages "$requirements/apt-clang.txt"
[ "${TIDY:-0}" = 0 ] || install_packages "$requirements/apt-tidy.txt"
if [ "$cuda" = 0 ] && [ "${CHECKS:-0}" = 0 ]; then
  [ -e "$env/.installed-torch" ] || install_requirements torch-cpu
else
  install_requirements torch  # `import torch` needs all of it, even where there is no GPU.
fi
[ "${CHECKS:-0}" = 0 ] || install_requirements python
