#!/usr/bin/env bash
# run.sh --source DIR --work DIR (--build DIR | --sanitize thread) [--generator G] [--cxx COMPILER]
# Installs Soma under WORK (from an existing build, or from one of its own with a sanitizer), then configures, builds
# and runs the outside project in ./project against that installation.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
build='' sanitize='' generator=Ninja cxx=g++
while [ $# -gt 0 ]; do
  declare "${1#--}=$2"
  shift 2
done

prefix=$work/prefix
rm -rf "$prefix" "$work/project"
mkdir -p "$work"
if [ -n "$sanitize" ]; then
  build=$work/soma
  cmake -S "$source" -B "$build" -G "$generator" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DSOMA_SANITIZE="$sanitize" -DSOMA_BACKEND_TBB=OFF -DSOMA_BACKEND_ONEDNN=OFF \
    -DSOMA_BUILD_PLUGINS=OFF -DSOMA_BUILD_APPS=OFF -DSOMA_BUILD_TESTS=OFF -DSOMA_BUILD_BENCH=OFF >"$work/configure.log" || { cat "$work/configure.log"; exit 1; }
  cmake --build "$build"
fi
cmake --install "$build" --prefix "$prefix" >"$work/install.log" || { cat "$work/install.log"; exit 1; }

cmake -S "$here/project" -B "$work/project" -G "$generator" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_PREFIX_PATH="$prefix" -DSANITIZE="$sanitize" -DEXAMPLE="$source/apps/digits/main.cpp"
cmake --build "$work/project"

run=()
[ "$sanitize" != thread ] || run=(setarch "$(uname -m)" --addr-no-randomize)  # what this sanitizer needs on newer kernels
cd "$work/project"
echo "--- an activation that lives outside, trained and predicted with from two threads"
SOMA_PLUGIN_PATH="$work/project" TSAN_OPTIONS=halt_on_error=1 "${run[@]}" ./outside
echo "--- the example of the README"
TSAN_OPTIONS=halt_on_error=1 "${run[@]}" ./digits ${sanitize:+--quick}
