"""Migrations: a set of them for one store, what is done with it, and the reports of that."""

from __future__ import annotations

import json
import math
import os
import sys
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, NoReturn, Optional, Protocol
from typing import Tuple, Union

from . import _library
from ._errors import ConfigError, EncodingError, ParameterOverflowError, own_error
from ._handles import CancelToken
from ._portable import microseconds, token_handle

if TYPE_CHECKING:
    from ._store import Store

_UP, _DOWN, _TO, _REDO, _STATUS, _PLAN, _DRY_RUN, _REHEARSE, _BASELINE, _MARK, _ADOPT, _VERIFY = range(1, 13)
_PHASES = {1: "begin", 2: "statement", 3: "done"}
_DIRECTIONS = {1: "up", 2: "down", 3: "baseline", 4: "adopt"}


class Migration(NamedTuple):
    """A migration that the program has itself."""

    #: 0 or more, unique in its set.
    version: int
    description: str
    #: The statements that apply it.
    up: str
    #: The statements that undo it; ``None``: it cannot be undone.
    down: Optional[str] = None


class Folder(Protocol):
    """What :mod:`importlib.resources` and :class:`zipfile.Path` have for a folder that may not be a real one."""

    def iterdir(self) -> Iterator[Any]:
        """Its files and folders."""


#: Where migrations are from: a folder's path, a folder of :mod:`importlib.resources`, files by their names, :class:`Migration` objects.
MigrationSource = Union[str, "os.PathLike[str]", Folder, Mapping[str, Union[str, bytes]], Iterable[Migration]]
#: What a policy may be given as.
Policy = Union[None, str, float, "os.PathLike[str]", Iterable[str]]


class MigrationEvent(NamedTuple):
    """Something that a run does; what a progress function is given."""

    #: ``"begin"``, ``"statement"`` (one has just run), or ``"done"``.
    phase: str
    version: int
    description: str
    #: The file's name; empty for a migration of the program's own.
    file: str
    #: ``"up"`` or ``"down"``.
    direction: str
    #: Which migration of the run it is, from 1, and how many there will be as far as can be told.
    index: int  # type: ignore[assignment]
    total: int
    #: The number of the statement, from 1; 0 in other phases.
    statement: int
    #: How much of the migration's text is done, in bytes, and how long it is.
    offset: int
    length: int
    #: Rows changed by the statement, or by the migration.
    rows_changed: int
    #: The statement; empty in other phases.
    sql: str


#: A function that hears of each migration and statement of a run. ``False`` ends the run with :class:`CancelledError`, and so does an
#: exception, which comes out of the call. It must not use the store.
Progress = Callable[[MigrationEvent], Optional[bool]]


class MigrationLine(NamedTuple):
    """One migration in a report."""

    version: int
    description: str
    #: The file's name; empty for a migration of the program's own, and for one that the source does not have.
    file: str
    #: ``"up"``, ``"down"``, ``"baseline"`` (taken for applied without running it), ``"adopt"`` (taken over from another tool).
    direction: str
    #: ``"pending"``, ``"applied"``, ``"changed"``, ``"missing"``, ``"newer"``, ``"out_of_order"``, ``"interrupted"``, ``"reverted"``,
    #: ``"skipped"``.
    state: str
    #: Whether it can be undone, and whether it runs inside a transaction.
    reversible: bool
    transactional: bool
    #: Statements run, or that will be, and rows that they changed.
    statements: int
    rows_changed: int
    duration_us: int
    #: SHA-256 of the text, with line ends made alike.
    checksum: str
    #: When it was applied, in UTC; ``None`` when it is not.
    applied_at: Optional[datetime]
    who: str
    host: str
    program: str
    engine: str


class MigrationProblem(NamedTuple):
    """Something that is wrong or worth knowing."""

    #: ``"changed"``, ``"missing"``, ``"newer"``, ``"out_of_order"``, ``"gap"``, ``"interrupted"``, ``"drift"``, ``"foreign_key"``,
    #: ``"irreversible"``, ``"rows"``, ``"schema"``, ``"note"``.
    kind: str
    version: Optional[int]
    message: str


class MigrationTable(NamedTuple):
    """The rows of a table before and after; ``None`` where there is no such table."""

    table: str
    before: Optional[int]
    after: Optional[int]


class MigrationReport:
    """What an operation on migrations found and did."""

    __slots__ = (
        *("operation", "before", "version", "pending", "migrations", "problems", "tables"),
        *("adopted_from", "ignored", "schema_hash", "snapshot", "duration_us", "_text"),
    )

    def __init__(self, text: str) -> None:
        self._text = text
        found: Dict[str, Any] = json.loads(text)
        #: The name of the operation, such as ``"up"``, ``"status"``, ``"rebuild"``.
        self.operation: str = found["operation"]
        #: The newest version that was applied before, and that is applied now; ``None``: none.
        self.before: Optional[int] = found["before"]
        self.version: Optional[int] = found["version"]
        #: How many migrations are pending now.
        self.pending: int = found["pending"]
        #: What was done or would be done, in its order; of a status or verification all that are known, by version.
        self.migrations: List[MigrationLine] = [_line(line) for line in found["migrations"]]
        #: What is wrong, or was taken on a policy's word.
        self.problems: List[MigrationProblem] = [_record(MigrationProblem, problem) for problem in found["problems"]]
        #: Rows of tables before and after, where that was counted.
        self.tables: List[MigrationTable] = [_record(MigrationTable, table) for table in found["tables"]]
        #: Another tool's table that the history was adopted from.
        self.adopted_from: Optional[str] = found["adopted_from"]
        #: Files of the folder that are no migrations.
        self.ignored: List[str] = found["ignored"]
        self.schema_hash: Optional[str] = found["schema_hash"]
        #: The copy that was written before the first pending migration.
        self.snapshot: Optional[str] = found["snapshot"]
        self.duration_us: int = found["duration_us"]

    @property
    def ok(self) -> bool:
        """Whether there are no problems, other than notes."""
        return all(problem.kind == "note" for problem in self.problems)

    def json(self) -> str:
        """The report as a JSON object, the same in every language."""
        return self._text

    def to_dict(self) -> Dict[str, Any]:
        """The JSON form as a new ``dict``; times are text in it."""
        found: Dict[str, Any] = json.loads(self._text)
        return found

    def __eq__(self, other: object) -> bool:
        return self._text == other._text if isinstance(other, MigrationReport) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._text)

    def __reduce__(self) -> Tuple[Any, ...]:
        return (MigrationReport, (self._text,))

    def __repr__(self) -> str:
        parts = [f"{len(self.migrations)} migrations", f"version {self.version}", f"{self.pending} pending"]
        if self.problems:
            parts.append(f"{len(self.problems)} problems")
        return f"<keepwell.MigrationReport {self.operation}: {', '.join(parts)}>"


def _record(kind: Any, fields: Mapping[str, Any]) -> Any:
    """A tuple of one of the classes above; fields that a newer library adds are left out."""
    return kind(*[fields[name] for name in kind._fields])


def _line(fields: Dict[str, Any]) -> MigrationLine:
    at = fields["applied_at"]
    fields["applied_at"] = datetime.fromisoformat(at.replace("Z", "")).replace(tzinfo=timezone.utc) if at else None
    line: MigrationLine = _record(MigrationLine, fields)
    return line


class Migrations:
    """A set of migrations for one store, made by :meth:`Store.migrations`. Every thread may use it; it keeps the store alive.

    The methods take ``timeout`` in seconds, for all that they do (``query.timeout`` of the configuration does not hold for them), and a
    ``cancel`` token; those that run migrations also ``progress``, a function that gets a
    :class:`MigrationEvent`. What ends a run early leaves nothing of the migration that it was in; those before it stay.
    """

    __slots__ = ("_own", "_store", "_free", "__weakref__")

    def __init__(self, store: Store, source: MigrationSource, layout: Optional[str], policies: Mapping[str, Policy]) -> None:
        self._store = store
        self._free = _library.free_migrations
        #: The handle, from the moment on in which there is one.
        self._own = _library.Handle(0)
        settings = [*_settings(layout, policies)]
        _library.new_migrations(store._handle, self._own)
        try:
            for key, value in settings:
                _library.set_migrations(self._own.value, key, value)
            _fill(self._own.value, source)
            _library.count_migrations(self._own.value)
        except BaseException:
            self.close()
            raise

    def up(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
        progress: Optional[Progress] = None,
    ) -> MigrationReport:
        """Applies what is pending: up to the version ``to``, and no more than so many ``steps``.

        Each migration is a transaction of its own together with its row in the history. Whoever starts at the same time, in any thread,
        process and language, waits and finds it done.
        """
        return self._run(_UP, to, steps, timeout, cancel, progress)

    def down(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
        progress: Optional[Progress] = None,
    ) -> MigrationReport:
        """Undoes what is applied above the version ``to`` (0: all), or so many ``steps``; without either the newest one."""
        return self._run(_DOWN, to, steps, timeout, cancel, progress)

    def to(
        self,
        version: int,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
        progress: Optional[Progress] = None,
    ) -> MigrationReport:
        """Applies and undoes until ``version`` is the newest one; 0 undoes all."""
        return self._run(_TO, _required(version), None, timeout, cancel, progress)

    def redo(
        self, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None, progress: Optional[Progress] = None
    ) -> MigrationReport:
        """Undoes the newest one and applies it again."""
        return self._run(_REDO, None, None, timeout, cancel, progress)

    def status(self, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """Every migration that the source or the history knows. Writes nothing."""
        return self._run(_STATUS, None, None, timeout, cancel, None)

    def plan(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> MigrationReport:
        """What :meth:`up` would do. Writes nothing."""
        return self._run(_PLAN, to, steps, timeout, cancel, None)

    def dry_run(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
        progress: Optional[Progress] = None,
    ) -> MigrationReport:
        """Does what :meth:`up` would do, in one transaction, and rolls it back."""
        return self._run(_DRY_RUN, to, steps, timeout, cancel, progress)

    def rehearse(
        self,
        to: Optional[int] = None,
        steps: Optional[int] = None,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
        progress: Optional[Progress] = None,
    ) -> MigrationReport:
        """Applies, undoes and applies again on a copy of the database, and says in ``problems`` what differs."""
        return self._run(_REHEARSE, to, steps, timeout, cancel, progress)

    def baseline(self, version: int, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """Takes everything up to ``version`` for applied, without running it: the beginning of a history."""
        return self._run(_BASELINE, _required(version), None, timeout, cancel, None)

    def mark(self, version: int, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """Takes one migration for applied, without running it."""
        return self._run(_MARK, _required(version), None, timeout, cancel, None)

    def adopt(self, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """Takes over the history of another tool, with its checksums verified. Twice is harmless."""
        return self._run(_ADOPT, None, None, timeout, cancel, None)

    def verify(self, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> MigrationReport:
        """The status, and in ``problems`` whether schema and foreign keys are not what the migrations left. Writes nothing."""
        return self._run(_VERIFY, None, None, timeout, cancel, None)

    def _run(
        self,
        operation: int,
        version: Optional[int],
        steps: Optional[int],
        timeout: Optional[float],
        cancel: Optional[CancelToken],
        progress: Optional[Progress],
    ) -> MigrationReport:
        _check_number("version", version)
        _check_number("steps", steps)
        if steps is not None and steps < 0:
            raise ValueError(f"steps: 0 or more, not {steps}")
        if progress is not None and not callable(progress):
            raise TypeError(f"progress: None or a function of a MigrationEvent, not {type(progress).__name__}")
        hear = None if progress is None else _teller(progress)
        text = _library.migrate(self._own.value, operation, version, steps, hear, microseconds(timeout), token_handle(cancel))
        return MigrationReport(text)

    @property
    def count(self) -> int:
        """How many migrations the set has."""
        return _library.count_migrations(self._own.value)

    def close(self) -> None:
        """Frees the set; the store stays open. Twice is harmless."""
        self._free(self._own.value)

    def __enter__(self) -> Migrations:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        own = getattr(self, "_own", None)
        if own is not None and own.value:
            self._free(own.value)

    def __repr__(self) -> str:
        return f"<keepwell.Migrations of {self._store!r}>"


def rebuild_table(
    store: int, table: str, definition: str, columns: Optional[Mapping[str, str]], timeout_us: int, token: int
) -> MigrationReport:
    """The work of :meth:`Store.rebuild_table`."""
    _check_text("table", table)
    _check_text("definition", definition)
    if columns is not None and not isinstance(columns, Mapping):
        raise TypeError(f"columns: None or a mapping of column names to SQL expressions, not {type(columns).__name__}")
    pairs = list((columns or {}).items())
    for name, expression in pairs:
        _check_text("columns: a name", name, nul=False)
        _check_text(f"columns: the expression of {name!r}", expression, nul=False)
    return MigrationReport(_library.rebuild_table(store, table, definition, pairs, timeout_us, token))


def _teller(progress: Progress) -> Callable[[_library.Event], bool]:
    """The progress function as the library calls it; says whether to go on."""

    def hear(event: _library.Event) -> bool:
        phase, direction, (version, *numbers), (description, file, sql) = event
        names = _PHASES.get(phase, str(phase)), _DIRECTIONS.get(direction, str(direction))
        return progress(MigrationEvent._make((names[0], version, description, file, names[1], *numbers, sql))) is not False

    return hear


# --- sources ---


def _fill(migrations: int, source: MigrationSource) -> None:
    """Puts the migrations of a source into the set."""
    if isinstance(source, (str, os.PathLike)):
        _library.add_migration_folder(migrations, os.fsdecode(source))
    elif isinstance(source, Mapping):
        _add_files(migrations, source)
    elif callable(getattr(source, "iterdir", None)):
        _add_files(migrations, dict(_walk(source, "")))
    elif isinstance(source, (Migration, bytes, bytearray, memoryview)) or not isinstance(source, Iterable):
        hint = "; put it into a list" if isinstance(source, Migration) else ""
        raise TypeError(
            f"source: a folder, a mapping of file names to their texts, or an iterable of Migration, not {type(source).__name__}{hint}"
        )
    else:
        for index, migration in enumerate(source):
            _add_migration(migrations, index, migration)


def _add_migration(migrations: int, index: int, migration: Any) -> None:
    if not isinstance(migration, Migration):
        raise TypeError(f"source: item {index} is a {type(migration).__name__}, not a Migration")
    place = f"source: item {index}"
    if migration.version is None:
        raise TypeError(f"{place}: version: an int, not None")
    _check_number(f"{place}: version", migration.version)
    _check_text(f"{place}: description", migration.description, nul=False)
    _check_text(f"{place}: up", migration.up)
    if migration.down is not None:
        _check_text(f"{place}: down", migration.down)
    _library.add_migration(migrations, migration.version, migration.description, migration.up, migration.down)


def _add_files(migrations: int, files: Mapping[Any, Any]) -> None:
    for name, content in files.items():
        _check_text("source: a file name", name)
        if isinstance(content, str):
            _check_text(f"source: the file {name!r}", content)
            content = content.encode()
        elif not isinstance(content, (bytes, bytearray, memoryview)):
            raise TypeError(f"source: the file {name!r} is a {type(content).__name__}, not a str or bytes")
        _library.add_migration_file(migrations, name, bytes(content))


def _walk(folder: Any, prefix: str) -> Iterable[Tuple[str, bytes]]:
    """The files of a folder that is no real one, as of a package in an archive, with their paths below it."""
    for entry in folder.iterdir():
        if entry.name.startswith(".") or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _walk(entry, f"{prefix}{entry.name}/")
        else:
            yield prefix + entry.name, entry.read_bytes()


# --- policies and arguments ---


def _settings(layout: Optional[str], policies: Mapping[str, Policy]) -> Iterable[Tuple[str, str]]:
    """The keys and texts that the library takes."""
    given: Dict[str, Policy] = {"program": _program(), **policies, "format": layout}
    for key, value in given.items():
        if value is not None:
            yield key, _policy(key, value)


def _policy(key: str, value: Any) -> str:
    if isinstance(value, str):
        _check_text(key, value)
        return value
    if key == "lock_timeout" and isinstance(value, (int, float)) and not isinstance(value, bool):
        return "none" if value == math.inf else f"{value:.6f}".rstrip("0").rstrip(".") + "s"
    if key == "snapshot" and isinstance(value, os.PathLike):
        return os.fsdecode(value)
    if key == "ignore" and isinstance(value, Iterable) and not isinstance(value, (bytes, bytearray, memoryview, Mapping)):
        names = [*value]
        for name in names:
            _check_text("ignore: a name", name)
            if "," in name:
                _wrong(f"ignore: a name with a comma cannot be given ({name!r})")
        return ",".join(names)
    wanted = {"lock_timeout": "a number of seconds or a str", "snapshot": "a path", "ignore": "a str or an iterable of them"}
    _wrong(f"{key}: {wanted.get(key, 'a str')}, not {type(value).__name__}")


def _program() -> Optional[str]:
    """What the history shall name instead of the interpreter; ``None`` where there is no script."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None and spec.name:  # python -m
        name = str(spec.name)
        return name[: -len(".__main__")] if name.endswith(".__main__") else name
    script = os.path.basename(sys.argv[0]) if getattr(sys, "argv", None) else ""
    printable = script not in ("", "-", "-c", "-m") and script.isprintable()
    return script if printable else None


def _required(version: Optional[int]) -> int:
    if version is None:
        raise TypeError("version: an int, not None")
    return version


def _check_number(name: str, value: Any) -> None:
    if value is None:
        return
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name}: an int, not {type(value).__name__}")
    if not -(1 << 63) <= value < 1 << 63:
        raise own_error(ParameterOverflowError, 8, f"{name}: {value} is beyond 64 bits", "22003")


def _check_text(name: str, value: Any, nul: bool = True) -> None:
    if not isinstance(value, str):
        raise TypeError(f"{name}: a str, not {type(value).__name__}")
    try:
        value.encode()
    except UnicodeEncodeError:
        _bad_text(f"{name}: the str has lone surrogates and so no UTF-8 form")
    if not nul and "\0" in value:
        _bad_text(f"{name}: the str has a NUL in it")


def _bad_text(message: str) -> NoReturn:
    raise own_error(EncodingError, 25, message, "22021")


def _wrong(message: str) -> NoReturn:
    raise own_error(ConfigError, 6, f"migrations: {message}")
