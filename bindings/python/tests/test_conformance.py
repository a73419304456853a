"""The conformance suite of the project, played through the Python face. Its README describes the format."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

import keepwell
import pytest

FOLDER = Path(__file__).resolve().parents[3] / "tests" / "conformance"
FEATURES = {"prepare", "cancel", "derive", "thread_bound"}
KEYS = set(
    "do on as sql statement params named many many_times mode options config times path text count columns rows rows_unordered "
    "row_count first last sums last_insert_id rows_affected from_cache error".split()
)


def cases() -> Iterator[Any]:
    for path in sorted(FOLDER.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            yield pytest.param(case, id=f"{path.stem}: {case['name']}")


def text(form: Any, folder: Path) -> str:
    if isinstance(form, str):
        return form.replace("{dir}", folder.as_posix())
    ((kind, content),) = form.items()
    if kind == "repeat":
        return text(content[0], folder) * content[1]
    if kind == "each":
        pattern, first, last, between = content
        return between.join(pattern.replace("#", str(i)) for i in range(first, last + 1))
    if kind == "join":
        return "".join(text(part, folder) for part in content)
    raise AssertionError(f"unknown text {kind}")


def value(form: Any, folder: Path) -> Any:
    if form is None:
        return None
    ((kind, content),) = form.items()
    if kind == "i":
        return int(content)
    if kind == "r":
        return float(content)
    if kind == "t":
        return text(content, folder)
    if kind == "b":
        return bytes.fromhex(text(content, folder))
    raise AssertionError(f"unknown value {kind}")


def exact(item: Any) -> Tuple[Any, ...]:
    """A value in a form that tells 1, 1.0 and True, and 0.0 and -0.0, apart."""
    if isinstance(item, float):
        return (float, "nan") if math.isnan(item) else (float, struct.pack("<d", item))
    return (type(item), item)


class Found(NamedTuple):
    """The rows that a step gave."""

    columns: Any
    rows: List[Any]
    from_cache: Optional[bool] = None


class Player:
    """Plays the steps of one case."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.things: Dict[str, Any] = {}
        self.configs: Dict[str, Any] = {}

    def open(self, name: str, config: Dict[str, str]) -> None:
        settings = {"datasource": str(self.folder / "case.db"), **{k: text(v, self.folder) for k, v in config.items()}}
        self.configs[name] = settings
        self.things[name] = keepwell.open(settings)

    def close_all(self) -> None:
        for thing in reversed(list(self.things.values())):
            if isinstance(thing, keepwell.Transaction):
                thing.rollback()
            elif isinstance(thing, keepwell.Connection):
                thing.release()
            elif isinstance(thing, (keepwell.Stream, keepwell.Statement, keepwell.Store)):
                thing.close()

    def play(self, step: Dict[str, Any]) -> None:
        assert set(step) <= KEYS, f"unknown keys {set(step) - KEYS}"
        wanted = step.get("error")
        if wanted is None:
            self.check(step, getattr(self, "do_" + step["do"])(step))
            return
        with pytest.raises(keepwell.Error) as caught:
            getattr(self, "do_" + step["do"])(step)
        error = caught.value
        kinds = wanted.get("kind", error.name)
        assert error.name in ([kinds] if isinstance(kinds, str) else kinds), f"{error.name}: {error}"
        for field in ("engine_code", "engine_extended_code", "retryable"):
            if field in wanted:
                assert getattr(error, field) == wanted[field], f"{field}: {error}"
        if "sql_offset" in wanted:
            assert (-1 if error.sql_offset is None else error.sql_offset) == wanted["sql_offset"], str(error)
        for words in wanted.get("message_has", ()):
            assert words.lower() in str(error).lower()

    def check(self, step: Dict[str, Any], found: Any) -> None:
        rows: Optional[List[Any]] = [tuple(map(exact, row)) for row in found.rows] if isinstance(found, Found) else None
        expected = lambda forms: [tuple(exact(value(f, self.folder)) for f in row) for row in forms]  # noqa: E731
        if "columns" in step:
            assert list(found.columns) == step["columns"]
        if "from_cache" in step:
            assert found.from_cache is step["from_cache"]
        if "rows" in step:
            assert rows == expected(step["rows"])
        if "rows_unordered" in step:
            assert sorted(map(repr, rows or ())) == sorted(map(repr, expected(step["rows_unordered"])))
        if "row_count" in step:
            assert len(rows or ()) == step["row_count"]
        if "first" in step:
            assert (rows or [None])[0] == expected([step["first"]])[0]
        if "last" in step:
            assert (rows or [None])[-1] == expected([step["last"]])[0]
        for column, total in enumerate(step.get("sums", ())):
            if total is not None:
                assert sum(row[column] for row in found.rows) == int(total)
        if "last_insert_id" in step:
            assert found.last_insert_id == int(step["last_insert_id"])
        if "rows_affected" in step:
            assert found.rows_affected == step["rows_affected"]

    def target(self, step: Dict[str, Any]) -> Any:
        return self.things[step.get("on", "store")]

    def options(self, step: Dict[str, Any], *without: str) -> Dict[str, Any]:
        options: Dict[str, Any] = {}
        for name, given in step.get("options", {}).items():
            if name == "timeout_ms":
                options["timeout"] = given / 1000
            elif name == "read_only":
                options["read_only"] = given
            elif name == "cancelled":
                options["cancel"] = keepwell.CancelToken()
                options["cancel"].cancel()
            elif name == "batch_rows":
                options["batch_rows"] = given
            elif name == "cache":
                options["cache"] = {"use": True, "skip": False, "refresh": "refresh"}[given]
            else:
                assert name == "prepared", f"unknown option {name}"
        for name in without:
            options.pop(name, None)
        return options

    def call(self, step: Dict[str, Any]) -> Tuple[Any, Any]:
        sql = self.things[step["statement"]] if "statement" in step else text(step["sql"], self.folder)
        if "named" in step:
            return sql, {name: value(form, self.folder) for name, form in step["named"].items()}
        return sql, tuple(value(form, self.folder) for form in step.get("params", ()))

    def do_query(self, step: Dict[str, Any]) -> Any:
        rows = self.target(step).query(*self.call(step), **self.options(step, "batch_rows"))
        return Found(rows.columns, list(rows), rows.from_cache)

    def do_stream(self, step: Dict[str, Any]) -> Any:
        with self.target(step).stream(*self.call(step), **self.options(step)) as stream:
            return Found(stream.columns, list(stream), stream.from_cache)

    def do_execute(self, step: Dict[str, Any]) -> Any:
        return self.target(step).execute(*self.call(step), **self.options(step, "batch_rows"))

    def do_execute_many(self, step: Dict[str, Any]) -> Any:
        rows = [tuple(value(form, self.folder) for form in row) for row in step["many"]] * step.get("many_times", 1)
        return self.target(step).execute_many(text(step["sql"], self.folder), rows, **self.options(step, "batch_rows"))

    def do_script(self, step: Dict[str, Any]) -> Any:
        return self.target(step).execute_script(text(step["sql"], self.folder), **self.options(step, "batch_rows"))

    def do_begin(self, step: Dict[str, Any]) -> None:
        mode = step.get("mode", "default")
        how = {"read_only": True} if mode == "read_only" else {"mode": "immediate" if mode == "default" else mode}
        options = self.options(step, "batch_rows", "read_only")
        self.things[step["as"]] = self.target(step).transaction(**how, **options)

    def do_commit(self, step: Dict[str, Any]) -> None:
        self.target(step).commit()

    def do_rollback(self, step: Dict[str, Any]) -> None:
        self.target(step).rollback()

    def do_pin(self, step: Dict[str, Any]) -> None:
        self.things[step["as"]] = self.target(step).connection(**self.options(step, "batch_rows"))

    def do_unpin(self, step: Dict[str, Any]) -> None:
        self.target(step).release()

    def do_open_rows(self, step: Dict[str, Any]) -> Any:
        stream = self.things[step["as"]] = self.target(step).stream(*self.call(step), **self.options(step))
        return Found(stream.columns, [], stream.from_cache)

    def do_read(self, step: Dict[str, Any]) -> Any:
        stream = self.target(step)
        rows = []
        for _ in range(step["count"]):
            try:
                rows.append(next(stream))
            except StopIteration:
                break
        return Found(stream.columns, rows)

    def do_close_rows(self, step: Dict[str, Any]) -> None:
        self.target(step).close()

    def do_prepare(self, step: Dict[str, Any]) -> None:
        self.things[step["as"]] = self.target(step).prepare(text(step["sql"], self.folder))

    def do_finalize(self, step: Dict[str, Any]) -> None:
        self.target(step).close()

    def do_derive(self, step: Dict[str, Any]) -> None:
        self.things[step["as"]] = self.target(step).with_options(**self.options(step, "batch_rows"))

    def do_open(self, step: Dict[str, Any]) -> None:
        self.open(step["as"], step.get("config", {}))

    def do_close(self, step: Dict[str, Any]) -> None:
        self.target(step).close()

    def do_reopen(self, step: Dict[str, Any]) -> None:
        name = step.get("on", "store")
        self.things[name].close()
        self.open(name, step["config"] if "config" in step else self.configs[name])

    def do_write_file(self, step: Dict[str, Any]) -> None:
        Path(text(step["path"], self.folder)).write_text(text(step["text"], self.folder), encoding="utf-8")

    def do_make_dir(self, step: Dict[str, Any]) -> None:
        Path(text(step["path"], self.folder)).mkdir()


@pytest.mark.parametrize("case", list(cases()))
def test_conformance(case: Dict[str, Any], tmp_path: Path) -> None:
    missing = set(case.get("needs", ())) - FEATURES
    if missing:
        pytest.skip(f"needs {', '.join(sorted(missing))}")
    player = Player(tmp_path)
    database = case.get("database", "file")
    if database != "none":
        player.open("store", {**({"datasource": ":memory:"} if database == "memory" else {}), **case.get("config", {})})
    try:
        for number, step in enumerate(case["steps"]):
            for _ in range(step.get("times", 1)):
                try:
                    player.play(step)
                except BaseException as error:
                    raise AssertionError(f"step {number} ({step['do']}): {error}") from error
    finally:
        player.close_all()
