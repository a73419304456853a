"""The library's log as records of :mod:`logging`.

A thread of the package asks the library for events; the library never calls into Python. A foreign thread that enters an interpreter which
is about to end would not come back.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import sys
import threading
import traceback
from typing import Any, Optional, Set, Union

from . import _library, _road as _road
from ._errors import Error

#: The level of the library's most detailed events.
TRACE = 5
#: The level of the library's numbers of ``KW_LOG_…``, most severe first.
_LEVELS = {1: logging.ERROR, 2: logging.WARNING, 3: logging.INFO, 4: logging.DEBUG, 5: TRACE}
#: How long one wait for an event lasts, in microseconds: how soon a forwarding that was closed elsewhere ends.
_SLICE_US = 100_000
#: How long the end of the program waits for handlers, in seconds.
_PATIENCE = 5.0

logging.getLogger("keepwell").addHandler(logging.NullHandler())

#: The forwardings of this process that are not closed. A forked child begins with none.
_open: Set[LogForwarding] = set()


class LogForwarding:
    """Events of the library on their way to :mod:`logging`, from :func:`forward_logs` until :meth:`close`, the end of a ``with`` or of an
    ``async with``, or of the program.

    In a forked child it is closed; the parent's goes on.
    """

    def __init__(self, logger: logging.Logger, level: int, capacity: int) -> None:
        self._logger = logger
        self._capacity = capacity
        self._log = _library.open_log(level, capacity)
        self._closing = False
        #: Events that were lost because handlers were slower than they came.
        self.dropped = 0
        self._thread = threading.Thread(target=self._forward, name="keepwell-logs", daemon=True)
        _open.add(self)
        try:
            self._thread.start()
        except BaseException:
            self._end()
            raise

    @property
    def closed(self) -> bool:
        """Whether no event is forwarded any more."""
        return self not in _open

    def close(self) -> None:
        """Stops. Events from before the call are with their handlers when this returns, some 0.1 s later; not so when it is called by a
        handler, for which it cannot wait. Twice is harmless.
        """
        self._closing = True
        if self in _open and threading.current_thread() is not self._thread:
            self._thread.join()

    def _forward(self) -> None:
        """Hands events on until it is closed, and then those that were in line."""
        left = self._capacity
        try:
            while left:
                closing = self._closing
                event = _library.next_log_event(self._log, 0 if closing else _SLICE_US)
                if event is not None:
                    self._hand_on(event)
                    left -= int(closing)
                elif closing:
                    return
        except Error:
            pass  # the view is of no use any more
        finally:
            self._end()

    def _hand_on(self, event: _library.LogEvent) -> None:
        number, time_us, dropped, target, message, fields = event
        if dropped:
            self.dropped += dropped
            text = f"{dropped} events were lost before this one: handlers are slower than they come"
            self._emit(logging.WARNING, time_us, "keepwell::log", text, {"dropped": dropped})
        self._emit(_LEVELS.get(number, TRACE), time_us, target, message, json.loads(fields))

    def _emit(self, level: int, time_us: int, target: str, message: str, fields: Any) -> None:
        """One record. What its handlers raise is told as :mod:`logging` tells it, and ends nothing."""
        try:
            part = target.partition("::")[2].replace("::", ".")
            logger = self._logger.getChild(part) if part else self._logger
            if logger.isEnabledFor(level):
                logger.handle(_record(logger, level, time_us, message, fields))
        except BaseException:
            if logging.raiseExceptions and sys.stderr:
                print(f"--- Logging error --- of an event of keepwell: {message}", file=sys.stderr)
                traceback.print_exc()

    def _end(self) -> None:
        _library.close_log(self._log)
        _open.discard(self)

    def __enter__(self) -> LogForwarding:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    async def __aenter__(self) -> LogForwarding:
        return self

    async def __aexit__(self, *_: Any) -> None:
        """Closes without holding the event loop up."""
        import asyncio

        await asyncio.get_running_loop().run_in_executor(None, self.close)

    def __repr__(self) -> str:
        return f"<keepwell.LogForwarding to {self._logger.name!r}{', closed' if self.closed else ''}>"


def _record(logger: logging.Logger, level: int, time_us: int, message: str, fields: Any) -> logging.LogRecord:
    record = logger.makeRecord(logger.name, level, "(unknown file)", 0, message, (), None, "(unknown function)")
    created = time_us / 1e6
    record.relativeCreated += (created - record.created) * 1000
    record.created, record.msecs = created, float(time_us // 1000 % 1000)
    record.levelname = "TRACE" if level == TRACE else record.levelname
    record.__dict__.update(keepwell=fields, store=fields.get("store", ""))
    return record


def forward_logs(
    logger: Union[None, str, logging.Logger] = None, level: Union[int, str] = logging.INFO, *, capacity: int = 1024
) -> LogForwarding:
    """Forwards the log of the library, that is of all stores of the process, to :mod:`logging`, until the returned object is closed or the
    program ends. Without it there is no log.

    Handlers run in a thread of the package, not in the one that the event is about, and hold no call up. While they are behind, up to
    ``capacity`` events wait; more lose the oldest, which is told by a warning of the logger ``keepwell.log``.

    Loggers are children of ``logger``, an object or a name (``None``: ``"keepwell"``): ``keepwell.slow`` for slow calls
    (``metrics.slow_query``), ``keepwell.error``, ``keepwell.pool``, …. A record has the time of its event, the event's fields as a ``dict``
    in ``record.keepwell``, and the store's label in ``record.store``. Events below ``level`` are not even made; the most detailed ones
    have the level 5. Each call forwards anew: call it once. A handler that uses a store makes events itself, so see that it makes fewer
    than it handles.
    """
    base = logger if isinstance(logger, logging.Logger) else logging.getLogger("keepwell" if logger is None else logger)
    if isinstance(capacity, bool) or not isinstance(capacity, int) or not 0 < capacity < 1 << 32:
        raise ValueError(f"capacity: an int, 1 or more, not {capacity!r}")
    return LogForwarding(base, _number(level), capacity)


def _number(level: Union[int, str]) -> int:
    """The library's level that has all events of a level of :mod:`logging`, and no more."""
    threshold = logging.getLevelName(level.upper()) if isinstance(level, str) else level
    if isinstance(level, str) and level.upper() == "TRACE":
        threshold = TRACE
    if isinstance(threshold, bool) or not isinstance(threshold, int):
        raise ValueError(f"level: a level of logging, or 'TRACE' ({TRACE}), not {level!r}")
    numbers = [number for number, ours in _LEVELS.items() if ours >= threshold]
    if not numbers:
        raise ValueError(f"level: at most logging.ERROR ({logging.ERROR}), above which there are no events, not {level!r}")
    return max(numbers)


def _close_all() -> None:
    """Before the interpreter ends: no thread of ours runs when it does. A handler that hangs is left behind."""
    forwardings = [*_open]
    for forwarding in forwardings:
        forwarding._closing = True
    for forwarding in forwardings:
        forwarding._thread.join(_PATIENCE)


# Before what the road does then, which is registered first (hence its import): handlers may use stores.
atexit.register(_close_all)
getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_open.clear)
