"""Streams: large results in bounded memory."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path

import keepwell
import pytest

COUNT = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?) SELECT x, 'r' || x AS t FROM c"


@pytest.mark.parametrize("count", [1, 255, 256, 257, 512, 10_000])
@pytest.mark.parametrize("batch_rows", [0, 1, 100, 5000])
def test_every_row_comes_once(store: keepwell.Store, count: int, batch_rows: int) -> None:
    with store.stream(COUNT, (count,), batch_rows=batch_rows) as stream:
        assert stream.columns == ("x", "t")
        assert list(stream) == [(i, f"r{i}") for i in range(1, count + 1)]
        assert list(stream) == []
    assert store.stats()["in_use"] == 0


def test_row_by_row_and_batch_by_batch(store: keepwell.Store) -> None:
    with store.stream(COUNT, (1000,), batch_rows=10) as stream:
        assert next(stream) == (1, "r1") and next(stream) == (2, "r2")
        batches = list(stream.batches())
        assert [len(batch) for batch in batches[1:-1]] == [10] * (len(batches) - 2)
        assert sum(map(len, batches)) == 998
        with pytest.raises(StopIteration):
            next(stream)


def test_closing_early_gives_the_connection_back(store: keepwell.Store) -> None:
    stream = store.stream(COUNT, (100_000,))
    assert next(stream) == (1, "r1") and store.stats()["in_use"] == 1
    stream.close()
    stream.close()
    assert store.stats()["in_use"] == 0
    with pytest.raises(keepwell.ClosedError):
        next(stream)


def test_a_small_result_holds_no_connection(store: keepwell.Store) -> None:
    stream = store.stream("SELECT 1")
    assert store.stats()["in_use"] == 0 and list(stream) == [(1,)]


def test_in_a_transaction(store: keepwell.Store) -> None:
    store.execute("CREATE TABLE t(a)")
    with store.transaction() as tx:
        tx.execute_many("INSERT INTO t VALUES (?)", ((i,) for i in range(2000)))
        with tx.stream("SELECT a FROM t ORDER BY a") as stream:
            assert [row[0] for row in stream] == list(range(2000))


def test_an_error_on_the_way_ends_it(store: keepwell.Store) -> None:
    sql = COUNT.replace("SELECT x, 'r' || x AS t FROM c", "SELECT x, abs(CASE WHEN x = 5000 THEN -9223372036854775808 ELSE x END) FROM c")
    stream = store.stream(sql, (10_000,))
    with pytest.raises(keepwell.Error, match="overflow"):
        for _ in stream:
            pass
    assert store.stats()["in_use"] == 0
    with pytest.raises(keepwell.Error):
        next(stream)


def test_text_that_is_no_utf8_ends_it(store: keepwell.Store) -> None:
    sql = COUNT.replace("'r' || x AS t", "CASE WHEN x = 5000 THEN CAST(x'ff' AS TEXT) END")
    with pytest.raises(keepwell.EncodingError):
        with store.stream(sql, (10_000,)) as stream:
            list(stream)
    assert store.stats()["in_use"] == 0


def test_a_forgotten_stream_is_warned_of(store: keepwell.Store) -> None:
    stream = store.stream(COUNT, (100_000,))
    next(stream)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del stream
        gc.collect()
    assert [w.category for w in caught] == [ResourceWarning] and "Stream" in str(caught[0].message)
    assert store.stats()["in_use"] == 0


def test_memory_stays_bounded(script: object, tmp_path: Path) -> None:
    code = """
        import resource, keepwell
        sql = '''WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < ?)
                 SELECT x, printf('%080d', x), printf('%080d', x) FROM c'''
        with keepwell.open("m.db") as store:
            with store.stream(sql, (5_000,)) as stream:
                for row in stream: pass
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            with store.stream(sql, (300_000,)) as stream:
                for row in stream: pass
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """
    done = script(code)  # type: ignore[operator]
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 8_000, "kilobytes for a result of 50 megabytes"
