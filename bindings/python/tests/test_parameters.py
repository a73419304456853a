"""Parameters: what is taken, and how everything else is refused."""

from __future__ import annotations

import array
import datetime
import decimal
import enum
import math
import pathlib
import uuid
from collections import OrderedDict, UserDict, UserList, namedtuple
from types import MappingProxyType
from typing import Any

import keepwell
import pytest


class Colour(enum.IntEnum):
    RED = 3


class Name(str, enum.Enum):
    ANNA = "anna"


class Half(float):
    pass


class Raw(bytes):
    pass


@pytest.mark.parametrize(
    ("given", "back"),
    [
        (None, None),
        (0, 0),
        (-1, -1),
        (1 << 31, 1 << 31),
        (-(1 << 31) - 1, -(1 << 31) - 1),
        ((1 << 63) - 1, (1 << 63) - 1),
        (-(1 << 63), -(1 << 63)),
        (True, 1),
        (False, 0),
        (1.5, 1.5),
        (-0.0, -0.0),
        (math.inf, math.inf),
        (math.nan, None),
        ("", ""),
        ("a\0b", "a\0b"),
        ("grün 🌲", "grün 🌲"),
        (b"", b""),
        (b"\0\xff", b"\0\xff"),
        (bytearray(b"xy"), b"xy"),
        (memoryview(b"abcd")[1:3], b"bc"),
        (memoryview(b"abcd")[::2], b"ac"),
        (Colour.RED, 3),
        (Name.ANNA, "anna"),
        (Half(0.5), 0.5),
        (Raw(b"r"), b"r"),
    ],
)
def test_values_come_back(store: keepwell.Store, given: Any, back: Any) -> None:
    for params in ((given,), [given], {"v": given}):
        sql = "SELECT ?" if not isinstance(params, dict) else "SELECT :v"
        value = store.query_value(sql, params)
        assert value == back and type(value) is type(back)
        if back == 0.0 and isinstance(back, float):
            assert math.copysign(1, value) == math.copysign(1, back)


Point = namedtuple("Point", "x y")


class Odd:
    """Acts like a sequence without being one."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> int:
        return (5, 6)[index]


@pytest.mark.parametrize("params", [(5, 6), [5, 6], Point(5, 6), UserList([5, 6]), range(5, 7), array.array("q", [5, 6]), Odd()])
def test_any_sequence_is_positional(store: keepwell.Store, params: Any) -> None:
    assert store.query("SELECT ?, ?", params) == [(5, 6)]


@pytest.mark.parametrize(
    "params",
    [{"a": 5, "b": 6}, {":a": 5, ":b": 6}, OrderedDict(b=6, a=5), UserDict(a=5, b=6), MappingProxyType({"a": 5, "b": 6})],
)
def test_any_mapping_is_named(store: keepwell.Store, params: Any) -> None:
    assert store.query("SELECT :a, :b", params) == [(5, 6)]


def test_no_parameters(store: keepwell.Store) -> None:
    for params in ((), [], {}, None):
        assert store.query("SELECT 1", params) == [(1,)]


def test_many_parameters(store: keepwell.Store) -> None:
    values = tuple(range(500))
    assert store.query("SELECT " + ", ".join("?" * 500), values) == [values]


@pytest.mark.parametrize(
    ("value", "cure"),
    [
        (datetime.datetime(2026, 1, 1), "isoformat"),
        (datetime.date(2026, 1, 1), "isoformat"),
        (datetime.timedelta(1), "total_seconds"),
        (decimal.Decimal("1.1"), "str"),
        (uuid.UUID(int=1), "bytes"),
        (pathlib.Path("x"), "fspath"),
        ([1], "json"),
        ({"a": 1}, "json"),
        ((1, 2), "json"),
        ({1}, "json"),
        (1j, "real"),
        (object(), "pass None"),
        (array.array("b", [1]), "tobytes"),
        (enum.Enum("E", "A").A, "value.value"),  # type: ignore[attr-defined]
        (..., "pass None"),
    ],
)
def test_other_types_are_refused_with_the_cure(store: keepwell.Store, value: Any, cure: str) -> None:
    for params, where in (((1, value), "parameter 2"), ([1, value], "parameter 2"), ({"a": 1, "b": value}, "parameter 'b'")):
        with pytest.raises(keepwell.ParameterTypeError, match=cure) as caught:
            store.query("SELECT 1", params)
        assert isinstance(caught.value, keepwell.ParameterError) and isinstance(caught.value, TypeError)
        assert where in str(caught.value) and type(value).__name__ in str(caught.value)
        assert caught.value.name == "KW_PARAMETER" and caught.value.code == 8


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1, 1 << 1000])
def test_integers_beyond_64_bits_are_refused(store: keepwell.Store, value: int) -> None:
    for params, where in (((value,), "parameter 1"), ({"big": value}, "parameter 'big'")):
        with pytest.raises(keepwell.ParameterOverflowError, match="64 bits") as caught:
            store.query("SELECT ?", params)
        assert isinstance(caught.value, OverflowError) and isinstance(caught.value, keepwell.ParameterError)
        assert where in str(caught.value)


def test_lone_surrogates_are_refused(store: keepwell.Store) -> None:
    for params, where in ((("a", "x\udc00"), "parameter 2"), ({"s": "\ud800"}, "parameter 's'")):
        with pytest.raises(keepwell.EncodingError, match="surrogates") as caught:
            store.query("SELECT ?, ?", params)
        assert isinstance(caught.value, ValueError) and where in str(caught.value)
    with pytest.raises(keepwell.Error):
        store.query("SELECT :a", {"\ud800": 1})


@pytest.mark.parametrize("params", ["abc", b"abc", 5, 1.5, {1, 2}, object(), iter([1])])
def test_what_is_no_sequence_is_refused(store: keepwell.Store, params: Any) -> None:
    with pytest.raises(keepwell.ParameterTypeError, match="sequence"):
        store.query("SELECT ?", params)


def test_names_are_str(store: keepwell.Store) -> None:
    with pytest.raises(keepwell.ParameterTypeError, match="names"):
        store.query("SELECT :a", {1: 2})  # type: ignore[dict-item]


@pytest.mark.parametrize(
    ("sql", "params"),
    [("SELECT ?", ()), ("SELECT ?", (1, 2)), ("SELECT :a", {"b": 1}), ("SELECT :a, :b", {"a": 1}), ("SELECT ?", {"a": 1})],
)
def test_the_number_and_the_names_must_fit(store: keepwell.Store, sql: str, params: Any) -> None:
    with pytest.raises(keepwell.ParameterError):
        store.query(sql, params)


def test_a_raising_sequence_raises_its_own_exception(store: keepwell.Store) -> None:
    class Broken(Odd):
        def __getitem__(self, index: int) -> int:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.query("SELECT ?, ?", Broken())  # type: ignore[arg-type]


class TestExecuteMany:
    @pytest.fixture(autouse=True)
    def table(self, store: keepwell.Store) -> None:
        store.execute("CREATE TABLE t(id INTEGER PRIMARY KEY, v UNIQUE, w)")

    @pytest.mark.parametrize("count", [0, 1, 2, 4095, 4096, 4097, 10_000])
    @pytest.mark.parametrize("make", [list, tuple, iter, lambda rows: (row for row in rows)])
    def test_any_iterable(self, store: keepwell.Store, count: int, make: Any) -> None:
        result = store.execute_many("INSERT INTO t(v, w) VALUES (?, ?)", make([(i, str(i)) for i in range(count)]))
        assert result.rows_affected == count and isinstance(result, keepwell.Result)
        assert result.last_insert_id == count
        assert store.query_value("SELECT count(*) FROM t") == count

    def test_rows_of_many_kinds(self, store: keepwell.Store) -> None:
        rows = [(1, "a"), [2, b"b"], Point(3, None), UserList([4, bytearray(b"d")]), (Colour.RED + 2, Name.ANNA)]
        store.execute_many("INSERT INTO t(v, w) VALUES (?, ?)", rows)
        assert list(store.query("SELECT v, w FROM t ORDER BY v")) == [(1, "a"), (2, b"b"), (3, None), (4, b"d"), (5, "anna")]

    def test_mappings(self, store: keepwell.Store) -> None:
        rows = ({"w": str(i), "v": i} for i in range(5000))
        assert store.execute_many("INSERT INTO t(v, w) VALUES (:v, :w)", rows).rows_affected == 5000
        assert store.query_one("SELECT v, w FROM t WHERE id = 5000") == (4999, "4999")
        store.execute_many("INSERT INTO t(v, w) VALUES ($v, @w)", [{"$v": -1, "@w": None}])
        for bad in ([{"v": 1}], [{"v": 1, "x": 2}], [{"v": -7, "w": 1}, (1, 2)], [{"v": -8, "w": 1}, {"v": 1, "w": 2, "x": 3}]):
            with pytest.raises(keepwell.ParameterError, match="row [01]"):
                store.execute_many("INSERT INTO t(v, w) VALUES (:v, :w)", bad)  # type: ignore[arg-type]

    @pytest.mark.parametrize("count", [10, 9000])
    def test_all_or_nothing(self, store: keepwell.Store, count: int) -> None:
        rows = [(i, None) for i in range(count)] + [(0, None)]
        with pytest.raises(keepwell.ConstraintError):
            store.execute_many("INSERT INTO t(v, w) VALUES (?, ?)", iter(rows))
        assert store.query_value("SELECT count(*) FROM t") == 0

    def test_an_iterator_that_raises_changes_nothing(self, store: keepwell.Store) -> None:
        def rows() -> Any:
            yield from ((i, None) for i in range(10_000))
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            store.execute_many("INSERT INTO t(v, w) VALUES (?, ?)", rows())
        assert store.query_value("SELECT count(*) FROM t") == 0

    def test_bad_rows_are_named(self, store: keepwell.Store) -> None:
        sql = "INSERT INTO t(v, w) VALUES (?, ?)"
        with pytest.raises(keepwell.ParameterTypeError, match="row 1, parameter 2.*Decimal"):
            store.execute_many(sql, [(1, 2), (3, decimal.Decimal(1))])  # type: ignore[list-item]
        with pytest.raises(keepwell.ParameterOverflowError, match="row 0, parameter 1"):
            store.execute_many(sql, [(1 << 64, 2)])
        with pytest.raises(keepwell.ParameterError, match="row 2 has 1"):
            store.execute_many(sql, [(1, 2), (3, 4), (5,)])
        with pytest.raises(keepwell.ParameterError):
            store.execute_many(sql, [(1, 2), "ab"])
        with pytest.raises(TypeError):
            store.execute_many(sql, 5)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="rows"):
            store.execute_many(sql, "ab")
        assert store.query_value("SELECT count(*) FROM t") == 0

    def test_inside_a_transaction_it_is_a_savepoint(self, store: keepwell.Store) -> None:
        with store.transaction() as tx:
            tx.execute("INSERT INTO t(v) VALUES ('first')")
            with pytest.raises(keepwell.ConstraintError):
                tx.execute_many("INSERT INTO t(v) VALUES (?)", [(1,), (2,), (1,)])
            with pytest.raises(keepwell.ConstraintError):
                tx.execute_many("INSERT INTO t(v) VALUES (?)", ((i % 9000,) for i in range(9001)))
            tx.execute_many("INSERT INTO t(v) VALUES (?)", [("last",)])
        assert list(store.query("SELECT v FROM t ORDER BY id")) == [("first",), ("last",)]
