"""Unusual parameters as the types that ``marshal`` writes: subclasses and buffers become plain values, everything else an error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, List, Sequence, Tuple

from ._errors import ParameterTypeError, own_error
from ._parameters import SqlValue, bad_name, bad_parameter, bad_row, shape_parameters


def plain_value(place: Any, value: Any) -> SqlValue:
    """The value as one of the types that ``marshal`` writes, or the error why it cannot be one."""
    if value is None or isinstance(value, float):
        return None if value is None else float.__float__(value)
    if isinstance(value, int):
        if not -(1 << 63) <= value < 1 << 63:
            bad_parameter(place, value)
        return int.__index__(value)
    if isinstance(value, str):
        text = str.__str__(value)
        try:
            text.encode()
        except UnicodeEncodeError:
            bad_parameter(place, value)
        return text
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    bad_parameter(place, value)


def plain_name(name: Any) -> str:
    """The name as a plain ``str``, or the error why it is none."""
    if not isinstance(name, str):
        bad_name(name)
    try:
        name.encode()
    except UnicodeEncodeError:
        bad_name(name)
    return str.__str__(name)


def plain_matrix(rows: Sequence[Any]) -> Tuple[Tuple[SqlValue, ...], ...]:
    """The rows of ``execute_many`` as tuples of plain values, or the error of the first that cannot be one."""
    plain: List[Tuple[SqlValue, ...]] = []
    for index, row in enumerate(rows):
        shaped = row if isinstance(row, (tuple, list)) else shape_parameters(row)
        if isinstance(shaped, Mapping):
            raise own_error(ParameterTypeError, 8, "execute_many: rows are all sequences or all mappings", "07001")
        if plain and len(shaped) != len(plain[0]):
            bad_row(tuple(shaped), index, len(plain[0]))
        plain.append(tuple([plain_value((index, column), value) for column, value in enumerate(shaped)]))
    return tuple(plain)
