#!/bin/sh
# The whole suite, or the parts named: rust models c processes observability python go install. Every part runs even when an earlier one failed; the exit code
# says whether all passed. Expects a release build and what scripts/setup.sh provides.
set -u
cd "$(dirname "$0")/.."
failed=

part() {
    name=$1; shift
    printf '\n==== %s\n' "$name"
    start=$(date +%s)
    if "$@"; then
        echo "==== $name: passed in $(($(date +%s) - start)) s"
    else
        failed="$failed $name"
        echo "==== $name: FAILED"
    fi
}

rust() { cargo test --locked; }

# Every interleaving of the lock code. The crate is built with loom's locks, so it has a target folder of its own.
models() { RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR=target/loom cargo test --locked --lib models; }

c() {
    sh tests/c/run.sh gates && sh tests/c/run.sh plain && sh tests/c/run.sh asan && sh tests/c/run.sh valgrind
}

# Writers of five languages on one file, and writers that are killed.
processes() { sh tests/processes/run.sh; }

# Metrics, dashboard and alerts against a real Prometheus; skipped where there is none.
observability() { sh tests/observability/run.sh; }

python() {
    (cd bindings/python && ../../target/venv/bin/python -X dev -m pytest -q) &&
        (cd bindings/python && ../../target/venv/bin/python -X dev -X keepwell_road=portable -m pytest -q)
}

go() {
    for module in bindings/go bindings/go/keepwellprom; do
        (cd "$module" && command go vet ./... && command go test -race -count=1 ./...) || return
    done
}

install() { sh tests/install/run.sh; }

for name in ${*:-rust models c processes observability python go install}; do
    part "$name" "$name"
done

if [ -n "$failed" ]; then
    printf '\nfailed:%s\n' "$failed"
    exit 1
fi
printf '\nall parts passed\n'
