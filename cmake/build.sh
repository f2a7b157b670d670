#!/usr/bin/env bash
# Configures and builds Release into build/; arguments are further options and, after --, targets.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
"$root/cmake/install-packages.sh"
options=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do options+=("$1"); shift; done
[ $# -eq 0 ] || shift
targets=()
[ $# -eq 0 ] || targets=(--target "$@")
build=$root/build
log=$build/configure.log
mkdir -p "$build"
if ! cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "${options[@]}" >"$log" 2>&1; then
  cat "$log" >&2
  exit 1
fi
cmake --build "$build" "${targets[@]}"
