"""What a store tells of itself: its health, the costs of its statements, plans, and advice."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from . import _library
from ._handles import Statement
from ._parameters import bad_argument
from ._portable import Row
from ._road import fetch_rows

_FORMS = {"prometheus": 0, "openmetrics": 1}
_ORDERS = {name: number for number, name in enumerate("total calls mean worst rows scanned".split())}
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
#: The largest number of a report's limit; more statements than that are never known.
_MOST = (1 << 32) - 1


@dataclass(frozen=True)
class PoolHealth:
    """How full a pool is, in connections."""

    max_open: int
    open: int
    in_use: int
    idle: int
    #: Callers in line for a connection.
    waiting: int


@dataclass(frozen=True)
class LastError:
    """The error that a call ended with last."""

    #: The status and its name, as in :attr:`Error.code` and :attr:`Error.name`.
    code: int
    name: str
    message: str
    #: When, in UTC.
    time: datetime


@dataclass(frozen=True)
class Health:
    """Whether a store can work now, why not, and what an operator asks first. Made by :meth:`Store.health`."""

    #: It does what it was opened for: it reads, and writes unless it was opened to read only, and there is no problem.
    healthy: bool
    can_read: bool
    can_write: bool
    #: Why not; empty when all is well. A second SQLite library on the file is named here although reading and writing may work.
    message: str
    pool: PoolHealth
    #: The newest migration that is applied; ``None``: there is no history, or nobody looks (``metrics.collect_interval`` is 0).
    schema_version: Optional[int]
    #: Sizes of the database and of its log; ``None``: there is none, or nobody looks.
    database_bytes: Optional[int]
    wal_bytes: Optional[int]
    #: The error that a call ended with last, however long ago; ``None``: there was none.
    last_error: Optional[LastError]
    _text: str = field(repr=False, compare=False)

    @classmethod
    def from_json(cls, text: str) -> Health:
        """The health that the JSON form says."""
        found: Dict[str, Any] = json.loads(text)
        last = found["last_error"]
        return cls(
            healthy=found["healthy"],
            can_read=found["can_read"],
            can_write=found["can_write"],
            message=found["problem"],
            pool=PoolHealth(**{name: found["pool"][name] for name in PoolHealth.__dataclass_fields__}),
            schema_version=found["schema_version"],
            database_bytes=found["database_bytes"],
            wal_bytes=found["wal_bytes"],
            last_error=LastError(last["code"], last["name"], last["message"], _time(last["at_ms"])) if last else None,
            _text=text,
        )

    def json(self) -> str:
        """It as a JSON object, the same in every language; :attr:`message` is ``problem`` there."""
        return self._text

    def to_dict(self) -> Dict[str, Any]:
        """The JSON form as a new ``dict``; the time of the last error is ``at_ms``, in milliseconds since 1970."""
        found: Dict[str, Any] = json.loads(self._text)
        return found


def _time(at_ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=at_ms)


class StatementCost(NamedTuple):
    """What one statement has cost. Times run from the call to the end of the statement, waits included."""

    #: The text as it was given, cut where it is long; ``None``: all that were dropped for want of room.
    sql: Optional[str]
    #: ``"read"`` or ``"write"``.
    kind: str
    #: How often it was run (a call that runs it for many rows of parameters counts once), and how many of these calls failed.
    calls: int
    errors: int
    total_seconds: float
    mean_seconds: float
    worst_seconds: float
    #: Rows that it returned, or changed where it returned none.
    rows: int
    #: Calls that went through a whole table, and the rows there.
    full_scans: int
    scanned_rows: int
    #: Calls for which the engine made an index of its own, and calls that sorted.
    automatic_indexes: int
    sorts: int


class PlanNode(NamedTuple):
    """A step of a plan."""

    id: int
    #: The ``id`` of the step that it belongs to; 0: none.
    parent: int
    detail: str


class QueryPlan:
    """How the engine would run a statement. Made by :meth:`Store.explain`."""

    __slots__ = ("nodes",)

    def __init__(self, nodes: Tuple[PlanNode, ...]) -> None:
        #: The steps, each one after the one that it belongs to.
        self.nodes = nodes

    def __str__(self) -> str:
        depths, lines = {0: 0}, []
        for node in self.nodes:
            depth = depths.get(node.parent, 0)
            depths[node.id] = depth + 1
            lines.append("  " * depth + node.detail)
        return "\n".join(lines)

    def __eq__(self, other: object) -> bool:
        return self.nodes == other.nodes if isinstance(other, QueryPlan) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.nodes)

    def __repr__(self) -> str:
        return f"<keepwell.QueryPlan {str(self)!r}>"


class IndexAdvice(NamedTuple):
    """An index that would help a statement."""

    table: str
    #: The ``CREATE INDEX`` that makes it.
    index_sql: str
    #: The plan without and with it, as an indented tree.
    before: str
    after: str


def metrics_form(name: str) -> int:
    """The number of a format of metrics."""
    return _number(_FORMS, "format", name)


def statements(store: int, order: str, limit: Optional[int]) -> List[StatementCost]:
    """What each statement has cost."""
    number = _number(_ORDERS, "order", order)
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueError(f"limit: None (all) or an int, 1 or more, not {limit!r}")
    most = min(limit or 0, _MOST)
    return [StatementCost(*row) for row in _rows(lambda owner: _library.statement_report(store, number, most, owner))]


def explain(store: int, sql: Union[str, Statement], timeout_us: int, cancel: int) -> QueryPlan:
    """How the engine would run a statement."""
    text = _text(sql)
    rows = _rows(lambda owner: _library.explain(store, text, timeout_us, cancel, owner))
    return QueryPlan(tuple([PlanNode(*row) for row in rows]))


def advise(store: int, sql: Union[str, Statement], timeout_us: int, cancel: int) -> List[IndexAdvice]:
    """The indexes that would help a statement."""
    text = _text(sql)
    return [IndexAdvice(*row) for row in _rows(lambda owner: _library.advise(store, text, timeout_us, cancel, owner))]


def _rows(open_rows: Callable[[Any], None]) -> List[Row]:
    """All rows that ``open_rows`` opens; none are left open, whatever comes in between."""
    owner, found = _library.Handle(0), []
    try:
        open_rows(owner)
        more = owner.value
        while more:
            more, rows = fetch_rows(more)
            found += rows
    finally:
        if owner.value:
            _library.close_rows(owner.value)
    return found


def _text(sql: Any) -> str:
    if isinstance(sql, Statement):
        return sql.sql
    if isinstance(sql, str):
        return sql
    bad_argument("sql", sql)


def _number(known: Dict[str, int], what: str, name: str) -> int:
    number = known.get(name) if isinstance(name, str) else None
    if number is None:
        raise ValueError(f"{what}: {', '.join(map(repr, known))}, not {name!r}")
    return number
