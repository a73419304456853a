#!/bin/sh
# Makes sure that what the build and the tests need is there. As root on Debian (and Ubuntu) it installs missing system packages;
# elsewhere it says what is missing and how to get it. The Python environment is made under target/venv.
set -eu
cd "$(dirname "$0")/.."

have() { command -v "$1" >/dev/null 2>&1; }

packages=
hints=
# need <command> <Debian package> <where else to get it>
need() {
    have "$1" && return
    packages="$packages $2"
    hints="$hints
  $1: $3"
}

need cc gcc "a C compiler (gcc or clang)"
need c++ g++ "a C++17 compiler (g++ or clang++)"
need make make "GNU make"
need nm binutils "binutils"
need pkg-config pkg-config "pkg-config or pkgconf"
need valgrind valgrind "https://valgrind.org"
need python3 python3 "https://www.python.org, 3.9 or later"
need go golang-go "https://go.dev/dl, 1.24 or later (1.26 for the benches)"
need cargo cargo "https://rustup.rs, Rust 1.85 or later"

# On Debian the venv module is a package of its own.
if have python3 && ! python3 -c 'import ensurepip, venv' 2>/dev/null; then
    packages="$packages python3-venv"
    hints="$hints
  python3 venv: the venv and ensurepip modules of your Python"
fi

if [ -n "$packages" ]; then
    if [ "$(id -u)" = 0 ] && have apt-get; then
        echo "setup: installing$packages"
        apt-get update -q >/dev/null
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages >/dev/null
    else
        echo "setup: missing on this machine:$hints" >&2
        echo "On Debian or Ubuntu: sudo apt-get install$packages" >&2
        exit 1
    fi
fi

# Prometheus and promtool, for the part `observability`: the programs of Debian's package, unpacked under target and not installed, so that
# no service is started, now or at the next boot. It can be done without root, and it can fail: the part is skipped then.
unpack_prometheus() {
    [ "$(id -u)" != 0 ] || apt-get update -q >/dev/null || return
    rm -rf target/prometheus
    mkdir -p target/prometheus/package
    (cd target/prometheus/package && apt-get download -q prometheus) >/dev/null 2>&1 &&
        dpkg-deb -x target/prometheus/package/prometheus_*.deb target/prometheus &&
        target/prometheus/usr/bin/promtool --version >/dev/null 2>&1 &&
        rm -rf target/prometheus/package
}
if { ! have prometheus || ! have promtool; } && [ ! -x target/prometheus/usr/bin/promtool ]; then
    if have apt-get && have dpkg-deb; then
        echo "setup: Prometheus for the tests (target/prometheus)"
        unpack_prometheus || rm -rf target/prometheus
    fi
    [ -x target/prometheus/usr/bin/promtool ] ||
        echo "setup: no prometheus and promtool (https://prometheus.io/download, into PATH); the part 'observability' will be skipped"
fi

wanted=bindings/python/requirements-test.txt
if [ ! -x target/venv/bin/python ] || ! cmp -s "$wanted" target/venv/requirements.txt; then
    echo "setup: Python packages for the tests (target/venv)"
    mkdir -p target
    python3 -m venv target/venv
    target/venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$wanted"
    cp "$wanted" target/venv/requirements.txt
fi

for module in bindings/go bindings/go/keepwellprom bindings/go/bench examples/demo/go; do
    [ -f "$module/go.mod" ] || continue
    (cd "$module" && go mod download all 2>/dev/null || go mod download)
done
