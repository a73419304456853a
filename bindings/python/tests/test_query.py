"""Queries and what they return."""

from __future__ import annotations

import copy
import pickle
import sys
from collections.abc import Sequence

import keepwell
import pytest


def test_rows_are_a_sequence_of_tuples(numbers: keepwell.Store) -> None:
    rows = numbers.query("SELECT i, t FROM n WHERE i < ? ORDER BY i", (3,))
    assert isinstance(rows, keepwell.Rows) and isinstance(rows, Sequence)
    assert list(rows) == [(0, "row 0"), (1, "row 1"), (2, "row 2")]
    assert len(rows) == 3 and bool(rows)
    assert rows[0] == (0, "row 0") and type(rows[0]) is tuple
    assert rows[-1] == (2, "row 2")
    assert rows[1:] == [(1, "row 1"), (2, "row 2")]
    assert rows.columns == ("i", "t")
    assert rows.from_cache is False
    assert (1, "row 1") in rows and rows.index((2, "row 2")) == 2 if hasattr(rows, "index") else True
    with pytest.raises(IndexError):
        rows[3]
    with pytest.raises(TypeError):
        rows["i"]  # type: ignore[call-overload]


def test_an_empty_result_is_false_and_has_its_columns(numbers: keepwell.Store) -> None:
    rows = numbers.query("SELECT i AS number FROM n WHERE i < 0")
    assert not rows and len(rows) == 0 and list(rows) == []
    assert rows.columns == ("number",)


def test_a_statement_without_columns_gives_no_rows(store: keepwell.Store) -> None:
    rows = store.query("CREATE TABLE t(a)")
    assert len(rows) == 0 and rows.columns == ()
    assert store.query("CREATE TABLE t2(a)").columns == ()


def test_rows_compare_copy_and_pickle(numbers: keepwell.Store) -> None:
    rows = numbers.query("SELECT i, t FROM n WHERE i < 2 ORDER BY i")
    same = numbers.query("SELECT i, t FROM n WHERE i < 2 ORDER BY i")
    assert rows == same and rows == [(0, "row 0"), (1, "row 1")] and not rows != same
    assert rows != [(0, "row 0")]
    with pytest.raises(TypeError):
        hash(rows)
    for again in (pickle.loads(pickle.dumps(rows)), copy.copy(rows), copy.deepcopy(rows)):
        assert again == rows and again.columns == ("i", "t")
    assert "2 x (i, t)" in repr(rows) and "row 1" in repr(rows)


def test_one_row_and_one_value(numbers: keepwell.Store) -> None:
    assert numbers.query_one("SELECT i, t FROM n WHERE i = ?", (5,)) == (5, "row 5")
    assert numbers.query_one("SELECT i FROM n WHERE i < 0") is None
    assert numbers.query_one("SELECT i FROM n ORDER BY i") == (0,)
    assert numbers.query_value("SELECT count(*) FROM n") == 1000
    assert numbers.query_value("SELECT i FROM n WHERE i < 0") is None
    assert numbers.query_value("SELECT i FROM n ORDER BY i DESC") == 999
    assert numbers.stats()["in_use"] == 0


def test_execute_says_what_changed(store: keepwell.Store) -> None:
    store.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
    result = store.execute("INSERT INTO t(v) VALUES (?), (?)", (1, 2))
    assert result == (2, 2) and result.last_insert_id == 2 and result.rows_affected == 2
    assert isinstance(result, keepwell.Result)
    assert "last_insert_id=2" in repr(result)
    assert store.execute("UPDATE t SET v = 0").rows_affected == 2
    assert store.execute("DELETE FROM t WHERE id = 99").rows_affected == 0


def test_a_write_with_returning_is_a_query(store: keepwell.Store) -> None:
    store.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v)")
    assert list(store.query("INSERT INTO t(v) VALUES ('a'), ('b') RETURNING id, v")) == [(1, "a"), (2, "b")]
    assert store.query_value("SELECT count(*) FROM t") == 2


@pytest.mark.parametrize("count", [0, 1, 255, 256, 257, 5000, 60_000])
def test_results_of_any_size_arrive_whole(store: keepwell.Store, count: int) -> None:
    sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?) SELECT x, 'r' || x FROM c WHERE x <= ?"
    rows = store.query(sql, (max(count, 1), count))
    assert len(rows) == count
    assert [row[0] for row in rows] == list(range(1, count + 1))
    assert all(row[1] == f"r{row[0]}" for row in rows)


@pytest.mark.parametrize("size", [0, 1, 255, 256, 70_000, 200_000, 3_000_000])
def test_values_of_any_size_arrive_whole(store: keepwell.Store, size: int) -> None:
    text, blob = "ü" * size, bytes(range(256)) * (size // 256) + b"\0" * (size % 256)
    for _ in range(2):
        assert list(store.query("SELECT ?, ?", (text, blob))) == [(text, blob)]
    with store.stream("SELECT ? UNION ALL SELECT ? UNION ALL SELECT 'end'", (text, text)) as stream:
        assert [row[0] for row in stream] == [text, text, "end"]


def test_many_columns(store: keepwell.Store) -> None:
    sql = "SELECT " + ", ".join(f"{i} AS c{i}" for i in range(2000))
    for _ in range(2):
        rows = store.query(sql)
        assert rows[0] == tuple(range(2000)) and rows.columns[-1] == "c1999"


def test_column_names_do_not_mix_up(store: keepwell.Store) -> None:
    for _ in range(3):
        for i in range(100):
            assert store.query(f"SELECT 1 AS a{i}").columns == (f"a{i}",)


def test_text_that_is_no_utf8_is_a_clear_error(store: keepwell.Store) -> None:
    for _ in range(2):
        with pytest.raises(keepwell.EncodingError, match="column 1.*CAST"):
            store.query("SELECT 1, CAST(x'41ff' AS TEXT)")
    assert store.query_value("SELECT CAST(CAST(x'41ff' AS TEXT) AS BLOB)") == b"A\xff"
    assert store.query_value("SELECT 1") == 1
    assert store.stats()["in_use"] == 0


def test_reading_does_not_leak_references(numbers: keepwell.Store) -> None:
    value, none = "a parameter of its own", sys.getrefcount(None)
    before = sys.getrefcount(value)
    for _ in range(1000):
        numbers.query("SELECT ?, NULL, i, t FROM n LIMIT 3", (value,))
        numbers.query("SELECT :v", {"v": value})
        numbers.query_one("SELECT ?, NULL", [value])
    assert sys.getrefcount(value) == before
    assert abs(sys.getrefcount(None) - none) < 100


def test_options_are_checked(store: keepwell.Store) -> None:
    for timeout in (-1, float("nan"), 10**400):
        with pytest.raises(ValueError, match="timeout"):
            store.query("SELECT 1", timeout=timeout)
    with pytest.raises(TypeError, match="timeout"):
        store.query("SELECT 1", timeout="1")  # type: ignore[arg-type]
    for cache in (0, -1, float("nan"), float("inf"), 10**400, "use", "Refresh"):
        with pytest.raises(ValueError, match="cache"):
            store.query("SELECT 1", cache=cache)
    for cache in ([], b"refresh", object):
        with pytest.raises(TypeError, match="cache"):
            store.query("SELECT 1", cache=cache)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="cancel"):
        store.query("SELECT 1", cancel=1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        store.query("SELECT 1", time_out=1)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        store.query()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        store.query("SELECT ?, ?", 1, 2)  # type: ignore[call-arg, misc, arg-type]
    for sql in (1, None, b"SELECT 1", True):
        with pytest.raises(TypeError, match="sql"):
            store.query(sql)  # type: ignore[arg-type]
    with pytest.raises(keepwell.EncodingError, match="sql"):
        store.query("SELECT '\ud800'")
    assert store.query(sql="SELECT ?", params=(1,), timeout=float("inf"), cache=True)[0] == (1,)
    assert store.query("SELECT 1", timeout=5, read_only=True, cache="refresh") == [(1,)]
    assert store.query("SELECT 1", timeout=1e305, cache=1e305) == [(1,)]


def test_subclasses_of_str_are_sql(store: keepwell.Store) -> None:
    class Sql(str):
        pass

    assert store.query_value(Sql("SELECT 7")) == 7
