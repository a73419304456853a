"""The collector for ``prometheus_client``, and the pages for a server of one's own."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Tuple
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import keepwell
import keepwell.web
import prometheus_client
import prometheus_client.openmetrics.exposition as openmetrics
import pytest
from conftest import Script
from keepwell.prometheus import Collector
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_prometheus

ROWS = "keepwell_query_rows_returned_total"


@pytest.fixture
def stores(tmp_path: Path) -> "Iterator[List[keepwell.Store]]":
    """Two stores that have returned 1 and 2 rows."""
    with keepwell.open(tmp_path / "one.db") as one, keepwell.open({"datasource": ":memory:", "metrics.label": "two"}) as two:
        one.query("SELECT 1")
        two.query("SELECT 1 UNION ALL SELECT 2")
        yield [one, two]


def values(families: Any, name: str) -> Dict[str, float]:
    """The values of a series by store."""
    return {sample.labels["store"]: sample.value for family in families for sample in family.samples if sample.name == name}


def test_two_stores_share_each_family(stores: List[keepwell.Store], tmp_path: Path) -> None:
    families = [*Collector(*stores).collect()]
    names = [family.name for family in families]
    assert len(names) == len({*names}) > 50
    assert values(families, ROWS) == {str(tmp_path / "one.db"): 1, "two": 2}
    alone = [*Collector(stores[0]).collect()]
    assert {family.name for family in alone} <= {*names}
    assert values(alone, ROWS) == {str(tmp_path / "one.db"): 1}


FORMATS = [(prometheus_client.generate_latest, read_prometheus), (openmetrics.generate_latest, read_openmetrics)]


@pytest.mark.parametrize(("write", "read"), FORMATS)
def test_the_registry_writes_it_in_both_formats(write: Any, read: Any, stores: List[keepwell.Store], tmp_path: Path) -> None:
    with pytest.raises(keepwell.SqlError):
        stores[0].query("SELEC")
    registry = prometheus_client.CollectorRegistry()
    registry.register(Collector(*stores))
    families = [*read(write(registry).decode())]
    assert values(families, ROWS) == {str(tmp_path / "one.db"): 1, "two": 2}
    errors = [sample for family in families for sample in family.samples if sample.name == "keepwell_errors_total" and sample.value]
    assert [(each.labels, each.value) for each in errors] == [({"store": str(tmp_path / "one.db"), "code": "KW_SQL"}, 1)]
    own = {family.name: family for family in read(stores[0].metrics("openmetrics" if read is read_openmetrics else "prometheus"))}
    for family in families:
        if family.name in own:
            assert (family.type, family.documentation, family.unit) == (
                (own[family.name].type, own[family.name].documentation, own[family.name].unit)
            )
    assert {*own} == {family.name for family in families if family.name in own}


def test_the_usual_registry_takes_it_once(stores: List[keepwell.Store]) -> None:
    collector = Collector(*stores)
    prometheus_client.REGISTRY.register(collector)
    try:
        assert ROWS in prometheus_client.generate_latest().decode()
        with pytest.raises(ValueError, match="Duplicated timeseries"):
            prometheus_client.REGISTRY.register(Collector(*stores))
        text = prometheus_client.generate_latest(prometheus_client.REGISTRY.restricted_registry([ROWS])).decode()
        assert [family.name for family in read_prometheus(text)] == [ROWS[: -len("_total")]]
    finally:
        prometheus_client.REGISTRY.unregister(collector)
    assert ROWS not in prometheus_client.generate_latest().decode()


def test_a_store_that_is_closed_yields_nothing(stores: List[keepwell.Store], tmp_path: Path) -> None:
    collector = Collector(*stores)
    stores[0].close()
    assert values(collector.collect(), ROWS) == {"two": 2}
    with keepwell.open(tmp_path / "one.db") as again:
        collector.add(again)
        assert values(collector.collect(), ROWS) == {str(tmp_path / "one.db"): 0, "two": 2}
    stores[1].close()
    assert [*collector.collect()] == []
    with pytest.raises(keepwell.ClosedError):
        collector.add(stores[1])


def test_two_stores_with_one_label_are_refused(stores: List[keepwell.Store], tmp_path: Path) -> None:
    collector = Collector(*stores)
    with keepwell.open(tmp_path / "one.db") as twin:
        with pytest.raises(ValueError, match="one.db.*metrics.label"):
            collector.add(twin)
    with keepwell.open({"datasource": str(tmp_path / "one.db"), "metrics.label": "twin"}) as twin:
        collector.add(twin)
        assert {*values(collector.collect(), ROWS)} == {str(tmp_path / "one.db"), "two", "twin"}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
def test_a_forked_child_has_nothing_of_its_parents_stores(script: Script) -> None:
    done = script(
        """
        import keepwell, os, sys, warnings
        from keepwell.prometheus import Collector
        warnings.simplefilter("ignore", DeprecationWarning)
        store = keepwell.open("c.db")
        collector = Collector(store)
        assert [*collector.collect()] != []
        child = os.fork()
        if child == 0:
            assert [*collector.collect()] == []
            collector.add(keepwell.open("c.db"))
            assert [*collector.collect()] != []
            sys.exit(0)
        assert os.waitpid(child, 0)[1] == 0
        store.close()
        print("fine")
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("fine\n", "", 0)


def test_keepwell_itself_does_not_need_prometheus_client(script: Script) -> None:
    done = script(
        """
        import sys
        sys.modules["prometheus_client"] = None
        import keepwell, keepwell.web
        with keepwell.open(":memory:") as store:
            print("keepwell_build_info" in store.metrics())
        try:
            import keepwell.prometheus
        except ImportError as error:
            print("prometheus_client" in str(error))
        """
    )
    assert (done.stdout, done.stderr, done.returncode) == ("True\nTrue\n", "", 0)


Answer = Tuple[int, Dict[str, str], str]


def ask_wsgi(store: keepwell.Store, path: str, accept: str = "*/*", method: str = "GET") -> Answer:
    environ: Dict[str, Any] = {"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": path, "QUERY_STRING": "", "HTTP_ACCEPT": accept}
    setup_testing_defaults(environ)
    said: List[Any] = []
    parts = validator(keepwell.web.wsgi(store))(environ, lambda status, headers, *_: said.append((status, headers)))
    try:
        body = b"".join(parts).decode()
    finally:
        parts.close()  # type: ignore[attr-defined]
    ((status, headers),) = said
    return int(status[:3]), dict(headers), body


def ask_asgi(store: keepwell.Store, path: str, accept: str = "*/*", method: str = "GET") -> Answer:
    sent: List[Any] = []

    async def receive() -> Any:
        raise AssertionError("nothing is to be received")

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"x"), (b"accept", accept.encode())]
    scope = {"type": "http", "method": method, "path": "/db" + path, "root_path": "/db", "headers": headers}
    asyncio.run(keepwell.web.asgi(store)(scope, receive, send))
    start, body = sent
    names = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], {name.title(): value for name, value in names.items()}, body["body"].decode()


@pytest.mark.parametrize("ask", [ask_wsgi, ask_asgi])
def test_the_pages(ask: Any, stores: List[keepwell.Store]) -> None:
    store = stores[1]
    status, headers, body = ask(store, "/metrics")
    assert (status, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert values(read_prometheus(body), ROWS) == {"two": 2} and int(headers["Content-Length"]) == len(body.encode())
    status, headers, body = ask(store, "/metrics", "application/openmetrics-text; version=1.0.0, text/plain;q=0.5")
    assert (status, headers["Content-Type"]) == (200, "application/openmetrics-text; version=1.0.0; charset=utf-8")
    assert values(read_openmetrics(body), ROWS) == {"two": 2}
    status, headers, body = ask(store, "/health")
    assert (status, headers["Content-Type"]) == (200, "application/json") and json.loads(body)["healthy"] is True
    assert ask(store, "/nothing")[0] == 404 and ask(store, "/health", method="POST")[0] == 405
    status, headers, body = ask(store, "/health", method="HEAD")
    assert (status, body) == (200, "") and int(headers["Content-Length"]) > 0


@pytest.mark.parametrize("ask", [ask_wsgi, ask_asgi])
def test_the_pages_of_a_store_that_is_unwell(ask: Any, stores: List[keepwell.Store], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keepwell.web, "_PATIENCE", 0.05)
    store = stores[0]
    with store.transaction():
        status, _, body = ask(store, "/health")
        assert status == 503 and json.loads(body)["can_write"] is False and json.loads(body)["problem"]
        assert ask(store, "/metrics")[0] == 200
    store.close()
    for path in ("/health", "/metrics"):
        status, _, body = ask(store, path)
        assert status == 503 and "closed" in body


def test_an_asgi_server_starts_and_ends_it(stores: List[keepwell.Store]) -> None:
    events, sent = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

    async def receive() -> Any:
        return events.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    asyncio.run(keepwell.web.asgi(stores[0])({"type": "lifespan"}, receive, send))
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
