#!/bin/sh
# Makes a static library whose only global symbols are kw_*.
#
#   scripts/seal-static.sh <libkeepwell.a of cargo> <library to write>
#
# Cargo's archive leaves the symbols of the bundled SQLite (and of Rust's runtime) global: a program that has a SQLite of
# its own would get duplicate symbols, or, worse, one of the two would silently serve both. Here all members are linked
# into one object and everything but the interface is made local. Only reading kw_*; nothing is renamed.
set -eu
[ $# -eq 2 ] || { echo "usage: $0 <input.a> <output.a>" >&2; exit 2; }
input=$1
output=$2
LD=${LD:-ld}
OBJCOPY=${OBJCOPY:-objcopy}
AR=${AR:-ar}
NM=${NM:-nm}
# The debug information of Rust and SQLite is six times the library: KEEPWELL_DEBUG=1 keeps it.
strip=--strip-debug
[ -z "${KEEPWELL_DEBUG:-}" ] || strip=
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Groups (COMDAT) are dissolved: their members could otherwise be discarded in favour of another object's, although the
# symbols that refer to them are local from now on.
"$LD" -r --force-group-allocation --whole-archive "$input" -o "$work/all.o"
# Compiler-made tables of Rust (.rmeta and bitcode) say nothing to a C linker.
"$OBJCOPY" --wildcard --keep-global-symbol='kw_*' --remove-section=.llvmbc --remove-section=.llvmcmd \
    $strip "$work/all.o" "$work/keepwell.o"
rm -f "$work/libkeepwell.a"
"$AR" rcsD "$work/libkeepwell.a" "$work/keepwell.o"

others=$("$NM" -g --defined-only "$work/keepwell.o" | awk '$3 !~ /^kw_/ {print $3}')
if [ -n "$others" ]; then
    echo "still global: $others" >&2
    exit 1
fi
if ! "$NM" -g --defined-only "$work/keepwell.o" | grep -q ' T kw_version$'; then
    echo "kw_version is missing: $input is no keepwell" >&2
    exit 1
fi
mv "$work/libkeepwell.a" "$output"
chmod 644 "$output"
