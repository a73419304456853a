"""Pages for a scraper and for a supervisor, to be mounted in a program's own server: ``/metrics`` and ``/health`` of a store.

    app.mount("/db", keepwell.web.asgi(store))               # Starlette, FastAPI
    wsgiref.simple_server.make_server("", 8000, keepwell.web.wsgi(store))

For the metrics of several stores, or of more than stores, there is :class:`keepwell.prometheus.Collector`.
"""

from __future__ import annotations

from typing import Any, Awaitable, Callable, Dict, Iterable, List, MutableMapping, NamedTuple, Tuple

from ._errors import Error
from ._store import Store

__all__ = ["asgi", "wsgi"]

_TYPES = {
    "prometheus": "text/plain; version=0.0.4; charset=utf-8",
    "openmetrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
}
#: How long a look at the health may take, in seconds.
_PATIENCE = 1.0

_Environ = Dict[str, Any]
_Message = MutableMapping[str, Any]
_Wsgi = Callable[[_Environ, Callable[..., Any]], Iterable[bytes]]
_Asgi = Callable[[_Message, Callable[[], Awaitable[_Message]], Callable[[_Message], Awaitable[None]]], Awaitable[None]]


class _Page(NamedTuple):
    status: str
    kind: str
    text: str

    def headers(self) -> List[Tuple[str, str]]:
        return [("Content-Type", self.kind), ("Content-Length", str(len(self.text.encode()))), ("Cache-Control", "no-store")]


def wsgi(store: Store) -> _Wsgi:
    """A WSGI application with ``/metrics`` (in the format that is asked for) and ``/health`` (JSON; 503 while the store is unwell)."""

    def app(environ: _Environ, start_response: Callable[..., Any]) -> Iterable[bytes]:
        method = environ.get("REQUEST_METHOD", "GET")
        page = _page(store, method, environ.get("PATH_INFO", ""), environ.get("HTTP_ACCEPT", ""))
        start_response(page.status, page.headers())
        return [] if method == "HEAD" else [page.text.encode()]

    return app


def asgi(store: Store) -> _Asgi:
    """The same as an ASGI application. It asks the store in a thread, so that the event loop goes on."""

    async def app(scope: _Message, receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]) -> None:
        import asyncio

        if scope["type"] == "lifespan":
            return await _live(receive, send)
        if scope["type"] != "http":
            raise ValueError(f"keepwell.web serves http, not {scope['type']}")
        accept = b", ".join([value for name, value in scope["headers"] if name.lower() == b"accept"]).decode("latin-1")
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        page = await asyncio.get_running_loop().run_in_executor(None, _page, store, scope["method"], path, accept)
        headers = [(name.lower().encode(), value.encode()) for name, value in page.headers()]
        await send({"type": "http.response.start", "status": int(page.status[:3]), "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else page.text.encode()})

    return app


async def _live(receive: Callable[[], Awaitable[_Message]], send: Callable[[_Message], Awaitable[None]]) -> None:
    """What a server says when it starts and ends."""
    while True:
        said = (await receive())["type"]
        await send({"type": f"{said}.complete"})
        if said == "lifespan.shutdown":
            return


def _page(store: Store, method: str, path: str, accept: str) -> _Page:
    if method not in ("GET", "HEAD"):
        return _Page("405 Method Not Allowed", "text/plain; charset=utf-8", "GET or HEAD\n")
    try:
        if path == "/metrics":
            form = "openmetrics" if "application/openmetrics-text" in accept else "prometheus"
            return _Page("200 OK", _TYPES[form], store.metrics(form))
        if path == "/health":
            health = store.health(timeout=_PATIENCE)
            return _Page("200 OK" if health.healthy else "503 Service Unavailable", "application/json", health.json() + "\n")
    except Error as error:
        return _Page("503 Service Unavailable", "text/plain; charset=utf-8", f"{error}\n")
    return _Page("404 Not Found", "text/plain; charset=utf-8", "/metrics /health\n")
