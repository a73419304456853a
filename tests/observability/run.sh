#!/bin/sh
# What ships under examples/observability, and the metrics themselves, against the real parts: promtool, a Prometheus server on a free port of
# loopback that scrapes two programs (load.c), and the official Python parser. Skipped where there is no Prometheus.
#
#   tests/observability/run.sh [pytest's arguments]
#
# KEEPWELL_LIBDIR says where the library is (default: target/release). scripts/setup.sh provides Prometheus and the Python packages.
set -eu
cd "$(dirname "$0")/../.."

here=tests/observability
out=$PWD/target/observability
libdir=${KEEPWELL_LIBDIR:-$PWD/target/release}
python=${PYTHON:-target/venv/bin/python}

# What is in PATH goes first; both have to be of one place.
if command -v prometheus >/dev/null && command -v promtool >/dev/null; then
    PROMETHEUS=$(command -v prometheus)
    PROMTOOL=$(command -v promtool)
else
    PROMETHEUS=$PWD/target/prometheus/usr/bin/prometheus
    PROMTOOL=$PWD/target/prometheus/usr/bin/promtool
fi
if [ ! -x "$PROMETHEUS" ] || [ ! -x "$PROMTOOL" ]; then
    echo "skipped: no prometheus and promtool; 'sh scripts/setup.sh' gets them on Debian, elsewhere put them into PATH"
    exit 0
fi
[ -e "$libdir/libkeepwell.so" ] || { echo "no libkeepwell.so in $libdir: build the library first" >&2; exit 2; }

mkdir -p "$out/lib"
# Programs look for the library under its SONAME, which a build folder does not have.
libdir=$(cd "$libdir" && pwd)
for name in libkeepwell.so libkeepwell.so.0; do ln -sf "$libdir/libkeepwell.so" "$out/lib/$name"; done
${CC:-cc} -std=c11 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -g -O2 -Iinclude -o "$out/load" $here/load.c $here/trouble.c \
    -L"$out/lib" -Wl,-rpath,"$out/lib" -lkeepwell -lpthread

export PROMETHEUS PROMTOOL
# The folders of a run that passed are removed.
KEEPWELL_LOAD=$out/load "$python" -X dev -m pytest -q -p no:cacheprovider \
    -o tmp_path_retention_policy=failed -o tmp_path_retention_count=1 $here "$@"
