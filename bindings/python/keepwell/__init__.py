"""keepwell: an embedded data layer. SQLite inside, one pool of connections outside, shared by C, C++, Python, Go and Rust.

    import keepwell

    with keepwell.open("app.db") as store:
        store.execute("CREATE TABLE IF NOT EXISTS note(id INTEGER PRIMARY KEY, text TEXT)")
        with store.transaction() as tx:
            tx.execute("INSERT INTO note(text) VALUES (?)", ("hello",))
        for id, text in store.query("SELECT id, text FROM note"):
            print(id, text)
"""

from __future__ import annotations

from typing import Any, Optional

from . import _config, _library
from ._config import Config
from ._errors import (
    AlreadyInitializedError,
    BusyError,
    CancelledError,
    CannotOpenError,
    CellTypeError,
    ClosedError,
    ConfigError,
    ConflictError,
    ConstraintError,
    CorruptError,
    DiskError,
    EncodingError,
    EngineError,
    Error,
    ExhaustedError,
    ForkedError,
    FullError,
    InternalError,
    InvalidHandleError,
    MigrationError,
    MisuseError,
    NoMemoryError,
    NotInitializedError,
    ParameterError,
    ParameterOverflowError,
    ParameterTypeError,
    PermissionError,
    ReadOnlyError,
    SchemaNewerError,
    SecondSqliteWarning,
    SelfDeadlockError,
    SqlError,
    TimeoutError,
    TooBigError,
    TransactionEndedError,
    UnsupportedError,
)
from ._handles import CancelToken, Statement
from ._insight import Health, IndexAdvice, LastError, PlanNode, PoolHealth, QueryPlan, StatementCost
from ._logs import LogForwarding, forward_logs
from ._migrations import (
    Migration,
    MigrationEvent,
    MigrationLine,
    MigrationProblem,
    MigrationReport,
    Migrations,
    MigrationSource,
    MigrationTable,
)
from ._parameters import Parameter, Parameters
from ._portable import Result, Row
from ._road import Rows, road
from ._store import Connection, Derived, Store, Target, Transaction
from ._stream import Stream

__version__ = _library.VERSION


def open(config: Config) -> Store:  # noqa: A001 - keepwell.open reads like io.open and sqlite3.connect
    """Opens a database.

    ``config`` is a path, ``":memory:"``, a ``file:`` URI, the path of a YAML file (``.yaml``, ``.yml``), or a mapping of settings,
    nested or with dotted keys: ``{"datasource": "app.db", "pool": {"max_open": 8}, "sqlite.synchronous": "full"}``.
    """
    store = Store(0, _name(config))
    _library.open_store(_config.steps(config), store._own)
    store._handle = store._own.value
    store._warn(3)
    return store


def initialize(config: Config) -> Store:
    """Opens the store of this process, which :func:`instance` gives from then on. ``config`` is as for :func:`open`."""
    _library.initialize(_config.steps(config))
    store = instance()
    store._warn(3)
    return store


def instance() -> Store:
    """The store of this process; :class:`NotInitializedError` before :func:`initialize` and after it was closed."""
    return Store(_library.instance(), "of this process", False)


def _name(config: Any) -> str:
    source: Optional[Any] = config.get("datasource") if hasattr(config, "get") else config
    return str(source) if source is not None else "configured"


__all__ = [
    "AlreadyInitializedError",
    "BusyError",
    "CancelToken",
    "CancelledError",
    "CannotOpenError",
    "CellTypeError",
    "ClosedError",
    "Config",
    "ConfigError",
    "ConflictError",
    "Connection",
    "ConstraintError",
    "CorruptError",
    "Derived",
    "DiskError",
    "EncodingError",
    "EngineError",
    "Error",
    "ExhaustedError",
    "ForkedError",
    "FullError",
    "Health",
    "IndexAdvice",
    "InternalError",
    "InvalidHandleError",
    "LastError",
    "LogForwarding",
    "Migration",
    "MigrationError",
    "MigrationEvent",
    "MigrationLine",
    "MigrationProblem",
    "MigrationReport",
    "MigrationSource",
    "MigrationTable",
    "Migrations",
    "MisuseError",
    "NoMemoryError",
    "NotInitializedError",
    "Parameter",
    "ParameterError",
    "ParameterOverflowError",
    "ParameterTypeError",
    "Parameters",
    "PermissionError",
    "PlanNode",
    "PoolHealth",
    "QueryPlan",
    "ReadOnlyError",
    "Result",
    "Row",
    "Rows",
    "SchemaNewerError",
    "SecondSqliteWarning",
    "SelfDeadlockError",
    "SqlError",
    "Statement",
    "StatementCost",
    "Store",
    "Stream",
    "Target",
    "TimeoutError",
    "TooBigError",
    "Transaction",
    "TransactionEndedError",
    "UnsupportedError",
    "forward_logs",
    "initialize",
    "instance",
    "open",
    "road",
]
