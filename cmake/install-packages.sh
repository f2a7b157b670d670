#!/usr/bin/env bash
# install-packages.sh [PACKAGE...]: installs what building Soma needs from the distribution's packages, and those named besides;
# says nothing when all is there.
set -euo pipefail

packages=(
  g++ cmake ninja-build ccache
  libboost-dev libboost-program-options-dev   # the plugin loader, the command line
  libdnnl-dev libtbb-dev libhwy-dev           # oneDNN, oneTBB, Highway
  nlohmann-json3-dev zlib1g-dev libssl-dev    # model files, compressed data, SHA-256
  libpng-dev libcurl4-openssl-dev             # images as data; soma data fetch
  libgtest-dev libonnx-dev libprotobuf-dev    # tests
  "$@"
)

missing=()
for package in "${packages[@]}"; do
  [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = 'install ok installed' ] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if ! command -v apt-get >/dev/null; then
  echo "soma: please install the equivalents of: ${missing[*]}" >&2
  exit 1
fi
as_root=()
[ "$(id -u)" -eq 0 ] || as_root=(sudo)
echo "installing: ${missing[*]}"
"${as_root[@]}" apt-get update -qq
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}"
