"""fork(): a clear error in the child, where a fresh store works."""

from __future__ import annotations

import os
import sys

import pytest
from conftest import Script

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")


def test_a_child_gets_a_clear_error_and_can_open_anew(script: Script) -> None:
    done = script(
        """
        import gc, os, sys, keepwell
        store = keepwell.open("f.db")
        store.execute("CREATE TABLE t(a)")
        tx = store.transaction()
        tx.execute("INSERT INTO t VALUES (1)")
        stream = store.stream("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 9999) SELECT x FROM c")
        statement = store.prepare("SELECT 1")
        token = keepwell.CancelToken()
        import warnings
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
        if child == 0:
            for use in (lambda: store.query("SELECT 1"), lambda: store.execute("DELETE FROM t"), lambda: tx.query("SELECT 1"),
                        tx.commit, lambda: store.transaction(), lambda: list(stream), lambda: store.stats(), lambda: store.close(),
                        lambda: store.execute_many("INSERT INTO t VALUES (?)", [(1,)])):
                try:
                    use()
                except keepwell.ForkedError as error:
                    assert error.name == "KW_FORKED" and "fork" in str(error)
                else:
                    os._exit(2)
            with keepwell.open("f.db") as fresh:
                assert fresh.query_value("SELECT count(*) FROM t") == 0
                assert fresh.query_one("SELECT 1, 2") == (1, 2)
            del store, tx, stream, statement, token
            gc.collect()
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        tx.commit()
        assert len(list(stream)) == 9999
        assert store.query_value("SELECT a FROM t") == 1
        store.close()
        print("fine")
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


def test_multiprocessing_with_fork(script: Script) -> None:
    done = script(
        """
        import multiprocessing, warnings, keepwell
        warnings.simplefilter("ignore", DeprecationWarning)
        store = keepwell.open("m.db")
        store.execute("CREATE TABLE t(a)")

        def work(number):
            try:
                store.query("SELECT 1")
                return "no error"
            except keepwell.ForkedError:
                pass
            with keepwell.open("m.db") as mine:
                mine.execute("INSERT INTO t VALUES (?)", (number,), timeout=10)
                return mine.query("SELECT 1, 'x'")

        with multiprocessing.get_context("fork").Pool(4) as pool:
            results = pool.map(work, range(20))
        assert all(rows == [(1, "x")] and rows.columns == ("1", "'x'") for rows in results), results
        assert store.query_value("SELECT count(*), sum(a) FROM t") == 20
        store.close()
        print("fine")
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


def test_multiprocessing_with_fork_under_load(script: Script) -> None:
    """Each task has a process of its own, forked while threads of the parent write; KEEPWELL_TEST_ROUNDS says how many."""
    done = script(
        """
        import multiprocessing, os, threading, warnings, keepwell
        warnings.simplefilter("ignore", DeprecationWarning)
        rounds = int(os.environ.get("KEEPWELL_TEST_ROUNDS", "300"))
        CHILDREN = 3
        INSERT = "INSERT INTO written VALUES (?, ?)"
        store = keepwell.open("m.db")
        store.execute("CREATE TABLE written(who, number)")
        beside = keepwell.open(":memory:")
        tx = beside.transaction()
        stream = tx.stream(
            "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 9999) SELECT x FROM c")
        acknowledged = [0, 0, 0]
        ended = threading.Event()

        def write_single(who):
            store.execute(INSERT, (who, acknowledged[who] + 1), timeout=30)
            acknowledged[who] += 1

        def write_transaction(who):
            with store.transaction(timeout=30) as own:
                for number in (1, 2, 3):
                    own.execute(INSERT, (who, acknowledged[who] + number))
            acknowledged[who] += 3

        def write_in_a_new_store(who):
            with keepwell.open("m.db") as own:
                own.execute(INSERT, (who, acknowledged[who] + 1), timeout=30)
            acknowledged[who] += 1

        def repeat(write, who):
            while not ended.is_set():
                write(who)

        def work(number):
            for use in (lambda: store.query("SELECT 1"), lambda: tx.execute("DELETE FROM t"), tx.commit, lambda: list(stream)):
                try:
                    use()
                    return f"{number}: no error"
                except keepwell.ForkedError:
                    pass
            with keepwell.open("m.db") as own:
                own.execute(INSERT, (CHILDREN, number), timeout=30)
            return number

        writes = (write_single, write_transaction, write_in_a_new_store)
        threads = [threading.Thread(target=repeat, args=(write, who)) for who, write in enumerate(writes)]
        for thread in threads:
            thread.start()
        with multiprocessing.get_context("fork").Pool(4, maxtasksperchild=1) as pool:
            results = pool.map(work, range(rounds), chunksize=1)
        ended.set()
        for thread in threads:
            thread.join()
        assert results == list(range(rounds)), results
        assert len(list(stream)) == 9999
        tx.commit()
        counts = "SELECT count(DISTINCT number), count(*) FROM written WHERE who = ?"
        for who, written in enumerate([*acknowledged, rounds]):
            assert written > 0 and store.query_one(counts, (who,)) == (written, written), who
        assert store.query_value("PRAGMA integrity_check") == "ok"
        store.close()
        beside.close()
        print("fine")
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


def test_control_c_works_in_a_child_forked_from_a_thread(script: Script) -> None:
    done = script(
        """
        import os, signal, threading, warnings, keepwell
        warnings.simplefilter("ignore", DeprecationWarning)
        ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c WHERE x < 0"
        status = []

        def fork():
            child = os.fork()
            if child == 0:
                threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
                try:
                    keepwell.open(":memory:").query(ENDLESS, timeout=10)
                except KeyboardInterrupt:
                    os._exit(0)
                os._exit(1)
            status.append(os.waitpid(child, 0)[1])

        thread = threading.Thread(target=fork)
        thread.start()
        thread.join()
        print(status)
        """
    )
    assert done.stdout == "[0]\n", done.stderr


if sys.platform == "darwin":
    pytestmark = pytest.mark.skip(reason="fork() without exec is unsafe here")
