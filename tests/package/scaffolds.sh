#!/usr/bin/env bash
# scaffolds.sh --prefix DIR --work DIR [--generator G] [--cxx COMPILER]
# Writes a plugin of every kind with `soma new-plugin` of the installation at PREFIX, builds each out of the tree and
# runs its tests, which train with it and certify it; asks for a refusal where one is due. Prints the author's lines of
# code per kind.
set -euo pipefail
generator=Ninja cxx=g++
while [ $# -gt 0 ]; do
  declare "${1#--}=$2"
  shift 2
done
soma=$prefix/bin/soma
rm -rf "$work"
mkdir -p "$work"
cd "$work"

fail() { echo "$*" >&2; exit 1; }
refuses() {  # STATUS SENTENCE ARGUMENTS...: new-plugin exits with STATUS, says SENTENCE and leaves nothing
  local status=$1 sentence=$2 said code=0
  shift 2
  said=$("$soma" new-plugin "$@" 2>&1) || code=$?
  [ "$code" = "$status" ] || fail "new-plugin $*: expected exit code $status, got $code: $said"
  case $said in *"$sentence"*) ;; *) fail "new-plugin $*: expected \"$sentence\", got: $said" ;; esac
}
code_lines() { sed -e 's|//.*||' "$@" | grep -c '[^[:space:]]'; }

build_and_test() {
  local kind=$1
  cmake -S "my_$kind" -B "my_$kind/build" -G "$generator" -DCMAKE_CXX_COMPILER="$cxx" -DCMAKE_PREFIX_PATH="$prefix" &&
    cmake --build "my_$kind/build" && ctest --test-dir "my_$kind/build" --verbose
}
kinds=(activation layer loss optimizer backend)
for kind in "${kinds[@]}"; do "$soma" new-plugin "$kind" "my_$kind" >/dev/null; done
for kind in "${kinds[@]}"; do  # two at a time
  build_and_test "$kind" >"$kind.log" 2>&1 && touch "$kind.passed" &
  while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
done
wait
for kind in "${kinds[@]}"; do
  [ -e "$kind.passed" ] || { cat "$kind.log"; fail "the scaffold of a $kind does not build or pass"; }
  lines=$(code_lines "my_$kind/my_$kind.cpp")
  certified=$(grep -oE '^[0-9]+: all +[0-9,]+ +[0-9,]+ +[0-9,]+ +0 ' "$kind.log" | awk '{ print $3 " cases, " $4 " checks" }') || true
  [ -n "$certified" ] && [ -s "my_$kind/build/certificate.html" ] || { cat "$kind.log"; fail "the $kind was not certified"; }
  echo "$kind: $lines lines of code; $(grep -c 'weights ' "$kind.log") trainings with the same bits; certified: $certified"
  most=100
  case $kind in activation) most=15 ;; backend) most=400 ;; esac
  [ "$lines" -le "$most" ] || fail "a $kind takes more than $most lines"
done

refuses 1 "my_loss exists already" loss my_loss
refuses 2 "expected up to 40 of a-z, 0-9 and '_', a letter first, got '9lives'" layer 9lives
refuses 2 "there is an activation 'relu' already" activation relu
refuses 2 "there is a layer 'dense' already" layer dense
refuses 2 "KIND" nonsense name
[ ! -e relu ] && [ ! -e dense ] && [ ! -e name ] || fail "a refused plugin left something behind"
