"""``run``: a transaction whose body is run again when another commit was in the way."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Iterator, List

import keepwell
import pytest
from conftest import ENDLESS
from keepwell import _run
from keepwell._errors import make_error
from test_signals import interrupt


@pytest.fixture
def other(store: keepwell.Store, tmp_path: Path) -> Iterator[keepwell.Store]:
    """A second store on the same file: it is in the way as another process would be."""
    store.execute("CREATE TABLE t(v UNIQUE)")
    with keepwell.open(tmp_path / "test.db") as other:
        yield other


def values(target: keepwell.Target) -> "List[object]":
    return [row[0] for row in target.query("SELECT v FROM t ORDER BY rowid")]


def conflict(*_: Any) -> None:
    """Fails as if another commit had been in the way."""
    raise make_error(23, "made for this test", 5, 517, -1, 2, "40001")


class Overtaken:
    """A body whose first run is overtaken by a commit of the other store."""

    def __init__(self, other: keepwell.Store) -> None:
        self.other, self.runs = other, 0

    def __call__(self, tx: keepwell.Transaction, value: str) -> int:
        self.runs += 1
        seen = values(tx)
        if self.runs == 1:
            self.other.execute("INSERT INTO t VALUES ('other')")
        else:
            assert seen == ["other"]
            with pytest.raises(keepwell.TimeoutError):  # the second run is immediate
                self.other.execute("DELETE FROM t", timeout=0.02)
        tx.execute("INSERT INTO t VALUES (?)", (value,))
        return self.runs


def test_returns_what_the_body_returns(store: keepwell.Store, other: keepwell.Store) -> None:
    assert store.run(lambda tx, a, b: tx.execute("INSERT INTO t VALUES (?)", (a + b,)).rows_affected, 1, 2) == 1
    assert store.run(values, read_only=True) == [3]
    assert store.with_options(timeout=5).run(values, mode="exclusive") == [3]


def test_a_conflict_is_run_again(store: keepwell.Store, other: keepwell.Store) -> None:
    body = Overtaken(other)
    assert store.run(body, "own", mode="deferred") == 2
    assert values(other) == ["other", "own"]


def test_a_pinned_connection_runs_it_again_too(store: keepwell.Store, other: keepwell.Store) -> None:
    with store.connection() as connection:
        assert connection.run(Overtaken(other), "own", mode="deferred") == 2


@pytest.mark.parametrize("derived", [False, True])
def test_the_outermost_is_run_again(store: keepwell.Store, other: keepwell.Store, derived: bool) -> None:
    inner, runs = Overtaken(other), []

    def outer(tx: keepwell.Transaction) -> int:
        runs.append(tx)
        return (tx.with_options(timeout=60) if derived else tx).run(inner, "own")

    assert store.run(outer, mode="deferred") == 2
    assert len(runs) == inner.runs == 2 and values(other) == ["other", "own"]


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt, SystemExit, keepwell.Error])
def test_every_other_exception_comes_out_unchanged(store: keepwell.Store, other: keepwell.Store, kind: Any) -> None:
    thrown, runs = kind("own"), []

    def body(tx: keepwell.Transaction) -> None:
        runs.append(tx)
        tx.execute("INSERT INTO t VALUES (1)")
        raise thrown

    with pytest.raises(kind) as caught:
        store.run(body)
    assert caught.value is thrown and len(runs) == 1 and values(other) == []
    other.execute("INSERT INTO t VALUES (2)")


def test_an_inner_failure_takes_back_only_itself(store: keepwell.Store, other: keepwell.Store) -> None:
    def body(tx: keepwell.Transaction) -> None:
        tx.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(keepwell.ConstraintError):
            tx.run(lambda inner: inner.execute_many("INSERT INTO t VALUES (?)", [(2,), (2,)]))
        with pytest.raises(ZeroDivisionError):
            tx.run(lambda inner: inner.execute("INSERT INTO t VALUES (3)").rows_affected / 0)

    store.run(body)
    assert values(other) == [1]


def test_what_the_engine_ended_is_no_success(store: keepwell.Store, other: keepwell.Store) -> None:
    def body(tx: keepwell.Transaction) -> None:
        tx.execute("INSERT INTO t VALUES (1)")
        with pytest.raises(keepwell.ConstraintError):
            tx.run(lambda inner: inner.execute("INSERT OR ROLLBACK INTO t VALUES (1)"))

    with pytest.raises(keepwell.TransactionEndedError):
        store.run(body)
    assert values(other) == []


@pytest.mark.parametrize("end", ["commit", "rollback"])
@pytest.mark.parametrize("fails", [False, True])
def test_a_body_that_ends_it_has_decided(store: keepwell.Store, other: keepwell.Store, end: str, fails: bool) -> None:
    runs = []

    def body(tx: keepwell.Transaction) -> str:
        runs.append(tx)
        tx.execute("INSERT INTO t VALUES (1)")
        getattr(tx, end)()
        if fails:
            conflict()
        return "decided"

    if fails:
        with pytest.raises(keepwell.ConflictError):
            store.run(body)
    else:
        assert store.run(body) == "decided"
    assert len(runs) == 1 and values(other) == ([1] if end == "commit" else [])


def test_one_deadline_for_all_runs(store: keepwell.Store) -> None:
    with pytest.raises(keepwell.TimeoutError, match="failed before, the last with: made for this test") as caught:
        store.run(conflict, timeout=0.06)
    error = caught.value
    assert isinstance(error.__cause__, keepwell.ConflictError)
    assert (error.code, error.sqlstate, error.retry, error.flags) == (11, "HYT00", None, 8)


def test_the_deadline_reaches_the_calls_of_the_body(store: keepwell.Store) -> None:
    def nested(tx: keepwell.Transaction) -> None:
        with tx.transaction() as inner:
            inner.query(ENDLESS, timeout=60)

    for body in (
        lambda tx: tx.query(ENDLESS),
        nested,
        lambda tx: tx.run(lambda inner: inner.execute(ENDLESS)),
        lambda tx: sum(1 for _ in tx.stream(ENDLESS.replace("count(*)", "x").replace("x < 0", "x > 0"))),
    ):
        with pytest.raises(keepwell.TimeoutError):
            store.run(body, timeout=0.05)
    assert store.stats()["in_use"] == 0


def test_a_token_ends_the_pauses_and_the_calls(store: keepwell.Store) -> None:
    token, runs = keepwell.CancelToken(), []

    def body(tx: keepwell.Transaction) -> None:
        runs.append(tx)
        if len(runs) == 3:
            token.cancel()
        conflict()

    with pytest.raises(keepwell.CancelledError, match="3 runs failed before") as caught:
        store.run(body, cancel=token)
    assert isinstance(caught.value.__cause__, keepwell.ConflictError) and len(runs) == 3
    token.reset()
    with pytest.raises(keepwell.CancelledError):
        store.run(lambda tx: (token.cancel(), tx.query("SELECT 1")), cancel=token)


def test_without_a_deadline_patience_ends(store: keepwell.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_run, "_PATIENCE", 0.03)
    for timeout in (None, float("inf")):
        runs: List[Any] = []
        with pytest.raises(keepwell.ConflictError):
            store.run(lambda tx: (runs.append(tx), conflict()), timeout=timeout)
        assert len(runs) > 1


def test_a_beginning_that_fails_is_final(store: keepwell.Store, other: keepwell.Store) -> None:
    with other.transaction():
        with pytest.raises(keepwell.TimeoutError):
            store.run(values, timeout=0.05)
    with store.transaction():
        with pytest.raises(keepwell.SelfDeadlockError):
            store.run(values)
    for wrong in ({"timeout": -1}, {"timeout": "1"}, {"cancel": 1}):
        with pytest.raises((TypeError, ValueError)):
            store.run(values, **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="mode"):
        store.run(values, mode="fast")


def test_nothing_keeps_a_failed_run_alive(store: keepwell.Store) -> None:
    import gc
    import weakref

    class Witness:
        pass

    seen = []

    def body(tx: keepwell.Transaction) -> None:
        witness = Witness()
        seen.append(weakref.ref(witness))
        if len(seen) < 3:
            conflict()

    gc.collect()
    gc.disable()
    try:
        store.run(body)
        assert len(seen) == 3
        if keepwell.road == "native":  # reference counts, so that nothing waits for the collector
            assert [ref() for ref in seen] == [None] * 3
    finally:
        gc.enable()


def test_control_c_in_the_body_and_in_a_pause(tmp_path: Path) -> None:
    code = """
        from keepwell import _run
        from keepwell._errors import make_error
        _run._PATIENCE = _run._FIRST_PAUSE = _run._LONGEST_PAUSE = 1e9
        def fail(tx):
            tx.execute("INSERT INTO t VALUES (1)")
            ready()
            raise make_error(23, "made for this test", 5, 517, -1, 2, "40001")
        try:
            store.run(fail)
        except KeyboardInterrupt:
            print("interrupted")
        print(store.stats()["in_use"], store.query_value("SELECT count(*) FROM t"))
        store.close()
    """
    seconds, out, err = interrupt(code, tmp_path)
    assert (out, err) == ("interrupted\n0 0\n", "")
