"""The portable road: requests and results as marshalled bytes, for interpreters that the library cannot serve directly.

Its classes are also the public face for type checkers: the native road's have the same members.
"""

from __future__ import annotations

import marshal
import math
import sys
from typing import Any, Iterable, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union, overload

from . import _library
from ._errors import ParameterTypeError, make_error, own_error
from ._handles import CancelToken, Statement
from ._parameters import Parameters, bad_argument, bad_text, describe_rows, shape_parameters
from ._plain import plain_matrix, plain_name, plain_value

#: One row of a result.
Row = Tuple[Any, ...]
#: What a query wants of the cache of results: the store's own way, yes, no, ``"refresh"``, or yes for so many seconds.
CacheUse = Union[None, bool, float, str]

_QUERY, _EXECUTE, _EXECUTE_MANY, _OPEN, _NEXT, _LEFT = range(6)
_REFUSED, _BAD_TEXT, _INTERRUPTED, _LEFT_FOR_YOU = -1, -2, -3, -4
_READ_ONLY, _CONFIRMED = 1, 1 << 16
_ROOM = 1 << 17
_LONGEST = float((1 << 63) - 1024)
_CACHE_DEFAULT, _CACHE_USE, _CACHE_SKIP, _CACHE_REFRESH = range(4)

_call = _library.call
dumps: Any = marshal.dumps
loads: Any = marshal.loads
_new = object.__new__
_free: List[_library.Block] = []


class Result(NamedTuple):
    """What a statement changed."""

    #: The key of the row inserted last; 0 if none was.
    last_insert_id: int
    #: Rows inserted, updated or deleted by the statement itself.
    rows_affected: int


class Rows(Sequence[Row]):
    """A finished result: a sequence of rows, each a tuple. It holds no connection."""

    __slots__ = ("_rows", "columns", "from_cache")

    #: The names of the columns, in order.
    columns: Tuple[str, ...]
    #: Whether no statement was run for this result.
    from_cache: bool

    def __init__(self, columns: Iterable[str], rows: Iterable[Row]) -> None:
        self.columns = tuple(columns)
        self.from_cache = False
        self._rows = rows if type(rows) is list else list(rows)

    def __len__(self) -> int:
        return len(self._rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...

    @overload
    def __getitem__(self, index: slice) -> List[Row]: ...

    def __getitem__(self, index: Union[int, slice]) -> Union[Row, List[Row]]:
        return self._rows[index]

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Rows):
            return self._rows == other._rows
        return self._rows == other if isinstance(other, list) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return describe_rows(self.columns, self._rows)

    def __reduce__(self) -> Tuple[Any, ...]:
        return (Rows, (self.columns, self._rows))


class Target:
    """Where SQL runs: the base of stores, transactions and pinned connections."""

    __slots__ = ("_handle",)

    _handle: int

    def __new__(cls, handle: int, *_: Any, **__: Any) -> Any:
        self = super().__new__(cls)
        self._handle = handle
        return self

    def query(
        self,
        sql: Union[str, Statement],
        params: Optional[Parameters] = (),
        *,
        timeout: Optional[float] = None,
        read_only: bool = False,
        cache: CacheUse = None,
        cancel: Optional[CancelToken] = None,
    ) -> Rows:
        """Runs one statement and returns its rows.

        ``params`` is a sequence for ``?`` or a mapping for ``:name``. ``timeout`` is in seconds and covers waiting and running;
        ``None`` is the store's default, ``math.inf`` none. With ``read_only`` the engine refuses every write. ``cancel`` ends the
        call from another thread.

        ``cache`` says whether the rows may be those of an earlier call, as long as nobody has changed what they rest on: ``True``, or
        a number of seconds that they may serve at most; ``False`` for not at all, ``"refresh"`` to run the statement and replace what
        is kept, ``None`` for what the configuration says. In a transaction it has no effect.
        """
        # The usual case in this one frame: it is the road's most frequent path.
        if timeout is None and cancel is None and cache is None and not read_only and type(params) is tuple:
            try:
                block = _free.pop()
            except IndexError:
                block = _library.Block(_ROOM)
            try:
                status = _call(dumps((block.address, 0, self._handle, sql, params), 2))
            except ValueError:  # something that cannot be marshalled
                status = _REFUSED
            if status:
                block = _retry(status, block, _QUERY, self._handle, _command(sql), params, None, ())
            slot, columns, cached, rows, more = loads(block.view)
            if columns is None:
                columns = block.names[slot]
            else:
                block.names[slot] = columns
            if more:
                _fetch_all(block, more, rows)
            _give_back(block)
        else:
            rows, columns, cached = self._rows_of(sql, params, timeout, read_only, cache, cancel)
        result = _new(Rows)
        result.columns = columns
        result.from_cache = cached == 1
        result._rows = rows
        return result

    def query_one(
        self,
        sql: Union[str, Statement],
        params: Optional[Parameters] = (),
        *,
        timeout: Optional[float] = None,
        read_only: bool = False,
        cache: CacheUse = None,
        cancel: Optional[CancelToken] = None,
    ) -> Optional[Row]:
        """Runs one statement and returns its first row, or ``None``. See :meth:`query`."""
        rows, _, _ = self._rows_of(sql, params, timeout, read_only, cache, cancel)
        return rows[0] if rows else None

    def query_value(
        self,
        sql: Union[str, Statement],
        params: Optional[Parameters] = (),
        *,
        timeout: Optional[float] = None,
        read_only: bool = False,
        cache: CacheUse = None,
        cancel: Optional[CancelToken] = None,
    ) -> Any:
        """Runs one statement and returns the first value of its first row, or ``None``. See :meth:`query`."""
        rows, _, _ = self._rows_of(sql, params, timeout, read_only, cache, cancel)
        return rows[0][0] if rows and rows[0] else None

    def execute(
        self,
        sql: Union[str, Statement],
        params: Optional[Parameters] = (),
        *,
        timeout: Optional[float] = None,
        read_only: bool = False,
        cache: CacheUse = None,
        cancel: Optional[CancelToken] = None,
    ) -> Result:
        """Runs one statement for its effect. On a store it is durable, to the degree configured, when this returns."""
        plain = timeout is None and cancel is None and cache is None and not read_only
        options = () if plain else _options(timeout, read_only, cache, cancel)
        block = _run(_EXECUTE, self._handle, sql, params, options)
        reply = loads(block.view)
        _give_back(block)
        return Result(*reply)

    def _execute_many(self, sql: Union[str, Statement], rows: Sequence[Any], options: Tuple[int, ...]) -> Result:
        block = _answer(_EXECUTE_MANY, self._handle, _command(sql), rows, None, options)
        reply = loads(block.view)
        _give_back(block)
        return Result(*reply)

    def _open_rows(
        self, sql: Union[str, Statement], params: Optional[Parameters], batch_rows: int, options: Tuple[int, ...], owner: Any
    ) -> Tuple[Tuple[str, ...], List[Row], bool]:
        """A result that is read bit by bit: the column names, the first rows, and whether they are from the cache. The handle of the rest
        is in ``owner._handle`` then.
        """
        block = _run(_OPEN, self._handle, sql, params, (*(options or _NO_OPTIONS), batch_rows))
        slot, names, cached, rows, more = loads(block.view)
        names = _names(block, slot, names)
        owner._handle = more
        block.disown()
        _give_back(block)
        return names, rows, cached == 1

    def _rows_of(
        self,
        sql: Union[str, Statement],
        params: Optional[Parameters],
        timeout: Optional[float],
        read_only: bool,
        cache: CacheUse,
        cancel: Optional[CancelToken],
    ) -> Tuple[List[Row], Tuple[str, ...], int]:
        plain = timeout is None and cancel is None and cache is None and not read_only
        block = _run(_QUERY, self._handle, sql, params, () if plain else _options(timeout, read_only, cache, cancel))
        slot, names, cached, rows, more = loads(block.view)
        names = _names(block, slot, names)
        if more:
            _fetch_all(block, more, rows)
        _give_back(block)
        return rows, names, cached


_NO_OPTIONS = (0, 0, 0, 0, 0)


def _fetch_all(block: _library.Block, handle: int, rows: List[Row]) -> None:
    """Appends the rest of a result whose handle ``block`` owns; when this fails, so does the block's owner, and it closes the rest."""
    while handle:
        handle, further = fetch_rows(handle)
        rows += further
    block.disown()


def fetch_rows(handle: int) -> Tuple[int, List[Row]]:
    """The next rows of a result; its handle, or 0 at the end."""
    room = 0
    while True:
        block = _answer(_NEXT, handle, "", (), None, (), room)
        _, _, room, rows, more = loads(block.view)
        _give_back(block)
        if not room:
            return more, rows


def _names(block: _library.Block, slot: int, names: Optional[Tuple[str, ...]]) -> Tuple[str, ...]:
    if names is not None:
        block.names[slot] = names
    return block.names[slot]


def _run(
    operation: int, handle: int, sql: Union[str, Statement], params: Optional[Parameters], options: Tuple[int, ...]
) -> _library.Block:
    values, names = (params, None) if type(params) in (tuple, list) else _shaped(params)
    return _answer(operation, handle, sql if type(sql) is str else _command(sql), values, names, options)


def _shaped(params: Any) -> Tuple[Tuple[Any, ...], Optional[Tuple[Any, ...]]]:
    if params is None:
        return (), None
    shaped = shape_parameters(params)
    return (tuple(shaped.values()), tuple(shaped)) if isinstance(shaped, dict) else (shaped, None)


def _answer(
    operation: int, handle: int, command: Any, values: Any, names: Any, options: Tuple[int, ...], room: int = 0
) -> _library.Block:
    """Sends one request; the block with the reply, which the caller gives back."""
    try:
        block = _free.pop() if room <= _ROOM else _library.Block(room)
    except IndexError:
        block = _library.Block(_ROOM)
    try:
        status = _call(dumps((block.address, operation, handle, command, values, names, options), 2))
    except ValueError:  # something that cannot be marshalled
        status = _REFUSED
    if status:
        return _retry(status, block, operation, handle, command, values, names, options)
    return block


def _retry(
    status: int, block: _library.Block, operation: int, handle: int, command: Any, values: Any, names: Any, options: Tuple[int, ...]
) -> _library.Block:
    """After a call that did not simply succeed: the block that has the reply, or the error."""
    if status == _REFUSED:
        status = _again(block, operation, handle, command, values, names, options)
    if status == _LEFT_FOR_YOU:
        small, block = block, _library.Block(loads(block.view))
        _call(dumps((block.address, _LEFT, 0, "", ()), 2))
        block.adopt(small.disown())
    elif status:
        _fail(status, block)
    return block


def _again(block: _library.Block, operation: int, handle: int, command: Any, values: Any, names: Any, options: Any) -> int:
    """After the library refused a parameter: raises, or sends plain copies of unusual ones (subclasses, buffers)."""
    if isinstance(command, str):
        _encodable(command)
    if operation == _EXECUTE_MANY:
        values = plain_matrix(values)
    else:
        values = tuple([plain_value(names[i] if names else i, value) for i, value in enumerate(values)])
    if names is not None:
        names = tuple([plain_name(name) for name in names])
    timeout_us, flags, *rest = options or _NO_OPTIONS
    confirmed = (timeout_us, flags | _CONFIRMED, *rest)
    return _call(dumps((block.address, operation, handle, command, values, names, confirmed), 2))


def _fail(status: int, block: _library.Block) -> None:
    _library.raise_interrupt()
    if status == _INTERRUPTED:
        return
    if status == _REFUSED:
        raise own_error(ParameterTypeError, 8, "a parameter is of a type that cannot be stored", "07006")
    reply = loads(block.view)
    _give_back(block)
    if status == _BAD_TEXT:
        bad_text(*reply)
    raise make_error(*reply)


def _give_back(block: _library.Block) -> None:
    if block.room == _ROOM:
        _free.append(block)


def _command(sql: Any) -> Union[str, Tuple[int]]:
    if isinstance(sql, str):
        return str.__str__(sql)
    if isinstance(sql, Statement):
        return (sql._handle,)
    bad_argument("sql", sql)


def _encodable(sql: str) -> None:
    try:
        sql.encode()
    except UnicodeEncodeError:
        bad_argument("sql", sql)


def microseconds(timeout: Optional[float]) -> int:
    """A timeout as the library takes it: 0 for the store's own, negative for none."""
    if timeout is None:
        return 0
    if timeout == math.inf:
        return -1
    if not isinstance(timeout, (int, float)) or not 0 <= timeout <= sys.float_info.max:
        bad_argument("timeout", timeout)
    return max(1, int(min(timeout * 1e6, _LONGEST)))


def _options(timeout: Optional[float], read_only: bool, cache: Any, cancel: Optional[CancelToken]) -> Tuple[int, ...]:
    return (microseconds(timeout), _READ_ONLY if read_only else 0, token_handle(cancel), *cache_numbers(cache))


def token_handle(cancel: Optional[CancelToken]) -> int:
    """The handle of a cancel token; 0 for none."""
    if cancel is None:
        return 0
    if not isinstance(cancel, CancelToken):
        bad_argument("cancel", cancel)
    return cancel._handle


def cache_numbers(cache: CacheUse) -> Tuple[int, int]:
    """The number of ``KW_CACHE_…``, and the milliseconds that a result may serve; 0 for the store's own."""
    if cache is None:
        return _CACHE_DEFAULT, 0
    if isinstance(cache, bool):
        return _CACHE_USE if cache else _CACHE_SKIP, 0
    if isinstance(cache, str) and cache == "refresh":
        return _CACHE_REFRESH, 0
    if isinstance(cache, (int, float)) and 0 < cache <= sys.float_info.max:
        return _CACHE_USE, max(1, int(min(cache * 1e3, _LONGEST)))
    bad_argument("cache", cache)
