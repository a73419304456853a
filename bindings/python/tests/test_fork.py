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
