"""One store, many threads; cancel tokens."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import keepwell
import pytest
from conftest import ENDLESS


def test_many_threads_read_and_write(store: keepwell.Store) -> None:
    store.execute("CREATE TABLE t(thread, n, UNIQUE(thread, n))")

    def work(thread: int) -> int:
        seen = 0
        for n in range(50):
            if n % 10 == 0:
                with store.transaction() as tx:
                    tx.execute("INSERT INTO t VALUES (?, ?)", (thread, n))
                    count = tx.query_value("SELECT count(*) FROM t WHERE thread = ?", (thread,))
            else:
                store.execute("INSERT INTO t VALUES (?, ?)", (thread, n))
                count = store.query("SELECT count(*) FROM t WHERE thread = ?", (thread,))[0][0]
            assert count == n + 1, "every thread reads its own writes"
            with store.stream("SELECT n FROM t WHERE thread = ?", (thread,)) as stream:
                seen += sum(1 for _ in stream)
        return seen

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(work, range(12))) == [sum(range(1, 51))] * 12
    assert store.query_value("SELECT count(*) FROM t") == 600
    end = time.monotonic() + 20
    while store.stats()["in_use"]:  # the maintenance may be copying the log just now
        assert time.monotonic() < end, "a connection was not given back"


def test_other_threads_run_during_a_long_query(store: keepwell.Store) -> None:
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.wait(0.005):
            ticks += 1

    thread = threading.Thread(target=count)
    thread.start()
    with pytest.raises(keepwell.TimeoutError):
        store.query(ENDLESS, timeout=0.5)
    done.set()
    thread.join()
    assert ticks > 20


def test_a_large_result_lets_other_threads_run(store: keepwell.Store) -> None:
    sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 300000) SELECT x, 'text ' || x FROM c"
    spins = 0
    done = threading.Event()

    def spin() -> None:
        nonlocal spins
        while not done.is_set():
            spins += 1

    thread = threading.Thread(target=spin)
    thread.start()
    started = time.monotonic()
    assert len(store.query(sql)) == 300_000
    elapsed = time.monotonic() - started
    done.set()
    thread.join()
    assert spins > 1000 and elapsed < 30


def test_a_token_ends_a_call_from_another_thread(store: keepwell.Store) -> None:
    token = keepwell.CancelToken()
    timer = threading.Timer(0.1, token.cancel)
    timer.start()
    with pytest.raises(keepwell.CancelledError) as caught:
        store.query(ENDLESS, cancel=token)
    timer.join()
    assert caught.value.name == "KW_CANCELLED" and token.cancelled
    with pytest.raises(keepwell.CancelledError):
        store.execute("CREATE TABLE t(a)", cancel=token)
    token.reset()
    assert not token.cancelled
    assert store.query("SELECT 1", cancel=token) == [(1,)]


def test_a_token_ends_a_wait_for_the_writer(store: keepwell.Store) -> None:
    token = keepwell.CancelToken()
    entered = threading.Event()
    leave = threading.Event()

    def hold() -> None:
        with store.transaction():
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(10)
    threading.Timer(0.1, token.cancel).start()
    with pytest.raises(keepwell.CancelledError):
        store.transaction(cancel=token)
    with pytest.raises((keepwell.TimeoutError, keepwell.ExhaustedError)):
        store.execute("CREATE TABLE t(a)", timeout=0.1)
    leave.set()
    thread.join()
    store.execute("CREATE TABLE t(a)")


def test_a_transaction_is_used_by_one_thread_at_a_time(store: keepwell.Store) -> None:
    errors: "list[BaseException]" = []

    def use() -> None:
        while not errors:
            try:
                tx.query(ENDLESS, timeout=1)
            except keepwell.MisuseError:
                pass  # the other thread was in a call just now
            except BaseException as error:
                errors.append(error)

    with store.transaction() as tx:
        thread = threading.Thread(target=use)
        thread.start()
        misused = 0
        while thread.is_alive():
            try:
                tx.query("SELECT 1")
            except keepwell.MisuseError:
                misused += 1
            time.sleep(0.01)
        thread.join()
        assert misused > 0 and isinstance(errors[0], keepwell.TimeoutError)
        assert tx.query_value("SELECT 1") == 1


def test_a_list_of_parameters_may_change_meanwhile(store: keepwell.Store) -> None:
    """Another thread empties the list while the call runs without the interpreter's lock."""
    store.execute("CREATE TABLE t(v)")
    rows: "list[list[object]]" = [["text %d" % i] for i in range(2000)]
    params: "list[object]" = ["a text"]
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            params.clear()
            params.append("b text" * 10)
            for row in rows[:10]:
                row[:] = ["new text" * 5]

    thread = threading.Thread(target=disturb)
    thread.start()
    for _ in range(30):
        try:
            store.execute("INSERT INTO t VALUES (?)", params)
            store.execute_many("INSERT INTO t VALUES (?)", rows)
        except keepwell.ParameterError:
            pass
    stop.set()
    thread.join()
    assert store.query_value("SELECT count(*) FROM t WHERE typeof(v) <> 'text'") == 0
