# keepwell: `make demo` builds the library and runs the main job on real data; `make test` passes the whole suite in every language.
# Both set up what they need first (see scripts/setup.sh).

PREFIX ?= /usr/local
DESTDIR ?=
QUICK ?=
CARGO ?= cargo
PYTHON = target/venv/bin/python

.PHONY: all build setup header demo test test-rust test-models test-c test-python test-go test-install test-observability bench fuzz install lint format clean

all: build

build:
	$(CARGO) build --release --locked

setup:
	sh scripts/setup.sh

# Writes include/keepwell.h from src/ffi. A test fails while the two differ.
header:
	KEEPWELL_UPDATE_HEADER=1 $(CARGO) build --locked

demo: setup build
	sh examples/demo/run.sh

test: setup build
	sh scripts/test.sh

# One language at a time.
test-rust:
	sh scripts/test.sh rust
test-models:
	sh scripts/test.sh models
test-c: build
	sh scripts/test.sh c
test-python: build
	sh scripts/test.sh python
test-go: build
	sh scripts/test.sh go
test-install: build
	sh scripts/test.sh install
test-observability: build
	sh scripts/test.sh observability

bench: setup build
	QUICK=$(QUICK) sh benches/run.sh

# The cache of results against SQLite's own answers, at random: a million comparisons, some ten minutes.
COMPARISONS ?= 1000000
fuzz:
	CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_TARGET_DIR=target/fuzz KEEPWELL_FUZZ_COMPARISONS=$(COMPARISONS) \
		$(CARGO) test --release --locked --test cache_fuzz -- --nocapture

install: build
	PREFIX=$(PREFIX) DESTDIR=$(DESTDIR) sh scripts/install.sh

lint:
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) fmt --check

format:
	$(CARGO) fmt
	gofmt -w bindings/go

clean:
	$(CARGO) clean
