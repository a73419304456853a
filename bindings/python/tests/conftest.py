"""What the tests share. The whole suite runs on the road that ``python -X keepwell_road=…`` chooses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import keepwell  # noqa: E402

# A shell that runs the suite in the background lets it ignore SIGINT, and programs started from here would ignore it too.
signal.signal(signal.SIGINT, signal.default_int_handler)

Script = Callable[..., "subprocess.CompletedProcess[str]"]


def pytest_report_header() -> str:
    return f"keepwell {keepwell.__version__}, {keepwell.road} road"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[keepwell.Store]:
    """A store on a file."""
    with keepwell.open(tmp_path / "test.db") as store:
        yield store


@pytest.fixture
def numbers(store: keepwell.Store) -> keepwell.Store:
    """A store with a table ``n(i, t)`` of 1,000 rows."""
    store.execute("CREATE TABLE n(i INTEGER PRIMARY KEY, t TEXT)")
    store.execute_many("INSERT INTO n VALUES (?, ?)", ((i, f"row {i}") for i in range(1000)))
    return store


def command(road: str = keepwell.road) -> "list[str]":
    """This interpreter on this road."""
    return [sys.executable, "-X", f"keepwell_road={road}", "-X", "dev", "-W", "error"]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs Python code in a process of its own, in a folder of its own."""

    def run(code: str, *arguments: str, **more: Any) -> "subprocess.CompletedProcess[str]":
        environment = dict(os.environ, PYTHONPATH=str(ROOT))
        whole = [*command(), "-c", textwrap.dedent(code), *arguments]
        return subprocess.run(whole, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, **more)

    return run


#: A statement that runs until somebody ends it.
ENDLESS = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(*) FROM c WHERE x < 0"
