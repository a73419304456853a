"""The dashboard's and the alerts' queries name what a store exposes, and the server answers them."""

import json
import re
from pathlib import Path
from typing import Any, Dict, Iterator, List, Set

import pytest

from conftest import ROOT, World
from promql import parse, problems

#: Series that appear with their first event; nothing of their values has to show.
CODES = set(re.findall(r"#define (KW_[A-Z_]+) \d+\n", (ROOT / "include/keepwell.h").read_text()))


@pytest.fixture(scope="module")
def dashboard(shipped: Path) -> Dict[str, Any]:
    loaded: Dict[str, Any] = json.loads((shipped / "dashboard.json").read_text())
    return loaded


def targets(dashboard: Dict[str, Any]) -> Iterator[Any]:
    for panel in dashboard["panels"]:
        yield from panel.get("targets", [])


def queries(dashboard: Dict[str, Any]) -> List[str]:
    variables = [one["query"]["query"] for one in dashboard["templating"]["list"] if one["type"] == "query"]
    annotations = [one["expr"] for one in dashboard["annotations"]["list"] if "expr" in one]
    return [target["expr"] for target in targets(dashboard)] + variables + annotations


@pytest.mark.parametrize(
    "wrong, problem",
    [
        ("rate(keepwell_queries_total[5m])", "no metric keepwell_queries_total"),
        ('keepwell_tx_total{result="committed"}', "keepwell_tx_total has no label result"),
        ('keepwell_tx_total{outcome=~"committed|undone"}', "keepwell_tx_total has no outcome=undone"),
        ('keepwell_errors_total{code!~"KW_IO|KW_DISK"}', "keepwell_errors_total has no code=KW_DISK"),
        ("sum by (job, role) (keepwell_tx_total)", "no metric of the query has the label role"),
        ("histogram_quantile(0.5, keepwell_tx_total_bucket)", "no metric keepwell_tx_total_bucket"),
        ("vector(1)", "no metric in: vector(1)"),
    ],
)
def test_a_wrong_name_is_noticed(world: World, wrong: str, problem: str) -> None:
    assert problems(wrong, world.exposed, {"code": CODES}) == [problem]


def test_a_label_that_is_summed_away_is_not_for_the_text(world: World) -> None:
    assert problems("sum by (job) (keepwell_tx_total)", world.exposed, {}, "{{ $labels.job }} {{ $labels.store }}") == ["no $labels.store"]


def test_the_dashboard_asks_for_what_there_is(world: World, dashboard: Dict[str, Any]) -> None:
    wrong = {query: found for query in queries(dashboard) if (found := problems(label_values(query), world.exposed, {"code": CODES}))}
    assert not wrong


def label_values(query: str) -> str:
    """`label_values(metric, label)` of a variable as a query that names the same."""
    return re.sub(r"^label_values\((.*), (\w+)\)$", r"count by (\2) (\1)", query)


def test_the_alerts_ask_for_what_there_is(world: World) -> None:
    for rule in world.server.rules():
        texts = " ".join(rule["annotations"].values())
        assert problems(rule["query"], world.exposed, {"code": CODES}, texts) == [], rule["name"]


def test_the_dashboard_shows_every_metric(world: World, dashboard: Dict[str, Any]) -> None:
    shown = {family(selector.metric) for query in queries(dashboard) for selector in parse(query).selectors}
    assert {family(name) for name in world.exposed} - shown == set()


def family(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name)


def test_the_server_answers_every_query_of_the_dashboard(world: World, dashboard: Dict[str, Any]) -> None:
    empty: Set[str] = set()
    for target in targets(dashboard):
        query = target["expr"].replace("$__rate_interval", "2m")
        query = re.sub(r"\$(job|instance|store)", ".*", query)
        if not world.server.query(query):
            empty.add(query)
    assert empty == set()


def test_the_dashboard_is_put_together_well(dashboard: Dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: Set[Any] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken and place["x"] + place["w"] <= 24, f"{panel['title']} lies on another panel"
        taken |= cells
    assert [one["name"] for one in dashboard["templating"]["list"]] == ["datasource", "job", "instance", "store"]
    assert all(target["datasource"]["uid"] == "${datasource}" for target in targets(dashboard))
