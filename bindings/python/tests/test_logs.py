"""The library's log as records of ``logging``. Nothing here waits by sleeping: ``close`` returns when the handlers have had all events."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any, Iterator, List, Tuple

import keepwell
import pytest
from conftest import ENDLESS, Script
from test_signals import interrupt

#: Takes more than a microsecond on any machine.
SLOW = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300) SELECT count(*) FROM c"

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")


class Kept(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: List[Any] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def told(self) -> List[Tuple[str, int]]:
        return [(record.name, record.levelno) for record in self.records]


@pytest.fixture
def kept() -> Iterator[Kept]:
    """What the loggers of the package are given, of all levels."""
    handler, logger = Kept(), logging.getLogger("keepwell")
    logger.addHandler(handler)
    logger.setLevel(1)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def slow(tmp_path: Path) -> Iterator[keepwell.Store]:
    """A store for which every call is slow."""
    with keepwell.open({"datasource": str(tmp_path / "s.db"), "metrics.slow_query": "1us", "metrics.label": "shop"}) as store:
        yield store


def fail(store: keepwell.Store, times: int = 1) -> None:
    """Calls that each have an event: ``keepwell.error`` at the level DEBUG."""
    for _ in range(times):
        with pytest.raises(keepwell.SqlError):
            store.query("SELEC")


def test_a_slow_call_is_a_record_with_its_numbers(slow: keepwell.Store, kept: Kept) -> None:
    slow.execute("CREATE TABLE t(a, b)")
    slow.execute_many("INSERT INTO t VALUES (?, ?)", [(i, i) for i in range(100)])
    before = time.time()
    with keepwell.forward_logs():
        slow.query("SELECT a FROM t WHERE b > ? ORDER BY a", (89,))
    (record,) = kept.records
    assert (record.name, record.levelno, record.levelname) == ("keepwell.slow", logging.WARNING, "WARNING")
    assert record.getMessage() == record.msg and record.msg.startswith("slow: ") and "10 rows returned" in record.msg
    assert record.store == record.keepwell["store"] == "shop"
    fields = record.keepwell
    assert fields["sql"] == "SELECT a FROM t WHERE b > ? ORDER BY a" and fields["plan"].startswith("SCAN t")
    assert (fields["rows_returned"], fields["rows_changed"], fields["failed"], fields["sorted"]) == (10, 0, False, True)
    assert 99 <= fields["rows_scanned"] <= 100 and fields["duration_seconds"] > 0
    parts = fields["queue_seconds"] + fields["busy_seconds"] + fields["execution_seconds"]
    assert parts == pytest.approx(fields["duration_seconds"], abs=1e-6)
    assert before - 0.001 <= record.created <= time.time() and record.msecs == int(record.created * 1000) % 1000
    now: Any = logging.makeLogRecord({})
    assert (now.relativeCreated - record.relativeCreated) / 1000 == pytest.approx(now.created - record.created, abs=0.01)


def test_parameters_are_redacted_unless_asked_for(tmp_path: Path, kept: Kept) -> None:
    config = {"datasource": str(tmp_path / "p.db"), "metrics.slow_query": "1us"}
    for more, shown in (({}, False), ({"metrics.slow_query_params": True}, True)):
        with keepwell.open({**config, **more}) as store, keepwell.forward_logs():
            store.query(f"{SLOW} WHERE ? || ? != ''", ("hush-hush", 5))
        record = kept.records.pop()
        assert ("hush-hush" in repr(record.__dict__)) == shown, record.__dict__
        assert shown or record.keepwell["params"] == "1: text of 9 bytes, 2: integer"


def test_a_percent_sign_is_one(slow: keepwell.Store, kept: Kept) -> None:
    with keepwell.forward_logs():
        slow.query(f"{SLOW} WHERE 'ä %s %d %' LIKE '%ä%'")
    (record,) = kept.records
    assert record.getMessage().endswith(f"{SLOW} WHERE 'ä %s %d %' LIKE '%ä%'")


def test_errors_have_their_code(store: keepwell.Store, kept: Kept) -> None:
    with keepwell.forward_logs(level=logging.DEBUG):
        fail(store)
    (record,) = [record for record in kept.records if record.name == "keepwell.error"]
    assert record.levelno == logging.DEBUG and record.keepwell["code"] == "KW_SQL" and "SELEC" in record.msg


def test_the_life_of_a_store_is_told(tmp_path: Path, kept: Kept) -> None:
    with keepwell.forward_logs():
        with keepwell.open({"datasource": str(tmp_path / "l.db"), "metrics.label": "shop"}) as store:
            store.migrations({"3_t.up.sql": "CREATE TABLE t(a)"}).up()
    told = [(record.name, record.levelno, record.msg.split()[0], record.store) for record in kept.records]
    assert told == [
        ("keepwell.store", logging.INFO, "opened", "shop"),
        ("keepwell.migrate", logging.INFO, "up:", "shop"),
        ("keepwell.store", logging.INFO, "closed", "shop"),
    ]
    assert kept.records[1].keepwell["version"] == 3


LEVELS = [
    *((level, False) for level in (None, "WARNING", logging.INFO, 15)),
    *((level, True) for level in (logging.DEBUG, "debug", 7, 5, "TRACE", 0)),
]


@pytest.mark.parametrize(("level", "with_debug"), LEVELS)
def test_the_level_decides_what_comes(level: Any, with_debug: bool, slow: keepwell.Store, kept: Kept) -> None:
    with keepwell.forward_logs(**({} if level is None else {"level": level})):
        fail(slow)
        slow.query(SLOW)
    names = [name for name, number in kept.told() if name in ("keepwell.slow", "keepwell.error")]
    assert names == (["keepwell.error"] if with_debug else []) + ["keepwell.slow"]


def test_what_is_no_level_logger_or_capacity_is_refused() -> None:
    for level in ("LOUD", None, 1.5, True, logging.CRITICAL):
        with pytest.raises(ValueError, match="level: "):
            keepwell.forward_logs(level=level)  # type: ignore[arg-type]
    for capacity in (0, -1, True, 1.5, 1 << 32):
        with pytest.raises(ValueError, match="capacity: "):
            keepwell.forward_logs(capacity=capacity)  # type: ignore[arg-type]
    for logger in (1, object(), b"keepwell"):
        with pytest.raises(TypeError):
            keepwell.forward_logs(logger)  # type: ignore[arg-type]


def test_a_logger_of_ones_own(slow: keepwell.Store, kept: Kept) -> None:
    own, handler = logging.getLogger("shop.db"), Kept()
    own.addHandler(handler)
    for logger in (own, "shop.db"):
        with keepwell.forward_logs(logger) as forwarding:
            assert repr(forwarding) == "<keepwell.LogForwarding to 'shop.db'>"
            slow.query(SLOW)
        assert repr(forwarding) == "<keepwell.LogForwarding to 'shop.db', closed>"
    own.removeHandler(handler)
    assert [record.name for record in handler.records] == ["shop.db.slow"] * 2 and kept.records == []


def test_a_level_that_the_logger_does_not_take_makes_no_record(slow: keepwell.Store, kept: Kept) -> None:
    logging.getLogger("keepwell.slow").setLevel(logging.ERROR)
    try:
        with keepwell.forward_logs():
            slow.query(SLOW)
    finally:
        logging.getLogger("keepwell.slow").setLevel(logging.NOTSET)
    assert kept.records == []


def test_close_hands_on_what_has_happened_and_no_more(slow: keepwell.Store, kept: Kept) -> None:
    forwarding = keepwell.forward_logs()
    for _ in range(300):
        slow.query(SLOW)
    forwarding.close()
    assert len(kept.records) == 300 and forwarding.closed and forwarding.dropped == 0
    slow.query(SLOW)
    forwarding.close()
    with keepwell.forward_logs():
        pass
    assert len(kept.records) == 300


class Gate(Kept):
    """Holds the forwarding thread up in the first record."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.open = threading.Event(), threading.Event()

    def emit(self, record: logging.LogRecord) -> None:
        super().emit(record)
        self.reached.set()
        assert self.open.wait(30)


@pytest.fixture
def gate(kept: Kept) -> Iterator[Gate]:
    handler = Gate()
    logging.getLogger("keepwell").addHandler(handler)
    yield handler
    handler.open.set()
    logging.getLogger("keepwell").removeHandler(handler)


def test_what_is_lost_is_counted_and_told(slow: keepwell.Store, gate: Gate) -> None:
    with keepwell.forward_logs(capacity=10) as forwarding:
        slow.query(f"{SLOW} WHERE 0")
        assert gate.reached.wait(30)
        for i in range(1, 26):  # 15 more than there is room for
            slow.query(f"{SLOW} WHERE {i}")
        happened = time.time()
        gate.open.set()
    assert forwarding.dropped == 15
    first, told, *rest = gate.records
    assert (told.name, told.levelno, told.keepwell, told.store) == ("keepwell.log", logging.WARNING, {"dropped": 15}, "")
    assert told.getMessage().startswith("15 events were lost")
    assert [record.keepwell["sql"] for record in [first, *rest]] == [f"{SLOW} WHERE {i}" for i in [0, *range(16, 26)]]
    assert all(record.created <= happened + 0.001 for record in gate.records), "the time of the event, not of the record"


def test_a_slow_handler_holds_no_call_up(slow: keepwell.Store, gate: Gate) -> None:
    with keepwell.forward_logs():
        for _ in range(50):
            slow.query(SLOW)
        assert not gate.open.is_set() and len(gate.records) <= 1
        gate.open.set()
    assert len(gate.records) == 50


@pytest.mark.parametrize("error", [ValueError, SystemExit, KeyboardInterrupt])
def test_what_a_handler_raises_ends_nothing(error: Any, slow: keepwell.Store, kept: Kept, capsys: Any) -> None:
    class Broken(logging.Handler):
        def handle(self, record: logging.LogRecord) -> bool:
            raise error("broken handler")

    broken = Broken()
    logging.getLogger("keepwell").addHandler(broken)
    try:
        with keepwell.forward_logs():
            slow.query(f"{SLOW} WHERE 1")
            slow.query(f"{SLOW} WHERE 2")
    finally:
        logging.getLogger("keepwell").removeHandler(broken)
    assert [record.keepwell["sql"] for record in kept.records] == [f"{SLOW} WHERE 1", f"{SLOW} WHERE 2"]
    told = capsys.readouterr().err
    assert told.count("--- Logging error ---") == 2 and told.count("broken handler") >= 2


def test_a_handler_may_close_the_forwarding_and_use_a_store(slow: keepwell.Store, kept: Kept, tmp_path: Path) -> None:
    class Writer(logging.Handler):
        def emit(self, record: Any) -> None:
            notes.execute("INSERT INTO note VALUES (?)", (record.keepwell["sql"],))
            forwarding.close()
            written.set()

    written, writer = threading.Event(), Writer()
    with keepwell.open(tmp_path / "notes.db") as notes:
        notes.execute("CREATE TABLE note(sql)")
        logging.getLogger("keepwell").addHandler(writer)
        try:
            forwarding = keepwell.forward_logs()
            slow.query(SLOW)
            assert written.wait(30)
        finally:
            logging.getLogger("keepwell").removeHandler(writer)
        forwarding.close()
        assert forwarding.closed and notes.query("SELECT * FROM note") == [(SLOW,)]


def test_the_event_loop_goes_on(slow: keepwell.Store, gate: Gate) -> None:
    """Even while a handler hangs and the forwarding is being closed."""

    async def work() -> int:
        turns = 0
        async with keepwell.forward_logs():
            slow.query(SLOW)
            assert await asyncio.get_running_loop().run_in_executor(None, gate.reached.wait, 30)

            async def let_go() -> None:
                nonlocal turns
                for turns in range(100):
                    await asyncio.sleep(0)
                gate.open.set()

            task = asyncio.ensure_future(let_go())
        await task
        return turns

    assert asyncio.run(asyncio.wait_for(work(), 30)) == 99 and len(gate.records) == 1


def test_two_forwardings_do_not_take_each_others_events(slow: keepwell.Store, kept: Kept) -> None:
    with keepwell.forward_logs("keepwell"), keepwell.forward_logs("keepwell.second"):
        slow.query(SLOW)
    assert sorted(name for name, _ in kept.told()) == ["keepwell.second.slow", "keepwell.slow"]


def test_nothing_is_logged_by_default(script: Script) -> None:
    done = script(
        """
        import keepwell, sys
        with keepwell.open({"datasource": "q.db", "metrics.slow_query": "1us"}) as store:
            store.query(sys.argv[1])
            with keepwell.forward_logs():  # nobody has said where to
                store.query(sys.argv[1])
        print("fine")
        """,
        SLOW,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


FORWARDING = f"""
SLOW = {SLOW!r}
import keepwell, logging, os, signal, sys, threading
logging.basicConfig(stream=sys.stdout, format="%(name)s %(store)s %(message).5s")
forwarding = keepwell.forward_logs()
store = keepwell.open({{"datasource": "e.db", "metrics.slow_query": "1us", "metrics.label": "e"}})
"""

ENDS = {
    "at its end": ("", 0),
    "by sys.exit": ("sys.exit(3)", 3),
    "with another thread in a call": (
        f"threading.Thread(target=lambda: keepwell.open(':memory:').query({ENDLESS!r}), daemon=True).start()",
        0,
    ),
}


@pytest.mark.parametrize("how", ENDS)
def test_a_program_may_end_while_it_forwards(how: str, script: Script) -> None:
    code, status = ENDS[how]
    done = script(FORWARDING + "store.query(SLOW)\n" + code)
    assert (done.returncode, done.stderr) == (status, "")
    assert done.stdout == "keepwell.slow e slow:\n", "what has happened before the end is told"


def test_a_program_may_end_while_events_come(script: Script) -> None:
    """Threads that die with the interpreter make events to the last moment."""
    done = script(
        """
        import keepwell, logging, threading
        handler = logging.Handler()
        handler.emit = lambda record: seen.set()
        logging.getLogger("keepwell").addHandler(handler)
        forwarding = keepwell.forward_logs()
        seen = threading.Event()

        def work():
            store = keepwell.open({"datasource": ":memory:", "metrics.slow_query": "1us"})
            while True:
                store.query("SELECT 1")

        for _ in range(3):
            threading.Thread(target=work, daemon=True).start()
        assert seen.wait(30)
        forwarding.close()  # does not wait for the end of what has none
        keepwell.forward_logs()
        print("fine")
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


def test_handlers_may_use_stores_to_the_last_record(script: Script) -> None:
    done = script(
        """
        import atexit, keepwell, logging, sys, threading

        class Writer(logging.Handler):
            def emit(self, record):
                assert ending.wait(30)
                notes.execute("INSERT INTO note VALUES (?)", (record.keepwell["sql"],))
                if notes.query_value("SELECT count(*) FROM note") == 20:
                    print("all 20")

        notes = keepwell.open("n.db")
        notes.execute("CREATE TABLE note(sql)")
        logging.getLogger("keepwell").addHandler(Writer())
        keepwell.forward_logs(level=logging.WARNING)
        ending = threading.Event()
        atexit.register(ending.set)
        store = keepwell.open({"datasource": ":memory:", "metrics.slow_query": "1us"})
        for _ in range(20):
            store.query(sys.argv[1])
        """,
        SLOW,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("all 20\n", "", 0)


def test_a_handler_that_hangs_does_not_keep_the_program(script: Script) -> None:
    done = script(
        """
        import keepwell, logging, sys, threading
        from keepwell import _logs
        _logs._PATIENCE = 0.1
        reached, never = threading.Event(), threading.Event()
        handler = logging.Handler()
        handler.handle = lambda record: (reached.set(), never.wait())
        logging.getLogger("keepwell").addHandler(handler)
        keepwell.forward_logs()
        keepwell.open({"datasource": ":memory:", "metrics.slow_query": "1us"}).query(sys.argv[1])
        assert reached.wait(30)
        print("fine")
        """,
        SLOW,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


def test_control_c_while_it_forwards(tmp_path: Path) -> None:
    code = f"""
        import logging
        seen = []
        handler = logging.Handler()
        handler.addFilter(lambda record: record.name == "keepwell.error")
        handler.emit = lambda record: seen.append((record.name, record.keepwell["code"], threading.current_thread().name))
        logging.getLogger("keepwell").addHandler(handler)
        logging.getLogger("keepwell").setLevel(1)
        forwarding = keepwell.forward_logs(level=logging.DEBUG)
        ready()
        try:
            store.query("{ENDLESS}")
        except KeyboardInterrupt:
            print("interrupted")
        forwarding.close()
        print(seen)
        store.close()
    """
    seconds, out, err = interrupt(code, tmp_path)
    assert out == "interrupted\n[('keepwell.error', 'KW_CANCELLED', 'keepwell-logs')]\n" and err == "" and seconds < 8


def test_control_c_ends_a_program_that_forwards_as_any_other(tmp_path: Path) -> None:
    seconds, out, err = interrupt(f"keepwell.forward_logs()\nready()\nstore.query({ENDLESS!r})", tmp_path)
    assert err.rstrip().endswith("KeyboardInterrupt") and err.count("Traceback") == 1 and seconds < 8


@needs_fork
def test_a_child_starts_with_none_and_the_parents_goes_on(script: Script) -> None:
    done = script(
        FORWARDING
        + """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
store.query(SLOW)
forwarding.close()
forwarding = keepwell.forward_logs()
for _ in range(5):
    child = os.fork()
    if child == 0:
        assert forwarding.closed
        forwarding.close()
        own = keepwell.open({"datasource": "e.db", "metrics.slow_query": "1us", "metrics.label": "child"})
        own.query(SLOW)  # told to nobody
        with keepwell.forward_logs("own"):
            own.query(SLOW)
        sys.exit(0)
    assert os.waitpid(child, 0)[1] == 0
assert not forwarding.closed
store.query(SLOW)
forwarding.close()
print("fine")
"""
    )
    assert (done.stderr, done.returncode) == ("", 0)
    lines = done.stdout.splitlines()
    assert lines.pop() == "fine"
    parent = "keepwell.slow e slow:"
    assert sorted(lines) == sorted([parent, parent, *["own.slow child slow:"] * 5])


@needs_fork
def test_a_fork_inside_a_handler_and_under_load(script: Script) -> None:
    done = script(
        """
        import keepwell, logging, os, threading, warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        statuses, ended = [], threading.Event()

        class Forking(logging.Handler):
            def emit(self, record):
                if len(statuses) < 10:
                    child = os.fork()
                    if child == 0:
                        assert forwarding.closed
                        with keepwell.open(":memory:") as fresh:
                            assert fresh.query_value("SELECT 1") == 1
                        os._exit(0)
                    statuses.append(os.waitpid(child, 0)[1])
                else:
                    ended.set()

        logging.getLogger("keepwell").addHandler(Forking())
        forwarding = keepwell.forward_logs()
        store = keepwell.open({"datasource": "f.db", "metrics.slow_query": "1us"})
        while not ended.is_set():
            store.query("SELECT 1")
        forwarding.close()
        store.close()
        print(statuses)
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == (f"{[0] * 10}\n", "", 0)
