"""Python bindings against the standard library's sqlite3 (and apsw, where it is installed): one JSON line per figure.

    python bench/bench.py [--quick] [--rows N]

Rounds of ours and theirs alternate in one process; the figure is the median of the rounds. Each side has its own copy of the database, because
two SQLite libraries on one file in one process break each other's locks. The portable road runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import keepwell  # noqa: E402

TARGETS = {
    "native": {"point": 0.30, "point_tx": 0.45, "rows100": 0.50, "scan": 0.55, "autocommit": 0.90, "execute_many": 0.40},
    "portable": {"point": 0.50, "point_tx": 0.90, "rows100": 0.62, "scan": 0.65, "autocommit": None, "execute_many": None},
}
#: The cache of results: everything is found there, 99 %, half, nothing; and two threads at once.
CACHED = {
    "native": dict.fromkeys("cached_point cached_rows100_99 cached_rows100_50 cached_rows100_0 cached_threads".split()) | {"cached_rows100": 0.03},
    "portable": {"cached_point": None, "cached_rows100": None},
}
for _road, _cached in CACHED.items():
    TARGETS[_road].update(_cached)
POINT = "SELECT id, n, r, s, l, o FROM t WHERE id = ?"
RANGE = "SELECT id, n, r, s, l, o FROM t WHERE id >= ? LIMIT 100"
SCAN = "SELECT id, n, r, s, l, o FROM t"
INSERT = "INSERT INTO w(n, r, s) VALUES (?, ?, ?)"
SCHEMA = """
CREATE TABLE t(id INTEGER PRIMARY KEY, n INTEGER, r REAL, s TEXT, l TEXT, o INTEGER);
CREATE TABLE w(id INTEGER PRIMARY KEY, n INTEGER, r REAL, s TEXT);
"""

Work = Callable[[], Any]


def fill(path: Path, rows: int) -> None:
    """Makes the base table."""
    random.seed(7)
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.executescript(SCHEMA)

    def values() -> Iterator[Tuple[Any, ...]]:
        for i in range(rows):
            n = random.getrandbits(40)
            yield n, n / 7, f"name {n:015d}", f"a longer text of about sixty characters: {n:020d}", None if i % 3 else i

    with connection:
        connection.executemany("INSERT INTO t(n, r, s, l, o) VALUES (?, ?, ?, ?, ?)", values())
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


class Keepwell:
    """Our side."""

    def __init__(self, path: Path) -> None:
        self.store = keepwell.open({"datasource": str(path), "sqlite.synchronous": "normal", "cache.size": 1000})

    def point(self, keys: List[int]) -> Work:
        query = self.store.query
        return lambda: [query(POINT, (key,))[0] for key in keys]

    def point_tx(self, keys: List[int]) -> Work:
        def work() -> None:
            with self.store.transaction() as tx:
                for key in keys:
                    tx.query(POINT, (key,))[0]

        return work

    def rows100(self, keys: List[int]) -> Work:
        query = self.store.query
        return lambda: [len(query(RANGE, (key,))) for key in keys]

    def scan(self, _: List[int]) -> Work:
        return lambda: len(self.store.query(SCAN))

    def autocommit(self, keys: List[int]) -> Work:
        execute = self.store.execute
        return lambda: [execute(INSERT, (key, key / 3, "a text")) for key in keys]

    def execute_many(self, keys: List[int]) -> Work:
        rows = [(key, key / 3, "a text") for key in keys]
        return lambda: self.store.execute_many(INSERT, rows)

    def cached_point(self, keys: List[int]) -> Work:
        query = self.store.query
        return lambda: [query(POINT, (key,), cache=True)[0] for key in keys]

    def cached_rows100(self, keys: List[int]) -> Work:
        query = self.store.query
        return lambda: [len(query(RANGE, (key,), cache=True)) for key in keys]

    def mixed(self, keys: List[int], every: int) -> Work:
        """One query in ``every`` is run and kept, as one is that finds nothing."""
        query = self.store.query
        wishes: List[Tuple[int, Any]] = [(key, True if i % every else "refresh") for i, key in enumerate(keys)]
        return lambda: [len(query(RANGE, (key,), cache=wish)) for key, wish in wishes]

    def cached_rows100_99(self, keys: List[int]) -> Work:
        return self.mixed(keys, 100)

    def cached_rows100_50(self, keys: List[int]) -> Work:
        return self.mixed(keys, 2)

    def cached_rows100_0(self, keys: List[int]) -> Work:
        return self.mixed(keys, 1)

    def cached_threads(self, keys: List[int]) -> Work:
        return in_two_threads(self.cached_rows100(keys), self.cached_rows100(keys))


def in_two_threads(first: Work, second: Work) -> Work:
    """Both at once."""

    def work() -> None:
        other = threading.Thread(target=second)
        other.start()
        first()
        other.join()

    return work


class Dbapi:
    """The standard library's side, with the cheapest calls it has."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.connection: Any = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self.settle()

    def settle(self) -> None:
        self.connection.execute("PRAGMA journal_mode = WAL").fetchall()
        self.connection.execute("PRAGMA synchronous = NORMAL")

    def point(self, keys: List[int]) -> Work:
        execute = self.connection.execute
        return lambda: [execute(POINT, (key,)).fetchone() for key in keys]

    def point_tx(self, keys: List[int]) -> Work:
        execute = self.connection.execute

        def work() -> None:
            execute("BEGIN IMMEDIATE")
            for key in keys:
                execute(POINT, (key,)).fetchone()
            execute("COMMIT")

        return work

    def rows100(self, keys: List[int]) -> Work:
        execute = self.connection.execute
        return lambda: [len(execute(RANGE, (key,)).fetchall()) for key in keys]

    def scan(self, _: List[int]) -> Work:
        return lambda: len(self.connection.execute(SCAN).fetchall())

    def autocommit(self, keys: List[int]) -> Work:
        execute = self.connection.execute
        return lambda: [execute(INSERT, (key, key / 3, "a text")) for key in keys]

    def execute_many(self, keys: List[int]) -> Work:
        rows = [(key, key / 3, "a text") for key in keys]

        def work() -> None:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany(INSERT, rows)
            self.connection.execute("COMMIT")

        return work

    def cached_point(self, keys: List[int]) -> Work:
        return self.point(keys)

    def cached_rows100(self, keys: List[int]) -> Work:
        return self.rows100(keys)

    cached_rows100_99 = cached_rows100_50 = cached_rows100_0 = cached_rows100

    def cached_threads(self, keys: List[int]) -> Work:
        """Each thread has a connection of its own, as the module asks for."""
        second = type(self)(self.path)
        return in_two_threads(self.rows100(keys), second.rows100(keys))


class Apsw(Dbapi):
    """apsw's side."""

    def __init__(self, path: Path) -> None:
        import apsw

        self.path = path
        self.connection = apsw.Connection(str(path))
        self.settle()


def timed(work: Work) -> float:
    started = time.perf_counter_ns()
    work()
    return time.perf_counter_ns() - started


def measure(name: str, sides: Dict[str, Any], rows: int, quick: bool) -> Dict[str, float]:
    """The median nanoseconds per operation (per row for scan and execute_many) of each side."""
    count = {"scan": 1, "execute_many": 20_000, "autocommit": 300}.get(name, 300 if "rows100" in name or name == "cached_threads" else 2_000)
    rounds = {"scan": 5}.get(name, 21) if quick else {"scan": 11}.get(name, 61)
    # The keys of point reads lie within 10,000 rows, which every side's page cache holds: what is measured is the way, not the disk.
    first = rows // 2
    # What the cache is asked for is asked for again and again.
    among = 100 if name.startswith("cached") else 10_000
    keys = [random.randrange(first, first + among) for _ in range(count)]
    works = {side: getattr(it, name)(keys) for side, it in sides.items()}
    units = rows if name == "scan" else count
    found: Dict[str, List[float]] = {side: [] for side in works}
    for _ in range(rounds):
        for side, work in works.items():
            if name != "scan":
                work()  # each side starts warm, as it would after the first of many
            found[side].append(timed(work) / units)
    return {side: statistics.median(values) for side, values in found.items()}


def lines(folder: Path, rows: int, quick: bool) -> Iterator[Dict[str, Any]]:
    """The figures of this process's road."""
    peers: Dict[str, Any] = {"sqlite3": Dbapi}
    try:
        import apsw  # noqa: F401

        peers["apsw"] = Apsw
    except ImportError:
        pass
    sides: Dict[str, Any] = {}
    for side, make in [("keepwell", Keepwell), *peers.items()]:
        path = folder / f"{side}.{keepwell.road}.db"
        shutil.copy(folder / "base.db", path)
        sides[side] = make(path)
    suffix = "" if keepwell.road == "native" else ".fallback"
    for name, target in TARGETS[keepwell.road].items():
        found = measure(name, sides, rows, quick)
        ours = found.pop("keepwell")
        for peer, theirs in found.items():
            yield {
                "id": f"python.{name}{suffix}",
                "language": "python",
                "peer": peer,
                "ours_ns": round(ours, 1),
                "peer_ns": round(theirs, 1),
                "ratio": round(ours / theirs, 3),
                "target": target if peer == "sqlite3" else None,
            }
    sides["keepwell"].store.close()


def main(arguments: Optional[List[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer rounds and rows: under a minute")
    parser.add_argument("--rows", type=int, help="rows of the base table")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    rows = given.rows or (200_000 if given.quick else 1_000_000)
    if given.folder:
        for line in lines(given.folder, rows, given.quick):
            print(json.dumps(line), flush=True)
        return
    print(
        f"# {platform.python_implementation()} {platform.python_version()}, {platform.machine()}; keepwell {keepwell.__version__}; "
        f"sqlite3 with SQLite {sqlite3.sqlite_version}; {rows} rows x 6 columns; WAL, synchronous=NORMAL",
        file=sys.stderr,
    )
    with tempfile.TemporaryDirectory() as name:
        fill(Path(name) / "base.db", rows)
        for road in ("native", "portable") if keepwell.road == "native" else ("portable",):
            command = [sys.executable, "-X", f"keepwell_road={road}", __file__, "--folder", name, "--rows", str(rows)]
            subprocess.run(command + ["--quick"] * given.quick, check=True)


if __name__ == "__main__":
    main()
