"""Ctrl-C and other signals while a call waits or runs long."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from conftest import ROOT, command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")

PRELUDE = """
import keepwell, signal, sys, threading, time, warnings
warnings.simplefilter("ignore", ResourceWarning)  # a signal may come before `with` knows of what was made
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c WHERE x < 0"
store = keepwell.open("s.db")
store.execute("CREATE TABLE IF NOT EXISTS t(a)")
def ready(): print("ready", flush=True)
"""


def interrupt(code: str, folder: Path, number: int = signal.SIGINT) -> "tuple[float, str, str]":
    """Runs code in a process, sends a signal when it says that it is ready; seconds until it ends, and what it prints."""
    whole = [*command(), "-c", PRELUDE + textwrap.dedent(code)]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    process = subprocess.Popen(whole, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line == "ready\n", line + process.communicate()[1]
        time.sleep(0.3)
        started = time.monotonic()
        process.send_signal(number)
        try:
            out, err = process.communicate(timeout=15)
        except subprocess.TimeoutExpired:
            process.kill()
            pytest.fail("the signal was not noticed: " + process.communicate()[1])
    return time.monotonic() - started, out, err


CALLS = {
    "query": "store.query(ENDLESS)",
    "query_one": "store.query_one(ENDLESS)",
    "execute": "store.execute(ENDLESS)",
    "script": "store.execute_script(ENDLESS)",
    "stream": "list(store.stream(ENDLESS))",
    "execute_many": "store.execute_many('INSERT INTO t ' + ENDLESS.replace('x < 0', 'x < ?'), [(0,), (0,)])",
    "in a transaction": "tx = store.transaction(); tx.query(ENDLESS)",
    "in a pinned connection": "c = store.connection(); c.query(ENDLESS)",
    "a stream's later batch": (
        "list(store.stream('WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
        "SELECT x FROM c WHERE x < 1000 OR x < 0'))"
    ),
    "many rows": (
        "store.query('WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) "
        "SELECT x FROM c WHERE x < 1000 OR x < 0')"
    ),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS.keys())
def test_control_c_ends_a_long_call(call: str, tmp_path: Path) -> None:
    code = f"""
        ready()
        try:
            {call}
        except KeyboardInterrupt:
            print("interrupted")
        for open in ("tx", "c"):
            if open in globals():
                globals()[open].rollback() if open == "tx" else globals()[open].release()
        assert store.query_value("SELECT 42") == 42
        store.close()
        print("closed")
    """
    seconds, out, err = interrupt(code, tmp_path)
    assert out == "interrupted\nclosed\n" and err == "" and seconds < 8


@pytest.mark.parametrize(
    "call", ["store.execute('INSERT INTO t VALUES (1)')", "store.transaction()", "store.connection()", "store.execute_script('DELETE FROM t')"]
)
def test_control_c_ends_a_wait_for_the_writer(call: str, tmp_path: Path) -> None:
    code = f"""
        entered = threading.Event()
        leave = threading.Event()
        def hold():
            with store.transaction():
                entered.set()
                leave.wait()
        thread = threading.Thread(target=hold)
        thread.start()
        entered.wait()
        ready()
        try:
            {call}
        except KeyboardInterrupt:
            print("interrupted")
        leave.set()
        thread.join()
        store.execute("INSERT INTO t VALUES (2)")
        store.close()
        print("closed")
    """
    seconds, out, err = interrupt(code, tmp_path)
    assert out == "interrupted\nclosed\n" and err == "" and seconds < 8


def test_a_handler_that_returns_lets_the_call_go_on(tmp_path: Path) -> None:
    code = """
        signal.signal(signal.SIGUSR1, lambda *_: print("handled", store.query_value("SELECT 7"), flush=True))
        ready()
        try:
            store.query(ENDLESS, timeout=1)
        except keepwell.TimeoutError:
            print("timed out")
        store.close()
    """
    _, out, err = interrupt(code, tmp_path, signal.SIGUSR1)
    assert out == "handled 7\ntimed out\n" and err == ""


def test_a_handler_may_raise_what_it_likes(tmp_path: Path) -> None:
    code = """
        class Stop(Exception): pass
        def stop(*_): raise Stop("now")
        signal.signal(signal.SIGUSR1, stop)
        ready()
        try:
            store.query(ENDLESS)
        except Stop as stop:
            print(stop)
        store.close()
    """
    _, out, err = interrupt(code, tmp_path, signal.SIGUSR1)
    assert out == "now\n" and err == ""


def test_a_signal_during_another_threads_call_is_handled_by_the_main_thread(tmp_path: Path) -> None:
    code = """
        def work():
            try:
                store.query(ENDLESS, timeout=1.5)
            except keepwell.TimeoutError:
                sys.stdout.write("timed out\\n")
        thread = threading.Thread(target=work)
        thread.start()
        ready()
        try:
            thread.join()
        except KeyboardInterrupt:
            sys.stdout.write("interrupted\\n")
        thread.join()
        store.close()
    """
    _, out, err = interrupt(code, tmp_path)
    assert out == "interrupted\ntimed out\n" and err == ""
