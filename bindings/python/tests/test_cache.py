"""The cache of results: what it answers, what it must never answer, and what the shared rows of an answer may do."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Iterator, List

import keepwell
import pytest
from keepwell import _library

ROWS = "SELECT i, t FROM n WHERE i < 3 ORDER BY i"
EXPECTED = [(0, "row 0"), (1, "row 1"), (2, "row 2")]


def hit(target: keepwell.Target, sql: str = ROWS, params: Any = ()) -> keepwell.Rows:
    """Rows that come from the cache."""
    target.query(sql, params, cache=True)
    rows = target.query(sql, params, cache=True)
    assert rows.from_cache is True
    return rows


def until(condition: Callable[[], bool]) -> None:
    """Waits for what a clock brings."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.001)


# --- which queries it answers ---


def test_a_query_that_repeats_is_answered_from_the_cache(numbers: keepwell.Store) -> None:
    first = numbers.query(ROWS, cache=True)
    second = numbers.query(ROWS, cache=True)
    assert (first.from_cache, second.from_cache) == (False, True)
    assert first == second == EXPECTED and first.columns == second.columns == ("i", "t")
    stats = numbers.cache_stats()
    assert (stats["hits"], stats["misses"], stats["entries"]) == (1, 1, 1) and stats["bytes"] > 0


def test_a_query_that_does_not_ask_is_not_cached(numbers: keepwell.Store) -> None:
    for _ in range(3):
        assert not numbers.query(ROWS).from_cache
    stats = numbers.cache_stats()
    assert (stats["hits"], stats["misses"], stats["entries"]) == (0, 0, 0)


def test_a_write_to_its_table_is_seen_and_one_to_another_is_not_felt(numbers: keepwell.Store) -> None:
    numbers.execute("CREATE TABLE other(a)")
    hit(numbers)
    numbers.execute("INSERT INTO other VALUES (1)")
    assert numbers.query(ROWS, cache=True).from_cache
    numbers.execute("UPDATE n SET t = 'new' WHERE i = 1")
    rows = numbers.query(ROWS, cache=True)
    assert not rows.from_cache and rows[1] == (1, "new")
    assert numbers.cache_stats()["invalidated"] == 1


def test_a_write_of_another_process_is_seen(numbers: keepwell.Store, tmp_path: Path, script: Any) -> None:
    hit(numbers)
    done = script("import keepwell, sys; keepwell.open(sys.argv[1]).execute(\"UPDATE n SET t = 'theirs'\")", str(tmp_path / "test.db"))
    assert done.returncode == 0, done.stderr
    assert numbers.query(ROWS, cache=True)[0] == (0, "theirs")


def test_refresh_runs_the_statement_and_replaces_what_is_kept(numbers: keepwell.Store) -> None:
    hit(numbers)
    assert not numbers.query(ROWS, cache="refresh").from_cache
    assert numbers.query(ROWS, cache=True).from_cache
    assert not numbers.query(ROWS, cache=False).from_cache


def test_seconds_are_how_long_a_result_may_serve(numbers: keepwell.Store) -> None:
    assert not numbers.query(ROWS, cache=1000).from_cache
    assert numbers.query(ROWS, cache=1000).from_cache
    until(lambda: not numbers.query(ROWS, cache=0.01).from_cache)
    until(lambda: not numbers.query(ROWS, cache=True).from_cache)
    assert numbers.cache_stats()["expired"] >= 1


def test_seconds_may_be_of_any_size(numbers: keepwell.Store) -> None:
    for seconds in (1e-9, 1, 2.5, 10**12, 10**30, sys.float_info.max):
        assert numbers.query(ROWS, cache=seconds) == EXPECTED


def test_parameters_of_different_types_are_different(store: keepwell.Store) -> None:
    values = (1, 1.0, "1", b"1", None, 2, True)
    for value in values[:-1]:
        assert not store.query("SELECT ?, typeof(?1)", (value,), cache=True).from_cache
    for value in values:
        ((found, _),) = store.query("SELECT ?, typeof(?1)", (value,), cache=True)
        assert found == value and type(found) is (int if value is True else type(value))
    assert store.cache_stats()["hits"] == len(values)


def test_names_and_places_give_the_same_rows(store: keepwell.Store) -> None:
    assert store.query("SELECT :a, :b", {"a": 1, "b": 2}, cache=True) == [(1, 2)]
    assert store.query("SELECT :a, :b", {"b": 2, "a": 1}, cache=True) == [(1, 2)]
    assert store.query("SELECT :a, :b", {"b": 1, "a": 2}, cache=True) == [(2, 1)]
    assert store.query("SELECT :a, :b", [2, 1], cache=True) == [(2, 1)]


def test_one_row_and_one_value_come_from_it_too(numbers: keepwell.Store) -> None:
    sql = "SELECT i, t FROM n WHERE i = ?"
    assert numbers.query_one(sql, (5,), cache=True) == (5, "row 5")
    assert numbers.query_one(sql, (5,), cache=True) == (5, "row 5")
    assert numbers.query_value(sql, (5,), cache=True) == 5
    assert numbers.query(sql, (5,), cache=True).from_cache
    assert numbers.query_one(sql, (-1,), cache=True) is None is numbers.query_one(sql, (-1,), cache=True)
    assert numbers.query_value(sql, (-1,), cache=True) is None
    assert numbers.cache_stats()["hits"] == 5


def test_a_prepared_statement_and_its_text_are_one(numbers: keepwell.Store) -> None:
    with numbers.prepare(ROWS) as statement:
        assert not numbers.query(statement, cache=True).from_cache
        assert numbers.query(ROWS, cache=True).from_cache
        assert numbers.query(statement, cache=True) == EXPECTED
    assert numbers.cache_stats()["hits"] == 2


def test_a_stream_comes_from_it(numbers: keepwell.Store) -> None:
    sql = "SELECT i FROM n ORDER BY i"
    for expected in (False, True):
        with numbers.stream(sql, cache=True) as stream:
            assert stream.from_cache is expected and stream.columns == ("i",)
            assert [i for (i,) in stream] == list(range(1000))
    assert numbers.query(sql, cache=True).from_cache
    with numbers.with_options(cache=True).stream(sql, batch_rows=7) as stream:
        assert stream.from_cache and len(list(stream)) == 1000
    with numbers.stream(sql) as stream:
        assert stream.from_cache is False


def test_a_target_with_options_asks_for_all_its_calls(numbers: keepwell.Store) -> None:
    cached = numbers.with_options(cache=60)
    assert [cached.query(ROWS).from_cache for _ in range(2)] == [False, True]
    assert cached.query_value(ROWS) == 0
    assert not cached.query(ROWS, cache=False).from_cache
    assert not cached.with_options(cache=False).query(ROWS).from_cache
    for wrong in (0, "x", []):
        with pytest.raises((TypeError, ValueError), match="cache"):
            numbers.with_options(cache=wrong)  # type: ignore[arg-type]


def test_the_configuration_says_who_uses_it(tmp_path: Path) -> None:
    for enabled, asking, silent in (("request", True, False), (True, True, True), (False, False, False)):
        with keepwell.open({"datasource": tmp_path / f"{enabled}.db", "cache": {"enabled": enabled}}) as store:
            assert [store.query("SELECT 1", cache=True).from_cache for _ in range(2)] == [False, asking]
            assert [store.query("SELECT 2").from_cache for _ in range(2)] == [False, silent]
            assert not store.query("SELECT 2", cache=False).from_cache
            stats = store.cache_stats()
            assert stats["bypasses"]["disabled"] == (2 if enabled is False else 0)
            assert stats["enabled"] is (stats["max_entries"] > 0) is (enabled is not False)


# --- which it does not ---


def test_a_transaction_reads_its_own_writes(numbers: keepwell.Store) -> None:
    hit(numbers)
    with numbers.transaction() as tx:
        tx.execute("UPDATE n SET t = 'mine'")
        rows = tx.query(ROWS, cache=True)
        assert not rows.from_cache and rows[0] == (0, "mine")
        assert numbers.query(ROWS, cache=True).from_cache, "others see nothing of it"
        tx.rollback()
    assert numbers.query(ROWS, cache=True).from_cache
    with numbers.connection(read_only=True) as connection:
        assert not connection.query(ROWS, cache=True).from_cache
    assert numbers.cache_stats()["bypasses"]["transaction"] == 2


def test_what_goes_past_it_is_counted_by_reason(numbers: keepwell.Store) -> None:
    for sql, reason in (
        ("SELECT random()", "function"),
        ("SELECT datetime('now')", "function"),
        ("INSERT INTO n(t) VALUES ('x') RETURNING i", "statement"),
        ("PRAGMA user_version", "statement"),
        ("SELECT * FROM pragma_table_list", "table"),
        ("SELECT zeroblob(8000000)", "size"),
    ):
        before = numbers.cache_stats()["bypasses"][reason]
        assert [numbers.query(sql, cache=True).from_cache for _ in range(2)] == [False, False]
        assert numbers.cache_stats()["bypasses"][reason] == before + 2, sql
    assert numbers.cache_stats()["entries"] == 0


def test_a_row_that_is_not_the_only_one_is_not_kept(numbers: keepwell.Store) -> None:
    for _ in range(2):
        assert numbers.query_one("SELECT i FROM n ORDER BY i", cache=True) == (0,)
    hits = numbers.cache_stats()["hits"]
    assert hits == (0 if keepwell.road == "native" else 1)  # the portable road reads the whole result
    assert hit(numbers, "SELECT i FROM n ORDER BY i")[0] == numbers.query_one("SELECT i FROM n ORDER BY i", cache=True)
    assert numbers.cache_stats()["hits"] > hits


def test_an_error_is_not_kept(numbers: keepwell.Store) -> None:
    for _ in range(2):
        with pytest.raises(keepwell.Error):
            numbers.query("SELECT abs(-9223372036854775808)", cache=True)
        with pytest.raises(keepwell.EncodingError, match="column 1"):
            numbers.query("SELECT 1, CAST(x'ff' AS TEXT)", cache=True)
    assert numbers.query(ROWS, cache=True) == EXPECTED


# --- the numbers, and clearing ---


def test_the_numbers_have_names(store: keepwell.Store) -> None:
    stats = store.cache_stats()
    names = "enabled hits misses bypasses invalidated expired evicted entries bytes max_entries max_bytes hit_ratio"
    assert list(stats) == names.split()
    assert list(stats["bypasses"]) == "disabled transaction statement function table under_way schema size".split()
    assert stats["hit_ratio"] == 0.0 and stats["max_entries"] == 1000
    for _ in range(4):
        store.query("SELECT 1", cache=True)
    assert store.cache_stats()["hit_ratio"] == 0.75


def test_clearing_forgets_results_but_not_rows(numbers: keepwell.Store) -> None:
    rows = hit(numbers)
    numbers.cache_clear()
    stats = numbers.cache_stats()
    assert (stats["entries"], stats["bytes"], stats["hits"]) == (0, 0, 1)
    assert rows == EXPECTED and rows.from_cache
    assert not numbers.query(ROWS, cache=True).from_cache


def test_the_oldest_results_leave_when_there_are_too_many(tmp_path: Path) -> None:
    with keepwell.open({"datasource": tmp_path / "few.db", "cache.size": 4}) as store:
        for number in range(10):
            store.query("SELECT ?", (number,), cache=True)
        stats = store.cache_stats()
        assert (stats["entries"], stats["evicted"]) == (4, 6)
        assert store.query("SELECT ?", (9,), cache=True).from_cache and not store.query("SELECT ?", (0,), cache=True).from_cache


def test_the_memory_of_rows_is_counted(tmp_path: Path) -> None:
    with keepwell.open({"datasource": tmp_path / "small.db", "cache.max_bytes": 1 << 20}) as store:
        sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 500) SELECT x, ? FROM c"
        for number in range(100):
            for _ in range(2):
                store.query(sql, (number,), cache=True)
            assert store.cache_stats()["bytes"] <= 1 << 20
        assert store.cache_stats()["evicted"] > 0


def test_a_closed_store_has_no_cache(numbers: keepwell.Store) -> None:
    rows = hit(numbers)
    numbers.close()
    for call in (numbers.cache_stats, numbers.cache_clear, lambda: numbers.query(ROWS, cache=True)):
        with pytest.raises((keepwell.ClosedError, keepwell.InvalidHandleError)):
            call()
    assert rows == EXPECTED


# --- rows that several share ---


def test_shared_rows_are_a_sequence_like_all(numbers: keepwell.Store) -> None:
    rows = hit(numbers)
    assert isinstance(rows, keepwell.Rows) and type(rows) is type(numbers.query(ROWS))
    assert len(rows) == 3 and bool(rows) and list(rows) == EXPECTED and list(reversed(rows)) == EXPECTED[::-1]
    assert (rows[0], rows[-1], type(rows[0])) == (EXPECTED[0], EXPECTED[2], tuple)
    for index in (3, -4, 10**30):
        with pytest.raises(IndexError):
            rows[index]
    with pytest.raises(TypeError):
        rows["i"]  # type: ignore[call-overload]
    assert EXPECTED[1] in rows and (9, "x") not in rows
    assert [i for i, _ in rows] == [0, 1, 2]
    assert repr(rows) == repr(numbers.query(ROWS)) and "3 x (i, t)" in repr(rows)
    with pytest.raises((TypeError, AttributeError)):
        rows[0] = (1, "x")  # type: ignore[index]
    with pytest.raises((TypeError, AttributeError)):
        rows.anything = 1  # type: ignore[attr-defined]


def test_slices_of_shared_rows_are_lists_of_their_own(numbers: keepwell.Store) -> None:
    rows = hit(numbers)
    for part in (slice(None), slice(0, 2), slice(None, None, -1), slice(5, 9), slice(0, 3, 2)):
        piece = rows[part]
        assert type(piece) is list and piece == EXPECTED[part]
        piece.append((7, "mine"))
    assert hit(numbers) == EXPECTED and list(rows) == EXPECTED


def test_shared_rows_compare_like_lists(numbers: keepwell.Store) -> None:
    rows, again, fresh = hit(numbers), hit(numbers), numbers.query(ROWS)
    assert rows == again and rows == fresh and fresh == rows and rows == EXPECTED and EXPECTED == rows
    assert not rows != again and not rows != EXPECTED
    assert rows != EXPECTED[:2] and EXPECTED[:2] != rows and rows != tuple(EXPECTED) and rows != 1
    assert hit(numbers, "SELECT i FROM n WHERE i < 0") == []
    with pytest.raises(TypeError):
        hash(rows)
    with pytest.raises(TypeError):
        rows < again  # type: ignore[operator]


def test_copies_of_shared_rows_are_not_from_the_cache(numbers: keepwell.Store) -> None:
    rows = hit(numbers)
    copies = [pickle.loads(pickle.dumps(rows, protocol)) for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1)]
    for again in (*copies, copy.copy(rows), copy.deepcopy(rows)):
        assert again == rows and again.columns == ("i", "t") and again.from_cache is False
        assert type(again[:]) is list


def test_nobody_can_change_what_others_get(numbers: keepwell.Store) -> None:
    class Greedy(list):  # type: ignore[type-arg]
        def __eq__(self, other: object) -> bool:
            if isinstance(other, list):
                other.clear()
            return True

    rows = hit(numbers)
    assert rows == Greedy()
    for exposed in (rows.__reduce__()[1][1], rows[:], iter(rows).__reduce__()[1][0], getattr(rows, "_rows", None)):
        if isinstance(exposed, list):
            exposed.clear()
    assert numbers.query(ROWS, cache=True) == EXPECTED


def test_an_empty_result_is_shared_too(numbers: keepwell.Store) -> None:
    rows = hit(numbers, "SELECT i AS number FROM n WHERE i < 0")
    assert not rows and len(rows) == 0 and list(rows) == [] and rows[:] == [] and rows.columns == ("number",)


def test_every_value_comes_back_as_it_was(store: keepwell.Store) -> None:
    values = (None, 0, -1, 2**63 - 1, -(2**63), 0.0, -0.0, 1.5, float("inf"), "", "a\0b", "ä€😀", b"", b"\0\xff", b"x" * 5000)
    sql = "SELECT " + ", ".join("?" * len(values))
    found = hit(store, sql, values)[0]
    assert found == values and list(map(type, found)) == list(map(type, values)) and str(found[6]) == "-0.0"


def test_many_rows_are_one_result(numbers: keepwell.Store) -> None:
    rows = hit(numbers, "SELECT i, t FROM n ORDER BY i")
    assert len(rows) == 1000 and rows[999] == (999, "row 999")


@pytest.mark.skipif(keepwell.road != "native", reason="only the native road shares rows")
def test_hits_share_their_rows_and_nobody_else_keeps_them(numbers: keepwell.Store) -> None:
    first, second = hit(numbers), hit(numbers)
    row = first[2]
    assert second[2] is row
    (_, (_, inner)) = first.__reduce__()
    inner.clear()
    assert first == second == EXPECTED
    del first, second, inner
    kept = sys.getrefcount(row)
    for _ in range(1000):
        rows = numbers.query(ROWS, cache=True)
        assert rows.from_cache
        list(rows), rows[0], rows[:], rows == EXPECTED, repr(rows), pickle.dumps(rows)
    del rows
    assert sys.getrefcount(row) == kept
    numbers.cache_clear()
    assert sys.getrefcount(row) == kept - 1


@pytest.mark.skipif(keepwell.road != "native", reason="only the native road shares rows")
def test_rows_that_left_the_cache_are_given_back_by_the_next_query(numbers: keepwell.Store) -> None:
    row = hit(numbers)[0]
    kept = sys.getrefcount(row)
    numbers.execute("UPDATE n SET t = 'new'")
    numbers.query(ROWS, cache=True)
    numbers.query("SELECT 1")
    assert sys.getrefcount(row) == kept - 1


def resident() -> int:
    """The bytes of this process that are in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_hits_and_clears_take_no_memory(numbers: keepwell.Store) -> None:
    def rounds(count: int) -> None:
        for number in range(count):
            sql, params = "SELECT i, t, ? FROM n", (number % 7,)
            for _ in range(3):
                rows = numbers.query(sql, params, cache=True)
            assert len(rows) == 1000
            if number % 5 == 0:
                numbers.cache_clear()
            if number % 11 == 0:
                numbers.execute("UPDATE n SET t = t WHERE i = 1")

    rounds(100)
    gc.collect()
    numbers.cache_clear()
    none, before = sys.getrefcount(None), resident()
    rounds(400)
    numbers.cache_clear()
    assert resident() - before < 8 << 20
    assert abs(sys.getrefcount(None) - none) < 1000


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_what_another_thread_clears_is_given_back(numbers: keepwell.Store) -> None:
    size, rows = 100_000, 20

    def rounds(count: int) -> None:
        for number in range(count):
            hit(numbers, f"SELECT i, zeroblob({size} + ?) FROM n LIMIT {rows}", (number,))
            cleaner = threading.Thread(target=numbers.cache_clear)
            cleaner.start()
            cleaner.join()

    rounds(10)
    before = resident()
    rounds(100)
    assert resident() - before < 10 * size * rows, "a tenth of what went through"


# --- threads ---


def in_threads(*bodies: Callable[[], Any]) -> None:
    failures: List[BaseException] = []

    def guarded(body: Callable[[], Any]) -> None:
        try:
            body()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures[0]


@pytest.fixture
def busy() -> Iterator[None]:
    """Threads change places often."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


@pytest.mark.usefixtures("busy")
def test_threads_never_read_what_is_over(store: keepwell.Store) -> None:
    store.execute("CREATE TABLE c(v INTEGER)")
    store.execute("INSERT INTO c VALUES (0)")
    written = 0
    done = threading.Event()

    def write() -> None:
        nonlocal written
        try:
            for number in range(1, 301):
                store.execute("UPDATE c SET v = ?", (number,))
                written = number
        finally:
            done.set()

    def read() -> None:
        last = 0
        while not done.is_set():
            least = written
            ((value,),) = store.query("SELECT v FROM c", cache=True)
            assert value >= least and value >= last, (value, least, last)
            last = value

    in_threads(write, read, read, read)
    assert store.query_value("SELECT v FROM c", cache=True) == 300


@pytest.mark.usefixtures("busy")
def test_the_cache_may_be_cleared_by_who_does_not_hold_the_interpreters_lock(numbers: keepwell.Store) -> None:
    clear, handle = _library._library.kw_store_cache_clear, numbers._handle  # ctypes gives the lock up
    done = threading.Event()

    def wipe() -> None:
        while not done.is_set():
            assert clear(handle, None) == 0

    def read() -> None:
        try:
            for number in range(3000):
                rows = numbers.query("SELECT i, t FROM n WHERE i < ? ORDER BY i", (number % 50,), cache=True)
                assert len(rows) == number % 50 and rows[-1:] == [(number % 50 - 1, f"row {number % 50 - 1}")][: number % 50]
        finally:
            done.set()

    in_threads(wipe, wipe, read, read)
    numbers.cache_clear()
    assert numbers.cache_stats()["entries"] == 0


def test_shared_rows_may_be_dropped_by_any_thread(numbers: keepwell.Store) -> None:
    held: List[Any] = [hit(numbers) for _ in range(100)]
    numbers.cache_clear()

    def drop() -> None:
        while held:
            try:
                assert held.pop() == EXPECTED
            except IndexError:
                return

    in_threads(drop, drop)
    gc.collect()
    assert hit(numbers) == EXPECTED


def test_rows_in_reference_cycles_are_collected(numbers: keepwell.Store) -> None:
    class Holder:
        rows: Any = None
        me: Any = None

    gc.collect()
    for _ in range(100):
        holder = Holder()
        holder.rows, holder.me = hit(numbers), holder
    del holder
    gc.collect()
    assert not any(isinstance(thing, Holder) for thing in gc.get_objects())
    numbers.cache_clear()


def test_a_process_may_end_with_rows_in_the_cache(script: Any) -> None:
    done = script(
        """
        import keepwell, threading
        store = keepwell.open("end.db")
        store.execute("CREATE TABLE t(a)")
        rows = [store.query("SELECT ?, a FROM t", (i,), cache=True) for i in range(100) for _ in range(2)]
        keepwell.initialize(":memory:").query("SELECT 1", cache=True)
        def forever():
            while True:
                store.query("SELECT 1", cache=True)
        threading.Thread(target=forever, daemon=True).start()
        print(len(rows))
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "200\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_shared_rows_can_be_read_in_a_forked_child(script: Any) -> None:
    done = script(
        """
        import keepwell, os
        store = keepwell.open("fork.db")
        for _ in range(3):
            rows = store.query("SELECT 1 AS a UNION SELECT 2", cache=True)
        child = os.fork()
        if child == 0:
            assert rows.from_cache and list(rows) == [(1,), (2,)]
            try:
                store.query("SELECT 1 AS a UNION SELECT 2", cache=True)
            except keepwell.ForkedError:
                del rows, store
                with keepwell.open("fork.db") as own:
                    assert [own.query("SELECT 1", cache=True).from_cache for _ in range(2)] == [False, True]
                os._exit(7)
            os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert store.query("SELECT 1 AS a UNION SELECT 2", cache=True) == rows
        """
    )
    assert done.returncode == 0, done.stderr
