"""Exceptions: their classes, their numbers, and that nothing is leaked."""

from __future__ import annotations

import builtins
import contextlib
import pickle
import sqlite3
from pathlib import Path

import keepwell
import pytest


def test_an_error_carries_its_numbers(store: keepwell.Store) -> None:
    with pytest.raises(keepwell.SqlError) as caught:
        store.query("SELECT 1, frm")
    error = caught.value
    assert (error.code, error.name, error.engine_code, error.sql_offset) == (7, "KW_SQL", 1, 10)
    assert error.sqlstate == "42000" and "frm" in error.message and str(error) == error.message
    assert not error.retryable and error.retry is None and not error.committed and not error.rolled_back


def test_each_constraint_says_which(store: keepwell.Store) -> None:
    store.execute_script(
        "CREATE TABLE p(id INTEGER PRIMARY KEY, u UNIQUE, n NOT NULL DEFAULT 1, c CHECK (c < 10), f REFERENCES p(id))"
    )
    store.execute("INSERT INTO p(id, u) VALUES (1, 1)")
    for sql, extended in (
        ("INSERT INTO p(id) VALUES (1)", 1555),
        ("INSERT INTO p(u) VALUES (1)", 2067),
        ("INSERT INTO p(n) VALUES (NULL)", 1299),
        ("INSERT INTO p(c) VALUES (11)", 275),
        ("INSERT INTO p(f) VALUES (99)", 787),
    ):
        with pytest.raises(keepwell.ConstraintError) as caught:
            store.execute(sql)
        assert (caught.value.engine_code, caught.value.engine_extended_code) == (19, extended)
        assert caught.value.sqlstate == "23000"


def test_several_statements_name_the_offset(store: keepwell.Store) -> None:
    with pytest.raises(keepwell.SqlError) as caught:
        store.query("SELECT 1; SELECT 2")
    assert caught.value.sql_offset == 10


@pytest.mark.parametrize("sql", ["", "   ", "-- nothing", ";"])
def test_empty_sql_is_an_error(store: keepwell.Store, sql: str) -> None:
    with pytest.raises(keepwell.Error):
        store.query(sql)


def test_a_nul_inside_sql_is_an_error(store: keepwell.Store) -> None:
    with pytest.raises(keepwell.EncodingError):
        store.query("SELECT 1\0")


def test_read_only_is_enforced(store: keepwell.Store) -> None:
    store.execute("CREATE TABLE t(a)")
    with pytest.raises(keepwell.ReadOnlyError):
        store.execute("INSERT INTO t VALUES (1)", read_only=True)
    with pytest.raises(keepwell.ReadOnlyError):
        store.query("INSERT INTO t VALUES (1) RETURNING a", read_only=True)
    with pytest.raises(keepwell.ReadOnlyError):
        with store.transaction(read_only=True) as tx:
            tx.execute("INSERT INTO t VALUES (1)")
    assert store.query_value("SELECT count(*) FROM t") == 0


def test_another_process_holding_the_lock_is_busy_or_a_timeout(store: keepwell.Store, script: object, tmp_path: Path) -> None:
    store.execute("CREATE TABLE t(a)")
    code = """
        import sqlite3, sys
        c = sqlite3.connect("test.db", isolation_level=None)
        c.execute("BEGIN IMMEDIATE")
        print("ready", flush=True)
        sys.stdin.read()
    """
    import subprocess
    import sys
    import textwrap

    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        with pytest.raises((keepwell.BusyError, keepwell.TimeoutError)) as caught:
            store.execute("INSERT INTO t VALUES (1)", timeout=0.1)
        assert store.query_value("SELECT count(*) FROM t") == 0
        assert caught.value.code in (10, 11)
        process.communicate("")
    store.execute("INSERT INTO t VALUES (1)")


def test_a_timeout_is_also_the_builtin_one(store: keepwell.Store) -> None:
    from conftest import ENDLESS

    for run in (store.query, store.query_one, store.execute):
        with pytest.raises(builtins.TimeoutError) as caught:
            run(ENDLESS, timeout=0.05)
        assert isinstance(caught.value, keepwell.TimeoutError) and caught.value.name == "KW_TIMEOUT"
    assert store.stats()["in_use"] == 0


def test_a_closed_store_says_so(tmp_path: Path) -> None:
    store = keepwell.open(tmp_path / "c.db")
    statement = store.prepare("SELECT 1")
    store.close()
    store.close()
    for use in (
        lambda: store.query("SELECT 1"),
        lambda: store.execute("SELECT 1"),
        lambda: store.execute_many("SELECT ?", [(1,)]),
        lambda: store.execute_script("SELECT 1"),
        lambda: store.stream("SELECT 1"),
        lambda: store.transaction(),
        lambda: store.connection(),
        lambda: store.stats(),
        lambda: store.health(),
        lambda: store.prepare("SELECT 1"),
        lambda: store.with_options(timeout=1),
        lambda: store.query(statement),
    ):
        with pytest.raises(keepwell.ClosedError):
            use()


def test_errors_survive_pickle() -> None:
    with keepwell.open(":memory:") as store, pytest.raises(keepwell.SqlError) as caught:
        store.query("SELEC")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is keepwell.SqlError and again.__dict__ == caught.value.__dict__ and str(again) == str(caught.value)


def test_each_class_knows_its_status() -> None:
    assert keepwell.BusyError("x").name == "KW_BUSY" and keepwell.BusyError("x").code == 10
    assert issubclass(keepwell.TimeoutError, keepwell.Error)
    classes = [v for v in vars(keepwell).values() if isinstance(v, type) and issubclass(v, Exception)]
    assert all(issubclass(kind, (keepwell.Error, Warning)) for kind in classes) and len(classes) > 25


def test_the_instance(script: object) -> None:
    with pytest.raises(keepwell.NotInitializedError):
        keepwell.instance()
    store = keepwell.initialize(":memory:")
    with pytest.raises(keepwell.AlreadyInitializedError):
        keepwell.initialize(":memory:")
    assert keepwell.instance().query_value("SELECT 42") == 42
    del store
    assert keepwell.instance().query_value("SELECT 42") == 42
    keepwell.instance().close()
    with pytest.raises(keepwell.NotInitializedError):
        keepwell.instance()
    keepwell.initialize(":memory:").close()


class TestOpening:
    def test_a_file_that_is_no_database(self, tmp_path: Path) -> None:
        (tmp_path / "text.db").write_text("this is no database, " * 100)
        with pytest.raises(keepwell.CorruptError):
            keepwell.open(tmp_path / "text.db")

    def test_a_directory(self, tmp_path: Path) -> None:
        with pytest.raises(keepwell.Error) as caught:
            keepwell.open(tmp_path)
        assert caught.value.name in ("KW_CANT_OPEN", "KW_IO", "KW_PERMISSION")

    def test_a_missing_folder(self, tmp_path: Path) -> None:
        with pytest.raises(keepwell.CannotOpenError):
            keepwell.open(tmp_path / "none" / "a.db")

    def test_a_missing_file_that_must_exist(self, tmp_path: Path) -> None:
        with pytest.raises(keepwell.CannotOpenError):
            keepwell.open(f"file:{tmp_path}/none.db?mode=rw")
        assert not (tmp_path / "none.db").exists()

    def test_read_only_file(self, tmp_path: Path) -> None:
        with contextlib.closing(sqlite3.connect(tmp_path / "r.db")) as other:
            other.executescript("CREATE TABLE t(a); INSERT INTO t VALUES (1)")
        with keepwell.open(f"file:{tmp_path}/r.db?mode=ro") as store:
            assert store.query_value("SELECT a FROM t") == 1
            with pytest.raises(keepwell.ReadOnlyError):
                store.execute("INSERT INTO t VALUES (2)")
