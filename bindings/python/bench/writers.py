"""Many threads that insert one row a call: one keepwell store for all of them against the standard library's sqlite3, a connection each.

    python bench/writers.py [--seconds S] [--windows N] 32:full:2 ...

A cell is writers:synchronous:readers. Windows of theirs and ours alternate in one process, each on a file of its own; what is printed are
the windows, one JSON line for each cell. Waits for the disk are counted where benches/c/syncs.c is preloaded.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import math
import random
import sqlite3
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import keepwell  # noqa: E402

ROWS = 10_000  # there from the beginning, to be read
INSERT = "INSERT INTO t(a,b,c) VALUES(?,?,?)"
POINT = "SELECT a, b, c FROM t WHERE id = ?"
FILL = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE t(id INTEGER PRIMARY KEY, a INTEGER NOT NULL, b REAL NOT NULL, c TEXT NOT NULL);
WITH RECURSIVE k(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM k WHERE i < {ROWS}) INSERT INTO t SELECT i, i, i / 8.0, 'the name of a row' FROM k;
PRAGMA wal_checkpoint(TRUNCATE);
"""


class Cell(NamedTuple):
    writers: int
    sync: str
    readers: int


class Seat(NamedTuple):
    """What one thread works with."""

    insert: Callable[[int], bool]  # False: the engine was busy, to be tried again
    lookup: Callable[[int], None]


class Keepwell:
    """Our side: every thread has the same store."""

    def __init__(self, path: Path, cell: Cell) -> None:
        self.store = keepwell.open({"datasource": str(path), "options.synchronous": cell.sync})
        self.seats = [Seat(self.insert, self.lookup)] * (cell.writers + cell.readers)

    def insert(self, number: int) -> bool:
        try:
            self.store.execute(INSERT, (number, number / 8, "a name of twenty char"))
        except (keepwell.BusyError, keepwell.TimeoutError):
            return False
        return True

    def lookup(self, key: int) -> None:
        self.store.query(POINT, (key,))[0]

    def close(self) -> None:
        self.store.close()


class Dbapi:
    """The standard library's side: a connection for each thread."""

    def __init__(self, path: Path, cell: Cell) -> None:
        # Windows have threads of their own, so a connection goes from hand to hand, one thread at a time.
        self.connections = [
            sqlite3.connect(path, timeout=5, isolation_level=None, check_same_thread=False) for _ in range(cell.writers + cell.readers)
        ]
        for connection in self.connections:
            connection.execute(f"PRAGMA synchronous = {cell.sync}")
        self.seats = [self.seat(connection) for connection in self.connections]

    @staticmethod
    def seat(connection: sqlite3.Connection) -> Seat:
        execute = connection.execute

        def insert(number: int) -> bool:
            try:
                execute(INSERT, (number, number / 8, "a name of twenty char"))
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                return False
            return True

        def lookup(key: int) -> None:
            execute(POINT, (key,)).fetchall()[0]

        return Seat(insert, lookup)

    def close(self) -> None:
        for connection in self.connections:
            connection.close()


class Syncs(NamedTuple):
    """How often the process has waited for the disk, and how long altogether."""

    count: int
    nanos: int


def bench_syncs() -> Optional[Syncs]:
    """None where benches/c/syncs.c is not preloaded."""
    program = ctypes.CDLL(None)
    if not hasattr(program, "bench_syncs"):
        return None
    program.bench_syncs.restype = program.bench_sync_nanos.restype = ctypes.c_long
    return Syncs(program.bench_syncs(), program.bench_sync_nanos())


def syncs_since(before: Optional[Syncs], writes: int) -> Dict[str, Optional[float]]:
    """Waits for the disk per write, and how long one took."""
    now = bench_syncs()
    if before is None or now is None:
        return {"syncs": None, "sync": None}
    count = now.count - before.count
    return {"syncs": count / writes, "sync": (now.nanos - before.nanos) / count if count else 0}


class Stage:
    """What the threads of one window share. The window begins when every thread is there."""

    def __init__(self, cell: Cell, seconds: float) -> None:
        self.seconds = seconds
        self.end = 0
        self.gate = threading.Barrier(cell.writers + cell.readers, action=self.begin)
        self.syncs: Optional[Syncs] = None

    def begin(self) -> None:
        self.syncs = bench_syncs()
        self.end = time.perf_counter_ns() + int(self.seconds * 1e9)


class Worker(threading.Thread):
    """A thread of one window, and what it did. Only operations that ended in the window are `in_time`."""

    def __init__(self, stage: Stage, seat: Seat, number: int) -> None:
        super().__init__()
        self.stage, self.seat, self.number = stage, seat, number
        self.in_time = self.busy = 0
        self.nanos: List[int] = []
        self.failure: Optional[BaseException] = None

    def run(self) -> None:
        try:
            self.stage.gate.wait()
            self.work(time.perf_counter_ns, self.stage.end)
        except BaseException as error:
            self.failure = error

    def work(self, clock: Callable[[], int], end: int) -> None:
        raise NotImplementedError


class Writer(Worker):
    """A busy answer does not end a write: its caller would have to come again, so the time goes on."""

    def work(self, clock: Callable[[], int], end: int) -> None:
        insert, number, nanos = self.seat.insert, self.number * 1_000_003, self.nanos
        start = clock()
        while start < end:
            number += 1
            while not insert(number):
                self.busy += 1
            now = clock()
            nanos.append(now - start)
            self.in_time += now <= end
            start = now


class Reader(Worker):
    def work(self, clock: Callable[[], int], end: int) -> None:
        lookup, choose = self.seat.lookup, random.Random(self.number).random
        while clock() < end:
            lookup(int(choose() * ROWS) + 1)
            self.in_time += 1


def play(side: Any, cell: Cell, seconds: float) -> Dict[str, Any]:
    """Lets all threads of a side work for so many seconds."""
    stage = Stage(cell, seconds)
    kinds = [Writer] * cell.writers + [Reader] * cell.readers
    workers = [kind(stage, seat, number) for number, (kind, seat) in enumerate(zip(kinds, side.seats))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for worker in workers:
        if worker.failure is not None:
            raise worker.failure
    return sum_up(workers[: cell.writers], workers[cell.writers :], stage)


def sum_up(writers: List[Any], readers: List[Any], stage: Stage) -> Dict[str, Any]:
    nanos = sorted(value for writer in writers for value in writer.nanos)
    in_time = [writer.in_time for writer in writers]

    def quantile(part: float) -> int:
        return nanos[math.ceil(part * len(nanos)) - 1]

    return {
        "written": len(nanos),
        "writes": sum(in_time) / stage.seconds,
        "reads": sum(reader.in_time for reader in readers) / stage.seconds,
        "p50": quantile(0.5),
        "p99": quantile(0.99),
        "p999": quantile(0.999),
        "slowest": nanos[-1],
        "errors": sum(writer.busy for writer in writers),
        **syncs_since(stage.syncs, len(nanos)),
        "fewest": min(in_time) * len(in_time) / sum(in_time) if sum(in_time) else 0,
    }


def measure(folder: Path, cell: Cell, seconds: float, windows: int) -> Dict[str, Any]:
    """The first round warms up, is short, and is not kept. Which side starts changes with each round."""
    paths = {"peer_windows": folder / "sqlite3.db", "our_windows": folder / "keepwell.db"}
    for path in paths.values():
        make(path)
    sides: Dict[str, Any] = {"peer_windows": Dbapi(paths["peer_windows"], cell), "our_windows": Keepwell(paths["our_windows"], cell)}
    found: Dict[str, List[Dict[str, Any]]] = {name: [] for name in sides}
    for round_ in range(-1, windows):
        for name in sorted(sides, reverse=round_ % 2 == 0):
            found[name].append(play(sides[name], cell, seconds / 4 if round_ < 0 else seconds))
    for name, side in sides.items():
        side.close()
        expect_rows(paths[name], ROWS + sum(window["written"] for window in found[name]))
    return {"language": "python", "peer": "sqlite3", **cell._asdict(), **{name: kept[1:] for name, kept in found.items()}}


def make(path: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.executescript(FILL)
    connection.close()


def expect_rows(path: Path, expected: int) -> None:
    """Every write that was answered is there, and no other."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT count(*) FROM t").fetchone()[0]
    connection.close()
    assert rows == expected, f"{path.name} has {rows} rows in place of {expected}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=2, help="length of a window")
    parser.add_argument("--windows", type=int, default=3, help="windows on either side")
    parser.add_argument("cells", nargs="+", metavar="writers:sync:readers")
    given = parser.parse_args()
    print(json.dumps({"header": {"keepwell": keepwell.__version__}}), flush=True)
    with tempfile.TemporaryDirectory() as name:
        for text in given.cells:
            writers, sync, readers = text.split(":")
            print(json.dumps(measure(Path(name), Cell(int(writers), sync, int(readers)), given.seconds, given.windows)), flush=True)


if __name__ == "__main__":
    main()
