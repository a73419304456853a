"""The counters that a real server has scraped, against what the programs know that they did."""

import re
from datetime import datetime
from typing import Dict, List, Set

import pytest

from conftest import World
from parts import eventually

#: What nothing of the kind `work` may move.
UNTOUCHED = [
    "keepwell_pool_exhausted_total",
    "keepwell_pool_self_deadlocks_total",
    "keepwell_pool_leaks_suspected_total",
    "keepwell_pool_broken_closed_total",
    "keepwell_query_slow_total",
    "keepwell_query_automatic_indexes_total",
    "keepwell_tx_retries_total",
    "keepwell_tx_retries_exhausted_total",
    "keepwell_writer_replayed_writes_total",
    "keepwell_forks_total",
    "keepwell_second_sqlite_total",
]


def of_store(series: str, store: str) -> str:
    """`name` or `name{labels}` with the label of the store added."""
    name, _, labels = series.partition("{")
    return f'{name}{{store="{store}"' + (f",{labels}" if labels else "}")


def seen(world: World, store: str, wanted: Dict[str, float]) -> Dict[str, float]:
    """What the server has for each series; one that it does not have is missing."""
    found = {series: world.server.query(of_store(series, store)) for series in wanted}
    return {series: samples[0][1] for series, samples in found.items() if len(samples) == 1}


@pytest.mark.parametrize("store", ["work", "trouble"])
def test_what_was_done_was_counted_exactly(world: World, store: str) -> None:
    wanted = dict(world.loads[store].did)
    if store == "work":
        wanted.update({series: 0 for series in UNTOUCHED})
    assert len(wanted) > 15
    assert seen(world, store, wanted) == wanted


def test_no_other_errors_were_counted(world: World) -> None:
    assert world.server.query('keepwell_errors_total{store="work"} > 0') == []
    wanted = {re.findall(r'code="(\w+)"', series)[0] for series in world.loads["trouble"].did if series.startswith("keepwell_errors_total")}
    assert {labels["code"] for labels, _ in world.server.query('keepwell_errors_total{store="trouble"} > 0')} == wanted


def test_a_wrong_number_would_be_noticed(world: World) -> None:
    series, number = next(iter(world.loads["work"].did.items()))
    assert seen(world, "work", {series: number}) != {series: number + 1}
    assert seen(world, "work", {"keepwell_nothing": 1}) == {}


@pytest.mark.parametrize("store", ["work", "trouble"])
@pytest.mark.parametrize(
    "one, other",
    [
        ("keepwell_pool_wait_count_total{S}", "sum without (role) (keepwell_pool_wait_duration_seconds_count{S})"),
        ("keepwell_writer_syncs_saved_total{S}", "keepwell_writer_group_size_sum{S} - keepwell_writer_group_size_count{S}"),
        ("keepwell_pool_open_connections{S}", "keepwell_pool_in_use_connections{S} + keepwell_pool_idle_connections{S}"),
    ],
)
def test_numbers_agree_with_each_other(world: World, store: str, one: str, other: str) -> None:
    def value(expression: str) -> float:
        return world.server.query(expression.replace("{S}", f'{{store="{store}"}}'))[0][1]

    assert value(one) == value(other)


def test_threads_share_groups(world: World) -> None:
    """`work` has one group of 64 of its own making; what its threads share depends on chance."""
    assert world.server.query('keepwell_writer_group_size_sum{store="work"}')[0][1] >= 64


def test_what_is_held_too_long_is_suspected(world: World) -> None:
    suspected = 'keepwell_pool_leaks_suspected_total{store="trouble"}'
    assert eventually("a leak is suspected", lambda: [one for _, one in world.server.query(suspected) if one]) == [1]


def alerts(world: World, store: str, states: List[str]) -> Set[str]:
    return {one["labels"]["alertname"] for one in world.server.api("alerts")["alerts"] if one["labels"].get("store") == store and one["state"] in states}


def evaluated_since(world: World, moment: float) -> bool:
    def last(group: Dict[str, str]) -> float:
        stamp = re.sub(r"\.(\d{6})\d*", r".\1", group["lastEvaluation"].replace("Z", "+00:00"))  # nanoseconds, which Python does not read
        return datetime.fromisoformat(stamp).timestamp()

    return all(last(group) > moment for group in world.server.api("rules")["groups"])


def test_ordinary_work_is_worth_no_alert(world: World) -> None:
    """Not even one that waits for its `for`."""
    eventually("the rules have seen it all", lambda: evaluated_since(world, world.loads["work"].done_at + 2))
    assert alerts(world, "work", ["pending", "firing"]) == set()


def test_trouble_fires_its_alerts(world: World) -> None:
    wanted = {"KeepwellPoolExhausted", "KeepwellSelfDeadlock", "KeepwellRetriesExhausted", "KeepwellLeakSuspected"}
    eventually("the alerts fire", lambda: alerts(world, "trouble", ["firing"]) >= wanted)
    assert alerts(world, "trouble", ["firing"]) == wanted
