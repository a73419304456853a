"""Things that are handed to calls: cancel tokens and prepared statements."""

from __future__ import annotations

from typing import Any, Optional, Tuple

from . import _library


class CancelToken:
    """A switch that ends the calls it is given to, from any thread. Closed by the garbage collector when nobody keeps it.

    It stays cancelled until :meth:`reset`; a call that starts with a cancelled token fails at once.
    """

    __slots__ = ("_handle", "_cancelled", "_free", "__weakref__")

    def __init__(self) -> None:
        self._cancelled = False
        self._handle = _library.new_cancel()
        self._free = _library.free_cancel

    def cancel(self) -> None:
        """Ends every call that runs or starts with this token with :class:`CancelledError`."""
        self._cancelled = True
        _library.trigger(self._handle)

    def reset(self) -> None:
        """Makes a cancelled token usable again."""
        self._cancelled = False
        _library.reset(self._handle)

    @property
    def cancelled(self) -> bool:
        """Whether :meth:`cancel` was called since the last :meth:`reset`."""
        return self._cancelled

    def __del__(self) -> None:
        handle: Optional[int] = getattr(self, "_handle", None)
        if handle is not None:
            self._free(handle)


class Statement:
    """A statement that was checked once and is valid on every connection of its store, from any thread.

    Give it to ``query`` or ``execute`` of the store, of a transaction or of a pinned connection in place of the SQL text. The text does
    as well: a store keeps the statements it has seen prepared.
    """

    __slots__ = ("_handle", "sql", "parameter_names", "parameter_count", "column_count", "read_only", "_close", "__weakref__")

    def __init__(self, handle: int, sql: str) -> None:
        self._handle = handle
        self._close = _library.close_statement
        #: The text.
        self.sql = sql
        #: How many parameters and columns it has; whether it changes nothing in the database.
        self.parameter_count, self.column_count, self.read_only = _library.statement_info(handle)
        #: The name of each parameter without its prefix; ``None`` for a plain ``?``.
        self.parameter_names: Tuple[Optional[str], ...] = _library.parameter_names(handle, self.parameter_count)

    def close(self) -> None:
        """Gives the statement back. Closing twice is harmless."""
        self._close(self._handle)

    def __enter__(self) -> Statement:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        handle: Optional[int] = getattr(self, "_handle", None)
        if handle is not None:
            self._close(handle)

    def __repr__(self) -> str:
        return f"<keepwell.Statement {self.sql!r}>"
