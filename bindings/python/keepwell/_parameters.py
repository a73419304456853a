"""Parameters that are no plain tuple, list or dict, and the complaints about those that cannot be one at all.

Both roads call these functions when something is unusual; the usual case never comes here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Dict, NoReturn, Tuple, Union

from ._errors import EncodingError, ParameterError, ParameterOverflowError, ParameterTypeError, own_error

#: What the engine can store.
SqlValue = Union[None, int, float, str, bytes]
#: What may be given as a parameter.
Parameter = Union[None, int, float, str, bytes, bytearray, memoryview]
#: The parameters of one statement: in order, or by name with or without the prefix ``:``, ``@`` or ``$``.
Parameters = Union["Sequence[Parameter]", "Mapping[str, Parameter]"]
#: The place of a parameter: its index from 0, its name, or the indices of its row and its own.
Place = Union[int, str, Tuple[int, int]]

_CURES = {
    "datetime.datetime": "pass value.isoformat(' ') or value.timestamp()",
    "datetime.date": "pass value.isoformat()",
    "datetime.time": "pass value.isoformat()",
    "datetime.timedelta": "pass value.total_seconds()",
    "decimal.Decimal": "pass str(value), or a scaled int",
    "fractions.Fraction": "pass float(value) or str(value)",
    "uuid.UUID": "pass str(value) or value.bytes",
    "builtins.dict": "pass json.dumps(value)",
    "builtins.list": "pass json.dumps(value), or one parameter per item",
    "builtins.tuple": "pass json.dumps(value), or one parameter per item",
    "builtins.set": "pass json.dumps(sorted(value)), or one parameter per item",
    "builtins.frozenset": "pass json.dumps(sorted(value)), or one parameter per item",
    "builtins.complex": "pass value.real and value.imag",
    "array.array": "pass value.tobytes()",
}


def shape_parameters(params: Any) -> Union[Tuple[Any, ...], Dict[Any, Any]]:
    """Any sequence as a tuple, any mapping as a dict."""
    if isinstance(params, Mapping):
        return dict(params)
    if isinstance(params, (str, bytes, bytearray, memoryview)) or not _is_sequence(params):
        kind = type(params).__name__
        raise own_error(
            ParameterTypeError,
            8,
            f"parameters are a sequence (tuple, list) or a mapping, not {kind}: write (value,) for a single one",
            "07001",
        )
    return tuple(params)


def _is_sequence(params: Any) -> bool:
    """Also a class of the user's own that only acts like a sequence, but no set, whose order means nothing."""
    return isinstance(params, Sequence) or (hasattr(params, "__getitem__") and hasattr(params, "__len__"))


def bad_parameter(place: Place, value: Any) -> NoReturn:
    """Raises the error for a value that cannot be a parameter."""
    where = _where(place)
    if isinstance(value, str):
        raise own_error(
            EncodingError,
            25,
            f"{where}: the str has lone surrogates and so no UTF-8 form ({_shortened(value)}); "
            "encode it to bytes, or with errors='replace'",
            "22021",
        )
    if isinstance(value, int):
        raise own_error(
            ParameterOverflowError,
            8,
            f"{where}: the int {_digits(value)} does not fit into 64 bits; pass str(value) or float(value)",
            "22003",
        )
    raise own_error(
        ParameterTypeError,
        8,
        f"{where}: {_type_name(value)} has no counterpart in the database; {_cure(value)}",
        "07006",
    )


def bad_name(name: Any) -> NoReturn:
    """Raises the error for a key that is no name of a parameter."""
    if isinstance(name, str):
        raise own_error(EncodingError, 25, f"the name {ascii(name)} has lone surrogates and so no UTF-8 form", "22021")
    raise own_error(ParameterTypeError, 8, f"names of parameters are str, not {_type_name(name)} ({name!r})", "07001")


def bad_row(row: Tuple[Any, ...], index: int, expected: int) -> NoReturn:
    """Raises the error for a row of ``execute_many`` that is not as long as the first."""
    raise own_error(
        ParameterError, 8, f"execute_many: row {index} has {len(row)} parameters, the first row has {expected}", "07001"
    )


def bad_keys(row: Any, index: int, names: Sequence[Any]) -> NoReturn:
    """Raises the error for a row of ``execute_many`` that has not exactly the statement's names."""
    has = ", ".join(map(str, row)) if isinstance(row, Mapping) else type(row).__name__
    wanted = ", ".join("?" if name is None else name for name in names)
    raise own_error(ParameterError, 8, f"execute_many: row {index} has ({has}), the statement's parameters are ({wanted})", "07001")


def bad_text(column: int, data: bytes) -> NoReturn:
    """Raises the error for text in a result that is no UTF-8."""
    raise own_error(
        EncodingError,
        25,
        f"result: the text in column {column} is no UTF-8 ({data[:32]!r}); read it with CAST(… AS BLOB)",
        "22021",
    )


def bad_argument(name: str, value: Any) -> NoReturn:
    """Raises the error for an argument other than the parameters."""
    wanted = {
        "sql": "a str or a Statement",
        "timeout": "None or a number of seconds, 0 or more (math.inf: no limit)",
        "cache": "None, True, False, 'refresh', or a number of seconds that is more than 0 and finite",
        "cancel": "None or a CancelToken that is not closed",
    }[name]
    if name == "sql" and isinstance(value, str):
        raise own_error(EncodingError, 25, f"sql: the str has lone surrogates and so no UTF-8 form ({_shortened(value)})", "22021")
    if isinstance(value, (int, float)) and name in ("timeout", "cache") or isinstance(value, str) and name == "cache":
        raise ValueError(f"{name}: {wanted}, not {value!r}")
    raise TypeError(f"{name}: {wanted}, not {_type_name(value)}")


def bad_keyword(name: str) -> NoReturn:
    """Raises the error for a keyword argument that does not exist, or was given twice."""
    raise TypeError(f"unexpected keyword argument {name!r}; there are params, timeout, read_only, cache and cancel")


def describe_rows(columns: Sequence[str], rows: Sequence[Any]) -> str:
    """The ``repr()`` of a result: its size, its columns, and its first rows."""
    first = ", ".join(map(repr, rows[:3]))
    return f"<keepwell.Rows: {len(rows)} x ({', '.join(columns)}): {first}{', …' if len(rows) > 3 else ''}>"


def _where(place: Place) -> str:
    if isinstance(place, tuple):
        return f"row {place[0]}, parameter {place[1] + 1}"
    return f"parameter {place + 1}" if isinstance(place, int) else f"parameter {place!r}"


def _type_name(value: Any) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _cure(value: Any) -> str:
    for kind in type(value).__mro__:
        cure = _CURES.get(f"{kind.__module__}.{kind.__qualname__}")
        if cure:
            return cure
    if hasattr(value, "__fspath__"):
        return "pass os.fspath(value)"
    if hasattr(value, "item") and hasattr(value, "dtype"):
        return "pass value.item()"
    if hasattr(type(value), "__members__"):
        return "pass value.value"
    return "pass None, an int, float, str or bytes"


def _digits(value: int) -> str:
    return str(value) if value.bit_length() < 256 else f"of {value.bit_length()} bits"


def _shortened(text: str) -> str:
    return ascii(text if len(text) <= 40 else text[:40] + "…")
