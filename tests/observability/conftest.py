"""What the tests share: the files under examples/observability, the two programs under load, and the server that scrapes them."""

import signal
from contextlib import ExitStack
from pathlib import Path
from typing import Dict, Iterator, NoReturn

import pytest
from prometheus_client.parser import text_string_to_metric_families

from parts import Load, Server, eventually, load, prometheus
from promql import exposed_by

ROOT = Path(__file__).resolve().parents[2]


def pytest_configure() -> None:
    def interrupted(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupted)  # the end of every `with` is reached


@pytest.fixture(scope="session")
def shipped() -> Path:
    return ROOT / "examples/observability"


class World:
    """Two programs, scraped by a server from before their work to after it."""

    def __init__(self, server: Server, loads: Dict[str, Load]) -> None:
        self.server, self.loads = server, loads
        text = loads["trouble"].text("prometheus")
        #: Metrics and labels of a store to which everything has happened.
        self.exposed = exposed_by(text_string_to_metric_families(text))


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, shipped: Path) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("observability")
    with ExitStack() as stack:
        loads = {name: stack.enter_context(load(name, folder)) for name in ("work", "trouble")}
        targets = [one.address for one in loads.values()]
        server = stack.enter_context(prometheus(folder, targets, shipped / "alerts.yml"))
        # rate() and increase() need a sample from before the work.
        eventually("both are scraped", lambda: len(server.query("keepwell_build_info")) == 2)
        for one in loads.values():
            one.go()
        for one in loads.values():
            one.finish()
        for name, one in loads.items():
            scraped = f'timestamp(keepwell_build_info{{store="{name}"}}) > {one.done_at}'
            eventually(f"{name} is scraped after its work", lambda scraped=scraped: server.query(scraped))  # type: ignore[misc]
        yield World(server, loads)
