#!/bin/sh
# Runs tests with many threads under ThreadSanitizer: keepwell and SQLite are instrumented, std is as it comes with the compiler.
#
#   tests/tsan.sh [test...]        default: group stress cancel_race order
#
# std's locks are told to the sanitizer by src/sync/traced.rs. What is left out is named in tests/tsan.supp. Takes some minutes.
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- group stress cancel_race order
for test; do tests="${tests:-} --test $test"; done
export RUSTC_BOOTSTRAP=1 # for -Zsanitizer
export RUSTFLAGS="--cfg keepwell_tsan -Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer"
export CFLAGS="-fsanitize=thread -g"
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target/tsan}" CARGO_PROFILE_DEV_OPT_LEVEL=1
export TSAN_OPTIONS="suppressions=$PWD/tests/tsan.supp history_size=4 ${TSAN_OPTIONS:-}"
export KEEPWELL_RACE_OPERATIONS="${KEEPWELL_RACE_OPERATIONS:-4000}"
exec cargo test --locked --target "$(rustc -vV | sed -n 's/^host: //p')" $tests
