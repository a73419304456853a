"""The health of a store that is well, and of some that are not."""

from __future__ import annotations

import dataclasses
import json
import pickle
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import keepwell
import pytest


def test_a_healthy_store(store: keepwell.Store, tmp_path: Path) -> None:
    store.execute("CREATE TABLE t(a)")
    stats = store.stats()
    health = store.health(timeout=5)
    assert (health.healthy, health.can_read, health.can_write, health.message) == (True, True, True, "")
    assert health.last_error is None and health.schema_version is None
    assert (health.pool.max_open, health.pool.in_use, health.pool.waiting) == (stats["max_open"], 0, 0)
    assert health.pool.open == stats["open"] == health.pool.idle, "as it was before the look"
    assert health.wal_bytes == (tmp_path / "test.db-wal").stat().st_size
    assert health.database_bytes is not None and health.database_bytes > 0


def test_the_pool_is_told_as_it_was_when_asked(store: keepwell.Store) -> None:
    with store.transaction(read_only=True), store.transaction(read_only=True):
        assert store.health().pool.in_use == 2


def test_the_last_error_is_remembered(store: keepwell.Store) -> None:
    before = datetime.now(timezone.utc) - timedelta(milliseconds=1)
    with pytest.raises(keepwell.SqlError) as caught:
        store.query("SELEC")
    health = store.health()
    assert health.healthy, "an error of a call says nothing about the store"
    last = health.last_error
    assert last is not None and (last.code, last.name) == (caught.value.code, "KW_SQL")
    assert last.message in str(caught.value) and before <= last.time <= datetime.now(timezone.utc)


def test_a_store_whose_writer_is_held_can_read_only(store: keepwell.Store) -> None:
    with store.transaction():
        health = store.health(timeout=0.05)
        assert (health.healthy, health.can_read, health.can_write) == (False, True, False) and health.message
        assert health.pool.in_use == 1
    assert store.health(timeout=5).healthy


def test_a_file_that_is_no_database_any_more(tmp_path: Path) -> None:
    """Begins well; then its pages are overwritten."""
    config = {"datasource": str(tmp_path / "c.db"), "options.journal_mode": "delete"}
    with keepwell.open(config) as store:
        store.execute("CREATE TABLE t(a)")
        assert store.health().healthy
        size = (tmp_path / "c.db").stat().st_size
        (tmp_path / "c.db").write_bytes(b"no database" * (size // 11 + 1))
        health = store.health(timeout=5)
        assert not health.healthy and not (health.can_read and health.can_write) and health.message


def test_a_read_only_store_is_healthy_although_it_cannot_write(tmp_path: Path) -> None:
    keepwell.open(tmp_path / "r.db").close()
    with keepwell.open({"datasource": f"file:{tmp_path / 'r.db'}?mode=ro"}) as store:
        health = store.health()
        assert (health.healthy, health.can_read, health.can_write, health.message) == (True, True, False, "")


def test_the_newest_migration_is_the_schemas_version(tmp_path: Path) -> None:
    with keepwell.open({"datasource": str(tmp_path / "m.db"), "metrics.collect_interval": "1ms"}) as store:
        store.migrations({"7_people.up.sql": "CREATE TABLE people(name)"}).up()
        end = time.monotonic() + 20
        while store.health().schema_version != 7:  # somebody looks each metrics.collect_interval
            assert time.monotonic() < end


def test_it_is_the_json_of_every_language(store: keepwell.Store) -> None:
    with pytest.raises(keepwell.SqlError):
        store.query("SELEC")
    health = store.health()
    told = health.to_dict()
    assert told == json.loads(health.json())
    assert list(told) == (
        "healthy can_read can_write problem pool schema_version database_bytes wal_bytes last_error".split()
    )
    assert (told["healthy"], told["problem"], told["database_bytes"]) == (health.healthy, health.message, health.database_bytes)
    assert told["pool"] == dataclasses.asdict(health.pool)
    last = health.last_error
    assert last is not None and (told["last_error"]["name"], told["last_error"]["message"]) == (last.name, last.message)
    assert told["last_error"]["at_ms"] == round(last.time.timestamp() * 1000)


def test_it_is_a_value(store: keepwell.Store) -> None:
    health = store.health()
    again = pickle.loads(pickle.dumps(health))
    assert again == health and hash(again) == hash(health) and again.json() == health.json()
    with pytest.raises(dataclasses.FrozenInstanceError):
        health.healthy = False  # type: ignore[misc]
    assert repr(health).startswith("Health(healthy=True, can_read=True, can_write=True, message=''")
