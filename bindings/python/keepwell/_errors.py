"""The exceptions: one class for each kind of error that somebody might want to catch."""

from __future__ import annotations

import builtins
from typing import Any, Dict, Optional, Tuple, Type

_RETRY_STATEMENT = 1
_RETRY_TRANSACTION = 2
_RECONNECT = 4
_COMMITTED = 32
_ROLLED_BACK = 64


class Error(Exception):
    """Any error of keepwell. ``str(error)`` names the operation, the object, the numbers and the cure."""

    #: The status number, equal to the C constant ``KW_…`` in :attr:`name`.
    code: int = 1
    #: The name of the status, as in the C header.
    name: str = "KW_ERROR"
    #: The sentence for people; the same as ``str(error)``.
    message: str = ""
    #: The engine's primary result code; ``None`` when the engine was not asked.
    engine_code: Optional[int] = None
    #: The engine's extended result code; ``None`` when the engine was not asked.
    engine_extended_code: Optional[int] = None
    #: The byte offset in the SQL (as UTF-8) that the error is about; ``None`` when unknown.
    sql_offset: Optional[int] = None
    #: The five-character SQLSTATE that fits best.
    sqlstate: str = "HY000"
    #: The flags of the C struct ``kw_error``.
    flags: int = 0

    def __init__(self, message: str = "", **fields: Any) -> None:
        super().__init__(message)
        self.message = message
        self.__dict__.update(fields)

    def __str__(self) -> str:
        return self.message

    def __reduce__(self) -> Tuple[Any, ...]:
        return (_rebuild, (type(self), self.message, self.__dict__))

    @property
    def retryable(self) -> bool:
        """Whether running the statement, or the whole transaction, again may succeed."""
        return bool(self.flags & (_RETRY_STATEMENT | _RETRY_TRANSACTION))

    @property
    def retry(self) -> Optional[str]:
        """What to run again: ``"statement"``, ``"transaction"``, ``"connection"`` (open anew first), or ``None``."""
        for flag, what in ((_RETRY_TRANSACTION, "transaction"), (_RETRY_STATEMENT, "statement"), (_RECONNECT, "connection")):
            if self.flags & flag:
                return what
        return None

    @property
    def committed(self) -> bool:
        """Whether the commit is durable although an error is reported."""
        return bool(self.flags & _COMMITTED)

    @property
    def rolled_back(self) -> bool:
        """Whether the engine rolled the whole transaction back."""
        return bool(self.flags & _ROLLED_BACK)


def _rebuild(kind: Type[Error], message: str, fields: Dict[str, Any]) -> Error:
    error = kind(message)
    error.__dict__.update(fields)
    return error


class EngineError(Error):
    """An error of the engine that has no class of its own."""


class MisuseError(Error):
    """Wrong use: calls in the wrong order, one transaction or stream used by two threads at a time, or a second SQLite library on the file
    of a store that refuses that (``options.second_sqlite``).
    """


class ForkedError(MisuseError):
    """An object from before ``os.fork()``, used in the child. Open a new store there."""


class InternalError(Error):
    """A defect of keepwell, stopped at its border."""


class ConfigError(Error, ValueError):
    """A configuration key or value that is wrong."""


class SqlError(Error):
    """SQL the engine does not accept: syntax, unknown names, several statements where one is expected."""


class ParameterError(Error):
    """Too few, too many or misnamed parameters, or a value that cannot be one."""


class ParameterTypeError(ParameterError, TypeError):
    """A parameter of a type that the engine has no counterpart for."""


class ParameterOverflowError(ParameterError, OverflowError):
    """An integer parameter beyond 64 bits."""


class ConstraintError(Error):
    """A constraint was violated; :attr:`Error.engine_extended_code` says which."""


class BusyError(Error):
    """Another process holds the database's lock."""


class TimeoutError(Error, builtins.TimeoutError):
    """The deadline of the call passed."""


class CancelledError(Error):
    """The call was cancelled by its token."""


class ExhaustedError(Error):
    """No connection became free in time; the message names the holders."""


class SelfDeadlockError(Error):
    """The calling thread would have waited for a connection that it holds itself."""


class ClosedError(Error):
    """The store is closing or closed."""


class InvalidHandleError(ClosedError, MisuseError):
    """An object that was closed, committed, rolled back or released, and used afterwards."""


class ReadOnlyError(Error):
    """A write through something that may only read."""


class DiskError(Error):
    """The operating system reported an I/O error."""


class FullError(Error):
    """The disk or the database is full."""


class CorruptError(Error):
    """The file is corrupt, or no database."""


class CannotOpenError(Error):
    """The database file could not be opened."""


class NoMemoryError(Error, MemoryError):
    """Memory ran out."""


class TooBigError(Error):
    """A value, row or statement is over a limit."""


class ConflictError(Error):
    """Another process committed first; run the whole transaction again."""


class TransactionEndedError(Error):
    """The transaction has already ended."""


class EncodingError(Error, ValueError):
    """Text that is not Unicode, or a NUL inside SQL."""


class PermissionError(Error, builtins.PermissionError):
    """The operating system or keepwell's policy does not permit it."""


class UnsupportedError(Error):
    """The engine or this library cannot do it."""


class NotInitializedError(MisuseError):
    """:func:`keepwell.instance` before :func:`keepwell.initialize`."""


class AlreadyInitializedError(MisuseError):
    """:func:`keepwell.initialize` a second time."""


class CellTypeError(Error):
    """A value of a result is not of the type that was asked for."""


class MigrationError(Error):
    """A migration, a file of one, or a state of the database that a policy refuses; the message names the cure."""


class SchemaNewerError(MigrationError):
    """The database has migrations that are newer than all that the program knows: an older program on a newer database."""


class SecondSqliteWarning(RuntimeWarning):
    """A second SQLite library of this process, such as Python's own ``sqlite3``, uses the file of a store. See ``options.second_sqlite``."""


class _Kind:
    """A status: its C name and its exception class."""

    __slots__ = ("name", "error")

    def __init__(self, name: str, error: Type[Error]) -> None:
        self.name = name
        self.error = error


#: Every status by its number. Checked against the library when it is loaded.
KINDS: Dict[int, _Kind] = {
    1: _Kind("KW_ERROR", EngineError),
    2: _Kind("KW_MISUSE", MisuseError),
    3: _Kind("KW_INVALID_HANDLE", InvalidHandleError),
    4: _Kind("KW_FORKED", ForkedError),
    5: _Kind("KW_PANIC", InternalError),
    6: _Kind("KW_CONFIG", ConfigError),
    7: _Kind("KW_SQL", SqlError),
    8: _Kind("KW_PARAMETER", ParameterError),
    9: _Kind("KW_CONSTRAINT", ConstraintError),
    10: _Kind("KW_BUSY", BusyError),
    11: _Kind("KW_TIMEOUT", TimeoutError),
    12: _Kind("KW_CANCELLED", CancelledError),
    13: _Kind("KW_EXHAUSTED", ExhaustedError),
    14: _Kind("KW_SELF_DEADLOCK", SelfDeadlockError),
    15: _Kind("KW_CLOSED", ClosedError),
    16: _Kind("KW_READ_ONLY", ReadOnlyError),
    17: _Kind("KW_IO", DiskError),
    18: _Kind("KW_FULL", FullError),
    19: _Kind("KW_CORRUPT", CorruptError),
    20: _Kind("KW_CANT_OPEN", CannotOpenError),
    21: _Kind("KW_NO_MEMORY", NoMemoryError),
    22: _Kind("KW_TOO_BIG", TooBigError),
    23: _Kind("KW_CONFLICT", ConflictError),
    24: _Kind("KW_TX_ENDED", TransactionEndedError),
    25: _Kind("KW_ENCODING", EncodingError),
    26: _Kind("KW_PERMISSION", PermissionError),
    27: _Kind("KW_NEEDS_WRITER", MisuseError),
    28: _Kind("KW_UNSUPPORTED", UnsupportedError),
    29: _Kind("KW_NOT_INITIALIZED", NotInitializedError),
    30: _Kind("KW_ALREADY_INITIALIZED", AlreadyInitializedError),
    31: _Kind("KW_ABI", InternalError),
    32: _Kind("KW_TYPE", CellTypeError),
    33: _Kind("KW_MIGRATION", MigrationError),
    34: _Kind("KW_SCHEMA_NEWER", SchemaNewerError),
}


for _number, _kind in KINDS.items():
    if "code" not in _kind.error.__dict__:
        _kind.error.code, _kind.error.name = _number, _kind.name


def make_error(code: int, message: str, engine: int, extended: int, offset: int, flags: int, sqlstate: str) -> Error:
    """The exception for an error of the library, from the fields of ``kw_error``."""
    kind = KINDS.get(code) or KINDS[1]
    return kind.error(
        message,
        code=code,
        name=kind.name,
        engine_code=engine or None,
        engine_extended_code=extended or None,
        sql_offset=None if offset < 0 else offset,
        flags=flags,
        sqlstate=sqlstate,
    )


def own_error(error: Type[Error], code: int, message: str, sqlstate: str = "HY000") -> Error:
    """The exception for something that the package itself notices."""
    return error(message, code=code, name=KINDS[code].name, sqlstate=sqlstate)
