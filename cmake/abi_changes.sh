#!/usr/bin/env bash
# abi_changes.sh OLD.h NEW.h: prints what changed between two versions of framework/abi/soma/abi.h, one line each.
# Exit status 0: everything that OLD promises, NEW keeps (tables grew at the end, names were added); 1: it does not, and
# lines that begin with "breaks" say where; 2: wrong usage.
set -euo pipefail
if [ $# -ne 2 ] || [ ! -r "$1" ] || [ ! -r "$2" ]; then
  echo "usage: $0 OLD.h NEW.h" >&2
  exit 2
fi

# What a header promises, one fact a line: kind, owner, name, text; members of a struct in their order.
facts() {
  "${CC:-cc}" -E -P -fpreprocessed -dD -x c "$1" | awk '
    function tidy(s) { gsub(/[ \t\n]+/, " ", s); gsub(/^ | $/, "", s); return s }
    function fact(kind, owner, name, text) { print kind "\t" owner "\t" name "\t" text }
    # One declaration of members: "uint16_t major, minor", "void (*close)(soma_context* context)".
    function members(owner, text,    name, list, n, i, type) {
      text = tidy(text)
      if (match(text, /\(\*[ ]?[a-z_0-9]+\)/)) {
        name = substr(text, RSTART, RLENGTH); gsub(/[^a-z_0-9]/, "", name)
        sub(/\(\*[ ]?[a-z_0-9]+\)/, "(*)", text)
        fact("member", owner, name, text)
        return
      }
      n = split(text, list, /, ?/)
      type = list[1]; sub(/[a-z_0-9]+(\[[A-Za-z_0-9]+\])?$/, "", type)
      for (i = 1; i <= n; ++i) {
        match(list[i], /[a-z_0-9]+(\[[A-Za-z_0-9]+\])?$/)
        name = substr(list[i], RSTART, RLENGTH)
        extent = ""; if (match(name, /\[.*/)) { extent = substr(name, RSTART); sub(/\[.*/, "", name) }
        fact("member", owner, name, tidy(type) extent)
      }
    }
    function statement(s,    body, name, n, i, list, pair) {
      s = tidy(s)
      if (s ~ /^SOMA_/ || s == "") return
      if (s ~ /^enum ?\{/) {
        body = s; sub(/^enum ?\{/, "", body); sub(/\}.*/, "", body)
        n = split(body, list, /,/)
        for (i = 1; i <= n; ++i) if (split(tidy(list[i]), pair, / ?= ?/) == 2) fact("constant", "-", pair[1], pair[2])
      } else if (s ~ /^typedef struct [a-z_0-9]+ ?\{/) {
        name = s; sub(/^typedef struct /, "", name); sub(/ ?\{.*/, "", name)
        body = s; sub(/^[^{]*\{/, "", body); sub(/\}[^}]*$/, "", body)
        fact("struct", name, "-", "-")
        n = split(body, list, /;/)
        for (i = 1; i <= n; ++i) if (tidy(list[i]) != "") members(name, list[i])
      } else {
        match(s, /\(\*[ ]?[a-z_0-9]+\)/)
        if (RSTART) { name = substr(s, RSTART, RLENGTH); gsub(/[^a-z_0-9]/, "", name) }
        else { n = split(s, list, / /); name = list[n] }
        fact("type", "-", name, s)
      }
    }
    /^#define SOMA_(ABI_H_|LAYOUT|AT|CONCAT)/ { next }
    /^#define / { name = $2; text = $0; sub(/^#define [^ ]+ ?/, "", text); fact("macro", "-", name, tidy(text)); next }
    /^#/ || /^extern "C"/ || /^}$/ { next }
    {
      line = $0 " "
      while (match(line, /[{};]/)) {
        sign = substr(line, RSTART, 1)
        held = held substr(line, 1, RSTART)
        line = substr(line, RSTART + 1)
        if (sign == "{") ++depth
        if (sign == "}") --depth
        if (sign == ";" && depth == 0) { sub(/;$/, "", held); statement(held); held = "" }
      }
      held = held line
    }'
}

awk -F'\t' -v OFS='\t' '
  FNR == NR { if ($1 == "member") old_member[$2, old_count[$2]++] = $3 OFS $4; else { old[$1, $2, $3] = $4 }
              order[++facts] = $0; next }
            { if ($1 == "member") { new_member[$2, new_count[$2]++] = $3 OFS $4 } else { new[$1, $2, $3] = $4 }
              new_order[++new_facts] = $0 }
  function breaks(text) { print "breaks: " text; broken = 1 }
  function shown(member,    part) {
    split(member, part, OFS)
    if (sub(/\(\*\)/, "(*" part[1] ")", part[2])) return part[2]
    return part[2] " " part[1]
  }
  function compare_struct(name,    i, was, is, fixed) {
    if (!(("struct", name, "-") in new)) { breaks("struct " name " is gone"); return }
    fixed = old_member[name, 0] !~ /^struct_size/
    for (i = 0; i < old_count[name]; ++i) {
      was = old_member[name, i]; is = i < new_count[name] ? new_member[name, i] : ""
      if (was == is) continue
      split(was, a, OFS); split(is, b, OFS)
      if (a[1] == "reserved" && a[2] == b[2]) { print "uses:   " name ".reserved is now " b[1]; continue }
      breaks(name ", member " i + 1 ": was " shown(was) ", is " (is == "" ? "gone" : shown(is)))
      return
    }
    for (; i < new_count[name]; ++i) {
      if (fixed) breaks(name " has no struct_size and may not grow: " shown(new_member[name, i]))
      else { print "grows:  " name " by " shown(new_member[name, i]); grown = 1 }
    }
  }
  END {
    for (k = 1; k <= facts; ++k) {
      split(order[k], f, OFS)
      if (f[1] == "struct") compare_struct(f[2])
      else if (f[1] != "member") {
        if (!((f[1], f[2], f[3]) in new)) { breaks(f[1] " " f[3] " is gone"); continue }
        is = new[f[1], f[2], f[3]]
        if (is == f[4]) continue
        if (f[3] == "SOMA_ABI_MINOR" && is + 0 > f[4] + 0) { print "minor:  " f[4] " -> " is; raised = 1 }
        else if (f[3] == "SOMA_ABI_SECTION") print "tag:    " f[4] " -> " is
        else breaks(f[1] " " f[3] ": was " f[4] ", is " is)
      }
    }
    for (k = 1; k <= new_facts; ++k) {
      split(new_order[k], f, OFS)
      if (f[1] == "member" || (f[1], f[2], f[3]) in old) continue
      print "adds:   " f[1] " " (f[1] == "struct" ? f[2] : f[3]); grown = 1
    }
    if (grown && !raised && !broken) print "note:   it grew, and SOMA_ABI_MINOR is still the same"
    exit broken
  }' <(facts "$1") <(facts "$2")
