#!/usr/bin/env bash
# bench/training.sh SOMA: what surrounds the steps of training, on this machine, against what is asked of it: reading a large table,
# checkpoints of 100 MB, waiting for data, and memory against what `soma summary` predicts. Needs SOMA_DATA for the last two.
set -euo pipefail
soma=$(realpath "${1:-build/bin/soma}")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"

field() { grep -o "\"$1\":[0-9.e+-]*" | head -1 | cut -d: -f2; }
row() { printf '%-44s %14s   %s\n' "$1" "$2" "$3"; }
row what measured asked

awk 'BEGIN { srand(1)
  for (c = 1; c <= 20; ++c) printf "c%d%s", c, c < 20 ? "," : "\n"
  for (r = 0; r < 1000000; ++r) for (c = 1; c <= 20; ++c) printf "%.4f%s", 200 * rand() - 100, c < 20 ? "," : "\n" }' >big.csv
begin=$(date +%s.%N)
"$soma" data info big.csv --json >/dev/null
row "CSV, 1,000,000 rows of 20, read and hashed" "$(echo "$(date +%s.%N) - $begin" | bc) s" "below 3 s"
rm big.csv

cat >wide.json <<'JSON'
{"soma_model": 1, "name": "wide", "input": [28, 28, 1], "layers": [
  {"type": "dense", "units": 2560, "activation": "relu"}, {"type": "dense", "units": 2560, "activation": "relu"},
  {"type": "dense", "units": 10}]}
JSON
stall=$("$soma" train wide.json --data glyphs --steps 130 --checkpoint-every 60 --out wide --json 2>/dev/null | field checkpoint_stall_seconds)
row "checkpoint of $(($(stat -c %s wide/checkpoint.safetensors) / 1000000)) MB holds a step up" "$stall s" "below 0.3 s"
rm -r wide

[ -n "${SOMA_DATA:-}" ] || { echo "SOMA_DATA is not set: no models on their own data"; exit 0; }
for task in "lenet5 mnist 200" "resnet20 cifar10 60 --augment flip,crop=4" "char-lstm tinyshakespeare 60" "char-gpt tinyshakespeare 60"; do
  read -r model data steps more <<<"$task"
  predicted=$("$soma" summary "$model" --data "$data" --json 2>/dev/null | field predicted_peak)
  # shellcheck disable=SC2086  # options, if any
  out=$("$soma" train "$model" --data "$data" --steps "$steps" $more --out "$model" --json 2>/dev/null)
  row "$model: peak memory over predicted" "$(echo "scale=3; $(field peak_memory_bytes <<<"$out") / $predicted" | bc)" "at most 1.2"
  case $model in lenet5 | resnet20)
    row "$model: share of time waiting for data" \
      "$(awk -v a="$(field data_seconds <<<"$out")" -v b="$(field seconds <<<"$out")" 'BEGIN { printf "%.2f %%", 100 * a / b }')" "below 2 %" ;;
  esac
done
