"""The real parts: the load program, and a Prometheus server. Each is killed when its `with` ends, and by the kernel should this process be."""

import ctypes
import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Tuple, TypeVar

T = TypeVar("T")
PR_SET_PDEATHSIG = 1
Sample = Tuple[Dict[str, str], float]


def die_with_parent() -> None:
    try:
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except AttributeError:  # no Linux
        pass


@contextmanager
def process(command: List[str], **options: Any) -> Iterator["subprocess.Popen[str]"]:
    child = subprocess.Popen(command, text=True, preexec_fn=die_with_parent, **options)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            if stream:
                stream.close()


def eventually(what: str, look: Callable[[], T], seconds: float = 60) -> T:
    """Looks until there is something, which it gives."""
    deadline = time.monotonic() + seconds
    while True:
        found = look()
        if found:
            return found
        assert time.monotonic() < deadline, f"after {seconds} s still not so: {what}"
        time.sleep(0.05)


class Load:
    """The load program, which knows what it did."""

    def __init__(self, child: "subprocess.Popen[str]", name: str, folder: Path) -> None:
        self.child, self.name, self.folder = child, name, folder
        self.address = self.line().removeprefix("listening ")
        #: From the series to the number that it has to show.
        self.did: Dict[str, float] = {}
        #: When it had done all, in Unix seconds.
        self.done_at = 0.0

    def line(self) -> str:
        assert self.child.stdout
        line = self.child.stdout.readline()
        assert line, f"load {self.name} ended early, with {self.child.wait()}"
        return line.rstrip("\n")

    def go(self) -> None:
        assert self.child.stdin
        self.child.stdin.write("go\n")
        self.child.stdin.flush()

    def finish(self, seconds: float = 120) -> None:
        watchdog = threading.Timer(seconds, self.child.kill)
        watchdog.start()
        try:
            while (line := self.line()) != "done":
                series, number = line.split("\t")
                self.did[series] = float(number)
        finally:
            watchdog.cancel()
        self.done_at = time.time()

    def text(self, suffix: str) -> str:
        """A file that it wrote: `prometheus`, `openmetrics` or `prom`."""
        return (self.folder / f"{self.name}.{suffix}").read_text(encoding="utf-8")

    def get(self, path: str, accept: str = "*/*") -> Tuple[str, str]:
        """Type and body of what the listener answers."""
        request = urllib.request.Request(f"http://{self.address}{path}", headers={"Accept": accept})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.headers["Content-Type"], answer.read().decode()


@contextmanager
def load(name: str, folder: Path) -> Iterator[Load]:
    command = [os.environ["KEEPWELL_LOAD"], name, str(folder)]
    with process(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield Load(child, name, folder)


class Server:
    """A Prometheus server."""

    def __init__(self, child: "subprocess.Popen[str]", address: str, log: Path) -> None:
        self.child, self.address, self.log = child, address, log

    def api(self, path: str, **arguments: str) -> Any:
        """The data of an answer of the HTTP API."""
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(arguments)}"
        try:
            with urllib.request.urlopen(url, timeout=30) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path} {arguments}: {error.read().decode()}") from error

    def query(self, expression: str) -> List[Sample]:
        return [(one["metric"], float(one["value"][1])) for one in self.api("query", query=expression)["result"]]

    def is_ready(self) -> bool:
        assert self.child.poll() is None, f"Prometheus ended: {self.log.read_text()}"
        try:
            with urllib.request.urlopen(f"http://{self.address}/-/ready", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def rules(self) -> List[Dict[str, Any]]:
        return [rule for group in self.api("rules")["groups"] for rule in group["rules"]]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def prometheus(folder: Path, targets: List[str], rules: Path) -> Iterator[Server]:
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(rules)],
        "scrape_configs": [{"job_name": "load", "static_configs": [{"targets": targets}]}],
    }
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    address, log = f"127.0.0.1:{free_port()}", folder / "prometheus.log"
    command = [os.environ["PROMETHEUS"], f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}"]
    with log.open("w") as output, process(command, stdout=output, stderr=output, cwd=folder) as child:
        server = Server(child, address, log)
        eventually("Prometheus is ready", server.is_ready)
        yield server
