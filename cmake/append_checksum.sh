#!/bin/sh
# append_checksum.sh PLUGIN: puts the SHA-256 of a plugin behind it, and into its ELF header that there is one, so that the host
# sees damage before it runs any code of the file.
set -e
printf SOMA | dd of="$1" bs=1 seek=48 conv=notrunc status=none  # e_flags, unused on x86-64
sum=$(sha256sum <"$1" | cut -d ' ' -f 1)
printf 'SOMA-SHA256 %s\n' "$sum" >>"$1"
