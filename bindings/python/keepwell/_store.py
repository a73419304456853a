"""Stores, transactions, pinned connections and streams: what users hold."""

from __future__ import annotations

import time
import warnings
from itertools import islice
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, Optional, Tuple, Type, TypeVar, Union

from . import _library
from ._errors import Error, ForkedError, MisuseError, SecondSqliteWarning
from ._handles import CancelToken, Statement
from ._insight import Health, IndexAdvice, QueryPlan, StatementCost, advise, explain, metrics_form, statements
from ._migrations import MigrationReport, Migrations, MigrationSource, Policy, rebuild_table
from ._parameters import Parameters, bad_argument, bad_keys
from ._portable import CacheUse, Result, Row, cache_numbers, microseconds, token_handle
from ._road import Target as _RoadTarget, tidy
from ._run import WHOLE, Replay
from ._stream import Stream, leaked

_MODES = {"deferred": 1, "immediate": 2, "exclusive": 3}
_READ_ONLY = 1
_CHUNK = 4096
#: After these errors of a commit there is no transaction any more.
_ENDED = ("KW_TX_ENDED", "KW_INVALID_HANDLE", "KW_CLOSED", "KW_FORKED")

_Self = TypeVar("_Self", bound="Target")
_T = TypeVar("_T")


class Target(_RoadTarget):
    """Where SQL runs: the base of stores, transactions and pinned connections, which all have these methods."""

    __slots__ = ()

    def execute_many(
        self,
        sql: Union[str, Statement],
        rows: Iterable[Parameters],
        *,
        timeout: Optional[float] = None,
        read_only: bool = False,
        cancel: Optional[CancelToken] = None,
    ) -> Result:
        """Runs one statement for each of ``rows`` in one transaction (a savepoint inside a transaction): all of them, or none.

        ``rows`` may be any iterable, a generator too; at most 4,096 of them are held at a time. Rows are sequences of one length, or
        mappings with the same keys. ``timeout`` counts for each 4,096 rows.
        """
        options = _options(timeout, read_only, None, cancel)
        chunks = self._chunks(sql, rows)
        chunk, more = next(chunks, []), next(chunks, None)
        if more is None:
            return self._execute_many(sql, chunk, options)
        affected = 0
        with self.transaction(timeout=timeout, cancel=cancel) as tx:
            while True:
                last = tx._execute_many(sql, chunk, options)
                affected += last.rows_affected
                if more is None:
                    return Result(last.last_insert_id, affected)
                chunk, more = more, next(chunks, None)

    def _chunks(self, sql: Union[str, Statement], rows: Iterable[Parameters]) -> Iterator[List[Any]]:
        """The rows in lists of at most ``_CHUNK``; mappings in the order of the statement's parameters."""
        if isinstance(rows, (str, bytes, bytearray, Mapping)):
            raise TypeError(f"rows: an iterable of parameters, not {type(rows).__name__}")
        names, done = None, 0
        source = None if type(rows) in (list, tuple) else iter(rows)
        while True:
            chunk: Any = rows[done : done + _CHUNK] if source is None else list(islice(source, _CHUNK))  # type: ignore[index]
            if not chunk:
                return
            if done == 0 and isinstance(chunk[0], Mapping):
                names = (self.prepare(sql) if isinstance(sql, str) else sql).parameter_names
            yield chunk if names is None else [_ordered(row, done + i, names) for i, row in enumerate(chunk)]
            done += len(chunk)

    def execute_script(
        self,
        sql: str,
        *,
        timeout: Optional[float] = None,
        read_only: bool = False,
        cancel: Optional[CancelToken] = None,
    ) -> Result:
        """Runs any number of statements. On a store they are one transaction, unless the script has ``BEGIN`` of its own."""
        if not isinstance(sql, str):
            bad_argument("sql", sql)
        timeout_us, flags, token, *_ = _options(timeout, read_only, None, cancel) or (0, 0, 0)
        last, affected = _library.execute_script(self._handle, sql, timeout_us, flags, token)
        return Result(last, affected)

    def stream(
        self,
        sql: Union[str, Statement],
        params: Optional[Parameters] = (),
        *,
        batch_rows: int = 0,
        timeout: Optional[float] = None,
        read_only: bool = False,
        cache: CacheUse = None,
        cancel: Optional[CancelToken] = None,
    ) -> Stream:
        """A result that is read while it is iterated over, so that its size does not matter.

        It holds a connection until its end or its :meth:`Stream.close`: use it in a ``with``. ``batch_rows`` is how many rows are fetched at
        a time (0: the store's own number); ``timeout`` counts for each fetch. A result from the ``cache`` comes at once and holds none.
        """
        if isinstance(batch_rows, bool) or not isinstance(batch_rows, int) or batch_rows < 0:
            raise TypeError(f"batch_rows: an int, 0 or more, not {batch_rows!r}")
        stream = Stream(self)
        options = _options(timeout, read_only, cache, cancel)
        stream.columns, rows, stream.from_cache = self._open_rows(sql, params, batch_rows, options, stream)
        stream._rows = iter(rows)
        return stream

    def transaction(
        self,
        mode: str = "immediate",
        *,
        read_only: bool = False,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> Transaction:
        """Begins a transaction: commits at the end of its ``with``, rolls back on an exception.

        On a transaction it begins a *nested* one, a savepoint. ``mode`` is ``"immediate"``, ``"deferred"`` or ``"exclusive"``; with
        ``read_only`` it is a snapshot for queries. ``timeout`` is for the wait to begin.

        A thread that has a transaction open and begins another one *on the store* would wait for itself: that is
        :class:`SelfDeadlockError` at once. Nest with ``tx.transaction()``.
        """
        return self._begin(mode, read_only, timeout, cancel, 0)

    def _begin(self, mode: str, read_only: bool, timeout: Optional[float], cancel: Optional[CancelToken], flags: int) -> Transaction:
        number = _MODES.get(mode)
        if number is None:
            raise ValueError(f"mode: 'immediate', 'deferred' or 'exclusive', not {mode!r}")
        tx = Transaction(0, self)
        _library.begin(self._handle, 4 if read_only else number, microseconds(timeout), flags, token_handle(cancel), tx._own)
        tx._handle = tx._own.value
        return tx

    def run(
        self,
        body: Callable[..., _T],
        *args: Any,
        mode: str = "immediate",
        read_only: bool = False,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> _T:
        """Calls ``body(tx, *args)`` in a transaction, commits, and returns what ``body`` returned. Runs the whole of it again when another
        process's or store's commit was in the way.

        That is when an :class:`Error` whose :attr:`Error.retry` is ``"statement"`` or ``"transaction"`` leaves ``body`` or the commit, unless
        it is a timeout. What ``body`` does outside of the database has to bear that. Between two runs the connection is given back for a
        short random pause; a deferred transaction is begun immediate from the second run on, which rules the conflict out. Every other
        exception rolls back and comes out unchanged.

        ``timeout`` and ``cancel`` are for everything: the wait to begin, each call in ``body``, and the pauses. Without a timeout no run
        begins later than 5 seconds after the first failure. Errors of the beginning are final, and nothing ends a commit early.

        A ``body`` that commits or rolls back itself has decided, and is not run again. On a transaction ``body`` is a savepoint and runs
        once: let its error reach the outermost ``run``.
        """
        microseconds(timeout)  # a wrong one is told before anything else
        replay = Replay(timeout, cancel)
        try:
            while True:
                try:
                    tx = self._begin(mode, read_only, replay.left(), cancel, WHOLE)
                except Error as error:
                    raise error from replay.last
                decided = False
                try:
                    with tx:
                        try:
                            value = body(tx, *args)
                        finally:
                            decided = not tx._open
                    return value
                except Error as error:
                    if decided or self._is_inside() or not replay.is_due(error):
                        raise
                replay.pause()
                mode = "immediate" if mode == "deferred" else mode
        finally:
            replay.last = None  # its traceback names this frame

    def _is_inside(self) -> bool:
        """Whether a transaction on this target is a savepoint of another one."""
        return False

    def prepare(self, sql: str) -> Statement:
        """Checks a statement once, for use in place of its text. Worth it for its numbers and its early error, hardly for speed."""
        if not isinstance(sql, str):
            bad_argument("sql", sql)
        return Statement(_library.prepare(self._handle, sql), sql)

    def with_options(
        self,
        *,
        timeout: Optional[float] = None,
        read_only: bool = False,
        cache: CacheUse = None,
        cancel: Optional[CancelToken] = None,
    ) -> Derived:
        """The same target with other defaults for every call on it."""
        flags = _READ_ONLY if read_only else 0
        handle = _library.derive(self._handle, microseconds(timeout), flags, token_handle(cancel), *cache_numbers(cache))
        return Derived(handle, self, cancel)


class Store(Target):
    """An open database: a pool of connections behind one object that every thread may use.

    Closed when the garbage collector finds it; transactions, connections and streams keep it alive.
    """

    __slots__ = ("_own", "_name", "_close", "_warned", "__weakref__")

    def __init__(self, handle: int, name: str, owned: bool = True) -> None:
        #: The handle, from the moment on in which there is one.
        self._own = _library.Handle(handle)
        self._name = name
        self._close = _library.close_store if owned else None
        #: How many of the warnings have been looked at by `_warn`.
        self._warned = 0

    def connection(
        self, *, read_only: bool = False, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> Connection:
        """Takes one connection out of the pool (the writer, or with ``read_only`` a reader) until the end of its ``with``.

        For what belongs to a connection: PRAGMA, ATTACH, temporary tables, transactions by hand.
        """
        connection = Connection(0, self)
        flags = _READ_ONLY if read_only else 0
        _library.acquire(self._handle, microseconds(timeout), flags, token_handle(cancel), connection._own)
        connection._handle = connection._own.value
        return connection

    def health(self, *, timeout: Optional[float] = None) -> Health:
        """Tries whether the store can read and write now, and whether it is alone with its file (see :class:`SecondSqliteWarning`).

        Waits for a reader and for the writer like any call: give it a ``timeout``. A store that is unwell is an answer, no exception; a
        closed one is :class:`ClosedError`.
        """
        found = Health.from_json(_library.health(self._handle, microseconds(timeout)))
        self._warn(3)
        return found

    def metrics(self, format: str = "prometheus") -> str:  # noqa: A002
        """All metrics of the store as text for a scraper, with the label ``store``.

        Looks at the database file where the last look is older than ``metrics.collect_interval``, and waits for nobody. ``format`` is
        ``"prometheus"`` (the text format 0.0.4) or ``"openmetrics"`` (1.0.0). For the registry of ``prometheus_client`` there is
        :class:`keepwell.prometheus.Collector`.
        """
        return _library.metrics_text(self._handle, metrics_form(format))

    @property
    def metrics_address(self) -> Optional[str]:
        """Where the store serves ``/metrics`` and ``/health`` by HTTP (``metrics.listen``), with the port that was taken:
        ``"127.0.0.1:9187"``; ``None`` where it does not.
        """
        return _library.metrics_address(self._handle) or None

    def statements(self, order: str = "total", limit: Optional[int] = None) -> List[StatementCost]:
        """What each statement has cost since the store was opened or :meth:`reset_statements`, most of ``order`` first.

        ``order`` is ``"total"`` (time in all), ``"calls"``, ``"mean"``, ``"worst"`` (time of a call), ``"rows"``, or ``"scanned"`` (rows gone
        through in whole tables); ``limit`` how many of them (``None``: all). At most ``metrics.statements`` are known: those that have cost
        least go first, and their sum is the last one, with ``None`` for its ``sql``.
        """
        return statements(self._handle, order, limit)

    def reset_statements(self) -> None:
        """Begins the report of :meth:`statements` anew."""
        _library.reset_statement_report(self._handle)

    def explain(
        self, sql: Union[str, Statement], *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> QueryPlan:
        """How the engine would run one statement. Waits for a reader. It is not run; parameters count as NULL.

        ``str()`` of it is the plan as an indented tree. See https://sqlite.org/eqp.html for what it says.
        """
        return explain(self._handle, sql, microseconds(timeout), token_handle(cancel))

    def advise(
        self, sql: Union[str, Statement], *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None
    ) -> List[IndexAdvice]:
        """The indexes that would help one statement, most useful first, at most three. Waits for a reader, and takes some milliseconds.

        They are tried on a copy of the schema in memory, where the engine's own planner decides; the database is not changed.
        """
        return advise(self._handle, sql, microseconds(timeout), token_handle(cancel))

    def warnings(self) -> Tuple[str, ...]:
        """What in the configuration was accepted but has no effect or is risky, and what was noticed since, such as a second SQLite
        library on the file. Each begins with the key that it is about. The list only grows.
        """
        return _library.warnings(self._handle)

    def _warn(self, level: int) -> None:
        """Issues Python warnings for what was noticed since the last time.

        The library notices in a thread of its own, so this is done where calls are rare: when a store opens, closes or is asked for its
        health.
        """
        found = _library.warnings(self._handle)
        fresh, self._warned = found[self._warned :], len(found)
        for text in fresh:
            if text.startswith("options.second_sqlite:"):
                warnings.warn(text, SecondSqliteWarning, stacklevel=level)

    def migrations(self, source: MigrationSource, *, format: Optional[str] = None, **policies: Policy) -> Migrations:  # noqa: A002
        """Migrations for this store, from a folder of SQL files, from such files in memory, or from the program.

        ``source`` is the folder's path, a folder of :mod:`importlib.resources`, a mapping of file names to their texts, or an iterable of
        :class:`Migration`. It is read now, once; errors in it show here. ``format`` is the layout of the files where it does not show:
        ``"keepwell"`` (``1_name.up.sql``, ``1_name.down.sql``), ``"golang-migrate"``, ``"goose"``, ``"dbmate"``, ``"sqlx"``,
        ``"refinery"``, ``"flyway"``, ``"diesel"``, ``"rusqlite_migration"``.

        ``policies`` decide what may be a mistake: ``out_of_order`` (``"refuse"``, ``"accept"``, ``"skip"``), ``changed``, ``missing``,
        ``newer`` (``"refuse"``, ``"accept"``), ``gaps`` (``"accept"``, ``"refuse"``), ``interrupted`` (``"refuse"``, ``"resume"``,
        ``"restart"``), ``transactions`` (``"each"``, ``"all"``, ``"none"``); further ``lock_timeout`` (seconds to wait for other
        processes; ``math.inf``: no limit), ``snapshot`` (where a copy of the database is written before the first pending migration),
        ``ignore`` (names of files that are none), ``who`` and ``program`` for the history. ``None`` is the default of each.
        """
        return Migrations(self, source, format, policies)

    def schema_dump(self, *, timeout: Optional[float] = None, cancel: Optional[CancelToken] = None) -> str:
        """The schema as SQL that makes it anew, without the history of migrations. The same schema gives the same text."""
        return _library.schema_dump(self._handle, microseconds(timeout), token_handle(cancel))

    def rebuild_table(
        self,
        table: str,
        definition: str,
        columns: Optional[Mapping[str, str]] = None,
        *,
        timeout: Optional[float] = None,
        cancel: Optional[CancelToken] = None,
    ) -> MigrationReport:
        """Makes a table anew with another definition, a ``CREATE TABLE`` for the same name, in one transaction: for the changes that
        ``ALTER TABLE`` does not know.

        Rows with their rowids, indexes, triggers, views, and the references of other tables are kept. Columns are filled from the old
        ones of the same name; ``columns`` has SQL expressions over the old table for those that are not. The report's table has the
        rows before and after.
        """
        return rebuild_table(self._handle, table, definition, columns, microseconds(timeout), token_handle(cancel))

    def config(self, key: str) -> str:
        """The value of one key (``"pool.wait_timeout"``) that the store was opened with, defaults included, as text in the key's unit."""
        return _library.store_config(self._handle, key)

    def stats(self) -> Dict[str, int]:
        """The state of the pool in numbers."""
        return _library.stats(self._handle)

    def cache_stats(self) -> Dict[str, Any]:
        """The cache of results in numbers, and whether it is ``enabled``. Each query that asked for it and succeeded is one of ``hits``, ``misses`` and ``bypasses``, which
        says how many there were by reason: ``disabled``, ``transaction`` (or a pinned connection), ``statement`` (no single SELECT),
        ``function`` (its result may depend on more than its arguments), ``table`` (its changes cannot be followed), ``under_way`` (a commit
        was becoming visible), ``schema`` (it changed meanwhile), ``size`` (too large, or read only in part).

        ``invalidated``, ``expired`` and ``evicted`` results have left because something had changed, by age, and for want of room.
        """
        return _library.cache_stats(self._handle)

    def cache_clear(self) -> None:
        """Forgets the results in the cache. Rows that somebody has stay as they are. Only memory is a reason for it: results that do not
        hold any more are never given out.
        """
        _library.cache_clear(self._handle)
        tidy()

    def close(self, *, drain: Optional[float] = None) -> None:
        """Closes the store: waits up to ``drain`` seconds (``None``: as configured) for calls under way, then ends them. Twice is harmless."""
        patience = -1 if drain is None else 0 if drain == 0 else microseconds(min(drain, 1e9))
        try:
            self._warn(3)
        except Error:
            pass  # closed, or of a parent process: closing says what there is to say
        finally:
            _library.close_store(self._handle, patience)
            self._close = None
            tidy()

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def __del__(self) -> None:
        close = getattr(self, "_close", None)
        if close and self._own.value:
            try:
                close(self._own.value, 0)
            except Error:
                pass

    def __repr__(self) -> str:
        return f"<keepwell.Store {self._name!r}>"


class Derived(Target):
    """A target with default options attached; made by :meth:`Target.with_options`."""

    __slots__ = ("_base", "_cancel", "_free", "__weakref__")

    def __init__(self, handle: int, base: Target, cancel: Optional[CancelToken]) -> None:
        self._base = base
        self._cancel = cancel
        self._free = _library.free_target

    def _is_inside(self) -> bool:
        return self._base._is_inside()

    def __del__(self) -> None:
        free = getattr(self, "_free", None)
        if free:
            free(self._handle)


class Transaction(Target):
    """A transaction, or a savepoint inside one. Used by one thread at a time."""

    __slots__ = ("_own", "_open", "_parent", "_rollback", "__weakref__")

    def __init__(self, handle: int, parent: Target) -> None:
        #: The handle, from the moment on in which there is one.
        self._own = _library.Handle(handle)
        self._open = True
        self._parent = parent
        self._rollback = _library.rollback

    def _is_inside(self) -> bool:
        return True

    @property
    def is_open(self) -> bool:
        """Whether it was neither committed nor rolled back here."""
        return self._open

    def commit(self) -> None:
        """Makes the changes durable, or part of the transaction around. After :class:`BusyError` it may be tried again.

        Only errors of keepwell say that it did not happen; when a signal handler raises meanwhile, it may have happened or not.
        """
        try:
            _library.commit(self._handle)
        except Error as error:
            self._open = not (error.rolled_back or error.committed or error.name in _ENDED)
            raise
        self._open = False

    def rollback(self) -> None:
        """Undoes the changes. Harmless when the transaction has ended."""
        self._rollback(self._own.value)
        self._open = False

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], *_: Any) -> None:
        if not self._open:
            return
        try:
            if kind is None:
                self.commit()
        finally:
            if self._open:
                self._undo()

    def _undo(self, wait: bool = True) -> bool:
        """Rolls back on the way out of an exception, which must not be hidden by a second one; says whether it was ours to end.

        While another thread is in a call on the transaction, that waits for it.
        """
        while True:
            try:
                self.rollback()
            except MisuseError:
                if not wait:
                    return True
                time.sleep(0.001)
            except Error as error:
                return not isinstance(error, ForkedError)
            else:
                return True

    def __del__(self) -> None:
        if getattr(self, "_open", False) and self._own.value and self._undo(wait=False):
            leaked(self, "was neither committed nor rolled back, and is rolled back now")


class Connection(Target):
    """A connection that was taken out of the pool. Used by one thread at a time."""

    __slots__ = ("_own", "_open", "_parent", "_release", "__weakref__")

    def __init__(self, handle: int, parent: Target) -> None:
        #: The handle, from the moment on in which there is one.
        self._own = _library.Handle(handle)
        self._open = True
        self._parent = parent
        self._release = _library.release

    def release(self) -> None:
        """Gives the connection back, rolling back what is open on it. Twice is harmless."""
        self._release(self._own.value)
        self._open = False

    def __enter__(self: _Self) -> _Self:
        return self

    def __exit__(self, *_: Any) -> None:
        self.release()

    def __del__(self) -> None:
        if getattr(self, "_open", False) and self._own.value and self._release(self._own.value) == 0:
            leaked(self, "was not released, and is given back now")


def _options(timeout: Optional[float], read_only: bool, cache: CacheUse, cancel: Optional[CancelToken]) -> Tuple[int, ...]:
    if timeout is None and cancel is None and cache is None and not read_only:
        return ()
    return (microseconds(timeout), _READ_ONLY if read_only else 0, token_handle(cancel), *cache_numbers(cache))


def _ordered(row: Any, index: int, names: Tuple[Optional[str], ...]) -> Tuple[Any, ...]:
    """The values of a mapping in the order of the statement's parameters."""
    if isinstance(row, Mapping) and len(row) == len(names):
        plain = {key[1:] if isinstance(key, str) and key[:1] in (":", "@", "$") else key: value for key, value in row.items()}
        try:
            return tuple([plain[name] for name in names])
        except KeyError:
            pass
    bad_keys(row, index, names)
