#!/bin/sh
# Builds all C and C++ tests and examples against the built library and runs them.
#
#   tests/c/run.sh [plain|asan|valgrind|gates] [name...]
#
# plain     as they are (default)          asan   with AddressSanitizer, LeakSanitizer and UBSan in the tests
# valgrind  under memcheck, leaks included  gates  the headers alone, in every language version, with every warning
#
# Only the programs whose name holds one of the further arguments run. KEEPWELL_LIBDIR says where the library is
# (default: target/release), CC, CXX and CXXSTD which compilers and which C++ to use. Ends with "N passed, N failed".
set -u
mode=${1:-plain}
[ $# -gt 0 ] && shift
root=$(cd "$(dirname "$0")/../.." && pwd)
libdir=${KEEPWELL_LIBDIR:-$root/target/release}
out=$root/target/ctests/$mode
cc=${CC:-cc}
cxx=${CXX:-c++}
[ "$mode" = gates ] && exec "$root/tests/c/header_gate.sh"
[ -e "$libdir/libkeepwell.so" ] || { echo "no libkeepwell.so in $libdir: build the library first" >&2; exit 2; }
mkdir -p "$out/lib"
# Programs look for the library under its SONAME, which a build folder does not have.
for name in libkeepwell.so libkeepwell.so.0; do ln -sf "$libdir/libkeepwell.so" "$out/lib/$name"; done

warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -g"
link="-L$out/lib -Wl,-rpath,$out/lib -lkeepwell -lpthread -lm"
run=
case $mode in
plain) flags=-O2 ;;
asan)
    flags="-O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined"
    export ASAN_OPTIONS="${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}"
    ;;
valgrind)
    flags=-O1
    run="valgrind -q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite --num-callers=30 --fair-sched=yes --suppressions=$root/tests/c/valgrind.supp"
    export KEEPWELL_TEST_ROUNDS="${KEEPWELL_TEST_ROUNDS:-20}"
    ;;
*) echo "usage: $0 [plain|asan|valgrind|gates] [name...]" >&2; exit 2 ;;
esac
export KEEPWELL_ROOT=$root
passed=0
failed=0

wanted() {
    [ $# -eq 1 ] && return 0
    program=$1; shift
    for part; do case $program in *"$part"*) return 0 ;; esac; done
    return 1
}

# play <program> <log>: runs one program, shows what it says when it fails, and adds up its closing line.
play() {
    $run "$1" >"$2" 2>&1 </dev/null
    status=$?
    counts=$(tail -n 1 "$2" | sed -n 's/.*: \([0-9][0-9]*\) passed, \([0-9][0-9]*\) failed$/\1 \2/p')
    if [ -n "$counts" ]; then
        passed=$((passed + ${counts% *}))
        failed=$((failed + ${counts#* }))
    fi
    if [ $status -eq 0 ] && [ -n "$counts" ]; then
        tail -n 1 "$2"
        grep '^skipped:' "$2"
        return
    fi
    cat "$2"
    [ "${counts#* }" != 0 ] && [ -n "$counts" ] || failed=$((failed + 1))
    echo "$(basename "$1"): FAILED with status $status"
}

# example <program> <log>: an example passes when it ends well and says something.
example() {
    (cd "$out" && $run "$1") >"$2" 2>&1 </dev/null
    status=$?
    if [ $status -eq 0 ] && [ -s "$2" ]; then
        passed=$((passed + 1))
        echo "example $(basename "$1"): passed"
    else
        failed=$((failed + 1))
        cat "$2"
        echo "example $(basename "$1"): FAILED with status $status"
    fi
}

build() {
    case $1 in
    *.c) $cc -std=c11 $warnings $flags -I"$root/include" -I"$root/tests/c" -o "$2" "$1" $link ;;
    *) $cxx -std="${CXXSTD:-c++17}" $warnings $flags -I"$root/include" -I"$root/tests/c" -o "$2" "$1" $link ;;
    esac
}

for source in "$root"/tests/c/*.c "$root"/tests/cpp/*.cpp "$root"/examples/c/*.c "$root"/examples/cpp/*.cpp; do
    [ -e "$source" ] || continue
    name=$(basename "$source")
    wanted "$name" "$@" || continue
    case $source in
    */examples/*) kind=example ;;
    *) kind=play ;;
    esac
    program=$out/$(echo "$kind-$name" | tr . _)
    if build "$source" "$program"; then
        $kind "$program" "$program.log"
    else
        failed=$((failed + 1))
        echo "$name: FAILED to build"
    fi
done
echo "C and C++ tests ($mode): $passed passed, $failed failed"
[ $failed -eq 0 ]
