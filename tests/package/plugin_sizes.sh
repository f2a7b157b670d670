#!/usr/bin/env bash
# plugin_sizes.sh DIR: prints the lines of code of every plugin in DIR, without comments, blank lines and CMake; an
# activation has at most 15, a minimal backend at most 400.
set -euo pipefail
worst=0
for folder in "$1"/*/; do
  name=$(basename "$folder")
  lines=$(cat "$folder"*.?pp | sed -e 's|//.*||' | grep -c '[^[:space:]]')
  kind=$(grep -ho 'SOMA_EXPORT_[A-Z]*' "$folder"*.cpp | head -1 | sed 's/SOMA_EXPORT_//' | tr '[:upper:]' '[:lower:]')
  echo "$name: $kind, $lines lines of code"
  case $kind in activation) most=15 ;; backend) most=400 ;; *) most=100 ;; esac
  [ "$lines" -le "$most" ] || { echo "$name: expected at most $most lines" >&2; worst=1; }
done
exit $worst
