#!/bin/sh
# Installs into a folder, moves the folder elsewhere, and builds and runs programs from the moved tree alone: C and C++,
# shared and static, found by pkg-config; the program `keepwell`; and beside another SQLite, of which each program part must keep its own.
# Ends with "N passed, N failed".
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

check() {
    what=$1; shift
    if "$@" >"$work/log" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        cat "$work/log"
        echo "FAILED: $what"
    fi
}

PREFIX=/opt/first DESTDIR=$work/stage "$root/scripts/install.sh" >"$work/log" 2>&1 || { cat "$work/log"; echo "install: 0 passed, 1 failed"; exit 1; }
mkdir "$work/moved tree"
mv "$work/stage/opt/first" "$work/moved tree/keepwell"
tree=$work/moved/keepwell
# pkg-config's flags are words: the moved tree must also work, so it is reached through a path without blanks.
ln -s "moved tree" "$work/moved"
unset C_INCLUDE_PATH CPLUS_INCLUDE_PATH LIBRARY_PATH LD_LIBRARY_PATH 2>/dev/null
export PKG_CONFIG_LIBDIR="$tree/lib/pkgconfig"
cd "$work" || exit 2

nothing_but_the_interface() {
    others=$(nm -g --defined-only "$tree/lib/libkeepwell.a" | awk 'NF == 3 && $3 !~ /^kw_/ {print $3}')
    [ -z "$others" ] || { echo "$others"; return 1; }
}
exports_nothing_else() {
    others=$(nm -D --defined-only "$tree/lib/libkeepwell.so" | awk '$3 !~ /^kw_/ {print $3}')
    [ -z "$others" ] || { echo "$others"; return 1; }
}
same_interface() {
    nm -D --defined-only "$tree/lib/libkeepwell.so" | awk '{print $3}' | sort >shared.txt
    nm -g --defined-only "$tree/lib/libkeepwell.a" | awk 'NF == 3 {print $3}' | sort >static.txt
    diff shared.txt static.txt
}
no_paths_left() { ! grep -n "opt/first\|$root" "$tree/lib/pkgconfig/keepwell.pc"; }
links_are_relative() { [ "$(readlink "$tree/lib/libkeepwell.so")" = "$(basename "$(readlink "$tree/lib/libkeepwell.so")")" ] && [ -e "$tree/lib/libkeepwell.so" ]; }
command_line_migrates() {
    mkdir -p migrations && echo "CREATE TABLE a(x);" >migrations/1_a.up.sql
    "$tree/bin/keepwell" migrate up --database app.db && [ -e app.db ]
}
version_agrees() { [ "$(pkg-config --modversion keepwell)" = "$(./c_shared version)" ]; }
program_is_of_this_version() { [ "$("$tree/bin/keepwell" --version)" = "keepwell $(pkg-config --modversion keepwell)" ]; }
program_needs_no_library() { ! readelf -d "$tree/bin/keepwell" | grep -q 'NEEDED.*keepwell'; }
program_migrates() {
    mkdir migrations && echo 'CREATE TABLE t(a);' >migrations/1_t.up.sql && "$tree/bin/keepwell" migrate --database app.db up && [ -e app.db ]
}
needs_the_soname() { readelf -d c_shared | grep -q 'NEEDED.*libkeepwell\.so\.[0-9]'; }
needs_no_library() { ! readelf -d c_static | grep -q 'NEEDED.*keepwell'; }

cat >program.c <<'C'
#include <keepwell.h>
#include <stdio.h>
int main(int argc, char **argv) {
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    kw_rows rows = 0;
    int64_t answer = 0;
    (void)argv;
    if (argc > 1) return puts(kw_version()) < 0;
    if (kw_config_new(&config, &err) != KW_OK || kw_config_load_uri(config, ":memory:", 8, &err) != KW_OK ||
        kw_open(config, &store, &err) != KW_OK || kw_query(store, "SELECT 6 * 7", 12, NULL, 0, NULL, &rows, &err) != KW_OK ||
        kw_rows_step(rows, &err) != KW_ROW || kw_rows_int64(rows, 0, &answer, &err) != KW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    kw_rows_close(rows);
    kw_config_free(config);
    return kw_store_close(store, -1, &err) == KW_OK && answer == 42 ? 0 : 1;
}
C
cat >program.cpp <<'CPP'
#include <keepwell.hpp>
int main() {
    try {
        return keepwell::Store::open(":memory:").query_value<int>("SELECT 6 * ?", 7) == 42 ? 0 : 1;
    } catch (const keepwell::Error&) {
        return 2;
    }
}
CPP
# A program with a SQLite of its own: the system's where there is one, and always a stand-in that answers as no SQLite would.
cat >other.c <<'C'
#include <keepwell.h>
#include <stdio.h>
#include <string.h>
const char *sqlite3_libversion(void);
int main(void) {
    kw_error err = KW_ERROR_INIT;
    kw_config config = 0;
    kw_store store = 0;
    kw_rows rows = 0;
    const char *version = NULL;
    size_t size = 0;
    if (kw_config_new(&config, &err) != KW_OK || kw_config_load_uri(config, ":memory:", 8, &err) != KW_OK ||
        kw_open(config, &store, &err) != KW_OK || kw_query(store, "SELECT sqlite_version()", 23, NULL, 0, NULL, &rows, &err) != KW_OK ||
        kw_rows_step(rows, &err) != KW_ROW || kw_rows_text(rows, 0, &version, &size, &err) != KW_OK) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    printf("keepwell's SQLite is %s, the program's is %s\n", version, sqlite3_libversion());
    int same = strcmp(version, sqlite3_libversion()) == 0;
    kw_rows_close(rows);
    kw_config_free(config);
    kw_store_close(store, -1, &err);
    return same;
}
C
cat >standin.c <<'C'
#include <stdlib.h>
const char *sqlite3_libversion(void) { return "the program's own"; }
int sqlite3_open_v2(void) { abort(); }
int sqlite3_prepare_v2(void) { abort(); }
int sqlite3_prepare_v3(void) { abort(); }
int sqlite3_step(void) { abort(); }
int sqlite3_initialize(void) { abort(); }
int sqlite3_close_v2(void) { abort(); }
void *sqlite3_malloc64(void) { abort(); }
C

check "the static library holds kw_* alone" nothing_but_the_interface
check "the shared library exports kw_* alone" exports_nothing_else
check "both libraries have the same functions" same_interface
check "keepwell.pc names no folder" no_paths_left
check "the links are relative" links_are_relative
shared="$(pkg-config --cflags --libs keepwell) -Wl,-rpath,$tree/lib"
static="$(pkg-config --cflags keepwell) $(pkg-config --static --libs keepwell | sed "s|-lkeepwell|-Wl,-Bstatic -lkeepwell -Wl,-Bdynamic|")"
check "the program is of the package's version" program_is_of_this_version
check "the program needs no shared library" program_needs_no_library
check "the program migrates" program_migrates
check "a C program builds, shared" cc -std=c11 -Wall -Wextra -Werror -o c_shared program.c $shared
check "and runs" ./c_shared
check "it needs the library by its SONAME" needs_the_soname
check "the version is that of the package" version_agrees
check "a C++ program builds, shared" c++ -std=c++17 -Wall -Wextra -Werror -o cpp_shared program.cpp $shared
check "and runs" ./cpp_shared
check "a C program builds, static" cc -std=c11 -Wall -Wextra -Werror -o c_static program.c $static
check "and runs" ./c_static
check "it needs no shared library" needs_no_library
check "a C++ program builds, static" c++ -std=c++17 -Wall -Wextra -Werror -o cpp_static program.cpp $static
check "and runs" ./cpp_static
check "static beside another SQLite builds" cc -std=c11 -o other_static other.c standin.c $static
check "and each has its own" ./other_static
check "shared beside another SQLite builds" cc -std=c11 -o other_shared other.c standin.c $shared
check "and each has its own" ./other_shared
if echo 'int main(void) { return 0; }' | cc -x c - -o /dev/null -lsqlite3 2>/dev/null; then
    check "static beside the system's SQLite builds" cc -std=c11 -o system_static other.c $static -lsqlite3
    check "and each has its own" ./system_static
    check "the system's SQLite first" cc -std=c11 -o system_first other.c -lsqlite3 $static
    check "and each has its own" ./system_first
    check "shared beside the system's SQLite builds" cc -std=c11 -o system_shared other.c -lsqlite3 $shared
    check "and each has its own" ./system_shared
else
    echo "skipped: no SQLite of the system to link beside keepwell"
fi
cd / || exit 2
echo "install: $passed passed, $failed failed"
[ $failed -eq 0 ]
