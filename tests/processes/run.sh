#!/bin/sh
# Many processes on one file, and processes that are killed. Builds its programs against the library in target/release and runs them.
#
#   tests/processes/run.sh [writers|crash|migrators]...
#
# writers  eight writers of five languages: see writers.py (WRITERS="SYNCHRONOUS THREADS OPERATIONS" for others)
# migrators  programs of five languages that migrate one file at the same time, or are killed: see migrators.py
# crash    kill -9 of busy writers: see crash.c (KEEPWELL_TEST_ROUNDS, KEEPWELL_TEST_SECONDS)
set -eu
cd "$(dirname "$0")/../.."

here=tests/processes
out=target/processes
python=${PYTHON:-target/venv/bin/python}
[ -e "$python" ] || python=python3
[ -f target/release/libkeepwell.so ] || { echo "target/release/libkeepwell.so is not there: run 'cargo build --release' first" >&2; exit 2; }
mkdir -p $out/lib
# Programs look for the library under its SONAME, which a build folder does not have.
for name in libkeepwell.so libkeepwell.so.0; do ln -sf ../../release/libkeepwell.so "$out/lib/$name"; done
lib=$PWD/$out/lib
warnings="-Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -g -O2"
link="-L$lib -Wl,-rpath,$lib -lkeepwell -lpthread -lm"

writers() {
    ${CC:-cc} -std=c11 $warnings -Iinclude -o $out/writer-c $here/writer.c $link
    ${CXX:-c++} -std="${CXXSTD:-c++17}" $warnings -Iinclude -o $out/writer-cpp $here/writer.cpp $link
    cargo build --quiet --release --locked --example writer
    cp target/release/examples/writer $out/writer-rust
    rm -f $out/writer-go
    if command -v go >/dev/null; then (cd $here/go && go build -ldflags "-r $lib" -o ../../../$out/writer-go .); fi
    # shellcheck disable=SC2086 # the numbers are several arguments
    PYTHONPATH=bindings/python timeout 300 "$python" $here/writers.py $out ${WRITERS:-}
}

crash() {
    ${CC:-cc} -std=c11 $warnings -Iinclude -Itests/c -o $out/crash $here/crash.c $link
    $out/crash
}

migrators() {
    ${CC:-cc} -std=c11 $warnings -Iinclude -o $out/migrator-c $here/migrator.c $link
    ${CXX:-c++} -std="${CXXSTD:-c++17}" $warnings -Iinclude -o $out/migrator-cpp $here/migrator.cpp $link
    rm -f $out/migrator-go
    if command -v go >/dev/null; then (cd $here/go && go build -ldflags "-r $lib" -o ../../../$out/migrator-go ./migrate); fi
    [ -x target/release/keepwell ] || cargo build --quiet --release --locked
    PYTHONPATH=bindings/python timeout 300 "$python" $here/migrators.py $out target/release/keepwell
}

for part in ${*:-writers crash migrators}; do "$part"; done
