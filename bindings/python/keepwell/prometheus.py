"""The metrics of stores in the registry of ``prometheus_client``, which this module alone needs.

    from prometheus_client import REGISTRY, start_http_server
    from keepwell.prometheus import Collector

    REGISTRY.register(Collector(store))
    start_http_server(9187)
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, List

from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from ._errors import ClosedError, ForkedError
from ._store import Store

__all__ = ["Collector"]

#: Reads the OpenMetrics form: that has units, and bounds of buckets in the one form that both formats take.
_parse: Any = text_string_to_metric_families


class Collector:
    """A collector for stores: each metric is one family, with a label ``store`` for each of them.

    It keeps the stores. One that is closed, or of before a fork, has no metrics.
    """

    def __init__(self, *stores: Store) -> None:
        self._stores: Dict[str, Store] = {}
        for store in stores:
            self.add(store)

    def add(self, store: Store) -> None:
        """Adds a store; one with the same label has to be closed. Errors: :class:`ValueError` for a label that is taken (set
        ``metrics.label``), :class:`ClosedError` for a store that is closed.
        """
        label = _label(store)
        if _families(self._stores.get(label)):
            raise ValueError(f"another store has the label {label!r}: set metrics.label in the configuration of one")
        self._stores[label] = store

    def collect(self) -> Iterable[Metric]:
        """The metrics of all stores as they are now."""
        merged: Dict[str, Metric] = {}
        for store in [*self._stores.values()]:
            for family in _families(store):
                known = merged.setdefault(family.name, family)
                if known is not family:
                    known.samples += family.samples
        return merged.values()

    def describe(self) -> Iterable[Metric]:
        """The same, for a registry that looks for names that are taken."""
        return self.collect()


def _label(store: Store) -> str:
    """What the store is called in its metrics."""
    label: str = next(_parse(store.metrics("openmetrics"))).samples[0].labels["store"]
    return label


def _families(store: Any) -> List[Metric]:
    """The metrics of a store; none where there is no store any more."""
    if store is None:
        return []
    try:
        text = store.metrics("openmetrics")
    except (ClosedError, ForkedError):
        return []
    return [*_parse(text)]
