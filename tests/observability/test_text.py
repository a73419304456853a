"""What a store to which everything has happened exposes, as promtool and the official Python parser see it."""

import json
import os
import subprocess
from typing import Dict, FrozenSet, Iterable, Tuple

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

from conftest import World
from parts import eventually

OPENMETRICS = "application/openmetrics-text"


def lint(text: str) -> "subprocess.CompletedProcess[str]":
    command = [os.environ["PROMTOOL"], "check", "metrics"]
    return subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)


def samples(families: Iterable[object]) -> Dict[Tuple[str, FrozenSet[Tuple[str, str]]], float]:
    return {key(one.name, one.labels): one.value for family in families for one in family.samples}  # type: ignore[attr-defined]


def key(name: str, labels: Dict[str, str]) -> Tuple[str, FrozenSet[Tuple[str, str]]]:
    """The formats write the same bound differently: 0.000001 and 1e-06."""
    return name, frozenset((label, str(float(value)) if label == "le" else value) for label, value in labels.items())


@pytest.mark.parametrize("name", ["work", "trouble"])
@pytest.mark.parametrize("suffix", ["prometheus", "prom"])
def test_promtool_has_nothing_to_complain_about(world: World, name: str, suffix: str) -> None:
    load = world.loads[name]
    text = eventually(f"{name}.{suffix} is written", lambda: (load.folder / f"{name}.{suffix}").exists() and load.text(suffix))
    checked = lint(str(text))
    assert (checked.returncode, checked.stdout) == (0, "")


def test_promtool_complains_about_a_name_that_is_none(world: World) -> None:
    text = world.loads["work"].text("prometheus").replace("keepwell_tx_retries_total", "keepwell_tx_retries_bytes")
    assert lint(text).returncode != 0


@pytest.mark.parametrize("name", ["work", "trouble"])
def test_both_formats_say_the_same(world: World, name: str) -> None:
    plain = samples(prometheus(world.loads[name].text("prometheus")))
    open_ = samples(openmetrics(world.loads[name].text("openmetrics")))  # type: ignore[no-untyped-call]
    assert len(plain) > 100
    assert set(plain) == set(open_)
    counted = {one for one in plain if one[0].startswith(("keepwell_query", "keepwell_tx", "keepwell_errors", "keepwell_cache_hits"))}
    assert {one: plain[one] for one in counted} == {one: open_[one] for one in counted}


def test_the_parser_refuses_a_broken_text(world: World) -> None:
    text = world.loads["work"].text("openmetrics")
    with pytest.raises(ValueError, match="EOF"):
        list(openmetrics(text.replace("# EOF\n", "")))  # type: ignore[no-untyped-call]


def test_the_listener_speaks_both_formats(world: World) -> None:
    load = world.loads["work"]
    kind, text = load.get("/metrics")
    assert kind.startswith("text/plain; version=0.0.4")
    kind, open_ = load.get("/metrics", OPENMETRICS + "; version=1.0.0")
    assert kind.startswith(OPENMETRICS)
    assert set(samples(prometheus(text))) == set(samples(openmetrics(open_)))  # type: ignore[no-untyped-call]


def test_the_listener_tells_the_health(world: World) -> None:
    kind, text = world.loads["work"].get("/health")
    assert kind.startswith("application/json")
    assert json.loads(text)["can_read"]
