"""Finding and checking the library; the roads."""

from __future__ import annotations

import inspect
import os
import shutil
import subprocess
import sys
from pathlib import Path

import keepwell
import pytest
from conftest import ROOT, Script, command
from keepwell import _library, _portable, _road


def run(code: str, folder: Path, road: str = keepwell.road, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Runs code with a copy of the package that lies in ``folder``, away from any checkout."""
    if not (folder / "keepwell").exists():
        shutil.copytree(ROOT / "keepwell", folder / "keepwell", ignore=shutil.ignore_patterns("__pycache__", "*.so"))
    clean = {name: value for name, value in os.environ.items() if name not in ("KEEPWELL_LIBRARY", "PYTHONPATH", "LD_LIBRARY_PATH")}
    whole = [*command(road), "-c", code]
    return subprocess.run(whole, cwd=folder, env={**clean, **environment}, capture_output=True, text=True, timeout=60)


SAY = "import keepwell; from keepwell import _library; print(_library.PATH, keepwell.open(':memory:').query_value('SELECT 1'))"


def test_a_missing_library_lists_the_places(tmp_path: Path) -> None:
    done = run(SAY, tmp_path)
    assert done.returncode == 1 and "ImportError: keepwell: the library" in done.stderr
    assert "KEEPWELL_LIBRARY" in done.stderr and str(tmp_path / "keepwell") in done.stderr and "the system's loader" in done.stderr


def test_the_variable_names_the_library(tmp_path: Path) -> None:
    done = run(SAY, tmp_path, KEEPWELL_LIBRARY=_library.PATH)
    assert done.stdout.split() == [_library.PATH, "1"], done.stderr
    done = run(SAY, tmp_path, KEEPWELL_LIBRARY=str(tmp_path / "none.so"))
    assert "ImportError" in done.stderr and "none.so" in done.stderr and "KEEPWELL_LIBRARY" in done.stderr


def test_beside_the_package_comes_first(tmp_path: Path) -> None:
    run("", tmp_path)
    beside = tmp_path / "keepwell" / keepwell._search.FILE_NAME
    shutil.copy(_library.PATH, beside)
    done = run(SAY, tmp_path, KEEPWELL_LIBRARY=str(tmp_path / "none.so"))
    assert done.stdout.split() == [str(beside), "1"], done.stderr


def test_the_loader_comes_last(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    shutil.copy(_library.PATH, tmp_path / "lib" / keepwell._search.FILE_NAME)
    done = run(SAY, tmp_path, LD_LIBRARY_PATH=str(tmp_path / "lib"))
    assert done.stdout.split() == [keepwell._search.FILE_NAME, "1"], done.stderr


def test_another_library_is_refused(tmp_path: Path) -> None:
    import _ctypes

    done = run(SAY, tmp_path, KEEPWELL_LIBRARY=_ctypes.__file__)
    assert "ImportError" in done.stderr and "no keepwell library" in done.stderr


def test_a_library_of_another_release_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import copy
    import json

    class Fake:
        def __init__(self, about: object) -> None:
            self.kw_abi_describe = lambda: json.dumps(about).encode()

        def __getattr__(self, name: str) -> object:
            if name == "kw_open":
                raise AttributeError(name)
            return getattr(_library._library, name)

    about = copy.deepcopy(_library.ABOUT)
    about["structs"]["kw_options"]["size"] = 8
    about["statuses"]["KW_BUSY"] = 99
    for words in ("kw_open is missing", "kw_options has 8 bytes", "KW_BUSY is 99"):
        with pytest.raises(ImportError, match=words):
            _library._check(Fake(about), "the place")  # type: ignore[arg-type]


def test_the_native_road_is_the_usual_one(script: Script) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import keepwell; print(keepwell.road)"],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        capture_output=True,
        text=True,
    )
    expected = "native" if sys.implementation.name == "cpython" and getattr(sys, "_is_gil_enabled", lambda: True)() else "portable"
    assert done.stdout == expected + "\n", done.stderr


def test_both_roads_have_the_same_face() -> None:
    for name in ("query", "query_one", "query_value", "execute"):
        portable, ours = getattr(_portable.Target, name), getattr(_road.Target, name)
        assert ours.__doc__ == portable.__doc__
        plain = [(p.name, p.kind, p.default) for p in inspect.signature(portable).parameters.values()][1:]
        assert [(p.name, p.kind, p.default) for p in inspect.signature(ours).parameters.values()][1:] == plain
    assert _road.Rows.__name__ == "Rows" and _road.Rows.__doc__ == _portable.Rows.__doc__
    rows = _road.Rows(("a",), [(1,)])
    assert rows == [(1,)] and rows.columns == ("a",)


def test_importing_afresh_works(script: Script) -> None:
    done = script(
        """
        import sys
        for _ in range(3):
            import keepwell
            with keepwell.open(":memory:") as store:
                try:
                    store.query("SELEC")
                except keepwell.SqlError:
                    print(store.query("SELECT 1")[0])
            for name in [name for name in sys.modules if name.startswith("keepwell")]:
                del sys.modules[name]
        """
    )
    assert done.stdout == "(1,)\n" * 3, done.stderr


def test_the_public_face_is_typed(tmp_path: Path) -> None:
    pytest.importorskip("mypy")
    (tmp_path / "use.py").write_text(
        "import keepwell\n"
        "from typing import Optional, Tuple, Any\n"
        "store: keepwell.Store = keepwell.open({'datasource': ':memory:', 'pool': {'max_open': 2}})\n"
        "rows: keepwell.Rows = store.query('SELECT ?', (1,), timeout=1.5, read_only=True, cache=None)\n"
        "names: Tuple[str, ...] = rows.columns\n"
        "first: Tuple[Any, ...] = rows[0]\n"
        "one: Optional[keepwell.Row] = store.query_one('SELECT 1')\n"
        "result: keepwell.Result = store.execute('SELECT 1', {'a': b'x'})\n"
        "number: int = result.rows_affected\n"
        "with store.transaction() as tx, tx.transaction('deferred') as inner:\n"
        "    inner.execute_many('INSERT', ((i, str(i)) for i in range(3)))\n"
        "with store.stream('SELECT 1') as stream:\n"
        "    for row in stream: print(row[0])\n"
        "with store.connection(read_only=True) as connection: connection.query('SELECT 1')\n"
        "code: int = keepwell.Error('x').code\n"
        "for wish in (True, False, 'refresh', 2.5, 60, None): cached: bool = store.query('SELECT 1', cache=wish).from_cache\n"
        "hits: int = store.cache_stats()['hits']\n"
        "import keepwell.prometheus, keepwell.web, logging\n"
        "collector: keepwell.prometheus.Collector = keepwell.prometheus.Collector(store)\n"
        "app = keepwell.web.wsgi(store)\n"
        "text: str = store.metrics('openmetrics')\n"
        "address: Optional[str] = store.metrics_address\n"
        "last: Optional[keepwell.LastError] = store.health(timeout=1).last_error\n"
        "idle: int = store.health().pool.idle\n"
        "worst: float = store.statements('worst', limit=3)[0].worst_seconds\n"
        "details = [node.detail for node in store.explain('SELECT 1').nodes]\n"
        "cures = [advice.index_sql for advice in store.advise('SELECT 1')]\n"
        "with keepwell.forward_logs(logging.getLogger('x'), level='DEBUG') as forwarding: dropped: int = forwarding.dropped\n"
    )
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", str(tmp_path / "use.py")]
    done = subprocess.run(command, env=dict(os.environ, MYPYPATH=str(ROOT)), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
