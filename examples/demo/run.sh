#!/bin/sh
# The main job: five programs in five languages share one database file. First in turn: each one loads its fifth of this project's own
# dependency graph, asks questions from several threads and makes every kind of error. Then all at once, and the totals must agree.
# Needs the library in target/release, and cargo, cc, c++, go and python3.
set -eu
cd "$(dirname "$0")/../.."

here=examples/demo
out=target/demo
db=$out/demo.db
transactions=${TRANSACTIONS:-500} # of each of four threads of each program
python=${PYTHON:-python3}
languages="c cpp python go rust"
began=$(date +%s)

fail() { echo "demo: $*" >&2; exit 1; }

[ -f target/release/libkeepwell.so ] || fail "target/release/libkeepwell.so is not there: run 'cargo build --release' first"
mkdir -p "$out/lib"
rm -f "$db" "$db"-* "$out"/*.log
for name in libkeepwell.so libkeepwell.so.0; do ln -sf ../../release/libkeepwell.so "$out/lib/$name"; done
lib=$PWD/$out/lib

# -- build: the slow ones side by side --

build_c() {
    ${CC:-cc} -std=c11 -O2 -Wall -Wextra -Iinclude $here/demo.c $here/demo_report.c $here/demo_errors.c -o $out/demo-c -L"$lib" -lkeepwell -Wl,-rpath,"$lib" -lpthread
}
build_cpp() {
    ${CXX:-c++} -std=c++17 -O2 -Wall -Wextra -Iinclude $here/demo.cpp -o $out/demo-cpp -L"$lib" -lkeepwell -Wl,-rpath,"$lib" -lpthread
}
build_go() { (cd $here/go && go build -ldflags "-r $lib" -o "../../../$out/demo-go" .); }
build_rust() { cargo build --quiet --release --locked --example demo; }

echo "Building the programs in C, C++, Go and Rust ..."
build_rust & rust=$!
build_go & go=$!
broken=
build_c || broken="$broken C"
build_cpp || broken="$broken C++"
wait $go || broken="$broken Go"
wait $rust || broken="$broken Rust"
[ -z "$broken" ] || fail "not built:$broken"

# What this machine has already is enough; the network is the second choice.
metadata() {
    platform=$(rustc -vV | sed -n 's/^host: //p')
    cargo metadata --format-version 1 --locked --filter-platform "$platform" "$@"
}
metadata --offline >$out/metadata.json 2>/dev/null || metadata >$out/metadata.json
$python $here/graph.py <$out/metadata.json >$out/graph.tsv

# -- run --

# Runs the program of one language.
demo() {
    language=$1
    shift
    case $language in
    python) PYTHONPATH=bindings/python $limit "$python" $here/demo.py "$db" "$@" ;;
    rust) $limit target/release/examples/demo "$db" "$@" ;;
    *) $limit "$out/demo-$language" "$db" "$@" ;;
    esac
}
limit=
if command -v timeout >/dev/null; then limit="timeout 60"; fi

# Breaks long lines between words and keeps their indentation.
show() {
    awk -v width=120 '{
        indent = /^  savepoint/ ? 13 : match($0, /[^ ]/) - 1
        while (length($0) > width) {
            at = width
            while (at > indent + 1 && substr($0, at, 1) != " ") at--
            if (at <= indent + 1) break
            print substr($0, 1, at - 1)
            $0 = sprintf("%" indent "s%s", "", substr($0, at + 1))
        }
        print
    }' "$1"
}
rule() { echo "------------------------------------------------------------------------------------------------------------"; }

for language in $languages; do
    rule
    status=0
    demo "$language" $here/schema.sql $out/graph.tsv >"$out/$language.log" || status=$?
    show "$out/$language.log"
    [ $status = 0 ] || fail "the program in $language ended with $status"
done

rule
echo "All five at the same time, each with four threads, on the same file"
echo
for language in $languages; do
    demo "$language" --together "$transactions" >"$out/$language.log" &
    eval "pid_$language=$!"
done
failed=
for language in $languages; do
    eval "wait \$pid_$language" || failed="$failed $language"
    cat "$out/$language.log"
done
[ -z "$failed" ] || fail "failed beside the others:$failed"

echo
printf '  %-8s%14s%14s%14s%14s%14s%14s  %s\n' totals packages dependencies promised counter notes hand-overs integrity
for language in $languages; do
    demo "$language" --totals >"$out/$language.log" || fail "the totals of the program in $language are wrong"
    cat "$out/$language.log"
done

# -- verify: everybody sees the same, and it is what it has to be --

count() { grep -c "^$1	" $out/graph.tsv; }
commits=$((5 * 4 * transactions))
seen=$(for language in $languages; do sed 's/^  [^ ]* *//; s/  */ /g' "$out/$language.log"; done | sort -u)
[ "$(echo "$seen" | wc -l)" -eq 1 ] || fail "the programs see different totals"
case $seen in
"$(count package) $(count edge) $commits $commits $commits "*" ok") ;;
*) fail "the totals should be $(count package) packages, $(count edge) dependencies and $commits commits" ;;
esac
echo
echo "All five agree: $(count package) packages, $(count edge) dependencies, $commits commits; $(($(date +%s) - began)) seconds with building."
