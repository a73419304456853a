"""What statements cost, how they run, and which index would help."""

from __future__ import annotations

from typing import Dict, Optional

import keepwell
import pytest
from conftest import ENDLESS


def by_sql(store: keepwell.Store) -> "Dict[Optional[str], keepwell.StatementCost]":
    return {cost.sql: cost for cost in store.statements()}


def test_each_statement_is_counted(numbers: keepwell.Store) -> None:
    numbers.reset_statements()
    assert numbers.statements() == []
    for _ in range(4):
        numbers.query("SELECT * FROM n WHERE t = ?", ("row 7",))
    numbers.execute("UPDATE n SET t = 'new' WHERE i < 10")
    numbers.query("SELECT t FROM n ORDER BY t LIMIT 3")
    with pytest.raises(keepwell.ConstraintError):
        numbers.execute("INSERT INTO n VALUES (500, 'twice')")
    known = by_sql(numbers)
    assert len(known) == 4
    read = known["SELECT * FROM n WHERE t = ?"]
    assert (read.kind, read.calls, read.errors, read.rows, read.full_scans) == ("read", 4, 0, 4, 4)
    assert 4 * 999 <= read.scanned_rows <= 4 * 1000 and read.sorts == 0
    assert 0 < read.mean_seconds <= read.worst_seconds <= read.total_seconds
    assert read.mean_seconds == pytest.approx(read.total_seconds / 4, abs=1e-9)
    write = known["UPDATE n SET t = 'new' WHERE i < 10"]
    assert (write.kind, write.calls, write.rows, write.full_scans) == ("write", 1, 10, 0)
    assert known["SELECT t FROM n ORDER BY t LIMIT 3"].sorts == 1
    failed = known["INSERT INTO n VALUES (500, 'twice')"]
    assert (failed.calls, failed.errors) == (1, 1)


def test_the_order_and_the_limit(numbers: keepwell.Store) -> None:
    numbers.reset_statements()
    for _ in range(3):
        numbers.query("SELECT 1")
    numbers.query("SELECT * FROM n WHERE i < 500")
    numbers.query("SELECT count(*) FROM n WHERE t = ''")
    for order, first in (("calls", "SELECT 1"), ("rows", "SELECT * FROM n WHERE i < 500"), ("scanned", "SELECT count(*) FROM n WHERE t = ''")):
        assert [cost.sql for cost in numbers.statements(order, limit=1)] == [first], order
    for order in ("total", "mean", "worst"):
        times = [getattr(cost, f"{order}_seconds") for cost in numbers.statements(order)]
        assert len(times) == 3 and times == sorted(times, reverse=True)
    for wrong in ("time", "", None, 0):
        with pytest.raises(ValueError, match="order: 'total', 'calls', 'mean', 'worst', 'rows', 'scanned'"):
            numbers.statements(wrong)  # type: ignore[arg-type]
    for limit in (0, -1, True, 1.5, "3"):
        with pytest.raises(ValueError, match="limit"):
            numbers.statements(limit=limit)  # type: ignore[arg-type]


def test_the_report_is_bounded_and_says_what_the_rest_cost() -> None:
    with keepwell.open({"datasource": ":memory:", "metrics.statements": 10}) as store:
        for i in range(50):
            store.query(f"SELECT {i}")
        costs = store.statements()
        assert len(costs) <= 11 and costs[-1].sql is None
        assert sum(cost.calls for cost in costs) == 50
    with keepwell.open({"datasource": ":memory:", "metrics.statements": 0}) as store:
        store.query("SELECT 1")
        assert store.statements() == []


def test_a_report_of_many_statements_comes_whole() -> None:
    """More than one batch of rows."""
    with keepwell.open({"datasource": ":memory:", "metrics.statements": 5000}) as store:
        for i in range(3000):
            store.query(f"SELECT {i}")
        assert {cost.sql for cost in store.statements("calls")} == {f"SELECT {i}" for i in range(3000)}
        assert store.stats()["in_use"] == 0


def test_a_plan_is_a_tree(numbers: keepwell.Store) -> None:
    plan = numbers.explain("SELECT * FROM n WHERE t IN (SELECT t FROM n WHERE i = ?)")
    assert [node.parent for node in plan.nodes][:2] == [0, 0]
    inner = [node for node in plan.nodes if node.parent]
    assert inner and all(node.parent in {outer.id for outer in plan.nodes} for node in inner)
    lines = str(plan).splitlines()
    assert lines[0] == "SCAN n" and f"  {inner[0].detail}" in lines
    assert plan == numbers.explain(numbers.prepare("SELECT * FROM n WHERE t IN (SELECT t FROM n WHERE i = ?)"))
    assert repr(plan).startswith("<keepwell.QueryPlan 'SCAN n")


def test_explaining_and_advising_run_nothing(numbers: keepwell.Store) -> None:
    for use in (numbers.explain, numbers.advise):
        use("DELETE FROM n")
        use(ENDLESS, timeout=30)
    assert numbers.query_value("SELECT count(*) FROM n") == 1000
    assert numbers.stats()["in_use"] == 0


def test_advice_is_followed_to_its_end(numbers: keepwell.Store) -> None:
    sql = "SELECT * FROM n WHERE t = ?"
    (advice,) = numbers.advise(sql)
    assert advice.table == "n" and advice.index_sql.startswith("CREATE INDEX")
    assert advice.before == str(numbers.explain(sql)) == "SCAN n"
    numbers.execute(advice.index_sql)
    assert str(numbers.explain(sql)) == advice.after
    assert numbers.advise(sql) == numbers.advise(numbers.prepare(sql)) == []


def test_wrong_sql_is_told(numbers: keepwell.Store) -> None:
    for use in (numbers.explain, numbers.advise):
        with pytest.raises(keepwell.SqlError):
            use("SELECT * FROM nowhere")
        with pytest.raises(TypeError, match="sql"):
            use(7)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="cancel"):
            use("SELECT 1", cancel="now")  # type: ignore[arg-type]
        token = keepwell.CancelToken()
        token.cancel()
        with pytest.raises(keepwell.CancelledError):
            use("SELECT 1", cancel=token)
