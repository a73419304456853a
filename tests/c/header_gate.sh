#!/bin/sh
# Compiles keepwell.h and keepwell.hpp alone, in every language version the compilers know, with every warning an error.
# What must not compile is tried as well: views that would dangle, options after the SQL. Ends with "N passed, N failed".
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

cat >"$work/c.c" <<'C'
#include <keepwell.h>
#include <keepwell.h>
static kw_error error = KW_ERROR_INIT;
kw_status use(kw_store store);
kw_status use(kw_store store) {
    kw_options options = KW_OPTIONS_INIT;
    kw_result result = KW_RESULT_INIT;
    kw_batch batch = KW_BATCH_INIT;
    kw_fetch fetch = KW_FETCH_INIT;
    kw_stats stats = KW_STATS_INIT;
    kw_health health = KW_HEALTH_INIT;
    kw_statement_info info = KW_STATEMENT_INFO_INIT;
    (void)batch; (void)fetch; (void)stats; (void)health; (void)info;
    return kw_execute(store, "SELECT 1", KW_NUL_TERMINATED, NULL, 0, &options, &result, &error);
}
C
cp "$work/c.c" "$work/c.cpp"
cat >"$work/hpp.cpp" <<'CPP'
#include <keepwell.hpp>
#include <keepwell.hpp>
int use(keepwell::Store& store);
int use(keepwell::Store& store) {
    for (auto [id, name] : store.query("SELECT ?, ?", 1, "x").as<int, std::string_view>()) return id + static_cast<int>(name.size());
    for (const auto& row : store.query(keepwell::Options().read_only(), "SELECT 1")) return row.get<int>(0);
    return store.query_value<int>("SELECT 1");
}
CPP

# gate <what> <compiler> <flags...> <source>
gate() {
    what=$1; shift
    if "$@" -fsyntax-only -I"$root/include" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        cat "$work/log"
        echo "FAILED: $what"
    fi
}

# refuses <what> <part of the message> <line of C++>
refuses() {
    printf '#include <keepwell.hpp>\nvoid use(keepwell::Store& store);\nvoid use(keepwell::Store& store) { %s }\n' "$3" >"$work/no.cpp"
    if c++ -std=c++17 -fsyntax-only -I"$root/include" "$work/no.cpp" >"$work/log" 2>&1; then
        failed=$((failed + 1))
        echo "FAILED: compiles, but must not: $1"
    elif grep -q "$2" "$work/log"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        head -n 20 "$work/log"
        echo "FAILED: refused without saying \"$2\": $1"
    fi
}

strict="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror"
for cc in gcc clang; do
    command -v $cc >/dev/null || continue
    for std in c99 c11 c17 c2x gnu11; do
        $cc -std=$std -fsyntax-only -x c /dev/null 2>/dev/null || continue
        gate "keepwell.h as $std by $cc" $cc -std=$std $strict -Wstrict-prototypes "$work/c.c"
    done
done
for cxx in g++ clang++; do
    command -v $cxx >/dev/null || continue
    for std in c++11 c++14 c++17 c++20 c++23; do
        $cxx -std=$std -fsyntax-only -x c++ /dev/null 2>/dev/null || continue
        gate "keepwell.h as $std by $cxx" $cxx -std=$std $strict "$work/c.cpp"
    done
    for std in c++17 c++20 c++23; do
        $cxx -std=$std -fsyntax-only -x c++ /dev/null 2>/dev/null || continue
        gate "keepwell.hpp as $std by $cxx" $cxx -std=$std $strict -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor "$work/hpp.cpp"
    done
done
refuses "a view out of query_value" "outlives its buffer" 'store.query_value<std::string_view>("SELECT 1");'
refuses "views out of all()" "outlives the batches" 'store.query("SELECT 1").all<int, std::string_view>();'
refuses "options after the SQL" "Options come before the SQL" 'store.query("SELECT 1", keepwell::Options());'
refuses "a character as a number" "no such parameter type" "store.query(\"SELECT ?\", 'x');"
refuses "a result type that is none" "no such result type" 'store.query_value<std::vector<int>>("SELECT 1");'
refuses "a temporary kept by Parameters" "would be gone before the call" 'keepwell::Parameters p; p.add(std::string("x")); store.query("SELECT ?", p);'
refuses "copying a store" "deleted" 'keepwell::Store copy = store;'
echo "header gates: $passed passed, $failed failed"
[ $failed -eq 0 ]
