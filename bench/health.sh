#!/usr/bin/env bash
# bench/health.sh SOMA [--gate]: what `soma train --health` costs: seconds of training with it over seconds without, pairs of runs in turn,
# the median of the pairs and their range. Below 1.03 is asked for; --gate exits with 1 if a model is above. Needs SOMA_DATA.
# ROUNDS (5) and BACKEND (auto) can be set.
set -euo pipefail
soma=$(realpath "${1:-build/bin/soma}")
gate=${2:-}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
: "${SOMA_DATA:?the models are trained on their own data}"

seconds() { # MODEL DATA STEPS OPTIONS: of the steps, with what is done between them
  rm -rf run
  "$soma" train "$1" --data "$2" --steps "$3" --backend "${BACKEND:-auto}" --out run --json ${4:-} 2>/dev/null |
    awk '{ match($0, /"seconds":[0-9.e+-]+/); t = substr($0, RSTART + 10, RLENGTH - 10)
           if (match($0, /"taken_seconds":[0-9.e+-]+/)) t += substr($0, RSTART + 16, RLENGTH - 16); print t }'
}

missed=0
printf '%-10s %8s %8s %8s   asked\n' model median least most
for task in "lenet5 mnist 400" "mlp mnist 3000" "resnet20 cifar10 100"; do
  read -r model data steps <<<"$task"
  seconds "$model" "$data" 20 >/dev/null
  for ((round = 0; round < ${ROUNDS:-5}; ++round)); do
    without=$(seconds "$model" "$data" "$steps")
    with=$(seconds "$model" "$data" "$steps" --health)
    awk -v a="$with" -v b="$without" 'BEGIN { printf "%.4f\n", a / b }'
  done | sort -n >ratios
  read -r median least most < <(awk '{ r[NR] = $1 } END { print r[int((NR + 1) / 2)], r[1], r[NR] }' ratios)
  printf '%-10s %8s %8s %8s   below 1.03\n' "$model" "$median" "$least" "$most"
  awk -v m="$median" 'BEGIN { exit !(m < 1.03) }' || missed=1
done
[ "$gate" != --gate ] || exit "$missed"
