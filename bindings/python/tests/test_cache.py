"""The cache of results: what it promises is tested in the core; here is its face in Python."""

from __future__ import annotations

import copy
import gc
import pickle
import resource
import sys
import threading
from pathlib import Path
from typing import Any, Iterator

import keepwell
import pytest

SQL = "SELECT id, name FROM item ORDER BY id"


@pytest.fixture
def items(tmp_path: Path) -> Iterator[keepwell.Store]:
    with keepwell.open(tmp_path / "items.db") as store:
        store.execute_script("CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT); CREATE TABLE other(x)")
        store.execute_many("INSERT INTO item(name) VALUES (?)", [(f"name {i}",) for i in range(100)])
        yield store


def hit(store: keepwell.Store, sql: str = SQL, params: Any = ()) -> keepwell.Rows:
    """The result from the cache, which an earlier query has filled."""
    store.query(sql, params, cache=True)
    rows = store.query(sql, params, cache=True)
    assert rows.from_cache is True
    return rows


def test_a_repeat_is_a_hit_until_its_table_is_written(items: keepwell.Store) -> None:
    plain = items.query(SQL)
    assert plain.from_cache is False
    first = items.query(SQL, cache=True)
    assert first.from_cache is False
    again = items.query(SQL, cache=True)
    assert again.from_cache is True
    assert again == first == plain and again.columns == ("id", "name")
    items.execute("INSERT INTO other VALUES (1)")
    assert items.query(SQL, cache=True).from_cache is True
    items.execute("UPDATE item SET name = 'new' WHERE id = 1")
    changed = items.query(SQL, cache=True)
    assert changed.from_cache is False and changed[0] == (1, "new")
    assert again[0] == (1, "name 0"), "a result that is held stays as it was"


def test_nobody_asks_for_the_cache_by_default(items: keepwell.Store) -> None:
    assert items.query(SQL).from_cache is items.query(SQL).from_cache is False
    assert items.cache_stats()["entries"] == 0
    asking = items.with_options(cache=True)
    asking.query(SQL)
    assert asking.query(SQL).from_cache is True
    assert asking.query(SQL, cache=False).from_cache is False


def test_configured_to_be_used_it_is_used_by_everybody_who_does_not_refuse(tmp_path: Path) -> None:
    with keepwell.open({"datasource": tmp_path / "a.db", "cache": {"enabled": True, "ttl": 300, "size": 1000}}) as store:
        assert store.query("SELECT 1").from_cache is False
        assert store.query("SELECT 1").from_cache is True
        assert store.query("SELECT 1", cache=False).from_cache is False
    with keepwell.open({"datasource": tmp_path / "a.db", "cache.enabled": False}) as store:
        assert [store.query("SELECT 1", cache=True).from_cache for _ in range(3)] == [False] * 3
        stats = store.cache_stats()
        assert stats["enabled"] is False and stats["bypasses"]["disabled"] == 3


def test_one_row_and_one_value_come_from_the_cache_too(items: keepwell.Store) -> None:
    sql = "SELECT id, name FROM item WHERE id = ?"
    assert items.query_one(sql, (7,), cache=True) == items.query_one(sql, (7,), cache=True) == (7, "name 6")
    assert items.query_value("SELECT count(*) FROM item", cache=True) == items.query_value("SELECT count(*) FROM item", cache=True) == 100
    assert items.query_one(sql, (1000,), cache=True) is items.query_one(sql, (1000,), cache=True) is None
    assert items.cache_stats()["hits"] == 3


def test_refresh_runs_and_replaces_and_seconds_bound_the_age(items: keepwell.Store) -> None:
    hit(items)
    assert items.query(SQL, cache="refresh").from_cache is False
    assert items.query(SQL, cache=60).from_cache is True
    assert items.query(SQL, cache=0.000_001).from_cache in (True, False)  # as old as that, or not
    assert items.query(SQL, cache=True).from_cache is True


def test_the_numbers_add_up(items: keepwell.Store) -> None:
    hit(items)
    items.query("SELECT datetime('now')", cache=True)
    items.query("PRAGMA user_version", cache=True)
    items.query("SELECT * FROM pragma_table_list", cache=True)
    with items.transaction() as tx:
        tx.query(SQL, cache=True)
    stats = items.cache_stats()
    assert (stats["hits"], stats["misses"], stats["entries"]) == (1, 1, 1)
    bypasses = stats["bypasses"]
    assert (bypasses["function"], bypasses["statement"], bypasses["table"], bypasses["transaction"]) == (1, 1, 1, 1)
    assert stats["hit_ratio"] == pytest.approx(1 / 6)
    assert 0 < stats["bytes"] <= stats["max_bytes"] == 64 << 20 and stats["max_entries"] == 1000
    items.cache_clear()
    assert (items.cache_stats()["entries"], items.cache_stats()["bytes"]) == (0, 0)
    assert items.query(SQL, cache=True).from_cache is False


def test_a_transaction_sees_its_own_writes(items: keepwell.Store) -> None:
    hit(items)
    with items.transaction() as tx:
        tx.execute("DELETE FROM item")
        assert len(tx.query(SQL, cache=True)) == 0
        assert len(items.query(SQL, cache=True)) == 100
    assert len(items.query(SQL, cache=True)) == 0


def test_a_hit_behaves_like_any_other_result(items: keepwell.Store) -> None:
    rows, fresh = hit(items), items.query(SQL)
    assert len(rows) == 100 and list(rows) == list(fresh)
    assert rows == fresh and fresh == rows and rows == list(fresh) and list(fresh) == rows and rows != [(1, "x")]
    assert rows[-1] == (100, "name 99") and rows[2:4] == [(3, "name 2"), (4, "name 3")] and type(rows[2:4]) is list
    with pytest.raises(IndexError):
        rows[100]
    assert repr(rows) == repr(fresh)
    assert (3, "name 2") in rows
    copied = pickle.loads(pickle.dumps(rows))
    assert copied == fresh and copied.columns == rows.columns
    assert copy.copy(rows) == fresh and copy.deepcopy(rows) == fresh


def test_nobody_can_change_what_others_get(items: keepwell.Store) -> None:
    rows = hit(items)
    for exposed in (rows.__reduce__()[1][1], rows[:], iter(rows).__reduce__()[1][0], getattr(rows, "_rows", None)):
        if isinstance(exposed, list):
            exposed.clear()

    class Greedy(list):  # type: ignore[type-arg]
        def __eq__(self, other: object) -> bool:
            if isinstance(other, list):
                other.clear()
            return True

    rows == Greedy()
    assert len(items.query(SQL, cache=True)) == 100


def test_results_outlive_the_cache_and_the_store(items: keepwell.Store) -> None:
    rows = hit(items)
    items.cache_clear()
    items.close()
    gc.collect()
    assert rows[99] == (100, "name 99") and len(list(rows)) == 100
    with pytest.raises(keepwell.ClosedError):
        items.query(SQL, cache=True)


def test_references_come_and_go(items: keepwell.Store) -> None:
    hit(items)
    row = hit(items)[5]
    name = row[1]
    before = sys.getrefcount(row), sys.getrefcount(name)
    for _ in range(1000):
        hit(items)
        hit(items)[5]
    assert (sys.getrefcount(row), sys.getrefcount(name)) == before


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc to read the memory from")
def test_what_is_dropped_is_given_back(items: keepwell.Store) -> None:
    """Objects that were kept with results of a cache that another thread clears."""
    size, rows = 100_000, 20

    def rounds(count: int) -> None:
        for i in range(count):
            hit(items, f"SELECT id, zeroblob({size} + ?) FROM item LIMIT {rows}", (i,))
            hit(items, f"SELECT id, zeroblob({size} + ?) FROM item LIMIT {rows}", (i,))
            cleaner = threading.Thread(target=items.cache_clear)
            cleaner.start()
            cleaner.join()

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    rounds(10)
    before = resident()
    rounds(100)
    assert resident() - before < 10 * size * rows, "a tenth of what went through"


def test_threads_share_results(items: keepwell.Store) -> None:
    wrong = []

    def work() -> None:
        for i in range(300):
            rows = items.query(SQL, cache=True)
            if len(rows) != 100 or rows[99][1] != "name 99":
                wrong.append(rows)
            if i % 50 == 0:
                items.cache_clear()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and items.cache_stats()["hits"] > 0


def test_a_stream_of_a_kept_result_gives_all_of_it(items: keepwell.Store) -> None:
    hit(items)
    asking = items.with_options(cache=True)
    with asking.stream(SQL, batch_rows=7) as stream:
        assert [row[0] for row in stream] == list(range(1, 101))
    assert items.cache_stats()["hits"] == 2


def test_bad_text_in_a_kept_result_is_an_error_each_time(items: keepwell.Store) -> None:
    for _ in range(3):
        with pytest.raises(keepwell.EncodingError):
            items.query("SELECT CAST(x'ff' AS TEXT)", cache=True)
