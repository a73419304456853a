"""What a PromQL query names: metrics, their labels with the values that are asked for, and labels of groups."""

import re
from dataclasses import dataclass, field
from typing import Dict, Iterable, Iterator, List, Mapping, Set, Tuple

TOKEN = re.compile(r""" "(?:\\.|[^"\\])*" | '(?:\\.|[^'\\])*' | `[^`]*` | [A-Za-z_:][A-Za-z0-9_:]* | =~ | !~ | != | \S """, re.VERBOSE)
GROUPING = {"by", "without", "on", "ignoring", "group_left", "group_right"}
#: Labels that Prometheus gives to every series.
TARGET = {"job", "instance"}

#: From the name of a series to its labels, each with the values that it has.
Exposed = Mapping[str, Mapping[str, Set[str]]]


@dataclass
class Selector:
    """A metric with its matchers: label, operator, value."""

    metric: str
    matchers: List[Tuple[str, str, str]] = field(default_factory=list)


@dataclass
class Query:
    selectors: List[Selector] = field(default_factory=list)
    grouping: Set[str] = field(default_factory=set)


def parse(text: str) -> Query:
    tokens = TOKEN.findall(text)
    query = Query()
    at = 0
    while at < len(tokens):
        token = tokens[at]
        at += 1
        if token.startswith("keepwell_"):
            selector = Selector(token)
            if tokens[at : at + 1] == ["{"]:
                end = tokens.index("}", at)
                selector.matchers = list(matchers(tokens[at + 1 : end]))
                at = end + 1
            query.selectors.append(selector)
        elif token in GROUPING and tokens[at : at + 1] == ["("]:
            end = tokens.index(")", at)
            query.grouping |= {label for label in tokens[at + 1 : end] if label != ","}
            at = end + 1
    return query


def matchers(tokens: List[str]) -> Iterator[Tuple[str, str, str]]:
    tokens = [token for token in tokens if token != ","]
    for label, operator, value in zip(tokens[::3], tokens[1::3], tokens[2::3]):
        yield label, operator, value[1:-1]


def problems(text: str, exposed: Exposed, vocabulary: Mapping[str, Set[str]], templates: str = "") -> List[str]:
    """What the query, or the `$labels` of its alert's texts, name and no series has. `vocabulary`: labels whose values do not all show."""
    query = parse(text)
    found: List[str] = []
    if not query.selectors:
        found.append(f"no metric in: {text}")
    labels: Set[str] = set(TARGET)
    for selector in query.selectors:
        if selector.metric not in exposed:
            found.append(f"no metric {selector.metric}")
            continue
        has = exposed[selector.metric]
        labels |= set(has)
        for label, _, value in selector.matchers:
            if label not in has and label not in TARGET:
                found.append(f"{selector.metric} has no label {label}")
            elif label not in TARGET and not value.startswith("$"):
                known = vocabulary.get(label, has[label])
                found += [f"{selector.metric} has no {label}={one}" for one in value.split("|") if one not in known]
    found += [f"no metric of the query has the label {label}" for label in sorted(query.grouping - labels)]
    left = query.grouping if query.grouping else labels
    found += [f"no $labels.{label}" for label in re.findall(r"\$labels\.(\w+)", templates) if label not in left]
    return found


def exposed_by(families: Iterable[object]) -> Dict[str, Dict[str, Set[str]]]:
    """What a text exposes, from the families of the official parser."""
    exposed: Dict[str, Dict[str, Set[str]]] = {}
    for family in families:
        for sample in family.samples:  # type: ignore[attr-defined]
            labels = exposed.setdefault(sample.name, {})
            for label, value in sample.labels.items():
                labels.setdefault(label, set()).add(value)
    return exposed
