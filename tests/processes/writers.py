"""Eight processes of five languages write into one file at the same time, each with several threads.

    writers.py FOLDER [SYNCHRONOUS THREADS OPERATIONS]     FOLDER holds the programs writer-c, writer-cpp, writer-go (if built) and writer-rust

A writer is started as `writer FILE NAME THREADS OPERATIONS SYNCHRONOUS`, opens the file, says "ready" and waits for a line. Then each thread runs its
operations: of eight, one is a transaction of three rows, one an execute_many of five, one a single write with a deadline of 3 ms, and the
others are single writes. A write that its deadline ended is told as "refused THREAD OPERATION"; any other error ends the process with 1.
At the end a writer closes its store and says "done".

Each row says which process, thread and operation it is of, and how many rows its operation has. So the file can be compared with what was
acknowledged: all of that, nothing that was refused, and no operation in part.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Dict, List, Set, Tuple

import keepwell

HERE = Path(__file__).resolve().parent
SCHEMA = """CREATE TABLE w(process TEXT, thread INTEGER, sequence INTEGER, part INTEGER, parts INTEGER,
                           PRIMARY KEY(process, thread, sequence, part)) WITHOUT ROWID"""
PARTS = {0: 3, 4: 5}
Write = Tuple[str, int, int]


def commands(folder: Path) -> Dict[str, List[str]]:
    """Eight writers; the further ones are of the languages that are there."""
    language = {
        "c": [str(folder / "writer-c")],
        "c++": [str(folder / "writer-cpp")],
        "python": [sys.executable, "-X", "dev", str(HERE / "writer.py")],
        "rust": [str(folder / "writer-rust")],
    }
    if (folder / "writer-go").exists():
        language["go"] = [str(folder / "writer-go")]
    else:
        print("skipped: Go, its writer is not built")
    names = list(language)
    return {f"{names[i % len(names)]}-{i}": language[names[i % len(names)]] for i in range(8)}


def start(command: List[str], name: str, *arguments: object) -> "subprocess.Popen[str]":
    line = [*command, str(arguments[0]), name, *map(str, arguments[1:])]
    return subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def progress(store: keepwell.Store) -> Dict[str, int]:
    """How many operations of each process are in the file."""
    return dict(store.query("SELECT process, count(*) FROM w WHERE part = 0 GROUP BY process"))


def run(path: Path, folder: Path, synchronous: str, threads: int, operations: int, store: keepwell.Store) -> Tuple[Set[Write], Dict[str, int]]:
    """Lets all write; gives what was refused, and how far everybody was when the first was done."""
    writers = {name: start(command, name, path, threads, operations, synchronous) for name, command in commands(folder).items()}
    for name, writer in writers.items():
        assert writer.stdout and writer.stdout.readline() == "ready\n", f"{name} did not start"
    began = time.monotonic()
    for writer in writers.values():
        assert writer.stdin
        writer.stdin.write("go\n")
        writer.stdin.flush()
    while all(writer.poll() is None for writer in writers.values()):
        time.sleep(0.01)
    then = progress(store)
    refused: Set[Write] = set()
    for name, writer in writers.items():
        said = writer.communicate()[0].split("\n")
        assert writer.returncode == 0 and said[-2:] == ["done", ""], f"{name} ended with {writer.returncode}: {said[-3:]}"
        refused |= {(name, int(thread), int(sequence)) for _, thread, sequence in (line.split() for line in said[:-2])}
    total = 8 * threads * operations
    seconds = time.monotonic() - began
    print(f"writers, {synchronous}: {total} operations in {seconds:.1f} s ({total / seconds:.0f}/s), {len(refused)} refused by their deadline of 3 ms")
    assert set(then) == set(writers), f"when the first was done, there was nothing of {set(writers) - set(then)}"
    return refused, then


def check(store: keepwell.Store, names: Set[str], threads: int, operations: int, refused: Set[Write]) -> None:
    """The file has all that was acknowledged, nothing that was refused, and each operation as a whole."""
    expected = {(name, thread, n): PARTS.get(n % 8, 1) for name in names for thread in range(threads) for n in range(operations)}
    found = {(p, t, n): rows for p, t, n, rows in store.query("SELECT process, thread, sequence, count(*) FROM w GROUP BY 1, 2, 3")}
    assert refused <= set(expected)
    wrong = {write for write in expected.keys() | found.keys() if found.get(write, 0) != (0 if write in refused else expected.get(write, 0))}
    assert not wrong, f"{len(wrong)} of {len(expected)} are not as they were answered: {[(w, found.get(w), w in refused) for w in list(wrong)[:5]]}"
    assert store.query_value("PRAGMA integrity_check") == "ok"


def compare(folder: Path, synchronous: str, threads: int, operations: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "writers.db"
        with keepwell.open(path) as store:
            store.execute(SCHEMA)
            refused, then = run(path, folder, synchronous, threads, operations, store)
            check(store, set(then), threads, operations, refused)
    print("    when the first was done: " + ", ".join(f"{name} {then[name]}" for name in sorted(then, key=then.__getitem__)))
    print(f"    fewest/mean {min(then.values()) * len(then) / sum(then.values()):.2f}")


def main() -> None:
    folder, chosen = Path(sys.argv[1]), sys.argv[2:]
    for synchronous, threads, operations in [chosen] if chosen else [("normal", "4", "3200"), ("full", "4", "400")]:
        compare(folder, synchronous, int(threads), int(operations))


main()
