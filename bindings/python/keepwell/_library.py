"""The library itself: found, loaded, checked, and its C functions as Python functions. The only file that knows ctypes."""

from __future__ import annotations

import ctypes
import json
import os
import sys
import threading
from typing import Any, Callable, Dict, Generator, List, Optional, Tuple

from . import _search
from ._errors import KINDS, make_error

_u32, _i32, _u64, _i64 = ctypes.c_uint32, ctypes.c_int32, ctypes.c_uint64, ctypes.c_int64
_size, _text, _pointer = ctypes.c_size_t, ctypes.c_char_p, ctypes.c_void_p


_STRUCTS: Dict[str, Any] = {}


def _struct(name: str, **fields: Any) -> Any:
    """A struct of the C header; all begin with their size."""
    layout = [("struct_size", _u32), *fields.items()]
    _STRUCTS[name] = type(name, (ctypes.Structure,), {"_fields_": layout})
    return _STRUCTS[name]


_Error = _struct(
    "kw_error",
    **dict.fromkeys("code engine_code engine_extended_code sql_offset".split(), _i32),
    flags=_u32,
    sqlstate=ctypes.c_char * 8,
    message=ctypes.c_char * 512,
)
_Options = _struct(
    "kw_options",
    flags=_u32,
    timeout_us=_i64,
    cancel=_u64,
    statement=_u64,
    **dict.fromkeys("param_names tick tick_context".split(), _pointer),
    cache=_i32,
    batch_rows=_u32,
    cache_ttl_ms=_i64,
)
_Result = _struct("kw_result", reserved=_u32, last_insert_id=_i64, rows_affected=_i64)
_StatementInfo = _struct("kw_statement_info", parameter_count=_u32, column_count=_u32, read_only=_u32)
_COUNTS = "max_open open in_use idle waiting".split()
_TOTALS = (
    "waits wait_ns opened closed_max_idle closed_idle_time closed_lifetime closed_broken resets discards exhausted self_deadlocks "
    "checkpoints log_frames groups grouped_writes replayed_writes"
).split()
_BYPASSES = "disabled transaction statement function table under_way schema size".split()
_CACHE_COUNTS = "invalidated expired evicted entries bytes max_entries max_bytes".split()
_CacheStats = _struct(
    "kw_cache_stats",
    enabled=_u32,
    **dict.fromkeys(["hits", "misses", *(f"bypass_{reason}" for reason in _BYPASSES), *_CACHE_COUNTS], _u64),
)
_Stats = _struct("kw_stats", **dict.fromkeys(_COUNTS, _u32), **dict.fromkeys(_TOTALS, _u64))
_LogEvent = _struct(
    "kw_log_event",
    level=_u32,
    time_us=_i64,
    dropped=_u64,
    target=_pointer,
    target_len=_size,
    message=_pointer,
    message_len=_size,
    fields=_pointer,
    fields_len=_size,
)
_Migration = _struct("kw_migration", reserved=_u32, version=_i64, description=_text, up=_text, up_len=_size, down=_text, down_len=_size)
_MigrateEvent = _struct(
    "kw_migrate_event",
    phase=_u32,
    version=_i64,
    direction=_u32,
    reserved=_u32,
    **dict.fromkeys("index total statement offset length".split(), _u64),
    rows_changed=_i64,
    description=_pointer,
    description_len=_size,
    file=_pointer,
    file_len=_size,
    sql=_pointer,
    sql_len=_size,
)
_MigrateOptions = _struct(
    "kw_migrate_options",
    flags=_u32,
    version=_i64,
    steps=_u64,
    progress=_pointer,
    context=_pointer,
    call=ctypes.POINTER(_Options),
)


class _RebuildColumn(ctypes.Structure):
    """The one struct that does not begin with its size: it comes in arrays."""

    _fields_ = [("name", _text), ("expression", _text)]


_STRUCTS["kw_rebuild_column"] = _RebuildColumn

_out, _err, _options, _result = map(ctypes.POINTER, (_u64, _Error, _Options, _Result))

_ENDS = "kw_config_free kw_statement_close kw_rows_close kw_conn_release kw_target_free kw_cancel_trigger kw_cancel_reset kw_cancel_free "
_ENDS += "kw_migrations_free kw_report_free kw_log_close"
#: Where a text is copied to: the buffer, its size, the text's length.
_PLACE = [_pointer, _size, ctypes.POINTER(_size)]
#: Every C function that is called here, with its arguments. All of them return a status.
_FUNCTIONS: Dict[str, List[Any]] = {
    **dict.fromkeys("kw_config_new kw_instance kw_cancel_new".split(), [_out, _err]),
    **dict.fromkeys("kw_tx_commit kw_tx_rollback kw_initialize".split(), [_u64, _err]),
    **dict.fromkeys("kw_config_load_file kw_config_load_uri".split(), [_u64, _text, _size, _err]),
    **dict.fromkeys(_ENDS.split(), [_u64]),
    "kw_config_set": [_u64, _text, _size, _text, _size, _err],
    "kw_open": [_u64, _out, _err],
    "kw_store_close": [_u64, _i64, _err],
    "kw_store_stats": [_u64, ctypes.POINTER(_Stats), _err],
    "kw_store_cache_stats": [_u64, ctypes.POINTER(_CacheStats), _err],
    "kw_store_cache_clear": [_u64, _err],
    "kw_store_config": [_u64, _text, _size, *_PLACE, _err],
    "kw_store_warning_count": [_u64, ctypes.POINTER(_u32), _err],
    "kw_store_warning": [_u64, _u32, ctypes.POINTER(_text), ctypes.POINTER(_size), _err],
    "kw_store_health_json": [_u64, _options, *_PLACE, _err],
    "kw_metrics_text": [_u64, _u32, *_PLACE, _err],
    "kw_metrics_address": [_u64, *_PLACE, _err],
    "kw_statement_report": [_u64, _u32, _u32, _out, _err],
    "kw_statement_report_reset": [_u64, _err],
    **dict.fromkeys("kw_explain kw_advise".split(), [_u64, _text, _size, _options, _out, _err]),
    "kw_log_open": [_u32, _u32, _out, _err],
    "kw_log_next": [_u64, _i64, ctypes.POINTER(_LogEvent), _err],
    "kw_prepare": [_u64, _text, _size, _options, _out, _err],
    "kw_statement_describe": [_u64, ctypes.POINTER(_StatementInfo), _err],
    "kw_statement_parameter_name": [_u64, _u32, ctypes.POINTER(_text), ctypes.POINTER(_size), _err],
    "kw_execute_script": [_u64, _text, _size, _options, _result, _err],
    "kw_tx_begin": [_u64, _i32, _options, _out, _err],
    "kw_conn_acquire": [_u64, _options, _out, _err],
    "kw_target_derive": [_u64, _options, _out, _err],
    "kw_migrations_new": [_u64, _out, _err],
    "kw_migrations_add": [_u64, ctypes.POINTER(_Migration), _err],
    "kw_migrations_add_file": [_u64, _text, _size, _text, _size, _err],
    "kw_migrations_add_folder": [_u64, _text, _size, _err],
    "kw_migrations_set": [_u64, _text, _size, _text, _size, _err],
    "kw_migrations_count": [_u64, ctypes.POINTER(_size), _err],
    "kw_migrate": [_u64, _i32, ctypes.POINTER(_MigrateOptions), _out, _err],
    "kw_schema_dump": [_u64, _options, *_PLACE, _err],
    "kw_rebuild_table": [
        *(_u64, _text, _size, _text, _size),
        *(ctypes.POINTER(_RebuildColumn), _size, _options, _out, _err),
    ],
    "kw_report_json": [_u64, *_PLACE, _err],
    "kw_python_settings": [_u64, _pointer],
}


def _load() -> Tuple[ctypes.CDLL, str]:
    tried = []
    for place, why in _search.candidates():
        try:
            return ctypes.CDLL(place), place
        except OSError as error:
            tried.append(f"{place} ({why}): {error}")
            if why == _search.VARIABLE:
                raise ImportError(f"keepwell: {_search.VARIABLE} names a library that cannot be loaded: {error}") from None
    _search.not_found(tried)


def _check(library: ctypes.CDLL, place: str) -> Dict[str, Any]:
    """Compares the library's own description with what this file takes for granted."""
    try:
        describe = library.kw_abi_describe
    except AttributeError:
        raise ImportError(f"keepwell: {place} is no keepwell library: it has no kw_abi_describe") from None
    describe.restype = _text
    about: Dict[str, Any] = json.loads(describe())
    wrong = [f"the function {name} is missing" for name in (*_FUNCTIONS, "kw_python_call") if not hasattr(library, name)]
    for name, struct in _STRUCTS.items():
        theirs = about["structs"].get(name, {})
        if theirs.get("size") != ctypes.sizeof(struct):
            wrong.append(f"{name} has {theirs.get('size')} bytes, not {ctypes.sizeof(struct)}")
        for field in struct._fields_:
            offset = getattr(struct, field[0]).offset
            if theirs.get("offsets", {}).get(field[0]) != offset:
                wrong.append(f"{name}.{field[0]} is at {theirs.get('offsets', {}).get(field[0])}, not {offset}")
    for number, kind in KINDS.items():
        if about["statuses"].get(kind.name) != number:
            wrong.append(f"{kind.name} is {about['statuses'].get(kind.name)}, not {number}")
    if wrong:
        raise ImportError(
            f"keepwell: the library {place} (version {about.get('version')}) does not fit this package; use the two of one release: "
            + "; ".join(wrong[:5])
        )
    return about


_library, PATH = _load()
ABOUT = _check(_library, PATH)
VERSION: str = ABOUT["version"]

for _name, _arguments in _FUNCTIONS.items():
    _function = getattr(_library, _name)
    _function.argtypes, _function.restype = _arguments, _i32


# --- signals: Ctrl-C while a call waits or runs long ---

_interrupts: List[BaseException] = []


def _tick_forever(levels: int) -> Generator[int, Any, None]:
    """Runs on the main thread about every 20 ms during a long call, so that Python's signal handlers run in between; 1 ends the call.

    A generator resumes inside its ``try``; a function would be interrupted before it could enter one. A handler that raises while
    the exception of another one is noted here would still end the generator, so there are others around it.
    """
    while True:
        try:
            if levels:
                yield from _tick_forever(levels - 1)
            while True:
                yield 1 if _interrupts else 0
        except BaseException as error:  # whatever a signal handler raises; raised again when the call returns
            _interrupts.append(error)


#: As many signals at the same moment, each with a handler that raises, are survived.
_LEVELS = 8
_ticks: Any = _tick_forever(_LEVELS)
next(_ticks)
_tick = ctypes.CFUNCTYPE(_i32, _pointer)(_ticks.send)
_TICK = ctypes.cast(_tick, _pointer).value or 0
_main_thread = 0


def _settle_threads() -> None:
    """Tells the library which thread Python runs signal handlers in; again in a forked child."""
    global _main_thread
    _main_thread = threading.main_thread().ident or threading.get_ident()
    _library.kw_python_settings(_main_thread, _TICK)


_settle_threads()
getattr(os, "register_at_fork", lambda **_: None)(after_in_child=_settle_threads)


def raise_interrupt() -> None:
    """Raises what a signal handler raised during the call that has just returned."""
    if _interrupts and threading.get_ident() == _main_thread:
        raise _interrupts.pop(0)


# --- calls ---


#: A place for a handle that exists before the call that makes it; ``.value`` is 0 until then.
Handle: Any = _u64


def _new_error() -> Any:
    return _Error(struct_size=ctypes.sizeof(_Error))


def _new_options(timeout_us: int, flags: int, cancel: int) -> Any:
    ticks = threading.get_ident() == _main_thread and not _ticks.gi_running
    return _Options(
        struct_size=ctypes.sizeof(_Options), flags=flags, timeout_us=timeout_us, cancel=cancel, tick=_TICK if ticks else None
    )


def _done(status: int, error: Any) -> None:
    """Raises for a call that failed or was interrupted."""
    raise_interrupt()
    if status:
        raise make_error(
            error.code or status,
            error.message.decode("utf-8", "replace"),
            error.engine_code,
            error.engine_extended_code,
            error.sql_offset,
            error.flags,
            error.sqlstate.decode("ascii", "replace"),
        )


def _handle(make: Any) -> int:
    handle, error = _u64(), _new_error()
    _done(make(handle, error), error)
    return handle.value


def _copied(room: int, copy: Callable[..., int]) -> str:
    """A text that the library copies out: into a larger buffer when it is longer than ``room``."""
    length, error = _size(), _new_error()
    while True:
        buffer = ctypes.create_string_buffer(room)
        _done(copy(buffer, room, length, error), error)
        if length.value < room:
            return buffer.raw[: length.value].decode("utf-8", "replace")
        room = length.value + 1


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _with_config(steps: Any, use: Callable[[int, Any], int]) -> None:
    error, config = _new_error(), _u64()
    _done(_library.kw_config_new(config, error), error)
    try:
        for what, first, second in steps:
            a, b = _utf8(first), _utf8(second)
            if what == "set":
                _done(_library.kw_config_set(config, a, len(a), b, len(b), error), error)
            elif what == "file":
                _done(_library.kw_config_load_file(config, a, len(a), error), error)
            else:
                _done(_library.kw_config_load_uri(config, a, len(a), error), error)
        _done(use(config.value, error), error)
    finally:
        _library.kw_config_free(config)


def initialize(steps: Any) -> None:
    """Opens the process-wide store."""
    _with_config(steps, lambda config, error: int(_library.kw_initialize(config, error)))


def open_store(steps: Any, owner: Any) -> None:
    """Opens a store. Its handle is in ``owner``, a :data:`Handle`, before any signal can come in between. (So below.)"""
    _with_config(steps, lambda config, error: int(_library.kw_open(config, owner, error)))


def instance() -> int:
    """A handle of the process-wide store."""
    return _handle(_library.kw_instance)


def close_store(store: int, drain_us: int) -> None:
    """Closes a store."""
    error = _new_error()
    _done(_library.kw_store_close(store, drain_us, error), error)


def store_config(store: int, key: str) -> str:
    """The text of one key of the configuration of a store."""
    name = _utf8(key)
    return _copied(256, lambda *place: int(_library.kw_store_config(store, name, len(name), *place)))


def stats(store: int) -> Dict[str, int]:
    """The numbers of a store's pool."""
    found, error = _Stats(struct_size=ctypes.sizeof(_Stats)), _new_error()
    _done(_library.kw_store_stats(store, found, error), error)
    return {name: getattr(found, name) for name in _COUNTS + _TOTALS}


def cache_stats(store: int) -> Dict[str, Any]:
    """The numbers of a store's cache of results."""
    found, error = _CacheStats(struct_size=ctypes.sizeof(_CacheStats)), _new_error()
    _done(_library.kw_store_cache_stats(store, found, error), error)
    bypasses = {reason: getattr(found, f"bypass_{reason}") for reason in _BYPASSES}
    asked = found.hits + found.misses + sum(bypasses.values())
    return {
        "enabled": bool(found.enabled),
        "hits": found.hits,
        "misses": found.misses,
        "bypasses": bypasses,
        **{name: getattr(found, name) for name in _CACHE_COUNTS},
        "hit_ratio": found.hits / asked if asked else 0.0,
    }


def cache_clear(store: int) -> None:
    """Forgets what a store's cache of results holds."""
    error = _new_error()
    _done(_library.kw_store_cache_clear(store, error), error)


def health(store: int, timeout_us: int) -> str:
    """Whether a store can read and write, why not, and what an operator asks first, as JSON."""
    options = _new_options(timeout_us, 0, 0)
    return _copied(1 << 13, lambda *place: int(_library.kw_store_health_json(store, options, *place)))


def warnings(store: int) -> Tuple[str, ...]:
    """What a store has to say that is no error. The list only grows."""
    count, error = _u32(), _new_error()
    _done(_library.kw_store_warning_count(store, count, error), error)
    found = []
    for index in range(count.value):
        text, length = _text(), _size()
        _done(_library.kw_store_warning(store, index, text, length, error), error)
        found.append(ctypes.string_at(text, length.value).decode("utf-8", "replace"))
    return tuple(found)


def prepare(target: int, sql: str) -> int:
    """Prepares a statement."""
    text = _utf8(sql)
    return _handle(lambda out, error: _library.kw_prepare(target, text, len(text), _new_options(0, 0, 0), out, error))


def statement_info(statement: int) -> Tuple[int, int, bool]:
    """How many parameters and columns a statement has, and whether it only reads."""
    found, error = _StatementInfo(struct_size=ctypes.sizeof(_StatementInfo)), _new_error()
    _done(_library.kw_statement_describe(statement, found, error), error)
    return found.parameter_count, found.column_count, bool(found.read_only)


def parameter_names(statement: int, count: int) -> Tuple[Optional[str], ...]:
    """The names of a statement's parameters without their prefix."""
    names = []
    for index in range(count):
        name, length, error = _text(), _size(), _new_error()
        _done(_library.kw_statement_parameter_name(statement, index, name, length, error), error)
        names.append(name.value[1 : length.value].decode() if name.value else None)
    return tuple(names)


def execute_script(target: int, sql: str, timeout_us: int, flags: int, cancel: int) -> Tuple[int, int]:
    """Runs a script; the last insert id and the rows affected."""
    found, error, text = _Result(struct_size=ctypes.sizeof(_Result)), _new_error(), _utf8(sql)
    options = _new_options(timeout_us, flags, cancel)
    _done(_library.kw_execute_script(target, text, len(text), options, found, error), error)
    return found.last_insert_id, found.rows_affected


def begin(target: int, mode: int, timeout_us: int, flags: int, cancel: int, owner: Any) -> None:
    """Begins a transaction, or a savepoint inside one."""
    error = _new_error()
    _done(_library.kw_tx_begin(target, mode, _new_options(timeout_us, flags, cancel), owner, error), error)


def commit(tx: int) -> None:
    """Commits."""
    error = _new_error()
    _done(_library.kw_tx_commit(tx, error), error)


def rollback(tx: int) -> None:
    """Rolls back."""
    error = _new_error()
    _done(_library.kw_tx_rollback(tx, error), error)


def acquire(store: int, timeout_us: int, flags: int, cancel: int, owner: Any) -> None:
    """Pins a connection."""
    error = _new_error()
    _done(_library.kw_conn_acquire(store, _new_options(timeout_us, flags, cancel), owner, error), error)


def derive(target: int, timeout_us: int, flags: int, cancel: int, cache: int, cache_ttl_ms: int) -> int:
    """The target with default options attached."""
    derived, error = _u64(), _new_error()
    options = _Options(struct_size=ctypes.sizeof(_Options), flags=flags, timeout_us=timeout_us, cancel=cancel)
    options.cache, options.cache_ttl_ms = cache, cache_ttl_ms
    _done(_library.kw_target_derive(target, options, derived, error), error)
    return derived.value


def new_cancel() -> int:
    """A cancel token."""
    return _handle(_library.kw_cancel_new)


# --- what a store tells of itself ---


def metrics_text(store: int, form: int) -> str:
    """All metrics of a store; ``form`` is the number of ``KW_METRICS_…``."""
    return _copied(1 << 16, lambda *place: int(_library.kw_metrics_text(store, form, *place)))


def metrics_address(store: int) -> str:
    """Where a store serves its metrics; empty where it does not."""
    return _copied(256, lambda *place: int(_library.kw_metrics_address(store, *place)))


def statement_report(store: int, order: int, limit: int, owner: Any) -> None:
    """Opens rows with the costs of statements; ``order`` is the number of ``KW_BY_…``."""
    error = _new_error()
    _done(_library.kw_statement_report(store, order, limit, owner, error), error)


def reset_statement_report(store: int) -> None:
    """Begins the report of statements anew."""
    error = _new_error()
    _done(_library.kw_statement_report_reset(store, error), error)


def explain(store: int, sql: str, timeout_us: int, cancel: int, owner: Any) -> None:
    """Opens rows with the plan of a statement."""
    error, text = _new_error(), _utf8(sql)
    _done(_library.kw_explain(store, text, len(text), _new_options(timeout_us, 0, cancel), owner, error), error)


def advise(store: int, sql: str, timeout_us: int, cancel: int, owner: Any) -> None:
    """Opens rows with indexes that would help a statement."""
    error, text = _new_error(), _utf8(sql)
    _done(_library.kw_advise(store, text, len(text), _new_options(timeout_us, 0, cancel), owner, error), error)


# --- the log ---

#: An event: level (a number of ``KW_LOG_…``), microseconds since 1970, events lost before it; target, message, fields (a JSON object).
LogEvent = Tuple[int, int, int, str, str, str]
_ROW, _NONE = 100, 101


def open_log(level: int, capacity: int) -> int:
    """Opens a view of the log."""
    return _handle(lambda out, error: _library.kw_log_open(level, capacity, out, error))


def next_log_event(log: int, timeout_us: int) -> Optional[LogEvent]:
    """The next event of a view, which one thread at a time asks for; ``None`` when none came in time, or the view was closed."""
    found, error = _LogEvent(struct_size=ctypes.sizeof(_LogEvent)), _new_error()
    status = _library.kw_log_next(log, timeout_us, found, error)
    if status == _NONE:
        return None
    if status != _ROW:
        _done(status, error)
    texts = [ctypes.string_at(getattr(found, name), getattr(found, f"{name}_len")) for name in ("target", "message", "fields")]
    target, message, fields = [text.decode("utf-8", "replace") for text in texts]
    return found.level, found.time_us, found.dropped, target, message, fields


# --- migrations ---


def new_migrations(store: int, owner: Any) -> None:
    """Makes an empty set of migrations."""
    error = _new_error()
    _done(_library.kw_migrations_new(store, owner, error), error)


def add_migration(migrations: int, version: int, description: str, up: str, down: Optional[str]) -> None:
    """Adds a migration of the program's own; ``description`` has no NUL."""
    texts = (_utf8(description), _utf8(up), None if down is None else _utf8(down))
    raw = _Migration(ctypes.sizeof(_Migration), 0, version, texts[0], texts[1], len(texts[1]), texts[2], len(texts[2] or b""))
    error = _new_error()
    _done(_library.kw_migrations_add(migrations, raw, error), error)


def add_migration_file(migrations: int, name: str, content: bytes) -> None:
    """Adds a file that the program has in memory."""
    text, error = _utf8(name), _new_error()
    _done(_library.kw_migrations_add_file(migrations, text, len(text), content, len(content), error), error)


def add_migration_folder(migrations: int, path: str) -> None:
    """Takes the migrations of a folder."""
    text, error = _utf8(path), _new_error()
    _done(_library.kw_migrations_add_folder(migrations, text, len(text), error), error)


def set_migrations(migrations: int, key: str, value: str) -> None:
    """Sets a policy, or the format."""
    a, b, error = _utf8(key), _utf8(value), _new_error()
    _done(_library.kw_migrations_set(migrations, a, len(a), b, len(b), error), error)


def count_migrations(migrations: int) -> int:
    """Reads the migrations; how many there are."""
    count, error = _size(), _new_error()
    _done(_library.kw_migrations_count(migrations, count, error), error)
    return count.value


#: What a progress function is told: phase, direction, six numbers as in ``kw_migrate_event``, and its texts.
Event = Tuple[int, int, Tuple[int, ...], Tuple[str, str, str]]


def _event(raw: Any) -> Event:
    texts = [ctypes.string_at(getattr(raw, name) or b"", getattr(raw, f"{name}_len")) for name in ("description", "file", "sql")]
    description, file, sql = [text.decode("utf-8", "replace") for text in texts]
    numbers = (raw.version, raw.index, raw.total, raw.statement, raw.offset, raw.length, raw.rows_changed)
    return raw.phase, raw.direction, numbers, (description, file, sql)


def _listen(hear: Callable[[Event], bool], raised: List[BaseException], levels: int) -> Generator[int, Any, None]:
    """Takes pointers to events and gives 1 to end the run. A generator for the reason that :func:`_tick_forever` is one: a signal handler
    may raise as soon as Python runs, and ctypes loses what leaves its callback.
    """
    stop = False
    while True:
        try:
            if levels:
                yield from _listen(hear, raised, levels - 1)
            while True:
                event = yield 1 if stop or raised else 0
                stop = not hear(_event(event.contents))
        except GeneratorExit:
            return
        except BaseException as error:  # of the progress function, or of a signal handler; raised again when the call returns
            raised.append(error)


#: The event alone: that a context follows need not concern a C function that leaves its arguments to the caller.
_Progress = ctypes.CFUNCTYPE(_i32, ctypes.POINTER(_MigrateEvent))


def migrate(
    migrations: int,
    operation: int,
    version: Optional[int],
    steps: Optional[int],
    hear: Optional[Callable[[Event], bool]],
    timeout_us: int,
    cancel: int,
) -> str:
    """Does an operation; its report as JSON. ``hear`` is told what happens and says whether to go on."""
    options = _MigrateOptions(struct_size=ctypes.sizeof(_MigrateOptions), call=ctypes.pointer(_new_options(timeout_us, 0, cancel)))
    if version is not None:
        options.flags, options.version = options.flags | 1, version
    if steps is not None:
        options.flags, options.steps = options.flags | 2, steps
    raised: List[BaseException] = []
    if hear:
        listener: Any = _listen(hear, raised, _LEVELS)
        next(listener)
        callback = _Progress(listener.send)
        options.progress = ctypes.cast(callback, _pointer)

    def run(report: Any, error: Any) -> int:
        status = int(_library.kw_migrate(migrations, operation, options, report, error))
        if raised:
            raise raised[0]
        return status

    return _report(run)


def rebuild_table(store: int, table: str, definition: str, columns: List[Tuple[str, str]], timeout_us: int, cancel: int) -> str:
    """Makes a table anew; the report as JSON. The texts in ``columns`` have no NUL."""
    name, sql, options = _utf8(table), _utf8(definition), _new_options(timeout_us, 0, cancel)
    raw = (_RebuildColumn * len(columns))(*[_RebuildColumn(_utf8(column), _utf8(expression)) for column, expression in columns])
    texts = (name, len(name), sql, len(sql), raw, len(columns))
    return _report(lambda report, error: int(_library.kw_rebuild_table(store, *texts, options, report, error)))


def _report(make: Callable[[Any, Any], int]) -> str:
    """The JSON form of the report that ``make`` gives; the report itself is freed."""
    report, error = _u64(), _new_error()
    try:
        _done(make(report, error), error)
        return _copied(1 << 14, lambda *place: int(_library.kw_report_json(report, *place)))
    finally:
        if report.value:
            _library.kw_report_free(report)


def schema_dump(store: int, timeout_us: int, cancel: int) -> str:
    """The schema as SQL."""
    options = _new_options(timeout_us, 0, cancel)
    return _copied(1 << 14, lambda *place: int(_library.kw_schema_dump(store, options, *place)))


_End = Callable[[int], int]
#: Functions of one handle that return a status which only says whether there was anything to do.
release: _End = _library.kw_conn_release
free_target: _End = _library.kw_target_free
close_statement: _End = _library.kw_statement_close
close_rows: _End = _library.kw_rows_close
free_migrations: _End = _library.kw_migrations_free
close_log: _End = _library.kw_log_close
trigger: _End = _library.kw_cancel_trigger
reset: _End = _library.kw_cancel_reset
free_cancel: _End = _library.kw_cancel_free

# --- the two roads ---

#: The portable road: runs the request in marshalled bytes; what comes out is in the block that the request names. Without declared
#: argument types ctypes passes ``bytes`` as a pointer with the least ado.
call: Callable[[bytes], int] = _library["kw_python_call"]


#: What precedes the result in a block, in 64-bit numbers: the size of the room behind it, the ids of the column names that the library
#: need not send again, and the handle of rows that nobody owns yet.
_REST = 1 + 16
_HEADER = _REST + 1


class Block:
    """Memory that the library writes a result into."""

    __slots__ = ("memory", "room", "address", "view", "names", "_close")

    def __init__(self, room: int) -> None:
        self.room = room
        self._close = close_rows
        self.memory = (ctypes.c_uint64 * (_HEADER + (room + 7) // 8))()
        self.memory[0] = room
        self.address = ctypes.addressof(self.memory)
        #: The room for results; what follows one in it is of no meaning.
        self.view = memoryview(self.memory).cast("B")[8 * _HEADER :]
        #: The column names behind the ids.
        self.names: List[Tuple[str, ...]] = [()] * 16

    def disown(self) -> int:
        """Says that somebody else closes the rest of the result from now on; its handle."""
        rest = self.memory[_REST]
        self.memory[_REST] = 0
        return rest

    def adopt(self, rest: int) -> None:
        """Takes over what another block has disowned."""
        self.memory[_REST] = rest

    def __del__(self) -> None:
        if self.memory[_REST]:
            self._close(self.memory[_REST])


def native(namespace: Dict[str, Any]) -> bool:
    """Lets the library put its builtins into ``namespace``; ``False`` in an interpreter that they cannot serve."""
    if sys.implementation.name != "cpython" or not hasattr(_library, "kw_python_module"):
        return False
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return False
    function = ctypes.PyDLL(PATH).kw_python_module
    function.argtypes, function.restype = [ctypes.py_object], _i32
    return int(function(namespace)) == 0
