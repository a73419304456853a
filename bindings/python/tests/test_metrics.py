"""Metrics agree exactly with what was done."""

from __future__ import annotations

import math
import urllib.request
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Mapping, Tuple

import keepwell
import pytest
from conftest import ENDLESS
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

READERS: Mapping[str, Any] = {"prometheus": read_prometheus, "openmetrics": read_openmetrics}
Series = Tuple[str, Tuple[Tuple[str, str], ...]]


def samples(store: keepwell.Store, form: str = "prometheus") -> Dict[Series, float]:
    """Every value by name and labels, without the label of the store."""
    found: Dict[Series, float] = {}
    for family in READERS[form](store.metrics(form)):
        for sample in family.samples:
            labels = tuple(sorted((name, value) for name, value in sample.labels.items() if name != "store"))
            assert (sample.name, labels) not in found, "a series stands once"
            found[sample.name, labels] = sample.value
    return found


def value(store: keepwell.Store, name: str, **labels: str) -> float:
    return samples(store).get((name, tuple(sorted(labels.items()))), 0)


@pytest.fixture
def counted(numbers: keepwell.Store) -> "Callable[..., float]":
    """How much a series has grown since the store was filled."""
    before = samples(numbers)

    def grown(name: str, **labels: str) -> float:
        key = (name, tuple(sorted(labels.items())))
        return samples(numbers).get(key, 0) - before.get(key, 0)

    return grown


def test_both_official_parsers_take_both_formats_and_read_the_same(numbers: keepwell.Store) -> None:
    with pytest.raises(keepwell.SqlError):
        numbers.query("SELEC")
    numbers.query("SELECT * FROM n")
    one, other = samples(numbers, "prometheus"), samples(numbers, "openmetrics")
    assert len(one) > 150

    def comparable(series: Dict[Series, float]) -> Dict[Any, Any]:
        number = {(name, tuple((key, float(text) if key == "le" else text) for key, text in labels)) for name, labels in series}
        return {key: None for key in number}

    assert comparable(one) == comparable(other)
    for name in ("keepwell_tx_total", "keepwell_errors_total", "keepwell_query_rows_returned_total"):
        picked = {key: number for key, number in one.items() if key[0] == name}
        assert picked and picked == {key: number for key, number in other.items() if key[0] == name}
    kinds = {family.name: (family.type, family.unit) for family in read_openmetrics(numbers.metrics("openmetrics"))}
    assert kinds["keepwell_query_duration_seconds"] == ("histogram", "seconds")
    assert kinds["keepwell_database_bytes"] == ("gauge", "bytes") and kinds["keepwell_tx"][0] == "counter"


def test_every_series_has_the_label_of_its_store(tmp_path: Path) -> None:
    awkward = 'shop "A" \\ 7'
    with keepwell.open({"datasource": str(tmp_path / "a.db"), "metrics.label": awkward}) as store:
        for form, read in READERS.items():
            labels = {sample.labels.get("store") for family in read(store.metrics(form)) for sample in family.samples}
            assert labels == {awkward}, form
    with keepwell.open(tmp_path / "a.db") as store:
        ((family, *_), path) = [*read_prometheus(store.metrics())], str(tmp_path / "a.db")
        assert family.name == "keepwell_build_info" and family.samples[0].labels["store"] == path
        assert family.samples[0].labels["version"] == keepwell.__version__


def test_a_format_that_does_not_exist_is_refused(store: keepwell.Store) -> None:
    for wrong in ("json", "", None, 1):
        with pytest.raises(ValueError, match="'prometheus', 'openmetrics'"):
            store.metrics(wrong)  # type: ignore[arg-type]


def test_reads_writes_and_rows(numbers: keepwell.Store, counted: Any) -> None:
    for _ in range(7):
        numbers.query("SELECT i FROM n WHERE i BETWEEN 10 AND 14")
    assert numbers.query_value("SELECT 1") == 1
    for i in range(3):
        numbers.execute("UPDATE n SET t = 'new' WHERE i <= ?", (i,))
    numbers.execute("DELETE FROM n WHERE i = -1")
    assert counted("keepwell_query_duration_seconds_count", statement="read") == 8
    assert counted("keepwell_query_duration_seconds_count", statement="write") == 4
    assert counted("keepwell_query_rows_returned_total") == 7 * 5 + 1
    assert counted("keepwell_query_rows_changed_total") == 1 + 2 + 3
    assert counted("keepwell_query_duration_seconds_bucket", statement="read", le="+Inf") == 8
    assert counted("keepwell_query_duration_seconds_sum", statement="read") > 0


def test_buckets_go_from_a_microsecond_to_ten_seconds(store: keepwell.Store) -> None:
    store.query("SELECT 1")
    for form in READERS:
        series = samples(store, form)
        wanted = ("keepwell_query_duration_seconds_bucket", "read")
        bounds = [float(dict(labels)["le"]) for name, labels in series if (name, dict(labels).get("statement")) == wanted]
        assert len(bounds) == 23 and bounds == sorted(bounds)
        assert (bounds[0], bounds[-2], bounds[-1]) == (1e-6, 10.0, math.inf)


def test_transactions_by_their_end(numbers: keepwell.Store, counted: Any) -> None:
    for _ in range(3):
        with numbers.transaction() as tx:
            tx.execute("DELETE FROM n WHERE i = 1")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), numbers.transaction() as tx:
            tx.execute("DELETE FROM n")
            1 / 0
    numbers.transaction().rollback()
    outcomes = {name: counted("keepwell_tx_total", outcome=name) for name in ("committed", "rolled_back", "ended_by_engine", "abandoned")}
    assert outcomes == {"committed": 3, "rolled_back": 3, "ended_by_engine": 0, "abandoned": 0}


def test_a_transaction_that_runs_again(store: keepwell.Store, tmp_path: Path) -> None:
    store.execute("CREATE TABLE t(v)")
    with keepwell.open(tmp_path / "test.db") as other:
        runs = []

        def body(tx: keepwell.Transaction) -> None:
            tx.query("SELECT * FROM t")
            runs.append(len(runs))
            if len(runs) == 1:
                other.execute("INSERT INTO t VALUES ('other')")
            tx.execute("INSERT INTO t VALUES ('own')")

        store.run(body, mode="deferred", timeout=10)
        assert len(runs) == 2
        assert value(store, "keepwell_busy_total", cause="snapshot") == 1
        assert value(store, "keepwell_errors_total", code="KW_CONFLICT") == 1


def test_errors_by_their_code(numbers: keepwell.Store, counted: Any) -> None:
    token = keepwell.CancelToken()
    token.cancel()
    for _ in range(3):
        with pytest.raises(keepwell.SqlError):
            numbers.query("SELEC")
    for _ in range(2):
        with pytest.raises(keepwell.ConstraintError):
            numbers.execute("INSERT INTO n VALUES (1, 'twice')")
    with pytest.raises(keepwell.TimeoutError):
        numbers.query(ENDLESS, timeout=0.01)
    with pytest.raises(keepwell.CancelledError):
        numbers.query("SELECT 1", cancel=token)
    codes = {labels: number for (name, labels), number in samples(numbers).items() if name == "keepwell_errors_total" and number}
    wanted = {"KW_SQL": 3, "KW_CONSTRAINT": 2, "KW_TIMEOUT": 1, "KW_CANCELLED": 1}
    assert codes == {(("code", code),): number for code, number in wanted.items()}
    assert counted("keepwell_stopped_total", stage="execution", reason="timeout") == 1


def test_hits_misses_and_bypasses_of_the_cache(numbers: keepwell.Store, counted: Any) -> None:
    for _ in range(5):
        numbers.query("SELECT count(*) FROM n", cache=True)
    numbers.query("SELECT random()", cache=True)
    numbers.execute("DELETE FROM n WHERE i = 0")
    assert numbers.query_value("SELECT count(*) FROM n", cache=True) == 999
    assert counted("keepwell_cache_hits_total") == 4 and counted("keepwell_cache_misses_total") == 2
    assert counted("keepwell_cache_bypasses_total", reason="function") == 1
    assert value(numbers, "keepwell_cache_entries") == 1
    stats = numbers.cache_stats()
    assert (stats["hits"], stats["misses"], stats["bypasses"]["function"]) == (4, 2, 1)


def test_scans_and_sorts(numbers: keepwell.Store, counted: Any) -> None:
    numbers.query("SELECT * FROM n WHERE t = 'x'")
    numbers.query("SELECT * FROM n WHERE i = 7")
    numbers.query("SELECT t FROM n ORDER BY t")
    assert counted("keepwell_query_full_scans_total") == 2
    assert counted("keepwell_query_sorts_total") == 1


def test_gauges_of_the_pool(store: keepwell.Store) -> None:
    assert value(store, "keepwell_pool_in_use_connections") == 0
    with store.transaction(), store.transaction(read_only=True):
        assert value(store, "keepwell_pool_in_use_connections") == 2
        assert value(store, "keepwell_pool_max_open_connections") == store.stats()["max_open"]
    assert value(store, "keepwell_pool_in_use_connections") == 0


def test_slow_calls_are_counted_whoever_listens(tmp_path: Path) -> None:
    with keepwell.open({"datasource": str(tmp_path / "s.db"), "metrics.slow_query": "1us"}) as store:
        for _ in range(4):
            store.query(ENDLESS.replace("x < 0", "x < 100").replace("FROM c)", "FROM c WHERE x < 100)"))
        assert value(store, "keepwell_query_slow_total") == 4
    with keepwell.open(tmp_path / "s.db") as store:
        store.query("SELECT 1")
        assert value(store, "keepwell_query_slow_total") == 0


@pytest.fixture
def listening(tmp_path: Path) -> Iterator[keepwell.Store]:
    with keepwell.open({"datasource": str(tmp_path / "l.db"), "metrics.listen": "127.0.0.1:0"}) as store:
        yield store


def test_the_address_is_the_one_that_answers(listening: keepwell.Store) -> None:
    address = listening.metrics_address
    assert address is not None and address.startswith("127.0.0.1:") and not address.endswith(":0")
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        names = {family.name for family in read_prometheus(answer.read().decode())}
    assert names == {family.name for family in read_prometheus(listening.metrics())}


def test_there_is_no_address_without_a_listener(store: keepwell.Store) -> None:
    assert store.metrics_address is None


def test_a_closed_store_has_no_metrics(tmp_path: Path) -> None:
    store = keepwell.open(tmp_path / "c.db")
    store.close()
    uses: "list[Callable[[], object]]" = [store.metrics, store.statements, store.health, lambda: store.metrics_address]
    for use in [*uses, store.reset_statements, lambda: store.explain("SELECT 1"), lambda: store.advise("SELECT 1")]:
        with pytest.raises(keepwell.ClosedError):
            use()
