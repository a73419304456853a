"""Migrations: sets of them, what is done with them, and the reports of that."""

from __future__ import annotations

import datetime
import json
import os
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Sequence, Tuple, Union

from . import _library
from ._handles import CancelToken
from ._parameters import bad_argument
from ._portable import microseconds, token_handle


class Migration(NamedTuple):
    """A migration of the program's own."""

    #: 0 or more, unique in its set.
    version: int
    #: For people; its spelling may change.
    description: str
    #: The statements that apply it.
    up: str
    #: The statements that undo it; ``None``: it cannot be undone.
    down: Optional[str] = None


#: Where migrations are from: a folder, a list, or files in memory (their paths below the folder, and their contents).
MigrationSource = Union[str, "os.PathLike[str]", Sequence[Migration], Mapping[str, Union[str, bytes]]]


@dataclass(frozen=True)
class MigrationEvent:
    """Something that a run does."""

    #: ``"begin"``, ``"statement"`` (one has just run), or ``"done"``.
    phase: str
    version: int
    description: str
    #: The file that it is from; empty for a migration of the program's own.
    file: str
    #: ``"up"`` or ``"down"``.
    direction: str
    #: Which migration of this run it is, from 1, and how many there will be as far as can be told.
    index: int
    total: int
    #: The number of the statement, from 1; 0 in other phases.
    statement: int
    #: How much of the text is done, in bytes, and how long it is.
    offset: int
    length: int
    #: Rows changed by the statement, or by the migration.
    rows_changed: int
    #: The statement.
    sql: str


class MigrationLine(NamedTuple):
    """One migration in a report."""

    version: int
    description: str
    file: str
    #: ``"up"``, ``"down"``, ``"baseline"`` (marked without running it) or ``"adopt"`` (taken over from another tool).
    direction: str
    #: ``"pending"``, ``"applied"``, ``"changed"``, ``"missing"``, ``"newer"``, ``"out_of_order"``, ``"interrupted"``, ``"reverted"``, ``"skipped"``.
    state: str
    #: Whether it can be undone, and whether it runs inside a transaction.
    reversible: bool
    transactional: bool
    #: Statements run, and the rows that they changed.
    statements: int
    rows_changed: int
    duration_us: int
    #: SHA-256 of the text with line ends made alike.
    checksum: str
    applied_at: Optional[datetime.datetime]
    who: str
    host: str
    program: str
    engine: str


class MigrationProblem(NamedTuple):
    """Something that is wrong or worth knowing."""

    #: ``"changed"``, ``"missing"``, ``"newer"``, ``"out_of_order"``, ``"interrupted"``, ``"drift"``, ``"foreign_key"``, ``"irreversible"``,
    #: ``"rows"``, ``"schema"``, ``"note"``.
    kind: str
    version: Optional[int]
    message: str


class TableCount(NamedTuple):
    """The rows of a table before and after; ``None`` where it was or is not there."""

    table: str
    before: Optional[int]
    after: Optional[int]


class MigrationReport:
    """What an operation found and did."""

    __slots__ = (
        "operation",
        "before",
        "version",
        "pending",
        "migrations",
        "problems",
        "tables",
        "adopted_from",
        "ignored",
        "schema_hash",
        "snapshot",
        "duration_us",
        "_text",
    )

    def __init__(self, text: str) -> None:
        found: Dict[str, Any] = json.loads(text)
        self._text = text
        self.operation: str = found["operation"]
        #: The newest version that was applied before, and that is applied now; ``None``: none.
        self.before: Optional[int] = found["before"]
        self.version: Optional[int] = found["version"]
        #: How many migrations are pending now.
        self.pending: int = found["pending"]
        #: What was done, or would be; of ``status`` and ``verify`` all that are known.
        self.migrations: List[MigrationLine] = [_line(line) for line in found["migrations"]]
        self.problems: List[MigrationProblem] = [MigrationProblem(**problem) for problem in found["problems"]]
        self.tables: List[TableCount] = [TableCount(**table) for table in found["tables"]]
        #: The other tool's table that the history was taken from.
        self.adopted_from: Optional[str] = found["adopted_from"]
        #: Files of the folder that are no migrations.
        self.ignored: List[str] = found["ignored"]
        self.schema_hash: Optional[str] = found["schema_hash"]
        self.snapshot: Optional[str] = found["snapshot"]
        self.duration_us: int = found["duration_us"]

    @property
    def ok(self) -> bool:
        """Whether there are no problems but notes."""
        return all(problem.kind == "note" for problem in self.problems)

    def json(self) -> str:
        """All of it as a JSON object."""
        return self._text

    def to_dict(self) -> Dict[str, Any]:
        """All of it as plain data."""
        found: Dict[str, Any] = json.loads(self._text)
        return found

    def __repr__(self) -> str:
        done = ", ".join(f"{line.version} {line.state}" for line in self.migrations[:5])
        more = ", …" if len(self.migrations) > 5 else ""
        return f"<keepwell.MigrationReport {self.operation}: version {self.version}, {self.pending} pending [{done}{more}]>"


def _line(found: Dict[str, Any]) -> MigrationLine:
    text = found["applied_at"]
    found["applied_at"] = datetime.datetime.fromisoformat(text.replace("Z", "+00:00")) if text else None
    return MigrationLine(**found)


#: Hears of each migration and statement; ``False`` ends the run with :class:`CancelledError`. It must not use the store.
Progress = Callable[[MigrationEvent], Optional[bool]]

_UP, _DOWN, _TO, _REDO, _STATUS, _PLAN, _DRY_RUN, _REHEARSE, _BASELINE, _MARK, _ADOPT, _VERIFY = range(1, 13)


class Migrations:
    """A set of migrations for a store, made by :meth:`Store.migrations`. Any thread may use it.

    Every operation takes ``timeout`` (seconds; none by default, ``query.timeout`` does not hold here) and ``cancel``; those that run
    something take ``progress`` too. A migration that is ended, or fails, leaves nothing; those before it stay.
    """

    __slots__ = ("_handle", "_store", "_free", "__weakref__")

    def __init__(self, store: Any, source: MigrationSource, format: Optional[str], policies: Mapping[str, Any]) -> None:
        self._free = _library.free_migrations
        self._handle = 0
        self._store = store  # which must not be collected meanwhile
        self._handle = _library.new_migrations(store._handle)
        if format is not None:
            _library.set_migrations(self._handle, "format", format)
        for name, value in policies.items():
            _library.set_migrations(self._handle, name, _policy(value))
        _add(self._handle, source)
        _library.count_migrations(self._handle)  # reads the folder, so that its errors show here

    def __len__(self) -> int:
        """How many migrations the set has."""
        return _library.count_migrations(self._handle)

    def up(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        progress: Optional[Progress] = None,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> MigrationReport:
        """Applies what is pending: up to version ``to``, and no more than ``steps`` of them.

        Whoever starts at the same time, in any process and language, finds done what is done: each migration is applied once, in one
        transaction with its row in the history.
        """
        return self._run(_UP, to, steps, progress, timeout, cancel)

    def down(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        progress: Optional[Progress] = None,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> MigrationReport:
        """Undoes what is applied above version ``to`` (0: all), or so many ``steps``; without either the newest one."""
        return self._run(_DOWN, to, steps, progress, timeout, cancel)

    def to(
        self,
        version: int,
        *,
        progress: Optional[Progress] = None,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> MigrationReport:
        """Applies or undoes until ``version`` is the newest one applied."""
        return self._run(_TO, version, None, progress, timeout, cancel)

    def redo(
        self, *, progress: Optional[Progress] = None, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> MigrationReport:
        """Undoes the newest one and applies it again."""
        return self._run(_REDO, None, None, progress, timeout, cancel)

    def status(self, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """Every migration that the source or the history knows, with what is doubtful. Writes nothing."""
        return self._run(_STATUS, None, None, None, timeout, cancel)

    def plan(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> MigrationReport:
        """What :meth:`up` would do. Writes nothing."""
        return self._run(_PLAN, to, steps, None, timeout, cancel)

    def dry_run(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        progress: Optional[Progress] = None,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> MigrationReport:
        """Does what :meth:`up` would do, in one transaction, and rolls it back."""
        return self._run(_DRY_RUN, to, steps, progress, timeout, cancel)

    def rehearse(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        progress: Optional[Progress] = None,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> MigrationReport:
        """Goes up, down and up again on a copy of the database; the report has the rows of each table, and what differs as problems."""
        return self._run(_REHEARSE, to, steps, progress, timeout, cancel)

    def baseline(self, version: int, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """Takes every migration up to ``version`` for applied, without running any: the beginning of a history."""
        return self._run(_BASELINE, version, None, None, timeout, cancel)

    def mark(self, version: int, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """Takes one migration for applied, without running it."""
        return self._run(_MARK, version, None, None, timeout, cancel)

    def adopt(self, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """Takes over the history of another tool (golang-migrate, goose, dbmate, Rails, sqlx, refinery, Flyway, Diesel,
        rusqlite_migration), with its checksums verified where it has some."""
        return self._run(_ADOPT, None, None, None, timeout, cancel)

    def verify(self, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """The status, and whether schema and rows are what the migrations left; ``report.ok`` says whether all is well."""
        return self._run(_VERIFY, None, None, None, timeout, cancel)

    def _run(
        self,
        operation: int,
        version: Optional[int],
        steps: Optional[int],
        progress: Optional[Progress],
        timeout: Optional[float],
        cancel: Optional[CancelToken],
    ) -> MigrationReport:
        for name, value in (("version", version), ("steps", steps)):
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**63):
                bad_argument(name, value)
        listen = None if progress is None else _listener(progress)
        return MigrationReport(
            _library.migrate(self._handle, operation, version, steps, listen, microseconds(timeout), token_handle(cancel))
        )

    def close(self) -> None:
        """Frees the set; the garbage collector does as well."""
        handle, self._handle = self._handle, 0
        if handle:
            self._free(handle)

    def __enter__(self) -> "Migrations":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        handle: int = getattr(self, "_handle", 0)
        if handle:
            self._free(handle)


def _listener(progress: Progress) -> Callable[[Tuple[Any, ...]], bool]:
    """Whether the run goes on, asked of ``progress``: anything but ``False`` is yes."""
    return lambda fields: progress(MigrationEvent(*fields)) is not False


def _policy(value: Any) -> str:
    """A policy's value as text: numbers are seconds, lists are names."""
    if isinstance(value, bool) or value is None:
        return {True: "accept", False: "refuse", None: "none"}[value]
    if isinstance(value, (int, float)):
        return f"{value * 1000:.0f}ms"
    if isinstance(value, (list, tuple, set, frozenset)):
        return ",".join(value)
    return os.fspath(value) if isinstance(value, os.PathLike) else str(value)


def _add(handle: int, source: Any) -> None:
    if isinstance(source, (str, os.PathLike)):
        _library.add_folder(handle, os.fspath(source))
    elif isinstance(source, Mapping):
        for name, content in source.items():
            _library.add_file(handle, name, content.encode("utf-8") if isinstance(content, str) else bytes(content))
    elif hasattr(source, "iterdir"):
        for name, content in _walk(source, ""):
            _library.add_file(handle, name, content)
    else:
        if not isinstance(source, Iterable):
            bad_argument("source", source)
        for migration in source:
            if not isinstance(migration, Migration):
                bad_argument("source", migration)
            _library.add_migration(handle, *migration)


def _walk(folder: Any, prefix: str) -> List[Tuple[str, bytes]]:
    """The files of an ``importlib.resources`` folder that need not be in the file system."""
    found: List[Tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found
