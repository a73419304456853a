#!/bin/sh
# Builds and runs all benches and prints one table: see README.md. QUICK=1 for fewer rounds on a smaller table.
set -eu
cd "$(dirname "$0")/.."
python=target/venv/bin/python # has the peers that are not part of Python
[ -x "$python" ] || python=python3
exec "$python" benches/run.py ${QUICK:+--quick} "$@"
