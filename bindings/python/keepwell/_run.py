"""When the body of a transaction is run again, and the pauses in between. The rules are those of ``kw_tx_run`` in the C header."""

from __future__ import annotations

import random
import time
from typing import NoReturn, Optional, Type

from ._errors import CancelledError, Error, TimeoutError, own_error
from ._handles import CancelToken

#: The transaction's timeout and token hold for all of its calls (``KW_OPTION_WHOLE``).
WHOLE = 32
_AGAIN = 1 | 2  # the statement or the transaction may succeed when it is run again
_FINAL = 8 | 16 | 32  # timed out, cancelled, committed
#: Seconds. Without a timeout no run begins later than this after the first failure.
_PATIENCE = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.05
#: How soon a pause hears of its token.
_SLICE = 0.01


class Replay:
    """The runs of one body so far."""

    def __init__(self, timeout: Optional[float], cancel: Optional[CancelToken]) -> None:
        self._timeout = timeout
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._cancel = cancel
        self._failures = 0
        self._patient_until = 0.0
        #: What the last run failed with.
        self.last: Optional[Error] = None

    def left(self) -> Optional[float]:
        """The timeout for what begins now."""
        return None if self._deadline is None else max(0.0, self._deadline - time.monotonic())

    def is_due(self, error: Error) -> bool:
        """Notes a failure; says whether another run is worth a try."""
        now = time.monotonic()
        if self._failures == 0:
            self._patient_until = now + _PATIENCE
        self._failures += 1
        self.last = error
        if not error.flags & _AGAIN or error.flags & _FINAL:
            return False
        return now < (self._patient_until if self._deadline is None or self._timeout == float("inf") else float("inf"))

    def pause(self) -> None:
        """Sleeps until the next run. Signal handlers run meanwhile, and may raise."""
        limit = min(_FIRST_PAUSE * 2 ** min(self._failures - 1, 16), _LONGEST_PAUSE)
        end = time.monotonic() + random.uniform(0, limit)
        while True:
            now = time.monotonic()
            if self._cancel is not None and self._cancel.cancelled:
                self._stop(CancelledError, 12, "cancelled by the caller", 16, "57014")
            if self._deadline is not None and now >= self._deadline:
                self._stop(TimeoutError, 11, f"the timeout of {self._timeout} s passed", 8, "HYT00")
            if now >= end:
                return
            time.sleep(min(end - now, _SLICE))

    def _stop(self, kind: Type[Error], code: int, why: str, flags: int, sqlstate: str) -> NoReturn:
        runs = "1 run" if self._failures == 1 else f"{self._failures} runs"
        error = own_error(kind, code, f"transaction: {why}; {runs} failed before, the last with: {self.last}", sqlstate)
        error.flags = flags
        raise error from self.last
