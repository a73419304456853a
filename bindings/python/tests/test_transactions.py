"""Transactions, savepoints, pinned connections, scripts, derived targets, prepared statements."""

from __future__ import annotations

import threading
from typing import List

import keepwell
import pytest
from conftest import ENDLESS


@pytest.fixture(autouse=True)
def table(store: keepwell.Store) -> None:
    store.execute("CREATE TABLE t(v UNIQUE)")


def values(target: keepwell.Target) -> "list[object]":
    return [row[0] for row in target.query("SELECT v FROM t ORDER BY rowid")]


def test_commits_at_the_end_and_rolls_back_on_an_exception(store: keepwell.Store) -> None:
    with store.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (1)")
        assert tx.is_open
    assert not tx.is_open
    with pytest.raises(ZeroDivisionError):
        with store.transaction() as tx:
            tx.execute("INSERT INTO t VALUES (2)")
            raise ZeroDivisionError
    assert values(store) == [1] and not tx.is_open


def test_nests_by_savepoints(store: keepwell.Store) -> None:
    with store.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (1)")
        with tx.transaction() as inner:
            inner.execute("INSERT INTO t VALUES (2)")
        with pytest.raises(keepwell.ConstraintError):
            with tx.transaction() as inner:
                inner.execute("INSERT INTO t VALUES (3)")
                with inner.transaction() as innermost:
                    innermost.execute("INSERT INTO t VALUES (4)")
                inner.execute("INSERT INTO t VALUES (1)")
        tx.execute("INSERT INTO t VALUES (5)")
    assert values(store) == [1, 2, 5]


def test_by_hand(store: keepwell.Store) -> None:
    with store.transaction() as tx:
        tx.execute("INSERT INTO t VALUES (1)")
        tx.rollback()
    assert values(store) == []
    tx = store.transaction("deferred")
    tx.execute("INSERT INTO t VALUES (2)")
    tx.commit()
    assert values(store) == [2]
    tx.rollback()
    for use in (lambda: tx.query("SELECT 1"), tx.commit, lambda: tx.transaction()):
        with pytest.raises((keepwell.TransactionEndedError, keepwell.ClosedError)):
            use()


@pytest.mark.parametrize("mode", ["immediate", "deferred", "exclusive"])
def test_modes(store: keepwell.Store, mode: str) -> None:
    with store.transaction(mode) as tx:
        tx.execute("INSERT INTO t VALUES (1)")
    assert values(store) == [1]


def test_an_unknown_mode_is_refused(store: keepwell.Store) -> None:
    with pytest.raises(ValueError, match="immediate"):
        store.transaction("fast")


def test_a_read_only_transaction_is_one_snapshot(store: keepwell.Store) -> None:
    store.execute("INSERT INTO t VALUES (1)")
    with store.transaction(read_only=True) as tx:
        assert values(tx) == [1]
        store.execute("INSERT INTO t VALUES (2)")
        assert values(tx) == [1]
    assert values(store) == [1, 2]


def test_a_transaction_on_the_store_inside_one_is_a_self_deadlock(store: keepwell.Store) -> None:
    with store.transaction() as tx:
        with pytest.raises(keepwell.SelfDeadlockError):
            store.transaction()
        with pytest.raises(keepwell.SelfDeadlockError):
            store.execute("INSERT INTO t VALUES (1)")
        tx.execute("INSERT INTO t VALUES (2)")
    assert values(store) == [2]


def test_the_engine_may_end_a_transaction(store: keepwell.Store) -> None:
    store.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(keepwell.ConstraintError) as caught:
        with store.transaction() as tx:
            tx.execute("INSERT INTO t VALUES (2)")
            tx.execute("INSERT OR ROLLBACK INTO t VALUES (1)")
    assert caught.value.rolled_back
    assert values(store) == [1]


def test_a_deferred_foreign_key_fails_the_commit(store: keepwell.Store) -> None:
    store.execute_script("CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
    with pytest.raises(keepwell.ConstraintError):
        with store.transaction() as tx:
            tx.execute("INSERT INTO c VALUES (1)")
    assert store.query_value("SELECT count(*) FROM c") == 0
    tx = store.transaction()
    tx.execute("INSERT INTO c VALUES (1)")
    with pytest.raises(keepwell.ConstraintError):
        tx.commit()
    assert tx.is_open
    tx.execute("INSERT INTO p VALUES (1)")
    tx.commit()
    assert store.query_value("SELECT count(*) FROM c") == 1


def test_a_pinned_connection_keeps_what_is_its_own(store: keepwell.Store) -> None:
    with store.connection() as connection:
        connection.execute("CREATE TEMP TABLE s(v)")
        connection.execute_many("INSERT INTO s VALUES (?)", [(1,), (2,)])
        assert connection.query_value("SELECT sum(v) FROM s") == 3
        with connection.transaction() as tx:
            tx.execute("INSERT INTO t SELECT v FROM s")
        connection.execute("BEGIN")
        connection.execute("INSERT INTO t VALUES (9)")
        connection.execute("ROLLBACK")
    connection.release()
    with pytest.raises(keepwell.Error):
        connection.query("SELECT 1")
    assert values(store) == [1, 2]
    with pytest.raises(keepwell.SqlError):
        store.query("SELECT * FROM s")


def test_a_pinned_reader_does_not_write(store: keepwell.Store) -> None:
    with store.connection(read_only=True) as connection:
        assert values(connection) == []
        with pytest.raises(keepwell.ReadOnlyError):
            connection.execute("INSERT INTO t VALUES (1)")


def test_scripts(store: keepwell.Store) -> None:
    result = store.execute_script("INSERT INTO t VALUES (1); -- one\n INSERT INTO t VALUES (2), (3);")
    assert result.rows_affected == 3
    with pytest.raises(keepwell.ConstraintError) as caught:
        store.execute_script("INSERT INTO t VALUES (4); INSERT INTO t VALUES (1)")
    assert caught.value.sql_offset == 26
    assert values(store) == [1, 2, 3]
    with store.transaction() as tx:
        tx.execute_script("INSERT INTO t VALUES (5); INSERT INTO t VALUES (6)")
    assert values(store) == [1, 2, 3, 5, 6]
    with pytest.raises(TypeError):
        store.execute_script(b"SELECT 1")  # type: ignore[arg-type]


def test_derived_targets(store: keepwell.Store) -> None:
    from conftest import ENDLESS

    quick = store.with_options(timeout=0.05, read_only=True)
    with pytest.raises(keepwell.TimeoutError):
        quick.query(ENDLESS)
    with pytest.raises(keepwell.ReadOnlyError):
        quick.execute("INSERT INTO t VALUES (1)")
    assert quick.query("SELECT 1") == [(1,)]
    with store.transaction() as tx:
        tx.with_options(timeout=5).execute("INSERT INTO t VALUES (1)")
    assert values(store.with_options(timeout=5).with_options(read_only=True)) == [1]


def test_prepared_statements(store: keepwell.Store) -> None:
    with store.prepare("INSERT INTO t VALUES (:v)") as insert, store.prepare("SELECT v, 1 FROM t WHERE v > ?") as select:
        assert (insert.parameter_count, insert.column_count, insert.read_only) == (1, 0, False)
        assert (select.parameter_count, select.column_count, select.read_only) == (1, 2, True)
        assert insert.parameter_names == ("v",) and select.parameter_names == (None,)
        assert store.execute(insert, {"v": 1}).rows_affected == 1
        store.execute_many(insert, [(2,), (3,)])
        store.execute_many(insert, [{"v": 4}])
        with store.transaction() as tx:
            tx.execute(insert, (5,))
            assert tx.query(select, (3,)) == [(4, 1), (5, 1)]
        assert store.query_value(select, (4,)) == 5
        with store.stream(select, (0,)) as stream:
            assert len(list(stream)) == 5
        assert "SELECT v" in repr(select)
    with pytest.raises(keepwell.ClosedError):
        store.query(select, (1,))
    with pytest.raises(keepwell.SqlError):
        store.prepare("SELEC")


def test_stats(store: keepwell.Store) -> None:
    stats = store.stats()
    assert stats["in_use"] == 0 and stats["open"] >= 1 and stats["max_open"] >= stats["open"]
    assert repr(store).startswith("<keepwell.Store ")


def test_the_way_out_waits_for_another_threads_call(store: keepwell.Store) -> None:
    """Else the transaction would keep the writer for as long as somebody keeps the exception."""
    store.execute("CREATE TABLE way_out(v)")
    token = keepwell.CancelToken()
    inside, ended = threading.Event(), threading.Event()
    kept: List[BaseException] = []

    def call(tx: keepwell.Transaction) -> None:
        inside.set()
        with pytest.raises(keepwell.CancelledError):
            tx.query(ENDLESS, cancel=token)
        ended.set()

    thread = None
    try:
        with store.transaction() as tx:
            thread = threading.Thread(target=call, args=(tx,))
            thread.start()
            inside.wait()
            threading.Timer(0.2, token.cancel).start()
            raise KeyError("mine")
    except KeyError as error:
        kept.append(error)
    store.execute("INSERT INTO way_out VALUES (1)", timeout=20)
    assert thread is not None
    thread.join()
    assert ended.is_set() and kept
