#!/usr/bin/env bash
# changes_test.sh SOURCE: today's header against that of ABI 1.0, and what cmake/abi_changes.sh says of headers that
# were changed on purpose.
set -euo pipefail
source=$1
here=$(cd "$(dirname "$0")" && pwd)
old=$here/1_0/soma/abi.h
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failures=0

echo "4478ea0d9f975350f79e4a1040c8e434ce9ee4bbf4268c2da075647b26f20914  $old" | sha256sum --check --quiet || { echo "the header of ABI 1.0 is frozen, and was changed"; exit 1; }

echo "from ABI 1.0 to today:"
"$source/cmake/abi_changes.sh" "$old" "$source/framework/abi/soma/abi.h"

# expect STATUS LINE SED: that change gives this exit status and this line among the output.
expect() {
  local status=0
  sed "$3" "$old" >"$work/new.h"
  cmp -s "$old" "$work/new.h" && { echo "the change does nothing: $3"; failures=$((failures + 1)); }
  "$source/cmake/abi_changes.sh" "$old" "$work/new.h" >"$work/out" || status=$?
  if [ "$status" -ne "$1" ] || ! grep -qxF -- "$2" "$work/out"; then
    echo "for the change $3"
    echo "expected status $1 and the line: $2"
    echo "got status $status and: $(cat "$work/out")"
    failures=$((failures + 1))
  fi
}

expect 0 'grows:  soma_host by int32_t more' '/"0.1.0"/s/;/; int32_t more;/'
expect 0 'grows:  soma_backend by void (*more)(int32_t a, int32_t b)' '/^} soma_backend;/s/^/void (*more)(int32_t a, int32_t b);/'
expect 0 'note:   it grew, and SOMA_ABI_MINOR is still the same' '/"0.1.0"/s/;/; int32_t more;/'
expect 0 'minor:  0 -> 1' '/"0.1.0"/s/;/; int32_t more;/; s/ABI_MINOR 0/ABI_MINOR 1/'
expect 0 'uses:   soma_exec.reserved is now priority' '/soma_exec {/,/}/s/int32_t reserved/int32_t priority/'
expect 0 'adds:   constant SOMA_BUSY' 's/SOMA_NO_MEMORY = 4/SOMA_NO_MEMORY = 4, SOMA_BUSY = 5/'
expect 0 'adds:   macro SOMA_MORE' 's/^#define SOMA_MAX_RANK 8/&\n#define SOMA_MORE 1/'
expect 1 'breaks: soma_text has no struct_size and may not grow: int32_t more' 's/size_t capacity;/size_t capacity; int32_t more;/'
expect 1 'breaks: soma_op, member 9: was int32_t output_count, is int64_t output_count' 's/int32_t output_count;/int64_t output_count;/'
expect 1 'breaks: soma_op, member 8: was int32_t input_count, is int32_t output_count' 's/int32_t input_count;//'
expect 1 'breaks: soma_host, member 4: was const char* version, is int32_t before' 's/const char\* version; .*"0.1.0".*/int32_t before; const char* version;/'
expect 1 'breaks: soma_plugin, member 9: was int32_t activation_count, is gone' 's/int32_t activation_count;//'
expect 1 'breaks: soma_tensor, member 3: was int64_t[SOMA_MAX_RANK] dims, is int64_t[4] dims' 's/int64_t dims\[SOMA_MAX_RANK\]/int64_t dims[4]/'
expect 1 'breaks: constant SOMA_FAILED: was 3, is 5' 's/SOMA_FAILED = 3/SOMA_FAILED = 5/'
expect 1 'breaks: constant SOMA_I32 is gone' 's/, SOMA_I32 = 3//'
expect 1 'breaks: macro SOMA_MAX_RANK: was 8, is 6' 's/SOMA_MAX_RANK 8/SOMA_MAX_RANK 6/'
expect 1 'breaks: macro SOMA_ABI_MAJOR: was 1, is 2' 's/ABI_MAJOR 1/ABI_MAJOR 2/'
expect 1 'breaks: struct soma_host is gone' '/^typedef struct soma_host/,/^} soma_host/d'
expect 1 'breaks: type soma_status: was typedef int32_t soma_status, is typedef int64_t soma_status' 's/typedef int32_t soma_status/typedef int64_t soma_status/'
expect 1 'breaks: soma_backend, member 11: was void (*close)(soma_context* context), is int (*close)(soma_context* context)' 's/void (\*close)/int (*close)/'
[ "$failures" -eq 0 ] || { echo "$failures failures"; exit 1; }
