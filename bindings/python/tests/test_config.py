"""The forms of configuration."""

from __future__ import annotations

import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

import keepwell
import pytest


def synchronous(store: keepwell.Store) -> Any:
    with store:
        return store.query_value("PRAGMA synchronous")


@pytest.mark.parametrize("kind", [str, Path, lambda path: f"file:{path}", lambda path: {"datasource": str(path)}, lambda path: {"datasource": path}])
def test_a_path_a_uri_or_a_mapping(tmp_path: Path, kind: Any) -> None:
    with keepwell.open(kind(tmp_path / "a.db")) as store:
        store.execute("CREATE TABLE t(a)")
    assert (tmp_path / "a.db").exists()


def test_a_path_object_is_never_a_uri(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("file:odd.db", ":memory:"):
        with keepwell.open(Path(name)) as store:
            store.execute("CREATE TABLE t(a)")
        assert os.path.exists(name)


def test_memory() -> None:
    with keepwell.open(":memory:") as store, keepwell.open(":memory:") as other:
        store.execute("CREATE TABLE t(a)")
        assert store.query("SELECT * FROM t") == []
        with pytest.raises(keepwell.SqlError):
            other.query("SELECT * FROM t")


@pytest.mark.parametrize(
    "settings",
    [
        {"sqlite.synchronous": "full"},
        {"sqlite": {"synchronous": "full"}},
        MappingProxyType({"sqlite": MappingProxyType({"synchronous": "full"})}),
    ],
)
def test_dotted_and_nested_keys(tmp_path: Path, settings: Any) -> None:
    assert synchronous(keepwell.open({"datasource": tmp_path / "a.db", **settings})) == 2
    assert synchronous(keepwell.open({"database": {"datasource": tmp_path / "a.db", **settings}})) == 2


def test_values_of_other_types(tmp_path: Path) -> None:
    config = {"datasource": tmp_path / "a.db", "pool": {"max_open": 3}, "cache": {"enabled": False}, "metrics.enabled": True}
    with keepwell.open(config) as store:
        assert store.stats()["max_open"] == 3


def test_yaml(tmp_path: Path) -> None:
    for suffix in ("yaml", "yml"):
        path = tmp_path / f"c.{suffix}"
        path.write_text(f"database:\n  driver: sqlite3\n  datasource: {tmp_path}/y.db\n  pool:\n    max_open: 4\n")
        for config in (path, str(path)):
            with keepwell.open(config) as store:
                assert store.stats()["max_open"] == 4


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"datasource": ":memory:", "pool.max_opne": 3}, "pool.max_open"),
        ({"datasource": ":memory:", "pool.max_open": "many"}, "pool.max_open"),
        ({"datasource": ":memory:", "pool.max_open": None}, "pool.max_open"),
        ({"datasource": ":memory:", "pool": [1]}, "pool"),
        ({1: 2}, "str"),
        ({}, "datasource"),
        (7, "mapping"),
        ("missing.yaml", "missing.yaml"),
    ],
)
def test_what_is_wrong_is_named(config: Any, words: str) -> None:
    with pytest.raises(keepwell.Error, match=words) as caught:
        keepwell.open(config)
    assert caught.value.name in ("KW_CONFIG", "KW_CANT_OPEN", "KW_IO")


def test_a_path_with_strange_characters(tmp_path: Path) -> None:
    for name in ("with space.db", "ümlaut.db", "percent%20.db", "question?.db", "hash#.db", "all %3F?#.db"):
        with keepwell.open(tmp_path / name) as store:
            store.execute("CREATE TABLE t(a)")
        assert (tmp_path / name).exists(), name


def test_the_effective_configuration_is_read_back(tmp_path: Path) -> None:
    with keepwell.open({"datasource": tmp_path / "a.db", "pool": {"wait_timeout": "250ms"}}) as store:
        assert (store.config("pool.wait_timeout"), store.config("writer.group_max")) == ("0.25", "64")
        assert store.config("datasource").endswith("a.db")
        with pytest.raises(keepwell.ConfigError, match="pool.max_open"):
            store.config("pool.max_opne")
    path = tmp_path / ("long" * 60) / "b.db"
    path.parent.mkdir()
    with keepwell.open(path) as store:
        assert store.config("datasource") == str(path), "longer than the first buffer"
