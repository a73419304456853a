"""Ctrl-C at awkward moments: what a call has just taken is given back. The usual moments are in test_signals.py."""

from __future__ import annotations

import signal
from pathlib import Path

import keepwell
import pytest
from conftest import Script
from test_signals import interrupt

pytestmark = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="POSIX signals")

LOCKED_CALLS = ["execute('INSERT INTO t VALUES (1)')", "transaction()", "execute_many('INSERT INTO t VALUES (?)', [(1,)])"]


@pytest.mark.parametrize("call", LOCKED_CALLS)
def test_control_c_ends_a_wait_for_another_process(call: str, tmp_path: Path) -> None:
    code = f"""
        import subprocess
        hold = "import keepwell, sys; s = keepwell.open('s.db'); t = s.transaction(); print(flush=True); sys.stdin.read(); t.rollback(); s.close()"
        command = [sys.executable, "-c", hold]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True) as other:
            other.stdout.readline()
            ready()
            try:
                store.{call}
            except KeyboardInterrupt:
                print("interrupted")
            other.stdin.close()
            other.wait()
        store.execute("INSERT INTO t VALUES (2)")
        assert store.query("SELECT a FROM t") == [(2,)]
        store.close()
    """
    seconds, out, err = interrupt(code, tmp_path)
    assert (out, err) == ("interrupted\n", "") and seconds < 8


@pytest.mark.parametrize("rows", [4000, 40_000], ids=["one chunk", "many chunks"])
@pytest.mark.parametrize("target", ["store", "store.transaction()"])
def test_control_c_in_execute_many_undoes_it_and_frees_the_writer(rows: int, target: str, tmp_path: Path) -> None:
    code = f"""
        store.execute_many("INSERT INTO t VALUES (?)", ((i,) for i in range(20000)))
        rows = [(-i,) for i in range({rows})]
        target = {target}
        ready()
        try:
            target.execute_many("DELETE FROM t WHERE a = ? OR a > 19000", rows)
        except KeyboardInterrupt:
            print("interrupted")
        if target is not store:
            target.rollback()
        print(store.stats()["in_use"], store.query_value("SELECT count(*) FROM t"))
        store.execute("INSERT INTO t VALUES (1)", timeout=5)
        store.close()
    """
    seconds, out, err = interrupt(code, tmp_path)
    assert (out, err) == ("interrupted\n0 20000\n", "") and seconds < 8


def test_a_deadline_in_execute_many_inside_a_transaction_frees_the_writer(store: keepwell.Store) -> None:
    """The engine rolls the whole transaction back then; the connection must go back with it."""
    store.execute("CREATE TABLE t(a)")
    store.execute_many("INSERT INTO t VALUES (?)", ((i,) for i in range(20_000)))
    with store.transaction() as tx:
        with pytest.raises(keepwell.TimeoutError):
            tx.execute_many("DELETE FROM t WHERE a = ?", [(-i,) for i in range(4000)], timeout=0.03)
        tx.rollback()
    assert store.stats()["in_use"] == 0
    assert store.query_value("SELECT count(*) FROM t") == 20_000
    store.execute("INSERT INTO t VALUES (1)", timeout=5)


CALLS = {
    "transaction": "with store.transaction() as tx: tx.query_value('SELECT 1')",
    "read-only transaction": "with store.transaction(read_only=True) as tx: tx.query_value('SELECT 1')",
    "connection": "with store.connection() as c: c.query_value('SELECT 1')",
    "stream": "with store.stream('SELECT a FROM t') as s: next(s)",
    "query of many batches": "store.query('SELECT a FROM t')",
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_control_c_in_a_short_call_loses_nothing(call: str, script: Script) -> None:
    """A signal may come between the library's success and the object that owns what it gave."""
    done = script(
        f"""
        import random, signal, time, warnings, keepwell
        warnings.simplefilter("ignore", ResourceWarning)
        store = keepwell.open({{"datasource": "i.db", "options.synchronous": "off"}})
        store.execute("CREATE TABLE t(a)")
        store.execute_many("INSERT INTO t VALUES (?)", ((i,) for i in range(3000)))
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        def work():
            {call}
        end = time.monotonic() + 1
        interrupts = 0
        while time.monotonic() < end:
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-5, 3e-4), 0.05)
                    while True:
                        work()
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interrupts += 1
            used = store.stats()["in_use"]
            assert used == 0, f"{{used}} connections lost by interrupt {{interrupts}}"
        store.close()
        print("fine")
        """
    )
    assert done.stdout == "fine\n", done.stderr[-600:]


@pytest.mark.skipif(keepwell.road != "portable", reason="there the interpreter itself raises the others, wherever the program is")
def test_several_signals_at_the_same_moment(script: Script) -> None:
    """Each handler raises, the second while the exception of the first is being noted; later calls can be interrupted as before."""
    done = script(
        """
        import os, signal, threading, keepwell
        ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
        SIGNALS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM)
        store = keepwell.open(":memory:")
        def refuse(number, frame):
            raise InterruptedError(signal.Signals(number).name)
        for number in SIGNALS:
            signal.signal(number, refuse)
        def send():
            for number in SIGNALS:
                os.kill(os.getpid(), number)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)  # all of them arrive now, in this thread
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        seen = []
        while len(seen) < 6 * len(SIGNALS):
            if len(seen) % len(SIGNALS) == 0:
                threading.Timer(0.1, send).start()
            try:
                store.query(ENDLESS, timeout=10)
            except InterruptedError as error:
                seen.append(str(error))
        assert sorted(seen) == sorted(number.name for number in SIGNALS for _ in range(6)), seen
        store.close()
        print("fine")
        """
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")
