"""Finalizers, interpreter exit, leaks."""

from __future__ import annotations

import gc
import os
import sys
import warnings
from pathlib import Path

import keepwell
import pytest
from conftest import Script


def test_exit_without_close_is_clean(script: Script) -> None:
    done = script(
        """
        import keepwell
        store = keepwell.open("e.db")
        store.execute("CREATE TABLE t(a)")
        store.execute("INSERT INTO t VALUES (1)")
        keepwell.initialize(":memory:")
        kept = [store, store.prepare("SELECT 1"), keepwell.CancelToken(), store.query("SELECT 1"), store.with_options(timeout=1)]
        print("bye")
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("bye\n", "", 0)


def test_exit_with_daemon_threads_inside_calls_is_clean(script: Script) -> None:
    code = """
        import keepwell, random, threading, time
        ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c WHERE x < 0"
        store = keepwell.open("d.db")
        store.execute("CREATE TABLE IF NOT EXISTS t(a)")
        def short():
            while True: store.query("SELECT 1"); store.execute("INSERT INTO t VALUES (1)")
        def long():
            while True:
                try: store.query(ENDLESS, timeout=0.03)
                except keepwell.TimeoutError: pass
        for work in (short, short, long, long):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.2)
        print("bye")
    """
    for _ in range(5):
        done = script(code)
        assert (done.stdout, done.returncode) == ("bye\n", 0), done.stderr
        assert "panic" not in done.stderr and "Fatal" not in done.stderr, done.stderr


def test_finalizers_in_any_order_are_harmless(tmp_path: Path) -> None:
    for order in ("store tx stream", "stream tx store", "tx store stream"):
        store = keepwell.open(tmp_path / "o.db")
        things = {"tx": store.transaction(), "stream": store.stream("SELECT 1"), "store": store}
        del store
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            for name in order.split():
                del things[name]
                gc.collect()


def test_a_forgotten_transaction_is_rolled_back_and_warned_of(store: keepwell.Store) -> None:
    store.execute("CREATE TABLE t(a)")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        store.transaction().execute("INSERT INTO t VALUES (1)")
        gc.collect()
    assert [w.category for w in caught] == [ResourceWarning] and "Transaction" in str(caught[0].message)
    assert store.query_value("SELECT count(*) FROM t") == 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        store.connection()
        gc.collect()
    assert [w.category for w in caught] == [ResourceWarning] and "Connection" in str(caught[0].message)
    store.execute("INSERT INTO t VALUES (1)")


def test_a_forgotten_store_is_closed(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    if not os.path.isdir("/proc/self/fd"):
        pytest.skip("no /proc")
    keepwell.open(tmp_path / "g.db").query("SELECT 1")
    gc.collect()
    before = descriptors()
    for _ in range(20):
        keepwell.open(tmp_path / "g.db").execute("CREATE TABLE IF NOT EXISTS t(a)")
    gc.collect()
    assert descriptors() <= before


def test_cycles_are_collected(tmp_path: Path) -> None:
    class Holder:
        pass

    import weakref

    holder = Holder()
    holder.store = keepwell.open(":memory:")  # type: ignore[attr-defined]
    holder.self = holder  # type: ignore[attr-defined]
    gone = weakref.ref(holder.store)  # type: ignore[attr-defined]
    del holder
    gc.collect()
    assert gone() is None


def test_a_finalizer_may_query_inside_a_query(tmp_path: Path) -> None:
    class Collector:
        """Runs a query while the garbage collector runs inside a query."""

        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            store.query("SELECT 1, 2")

    with keepwell.open(tmp_path / "c.db") as store:
        gc.set_threshold(1)
        try:
            for _ in range(50):
                Collector()
                assert store.query("SELECT 1 UNION SELECT 2") == [(1,), (2,)]
        finally:
            gc.set_threshold(700, 10, 10)
            gc.collect()


@pytest.mark.skipif(keepwell.road != "native", reason="about builtins")
def test_nothing_leaks() -> None:
    import tracemalloc

    with keepwell.open(":memory:") as store:

        def work() -> None:
            for _ in range(200):
                store.query("SELECT 1, 'text', 1.5, x'00' UNION ALL SELECT 2, 'other', 2.5, NULL")
                store.query_one("SELECT ?", (1 << 40,))
                store.execute("SELECT ?", ["a" * 100])
                for bad in ((object(),), (1 << 70,), "x"):
                    try:
                        store.query("SELECT ?", bad)  # type: ignore[arg-type]
                    except keepwell.Error:
                        pass
                try:
                    store.query("SELEC")
                except keepwell.Error:
                    pass

        work()
        gc.collect()
        blocks = sys.getallocatedblocks()
        tracemalloc.start()
        work()
        gc.collect()
        tracemalloc.stop()
        work()
        gc.collect()
        assert sys.getallocatedblocks() - blocks < 200
