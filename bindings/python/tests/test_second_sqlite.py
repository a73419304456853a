"""Python's own ``sqlite3`` on the file of a store: a second SQLite library, which takes the store's locks away when it closes the file."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Iterator, List

import keepwell
import pytest
from conftest import Script

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="seen in /proc/self/maps")

MODES = ("off", "warn", "refuse")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A database in WAL mode with a table, closed. Its name has what ``/proc/self/maps`` might be misread for."""
    file = tmp_path / "my data (deleted).db"
    with keepwell.open(file) as store:
        store.execute("CREATE TABLE t(n)")
    return file


def config(path: Path, mode: str) -> "dict[str, str]":
    return {"datasource": str(path), "options.second_sqlite": mode}


def alarmed(store: keepwell.Store) -> List[str]:
    """What a look finds, by now or earlier."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", keepwell.SecondSqliteWarning)
        store.health()
    return [text for text in store.warnings() if text.startswith("options.second_sqlite:")]


@pytest.fixture
def foreign() -> Iterator[Callable[[Path], sqlite3.Connection]]:
    """Opens a file with the other library and reads from it, which is when it maps the wal-index."""
    opened: List[sqlite3.Connection] = []

    def connect(path: Path) -> sqlite3.Connection:
        opened.append(sqlite3.connect(path))
        opened[-1].execute("SELECT count(*) FROM sqlite_schema").fetchall()
        return opened[-1]

    yield connect
    for connection in opened:
        connection.close()


def test_sqlite3_first_and_off(path: Path, foreign: Any) -> None:
    foreign(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with keepwell.open(config(path, "off")) as store:
            store.execute("INSERT INTO t VALUES (1)")
            assert store.health().healthy and store.warnings() == ()


def test_sqlite3_first_and_warn(path: Path, foreign: Any) -> None:
    foreign(path)
    with pytest.warns(keepwell.SecondSqliteWarning, match="a second SQLite library") as caught:
        store = keepwell.open(path)
    assert [w.filename for w in caught] == [__file__], "the warning points at the caller"
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # it was issued: not again
        store.execute("INSERT INTO t VALUES (1)")
        health = store.health()
        assert (health.can_read, health.can_write, health.message) == (True, True, store.warnings()[0])
        store.close()


def test_sqlite3_first_and_refuse(path: Path, foreign: Any) -> None:
    connection = foreign(path)
    with pytest.raises(keepwell.MisuseError, match=r"options\.second_sqlite: .*my data \(deleted\)\.db: a second SQLite library"):
        keepwell.open(config(path, "refuse"))
    connection.execute("INSERT INTO t VALUES (1)")
    connection.commit()
    assert Path(f"{path}-wal").stat().st_size > 0, "the refusal has not closed the log of the other library"
    connection.close()
    with keepwell.open(config(path, "refuse")) as store:
        assert store.query_value("SELECT count(*) FROM t") == 1


def until(condition: Callable[[], Any]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "the maintenance has not noticed"
        time.sleep(0.002)


def test_keepwell_first_and_warn(path: Path, foreign: Any) -> None:
    store = keepwell.open(path)
    assert alarmed(store) == []
    foreign(path)

    def used() -> bool:
        store.query_value("SELECT 1")
        return store.warnings() != ()

    until(used)
    assert store.execute("INSERT INTO t VALUES (1)").rows_affected == 1
    with pytest.warns(keepwell.SecondSqliteWarning) as caught:
        store.close()
    assert [w.filename for w in caught] == [__file__]


def test_keepwell_first_and_refuse(path: Path, foreign: Any) -> None:
    store = keepwell.open(config(path, "refuse"))
    tx = store.transaction(mode="deferred")
    connection = foreign(path)

    def refused() -> bool:
        try:
            tx.execute("INSERT INTO t VALUES (1)")
        except keepwell.MisuseError as error:
            assert str(error) == store.warnings()[0]
            return True
        return False

    until(refused)
    for use in (
        lambda: store.execute("INSERT INTO t VALUES (2)"),
        lambda: store.query("SELECT * FROM t"),
        lambda: store.transaction(),
        lambda: store.connection(),
        lambda: store.execute_many("INSERT INTO t VALUES (?)", [(3,)]),
        lambda: store.execute_script("INSERT INTO t VALUES (4)"),
        lambda: store.stream("SELECT * FROM t"),
        tx.commit,
    ):
        with pytest.raises(keepwell.MisuseError, match="options.second_sqlite"):
            use()
    tx.rollback()
    connection.close()
    with pytest.raises(keepwell.MisuseError):
        store.execute("INSERT INTO t VALUES (5)")
    with pytest.warns(keepwell.SecondSqliteWarning):
        store.close()
    with keepwell.open(config(path, "refuse")) as anew:
        assert anew.query("SELECT * FROM t") == []


def test_keepwell_first_and_off(path: Path, foreign: Any) -> None:
    with keepwell.open(config(path, "off")) as store:
        foreign(path)
        assert alarmed(store) == [] and store.health().message == ""


def test_sqlite3_that_has_come_and_gone_has_removed_the_wal_index(path: Path, foreign: Any) -> None:
    store = keepwell.open(path)
    store.execute("INSERT INTO t VALUES (1)")
    foreign(path).close()
    assert not Path(f"{path}-shm").exists(), "what is to be noticed has happened"
    with pytest.warns(keepwell.SecondSqliteWarning, match="-shm was removed"):
        assert "-shm was removed" in store.health().message
    store.close()


@pytest.mark.parametrize("mode", MODES)
def test_no_alarm_for_what_is_harmless(tmp_path: Path, path: Path, foreign: Any, mode: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        foreign(path).close()
        other = tmp_path / "other.db"
        with keepwell.open(other):
            pass
        connection = foreign(other)
        connection.execute("PRAGMA journal_mode = wal")
        foreign(Path(":memory:"))
        with keepwell.open(config(path, mode)) as store, keepwell.open(config(path, mode)) as twin:
            with keepwell.open(config(Path(":memory:"), mode)) as memory:
                for each in (store, twin, memory):
                    each.execute("CREATE TABLE IF NOT EXISTS u(n)")
                    assert each.health().healthy and each.warnings() == ()
        with keepwell.open({**config(path, mode), "options.journal_mode": "delete"}) as store:
            store.execute("INSERT INTO t VALUES (1)")
            assert store.health().healthy


def test_a_child_takes_what_it_inherits_from_keepwell_for_keepwells(script: Script, path: Path) -> None:
    done = script(
        """
        import os, sqlite3, sys, warnings, keepwell
        warnings.simplefilter("ignore", DeprecationWarning)
        config = {"datasource": sys.argv[1], "options.second_sqlite": "refuse"}
        store, twin = keepwell.open(config), keepwell.open(config)
        store.execute("INSERT INTO t VALUES (1)")

        def fork(work):
            child = os.fork()
            if child == 0:
                try:
                    work()
                except BaseException:
                    sys.excepthook(*sys.exc_info())
                    os._exit(1)
                os._exit(0)
            assert os.waitpid(child, 0)[1] == 0

        def alone():
            fresh, again = keepwell.open(config), keepwell.open(config)
            assert fresh.health().healthy and again.health().healthy
            fresh.execute("INSERT INTO t VALUES (2)")
            again.close()
            fork(grandchild)
            beside(fresh)

        def grandchild():
            fresh = keepwell.open(config)
            assert fresh.health().healthy
            fresh.execute("INSERT INTO t VALUES (3)")

        def beside(fresh):
            other = sqlite3.connect(sys.argv[1])
            other.execute("SELECT * FROM t").fetchall()
            warnings.simplefilter("ignore", keepwell.SecondSqliteWarning)
            assert not fresh.health().can_write
            try:
                keepwell.open(config)
            except keepwell.MisuseError:
                return
            raise AssertionError("a second library in the child was not seen")

        fork(alone)
        assert store.health().healthy
        assert store.query_value("SELECT count(*) FROM t") == 3
        print("fine")
        """,
        str(path),
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


def test_a_child_is_warned_of_what_it_inherits_from_sqlite3(script: Script, path: Path) -> None:
    done = script(
        """
        import os, sqlite3, sys, warnings, keepwell
        other = sqlite3.connect(sys.argv[1])
        other.execute("SELECT * FROM t").fetchall()
        child = os.fork()
        if child == 0:
            try:
                keepwell.open({"datasource": sys.argv[1], "options.second_sqlite": "refuse"})
            except keepwell.MisuseError:
                os._exit(0)
            os._exit(1)
        print(os.waitpid(child, 0)[1])
        other.close()
        """,
        str(path),
    )
    assert (done.stdout, done.stderr, done.returncode) == ("0\n", "", 0)
