"""The writers' bench: its matrix, its targets and its table. The programs only measure the cells that they are given: see README.md."""

from __future__ import annotations

import statistics
from itertools import product
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from table import human, print_rows


class Plan(NamedTuple):
    """What is measured: cells as writers:sync:readers, and for each so many windows of time on either side."""

    cells: Tuple[str, ...]
    seconds: float
    windows: int

    def options(self) -> List[Any]:
        return ["--seconds", self.seconds, "--windows", self.windows, *self.cells]


AXES = {"writers": "1,8,32", "sync": "normal,full", "readers": "0,2"}
FILTERS = (*AXES, "seconds", "windows")


def plan(given: Dict[str, str], quick: bool) -> Plan:
    """The whole matrix, or what the filters leave of it. A filter may name other numbers than the matrix has, and several with commas."""
    chosen = [given.get(axis, usual).split(",") for axis, usual in AXES.items()]
    seconds = float(given.get("seconds", 0.5 if quick else 2))
    return Plan(tuple(":".join(cell) for cell in product(*chosen)), seconds, int(given.get("windows", 3 if quick else 5)))


# ------------------------------------------------------------------------------------------------------------- targets --


class Target(NamedTuple):
    """What one measure of some cells has to keep: ours ÷ the peer's, or ours alone."""

    measure: str
    writers: Optional[int]  # None: any
    sync: Optional[str]
    ratio: bool
    text: str
    holds: Callable[[float], bool]

    def applies(self, line: Dict[str, Any]) -> bool:
        return self.writers in (None, line["writers"]) and self.sync in (None, line["sync"])


def faster(writers: int, sync: str, times: float) -> Target:
    return Target("writes", writers, sync, True, f"≥ {times:g}", lambda ratio: ratio >= times)


TARGETS = (
    faster(32, "full", 12),
    faster(8, "full", 4),
    faster(32, "normal", 1.5),
    faster(8, "normal", 1),
    Target("slowest", 32, "full", True, "≤ 0.020", lambda ratio: ratio <= 1 / 50),
    Target("p50", 1, None, True, "≤ 1.15", lambda ratio: ratio <= 1.15),
    Target("p999", None, None, False, "≤ 20 ms", lambda nanos: nanos <= 20e6),
    Target("fewest", None, None, False, "> 0", lambda share: share > 0),
)

# ------------------------------------------------------------------------------------------------------------- figures --

MEASURES = ("writes", "p50", "p99", "p999", "slowest", "errors", "syncs", "sync", "fewest", "reads")


def ratio(ours: Optional[float], peers: Optional[float]) -> Optional[float]:
    return ours / peers if ours is not None and peers else None


def medians(windows: List[Dict[str, Any]]) -> Dict[str, Optional[float]]:
    """The median of each measure; None for one that the program does not take. Errors are summed up: each one is one too many."""
    found: Dict[str, Optional[float]] = {}
    for measure in MEASURES:
        values = [window[measure] for window in windows if window.get(measure) is not None]
        found[measure] = (sum(values) if measure == "errors" else statistics.median(values)) if values else None
    return found


def rounds_of(line: Dict[str, Any], measure: str) -> List[float]:
    """Ours ÷ the peer's of each round, sorted. The two windows of a round are neighbours: what the machine did meanwhile, it did to both."""
    pairs = zip(line["our_windows"], line["peer_windows"])
    ratios = (ratio(ours.get(measure), peers.get(measure)) for ours, peers in pairs)
    return sorted(value for value in ratios if value is not None)


def quartiles(values: List[float]) -> List[Optional[float]]:
    return [values[len(values) // 4], values[-1 - len(values) // 4]] if values else [None, None]


def judge(line: Dict[str, Any], ours: Dict[str, Any], ratios: Dict[str, Any]) -> Dict[str, Any]:
    """The targets of a cell, by measure."""
    verdicts = {}
    for target in TARGETS:
        value = (ratios if target.ratio else ours)[target.measure]
        if target.applies(line) and value is not None:
            verdicts[target.measure] = {"target": target.text, "ratio": target.ratio, "met": target.holds(value)}
    return verdicts


def figure_of(line: Dict[str, Any]) -> Dict[str, Any]:
    """A program's line as a figure. Its time is that from one commit to the next, whoever made them."""
    ours, peers = medians(line["our_windows"]), medians(line["peer_windows"])
    rounds = {measure: rounds_of(line, measure) for measure in MEASURES}
    ratios = {measure: statistics.median(values) if values else None for measure, values in rounds.items()}
    times = [1 / value for value in reversed(rounds["writes"]) if value]
    readers = f".readers{line['readers']}" if line["readers"] else ""
    return {
        **line,
        "id": f"{line['language']}.writers{line['writers']}.{line['sync']}{readers}",
        "ours_ns": ratio(1e9, ours["writes"]),
        "peer_ns": ratio(1e9, peers["writes"]),
        "ratio": statistics.median(times) if times else None,
        "ratio_q1": quartiles(times)[0],
        "ratio_q3": quartiles(times)[1],
        "target": None,
        "writes_quartiles": quartiles(rounds["writes"]),
        "ours": ours,
        "peers": peers,
        "ratios": ratios,
        "verdicts": judge(line, ours, ratios),
    }


# --------------------------------------------------------------------------------------------------------------- table --

TIMES = {"p50", "p99", "p999", "slowest", "sync"}
HEAD = ["id", "", "writes/s", "p50", "p99", "p99.9", "slowest", "busy", "fsyncs/write", "one fsync", "fewest", "reads/s"]


def amount(measure: str, value: Optional[float]) -> str:
    if value is None:
        return "-"
    if measure in TIMES:
        return human(value)
    return format(value, {"syncs": ".3f", "fewest": ".2f"}.get(measure, ",.0f"))


def compared(measure: str, found: Dict[str, Any]) -> str:
    """The ratio of a measure, where it has one, with its target, where it has one."""
    verdict = found["verdicts"].get(measure)
    value = None if measure in ("errors", "fewest") else found["ratios"][measure]
    shown = [] if value is None or (verdict and not verdict["ratio"]) else [f"{value:.3g}×"]
    if measure == "writes" and None not in found["writes_quartiles"]:
        shown.append("[" + " ".join(f"{quartile:.3g}" for quartile in found["writes_quartiles"]) + "]")
    if verdict:
        shown += [verdict["target"], "met" if verdict["met"] else "MISSED"]
    return " ".join(shown)


def rows_of(found: Dict[str, Any]) -> List[List[str]]:
    ours, peers = ([amount(measure, found[side][measure]) for measure in MEASURES] for side in ("ours", "peers"))
    return [
        [found["id"], "keepwell", *ours],
        ["", found["peer"], *peers],
        ["", "ratio", *(compared(measure, found) for measure in MEASURES)],
    ]


def print_writers(figures: List[Dict[str, Any]]) -> None:
    cells = [found for found in figures if "verdicts" in found]
    if cells:
        print_rows([HEAD] + [row for found in cells for row in rows_of(found)], right=range(2, len(HEAD)))
