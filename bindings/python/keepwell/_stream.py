"""Streams: results that are read while somebody iterates over them."""

from __future__ import annotations

import warnings
from typing import Any, Iterator, List, Tuple

from . import _library
from ._errors import ClosedError, own_error
from ._portable import Row
from ._road import fetch_rows


class Stream(Iterator[Row]):
    """A result that is read bit by bit. Iterate over it once; close it, or use it in a ``with``, unless you read it to its end."""

    __slots__ = ("columns", "from_cache", "_parent", "_handle", "_rows", "_close", "_closed", "__weakref__")

    def __init__(self, parent: Any) -> None:
        #: The names of the columns, in order.
        self.columns: Tuple[str, ...] = ()
        #: Whether no statement was run for this result.
        self.from_cache = False
        self._parent = parent
        #: What is left in the library; 0: nothing.
        self._handle = 0
        self._close = _library.close_rows
        self._closed = False
        self._rows: Iterator[Row] = iter(())

    def __iter__(self) -> Iterator[Row]:
        yield from self._rows
        while self._fetch():
            yield from self._rows

    def __next__(self) -> Row:
        for row in self._rows:
            return row
        while self._fetch():
            for row in self._rows:
                return row
        raise StopIteration

    def batches(self) -> Iterator[List[Row]]:
        """The rows in the batches in which they are fetched."""
        while True:
            batch = list(self._rows)
            if batch:
                yield batch
            if not self._fetch():
                return

    def _fetch(self) -> bool:
        """Gets the next rows; ``False`` at the end."""
        if self._closed:
            raise own_error(ClosedError, 15, "the stream is closed; nothing more can be read from it")
        if not self._handle:
            return False
        try:
            self._handle, rows = fetch_rows(self._handle)
        except BaseException:
            self.close()
            raise
        self._rows = iter(rows)
        return True

    def close(self) -> None:
        """Ends the result early and gives its connection back. Twice is harmless."""
        self._closed = True
        self._rows = iter(())
        if self._handle:
            self._close(self._handle)
        self._handle = 0

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_handle", 0) and self._close(self._handle) == 0:
            leaked(self, "was neither read to its end nor closed, and is closed now")


def leaked(thing: object, what: str) -> None:
    """Warns of something that held a connection and was forgotten."""
    warnings.warn(f"a keepwell.{type(thing).__name__} {what}; use it in a `with`", ResourceWarning, stacklevel=3, source=thing)


