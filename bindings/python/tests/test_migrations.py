"""Migrations: sources, operations, policies, reports, progress, and what ends a run."""

from __future__ import annotations

import gc
import io
import json
import math
import os
import pickle
import subprocess
import sys
import threading
import time
import zipfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Callable, List

import keepwell
import pytest
from conftest import ENDLESS, ROOT, Script, command
from keepwell import Migration, MigrationEvent

PEOPLE = "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO person(name) VALUES ('Ada');"
THREE = [
    Migration(1, "people", PEOPLE, "DROP TABLE person"),
    Migration(2, "age", "ALTER TABLE person ADD COLUMN age INTEGER", "ALTER TABLE person DROP COLUMN age"),
    Migration(3, "index", "CREATE INDEX person_name ON person(name)", "DROP INDEX person_name"),
]
FILES = {
    "1_people.up.sql": THREE[0].up,
    "1_people.down.sql": THREE[0].down,
    "2_age.up.sql": THREE[1].up,
    "README.md": "not a migration",
}


def columns(store: keepwell.Store) -> List[str]:
    return [name for (name,) in store.query("SELECT name FROM pragma_table_info('person')")]


def versions(report: keepwell.MigrationReport) -> List[int]:
    return [line.version for line in report.migrations]


def states(report: keepwell.MigrationReport) -> "dict[int, str]":
    return {line.version: line.state for line in report.migrations}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "migrations"
    path.mkdir()
    for name, text in FILES.items():
        assert text is not None
        (path / name).write_text(text)
    return path


# --- sources ---


@pytest.mark.parametrize("kind", [str, Path, os.fspath])
def test_a_folder(kind: Callable[[Any], Any], folder: Path, store: keepwell.Store) -> None:
    with store.migrations(kind(folder)) as m:
        assert m.count == 2
        report = m.up()
    assert (report.operation, report.before, report.version, report.pending) == ("up", None, 2, 0)
    assert [line.file for line in report.migrations] == ["1_people.up.sql", "2_age.up.sql"]
    assert report.ignored == ["README.md"]
    assert columns(store) == ["id", "name", "age"]


def test_a_folder_is_read_once(folder: Path, store: keepwell.Store) -> None:
    m = store.migrations(folder)
    for path in folder.iterdir():
        path.unlink()
    assert versions(m.up()) == [1, 2]


def test_an_empty_folder(tmp_path: Path, store: keepwell.Store) -> None:
    (tmp_path / "none").mkdir()
    m = store.migrations(tmp_path / "none")
    assert m.count == 0 and m.up().migrations == []
    assert m, "a set is a thing, not a number"


def test_errors_of_a_folder_show_at_once(tmp_path: Path, store: keepwell.Store) -> None:
    with pytest.raises(keepwell.CannotOpenError, match="nowhere"):
        store.migrations(tmp_path / "nowhere")
    (tmp_path / "1_a.up.sql").write_bytes(b"SELECT '\xff'")
    with pytest.raises(keepwell.EncodingError, match="1_a.up.sql"):
        store.migrations(tmp_path)
    (tmp_path / "1_a.up.sql").write_text("SELECT 1")
    (tmp_path / "01_b.up.sql").write_text("SELECT 1")
    with pytest.raises(keepwell.MigrationError, match="01_b.up.sql") as info:
        store.migrations(tmp_path)
    assert (info.value.code, info.value.name) == (33, "KW_MIGRATION")


def test_files_in_memory(folder: Path, store: keepwell.Store) -> None:
    embedded = {name: text.encode() if name.startswith("1") else text for name, text in FILES.items() if text}
    m = store.migrations(embedded)
    assert [line._replace(applied_at=None) for line in m.status().migrations] == store.migrations(folder).status().migrations
    assert m.up().ignored == ["README.md"]
    assert store.migrations({"1_a.up.sql": bytearray(b"SELECT 1"), "2_b.up.sql": memoryview(b"SELECT 2")}).count == 2


def test_a_folder_in_an_archive(store: keepwell.Store) -> None:
    archive = zipfile.ZipFile(io.BytesIO(), "w")
    for name in ("app/m/1_a/up.sql", "app/m/1_a/down.sql", "app/m/__pycache__/x.pyc", "app/m/.hidden/9_x.up.sql"):
        archive.writestr(name, "SELECT 1")
    m = store.migrations(zipfile.Path(archive, "app/m/"), format="diesel")
    report = m.status()
    assert m.count == 1 and report.migrations[0].reversible and report.ignored == []


@pytest.mark.skipif(sys.version_info < (3, 10), reason="importlib.resources.files of a namespace package")
def test_importlib_resources(folder: Path, tmp_path: Path, store: keepwell.Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.resources import files

    monkeypatch.syspath_prepend(str(tmp_path))
    assert store.migrations(files("migrations")).count == 2  # of several folders, perhaps: no path of its own
    (folder / "__init__.py").write_text("")
    monkeypatch.delitem(sys.modules, "migrations")
    assert store.migrations(files("migrations"), ignore=["__init__.py"]).count == 2


@pytest.mark.parametrize("source", [THREE, tuple(THREE), reversed(THREE), (m for m in THREE), {m: None for m in THREE}.keys()])
def test_migrations_of_the_program(source: Any, store: keepwell.Store) -> None:
    assert versions(store.migrations(source).up()) == [1, 2, 3]


def test_format(store: keepwell.Store) -> None:
    text = "-- +goose Up\nCREATE TABLE a(x);\n-- +goose Down\nDROP TABLE a;\n"
    m = store.migrations({"00001_a.sql": text}, format="goose")
    assert m.up().migrations[0].reversible
    with pytest.raises(keepwell.ConfigError, match="no format \"goos\"; there are keepwell, golang-migrate"):
        store.migrations({"00001_a.sql": text}, format="goos")


WRONG_SOURCES = [
    (None, TypeError, "source: a folder, a mapping of file names to their texts, or an iterable of Migration, not NoneType"),
    (7, TypeError, "not int"),
    (b"folder", TypeError, "not bytes"),
    (THREE[0], TypeError, "not Migration; put it into a list"),
    ([THREE[0], (2, "b", "SELECT 1", None)], TypeError, "source: item 1 is a tuple, not a Migration"),
    ([Migration("1", "a", "SELECT 1")], TypeError, "source: item 0: version: an int, not str"),  # type: ignore[arg-type]
    ([Migration(True, "a", "SELECT 1")], TypeError, "not bool"),
    ([Migration(None, "a", "SELECT 1")], TypeError, "not NoneType|not None"),  # type: ignore[arg-type]
    ([Migration(1 << 63, "a", "SELECT 1")], keepwell.ParameterOverflowError, "9223372036854775808 is beyond 64 bits"),
    ([Migration(1, None, "SELECT 1")], TypeError, "source: item 0: description: a str"),  # type: ignore[arg-type]
    ([Migration(1, "a\0b", "SELECT 1")], keepwell.EncodingError, "description: the str has a NUL"),
    ([Migration(1, "a", b"SELECT 1")], TypeError, "item 0: up: a str, not bytes"),  # type: ignore[arg-type]
    ([Migration(1, "a", "SELECT 1", 5)], TypeError, "item 0: down: a str, not int"),  # type: ignore[arg-type]
    ([Migration(1, "a", "SELECT '\udc80'")], keepwell.EncodingError, "lone surrogates"),
    ([Migration(1, "a", "SELECT '\0'")], keepwell.EncodingError, "NUL"),
    ([Migration(-1, "a", "SELECT 1")], keepwell.MigrationError, "negative"),
    ([THREE[0], THREE[0]._replace(description="again")], keepwell.MigrationError, 'there twice: "people" and "again"'),
    ({1: "SELECT 1"}, TypeError, "source: a file name: a str, not int"),
    ({"1_a.up.sql": None}, TypeError, "source: the file '1_a.up.sql' is a NoneType"),
    ({"1_a.up.sql": "\udc80"}, keepwell.EncodingError, "lone surrogates"),
    ({"1_a.up.sql": b"\xff"}, keepwell.EncodingError, "1_a.up.sql"),
]


@pytest.mark.parametrize("source,kind,message", WRONG_SOURCES)
def test_wrong_sources(source: Any, kind: "type[Exception]", message: str, store: keepwell.Store) -> None:
    with pytest.raises(kind, match=message):
        store.migrations(source)


# --- operations ---


def test_up(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    assert versions(m.up(to=1)) == [1]
    report = m.up(steps=1)
    assert (versions(report), report.before, report.version, report.pending) == ([2], 1, 2, 1)
    assert versions(m.up()) == [3]
    again = m.up()
    assert (again.migrations, again.before, again.version, again.ok) == ([], 3, 3, True)
    assert m.up(steps=0).migrations == []


def test_a_line(store: keepwell.Store) -> None:
    m = store.migrations(THREE, who="me", program="test")
    line = m.up().migrations[0]
    assert (line.version, line.description, line.file, line.direction, line.state) == (1, "people", "", "up", "applied")
    assert (line.reversible, line.transactional, line.statements, line.rows_changed) == (True, True, 2, 1)
    assert len(line.checksum) == 64 and line.duration_us > 0
    line = m.status().migrations[0]
    assert line.applied_at is not None and line.applied_at.tzinfo is timezone.utc
    assert abs(datetime.now(timezone.utc) - line.applied_at) < timedelta(minutes=1)
    assert (line.who, line.program) == ("me", "test") and line.engine.startswith("SQLite ") and isinstance(line.host, str)


def test_down_to_and_redo(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    m.up()
    report = m.down()
    assert (versions(report), states(report), report.version) == ([3], {3: "reverted"}, 2)
    assert report.migrations[0].direction == "down"
    assert versions(m.redo()) == [2, 2]
    assert versions(m.down(to=0)) == [2, 1]
    assert m.status().version is None and columns(store) == []
    assert versions(m.to(2)) == [1, 2]
    assert versions(m.to(1)) == [2]
    assert versions(m.to(3)) == [2, 3]
    assert versions(m.down(steps=2)) == [3, 2]
    assert versions(m.to(0)) == [1]


def test_status_plan_and_dry_run_write_nothing(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    assert states(m.status()) == {1: "pending", 2: "pending", 3: "pending"}
    assert all(line.applied_at is None for line in m.status().migrations)
    assert versions(m.plan()) == [1, 2, 3] and versions(m.plan(to=2)) == [1, 2] and versions(m.plan(steps=1)) == [1]
    report = m.dry_run(to=2)
    assert (report.operation, versions(report), report.migrations[0].rows_changed) == ("dry_run", [1, 2], 1)
    assert store.query("SELECT name FROM sqlite_schema") == []


def test_rehearse(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    report = m.rehearse()
    assert report.operation == "rehearse" and report.ok, report.problems
    assert store.query("SELECT name FROM sqlite_schema") == []
    wrong = store.migrations([THREE[0]._replace(down="SELECT 1")])
    try:
        report = wrong.rehearse()
    except keepwell.Error as error:
        assert "1" in str(error)
    else:
        assert not report.ok and "schema" in [problem.kind for problem in report.problems]


def test_baseline_and_mark(store: keepwell.Store) -> None:
    store.execute_script(THREE[0].up + ";" + THREE[1].up)
    m = store.migrations(THREE)
    report = m.baseline(1)
    assert (report.operation, versions(report), report.migrations[0].direction) == ("baseline", [1], "baseline")
    assert versions(m.mark(2)) == [2]
    with pytest.raises(keepwell.MigrationError, match="mark: migration 2 .* applied already"):
        m.mark(2)
    with pytest.raises(keepwell.MigrationError, match="beginning of a history"):
        m.baseline(3)
    with pytest.raises(keepwell.MigrationError, match="migration 9: the source does not have it"):
        m.mark(9)
    assert versions(m.up()) == [3]


def test_adopt(store: keepwell.Store) -> None:
    store.execute_script(THREE[0].up)
    store.execute_script("CREATE TABLE schema_migrations(version uint64, dirty bool); INSERT INTO schema_migrations VALUES (1, 0)")
    m = store.migrations({name: text for name, text in FILES.items() if text}, format="golang-migrate")
    with pytest.raises(keepwell.MigrationError, match="schema_migrations"):
        m.up()
    report = m.adopt()
    assert (report.operation, versions(report), report.migrations[0].direction) == ("adopt", [1], "adopt")
    assert report.adopted_from is not None and "schema_migrations" in report.adopted_from
    assert m.adopt().migrations == []
    assert versions(m.up()) == [2]


def test_verify(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    m.up()
    assert m.verify().ok
    store.execute("CREATE TABLE other(a)")
    report = m.verify()
    assert not report.ok and report.problems[0].kind == "drift" and report.problems[0].version == 3
    assert "problems" in repr(report)


def test_the_store_of_a_read_only_file(tmp_path: Path) -> None:
    with keepwell.open(tmp_path / "r.db") as store:
        store.migrations(THREE).up(to=1)
    with keepwell.open(f"file:{tmp_path / 'r.db'}?mode=ro") as store:
        m = store.migrations(THREE)
        assert states(m.status()) == {1: "applied", 2: "pending", 3: "pending"}
        with pytest.raises(keepwell.ReadOnlyError):
            m.up()


def test_in_memory() -> None:
    with keepwell.open(":memory:") as store:
        assert versions(store.migrations(THREE).up()) == [1, 2, 3]
        assert columns(store) == ["id", "name", "age"]


# --- policies ---


def test_out_of_order(store: keepwell.Store) -> None:
    store.migrations([THREE[0], THREE[2]]).up()
    with pytest.raises(keepwell.MigrationError, match="out_of_order"):
        store.migrations(THREE).up()
    skipping = store.migrations(THREE, out_of_order="skip")
    assert skipping.up().migrations == [] and states(skipping.status())[2] == "out_of_order"
    assert versions(store.migrations(THREE, out_of_order="accept").up()) == [2]


def test_changed_and_missing(store: keepwell.Store) -> None:
    store.migrations(THREE).up(to=2)
    other = [THREE[0]._replace(up="CREATE TABLE person(id)"), *THREE[1:]]
    with pytest.raises(keepwell.MigrationError, match="changed"):
        store.migrations(other).up()
    report = store.migrations(other).status()
    assert states(report)[1] == "changed" and not report.ok and report.problems[0].kind == "changed"
    with pytest.raises(keepwell.MigrationError, match="missing"):
        store.migrations(THREE[1:]).up()
    assert versions(store.migrations(other, changed="accept").up()) == [3]


def test_newer(store: keepwell.Store) -> None:
    store.migrations(THREE).up()
    old = store.migrations(THREE[:2])
    with pytest.raises(keepwell.SchemaNewerError) as info:
        old.up()
    assert (info.value.code, info.value.name) == (34, "KW_SCHEMA_NEWER") and isinstance(info.value, keepwell.MigrationError)
    assert states(old.status())[3] == "newer"
    assert store.migrations(THREE[:2], newer="accept").up().migrations == []


def test_gaps(store: keepwell.Store) -> None:
    gap = [THREE[0], THREE[2]]
    with pytest.raises(keepwell.MigrationError, match="gap"):
        store.migrations(gap, gaps="refuse").up()
    assert versions(store.migrations(gap).up()) == [1, 3]


def test_transactions(store: keepwell.Store) -> None:
    broken = [*THREE[:2], Migration(3, "broken", "INSERT INTO nowhere VALUES (1)")]
    with pytest.raises(keepwell.SqlError):
        store.migrations(broken, transactions="all").up()
    assert columns(store) == []
    with pytest.raises(keepwell.SqlError):
        store.migrations(broken).up()
    assert columns(store) == ["id", "name", "age"]


def test_interrupted(store: keepwell.Store) -> None:
    outside = "-- keepwell: no transaction\nCREATE TABLE IF NOT EXISTS a(x);\nINSERT INTO {} VALUES (1)"
    with pytest.raises(keepwell.SqlError):
        store.migrations([Migration(1, "half", outside.format("b"))]).up()
    whole = [Migration(1, "half", outside.format("a"))]
    with pytest.raises(keepwell.MigrationError, match="interrupted"):
        store.migrations(whole).up()
    report = store.migrations(whole, interrupted="restart", changed="accept").up()
    assert versions(report) == [1] and not report.migrations[0].transactional
    assert store.query_value("SELECT x FROM a") == 1


def test_snapshot_and_ignore(folder: Path, tmp_path: Path, store: keepwell.Store) -> None:
    (folder / "3.sql").write_text("SELECT 1")
    with pytest.raises(keepwell.MigrationError, match="3.sql"):
        store.migrations(folder)
    assert store.migrations(folder, ignore="3.sql").count == 2
    report = store.migrations(folder, snapshot=tmp_path / "before.db", ignore=["3.sql", "other.sql"]).up()
    assert report.snapshot == str(tmp_path / "before.db") and (tmp_path / "before.db").exists()
    assert "3.sql" in report.ignored


def test_the_program_of_the_history(tmp_path: Path, script: Script) -> None:
    (tmp_path / "my_tool.py").write_text(
        "import keepwell\n"
        "with keepwell.open(':memory:') as store:\n"
        "    m = store.migrations([keepwell.Migration(1, 'a', 'SELECT 1')])\n"
        "    m.up()\n"
        "    print(m.status().migrations[0].program)\n"
    )
    environment = dict(os.environ, PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    for how, name in ((["my_tool.py"], "my_tool.py"), (["-m", "my_tool"], "my_tool")):
        done = subprocess.run([*command(), *how], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == (f"{name}\n", "")


GOOD_POLICIES: "list[dict[str, Any]]" = [
    {"lock_timeout": 30},
    {"lock_timeout": 0.25},
    {"lock_timeout": 1e-3},
    {"lock_timeout": 0},
    {"lock_timeout": "1m"},
    {"lock_timeout": "none"},
    {"lock_timeout": math.inf},
    {"lock_timeout": None, "out_of_order": None, "snapshot": None, "ignore": None, "who": None, "program": None, "format": None},
    {"ignore": []},
    {"ignore": ("a.sql", "b.sql")},
    {"ignore": {"a.sql"}},
    {"who": "", "program": "ü"},
]


@pytest.mark.parametrize("policies", GOOD_POLICIES, ids=repr)
def test_policies_that_fit(policies: "dict[str, Any]", store: keepwell.Store) -> None:
    assert store.migrations(THREE, **policies).up().version == 3


WRONG_POLICIES: "list[tuple[dict[str, Any], str]]" = [
    ({"order": "accept"}, 'there is no setting "order"; there are out_of_order, changed'),
    ({"out_of_order": "maybe"}, 'out_of_order = "maybe": it takes refuse, accept, skip'),
    ({"changed": "skip"}, "it takes refuse, accept"),
    ({"changed": True}, "changed: a str, not bool"),
    ({"lock_timeout": -1}, "lock_timeout"),
    ({"lock_timeout": math.nan}, "lock_timeout"),
    ({"lock_timeout": "soon"}, "lock_timeout"),
    ({"lock_timeout": True}, "lock_timeout: a number of seconds or a str, not bool"),
    ({"ignore": ["a,b.sql"]}, "a name with a comma"),
    ({"ignore": 5}, "ignore: a str or an iterable of them, not int"),
    ({"snapshot": 5}, "snapshot: a path, not int"),
    ({"format": 5}, "format: a str, not int"),
]


@pytest.mark.parametrize("policies,message", WRONG_POLICIES, ids=repr)
def test_policies_that_do_not_fit(policies: "dict[str, Any]", message: str, store: keepwell.Store) -> None:
    with pytest.raises(keepwell.ConfigError, match=message):
        store.migrations(THREE, **policies)
    with pytest.raises(TypeError):
        store.migrations(THREE, ignore=[5])  # type: ignore[list-item]


# --- errors ---


def test_an_error_names_file_line_and_column(folder: Path, store: keepwell.Store) -> None:
    (folder / "3_bad.up.sql").write_text("SELECT 1;\nSELECT 2;\n  SELEC 3;\n")
    with pytest.raises(keepwell.SqlError, match="3_bad.up.sql, line 3, column 3") as info:
        store.migrations(folder).up()
    assert "the 2 migrations before it, 1 to 2, are done and stay" in str(info.value)
    assert info.value.rolled_back
    assert store.migrations(folder).status().version == 2


def test_foreign_keys(store: keepwell.Store) -> None:
    sql = "CREATE TABLE a(id INTEGER PRIMARY KEY); CREATE TABLE b(a REFERENCES a(id)); INSERT INTO b VALUES (5)"
    with pytest.raises(keepwell.ConstraintError):
        store.migrations([Migration(1, "broken", sql)]).up()
    assert store.query("SELECT name FROM sqlite_schema") == []


def test_wrong_arguments(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    wrong: "list[tuple[Callable[[], Any], type[Exception], str]]" = [
        (lambda: m.up(to="2"), TypeError, "version: an int, not str"),  # type: ignore[arg-type]
        (lambda: m.up(to=1 << 64), OverflowError, "64 bits"),
        (lambda: m.up(steps=1.0), TypeError, "steps: an int, not float"),  # type: ignore[arg-type]
        (lambda: m.up(steps=-1), ValueError, "steps: 0 or more, not -1"),
        (lambda: m.to(None), TypeError, "version: an int, not None"),  # type: ignore[arg-type]
        (lambda: m.up(timeout=-1), ValueError, "timeout"),
        (lambda: m.up(timeout="1"), TypeError, "timeout"),  # type: ignore[arg-type]
        (lambda: m.up(cancel=7), TypeError, "cancel"),  # type: ignore[arg-type]
        (lambda: m.up(progress=7), TypeError, "progress: None or a function of a MigrationEvent, not int"),  # type: ignore[arg-type]
        (lambda: m.up(to=9), keepwell.MigrationError, "migration 9: the source does not have it; the nearest is 3"),
        (lambda: m.to(-1), keepwell.MigrationError, "migration -1"),
        (m.redo, keepwell.MigrationError, "redo: no migration is applied"),
    ]
    for call, kind, message in wrong:
        with pytest.raises(kind, match=message):
            call()
    assert store.query("SELECT name FROM sqlite_schema") == []


def test_a_closed_set_and_a_closed_store(tmp_path: Path) -> None:
    store = keepwell.open(tmp_path / "c.db")
    m = store.migrations(THREE)
    m.close()
    m.close()
    with pytest.raises(keepwell.InvalidHandleError):
        m.up()
    m = store.migrations(THREE)
    store.close()
    with pytest.raises(keepwell.ClosedError):
        m.up()
    with pytest.raises(keepwell.ClosedError):
        store.migrations(THREE)
    with pytest.raises(keepwell.ClosedError):
        store.schema_dump()


def test_a_set_keeps_its_store(tmp_path: Path) -> None:
    m = keepwell.open(tmp_path / "k.db").migrations(THREE)
    gc.collect()
    assert m.up().version == 3


def test_handles_are_given_back(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    m.up()
    for _ in range(2000):
        assert m.status().version == 3
        with pytest.raises(keepwell.MigrationError):
            store.migrations([THREE[0], THREE[0]])
    assert store.stats()["in_use"] == 0


# --- progress ---


def test_progress(store: keepwell.Store) -> None:
    events: List[MigrationEvent] = []
    m = store.migrations(THREE)
    report = m.up(to=2, progress=lambda event: events.append(event))
    assert report.version == 2
    assert [(e.phase, e.version, e.statement) for e in events] == [
        ("begin", 1, 0), ("statement", 1, 1), ("statement", 1, 2), ("done", 1, 0),
        ("begin", 2, 0), ("statement", 2, 1), ("done", 2, 0),
    ]  # fmt: skip
    second = events[2]
    assert (second.description, second.file, second.direction, second.index, second.total) == ("people", "", "up", 1, 2)
    assert second.sql.strip().startswith("INSERT INTO person") and second.rows_changed == 1
    assert second.offset == second.length == len(THREE[0].up)
    assert events[0].sql == "" and events[-1].index == 2
    events.clear()
    m.down(progress=lambda event: events.append(event))
    assert {e.direction for e in events} == {"down"}


def test_progress_hears_of_an_error(store: keepwell.Store) -> None:
    phases = []
    with pytest.raises(keepwell.SqlError):
        store.migrations([Migration(1, "bad", "SELECT 1; SELEC 2")]).up(progress=lambda event: phases.append(event.phase))
    assert phases == ["begin", "statement"]


@pytest.mark.parametrize("operation", ["up", "dry_run", "rehearse"])
def test_progress_of(operation: str, store: keepwell.Store) -> None:
    phases = []
    getattr(store.migrations(THREE), operation)(progress=lambda event: phases.append(event.phase))
    assert {"begin", "statement", "done"} <= set(phases)


def test_progress_that_ends_the_run(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    with pytest.raises(keepwell.CancelledError, match="cancelled by the progress function"):
        m.up(progress=lambda event: not (event.version == 2 and event.phase == "statement"))
    assert (m.status().version, columns(store)) == (1, ["id", "name"])
    assert m.up(progress=lambda event: None).version == 3


@pytest.mark.parametrize("kind", [ZeroDivisionError, KeyboardInterrupt, SystemExit, keepwell.TimeoutError])
def test_progress_that_raises(kind: "type[BaseException]", store: keepwell.Store) -> None:
    def hear(event: MigrationEvent) -> None:
        if event.version == 2:
            raise kind("enough")

    m = store.migrations(THREE)
    with pytest.raises(kind, match="enough"):
        m.up(progress=hear)
    assert m.status().version == 1
    assert m.up().version == 3


def test_progress_in_another_thread(store: keepwell.Store) -> None:
    threads, raised = [], []

    def work() -> None:
        try:
            store.migrations(THREE).up(progress=lambda event: threads.append(threading.current_thread()) or event.version < 3)
        except keepwell.CancelledError as error:
            raised.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert set(threads) == {thread} and len(raised) == 1
    assert store.migrations(THREE).status().version == 2


def test_progress_that_uses_the_store(store: keepwell.Store) -> None:
    """It must not; what waits for the run is an error at once and not a standstill."""

    def write(event: MigrationEvent) -> None:
        store.execute("CREATE TABLE other(a)", timeout=5)

    m = store.migrations(THREE)
    with pytest.raises(keepwell.SelfDeadlockError):
        m.up(progress=write)
    with pytest.raises(keepwell.SelfDeadlockError):
        m.up(progress=lambda event: bool(m.up()))
    assert m.up().version == 3


# --- what ends a run ---


def endless(version: int = 2) -> Migration:
    return Migration(version, "endless", f"CREATE TABLE half(a); INSERT INTO half {ENDLESS}")


def test_cancel(store: keepwell.Store) -> None:
    token = keepwell.CancelToken()
    m = store.migrations([THREE[0], endless()])
    timer = threading.Timer(0.2, token.cancel)
    timer.start()
    with pytest.raises(keepwell.CancelledError):
        m.up(cancel=token)
    timer.join()
    assert m.status().version == 1 and store.query("SELECT 1 FROM sqlite_schema WHERE name = 'half'") == []
    with pytest.raises(keepwell.CancelledError):
        m.up(cancel=token)


def test_timeout(store: keepwell.Store) -> None:
    m = store.migrations([THREE[0], endless()])
    started = time.monotonic()
    with pytest.raises(keepwell.TimeoutError, match='migration 2 "endless"'):
        m.up(timeout=0.2)
    assert time.monotonic() - started < 5
    assert m.status(timeout=5).version == 1 and store.stats()["in_use"] == 0


HOLD = """
import sys, keepwell
with keepwell.open(sys.argv[1]) as store:
    tx = store.transaction()
    print("held", flush=True)
    sys.stdin.read()
    tx.rollback()
"""


def test_another_process_holds_the_lock(tmp_path: Path, store: keepwell.Store) -> None:
    whole = [*command(), "-c", HOLD, str(tmp_path / "test.db")]
    environment = dict(os.environ, PYTHONPATH=str(ROOT))
    with subprocess.Popen(whole, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdin and other.stdout and other.stdout.readline() == "held\n"
        for options, policies in (({"timeout": 0.2}, {}), ({}, {"lock_timeout": 0.2}), ({"timeout": 9}, {"lock_timeout": "200ms"})):
            started = time.monotonic()
            with pytest.raises((keepwell.TimeoutError, keepwell.BusyError)):
                store.migrations(THREE, **policies).up(**options)  # type: ignore[arg-type]
            assert 0.1 < time.monotonic() - started < 5
        assert store.migrations(THREE).status().pending == 3
        threading.Timer(0.3, other.stdin.close).start()
        assert store.migrations(THREE).up().version == 3
        other.wait()


def test_a_thread_that_has_the_writer(store: keepwell.Store) -> None:
    with store.transaction():
        with pytest.raises(keepwell.SelfDeadlockError):
            store.migrations(THREE).up()


def test_threads_that_start_together(tmp_path: Path) -> None:
    slow = [Migration(v, f"m{v}", f"CREATE TABLE t{v}(a); INSERT INTO t{v} VALUES (1)") for v in range(1, 9)]
    stores = [keepwell.open(tmp_path / "together.db") for _ in range(3)]
    shared = stores[0].migrations(slow)
    sets = [shared, shared, *(store.migrations(slow) for store in stores), shared]
    done: List[int] = []
    barrier = threading.Barrier(len(sets))

    def work(m: keepwell.Migrations) -> None:
        barrier.wait()
        done.extend(versions(m.up()))

    threads = [threading.Thread(target=work, args=(m,)) for m in sets]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(done) == list(range(1, 9))
    for store in stores:
        store.close()


posix = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@posix
@pytest.mark.parametrize("progress", ["None", "print_nothing"])
@pytest.mark.parametrize("operation", ["up", "dry_run", "rehearse"])
def test_control_c_rolls_a_long_migration_back(operation: str, progress: str, tmp_path: Path) -> None:
    from test_signals import interrupt

    code = f"""
        from keepwell import Migration
        def print_nothing(event): pass
        m = store.migrations([Migration(1, "a", "CREATE TABLE a(x)"), Migration(2, "b", "CREATE TABLE b(x); INSERT INTO b " + ENDLESS)])
        ready()
        try:
            m.{operation}(progress={progress})
        except KeyboardInterrupt:
            print("interrupted")
        print(m.status().version, list(store.query("SELECT name FROM sqlite_schema WHERE name = 'b'")))
        store.close()
    """
    seconds, out, err = interrupt(code, tmp_path)
    version = 1 if operation == "up" else None
    assert (out, err) == (f"interrupted\n{version} []\n", "") and seconds < 8


@posix
def test_control_c_ends_a_wait_for_another_process(tmp_path: Path) -> None:
    from test_signals import interrupt

    code = f"""
        import subprocess
        other = subprocess.Popen([sys.executable, "-c", {HOLD!r}, "s.db"], stdin=-1, stdout=-1, start_new_session=True)
        other.stdout.readline()
        ready()
        try:
            store.migrations([keepwell.Migration(1, "a", "CREATE TABLE a(x)")]).up()
        except KeyboardInterrupt:
            print("interrupted")
        other.communicate()
        store.close()
    """
    seconds, out, err = interrupt(code, tmp_path)
    assert (out, err) == ("interrupted\n", "") and seconds < 8


@posix
def test_control_c_at_any_moment_is_not_lost(script: Script) -> None:
    """It may come inside the progress function, just before it, or between the library's success and the report."""
    done = script(
        """
        import random, signal, time, keepwell
        from keepwell import Migration
        text = ";".join(f"INSERT INTO t VALUES ({i})" for i in range(50))
        store = keepwell.open({"datasource": "i.db", "options.synchronous": "off"})
        store.execute("CREATE TABLE t(a)")
        m = store.migrations([Migration(1, "rows", text, "DELETE FROM t")])
        sent = []
        def handler(number, frame):
            sent.append(1)
            raise KeyboardInterrupt(len(sent))
        signal.signal(signal.SIGALRM, handler)
        def hear(event):
            sum(range(20))
        end = time.monotonic() + 2
        caught = 0
        while time.monotonic() < end:
            try:
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(1e-4, 8e-3))
                    while True:
                        m.to(1, progress=hear)
                        m.to(0, progress=hear)
                finally:
                    signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt as error:
                caught += 1
                assert error.args == (len(sent),)
            assert len(sent) == caught
            assert store.query_value("SELECT count(*) FROM t") in (0, 50)
            assert store.stats()["in_use"] == 0
        assert caught > 20, caught
        store.close()
        print("fine")
        """
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork()")
def test_fork(script: Script) -> None:
    done = script(
        """
        import gc, os, sys, warnings, keepwell
        from keepwell import Migration
        warnings.simplefilter("ignore", DeprecationWarning)
        store = keepwell.open("f.db")
        source = [Migration(1, "a", "CREATE TABLE a(x)")]
        m = store.migrations(source)
        child = os.fork()
        if child == 0:
            for use in (m.up, m.status, lambda: m.count, lambda: store.migrations(source), store.schema_dump,
                        lambda: store.rebuild_table("a", "CREATE TABLE a(y)")):
                try:
                    use()
                except keepwell.ForkedError as error:
                    assert "fork" in str(error)
                else:
                    os._exit(2)
            m.close()
            with keepwell.open("f.db") as fresh:
                assert fresh.migrations(source).up().version == 1
            del m, store
            gc.collect()
            sys.exit(0)
        _, status = os.waitpid(child, 0)
        assert status == 0, status
        assert m.up().migrations == [] and m.status().version == 1
        store.close()
        print("fine")
        """
    )
    assert (done.stdout, done.stderr) == ("fine\n", "")


# --- reports ---


def test_json(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    m.up(to=1)
    report = m.status()
    found = report.to_dict()
    assert found == json.loads(report.json())
    assert list(found) == [name for name in report.__slots__ if name != "_text"]
    assert isinstance(found["migrations"][0]["applied_at"], str) and found["migrations"][0]["applied_at"].endswith("Z")
    assert set(found["migrations"][0]) == set(keepwell.MigrationLine._fields)
    found.clear()
    assert report.to_dict()
    copy = pickle.loads(pickle.dumps(report))
    assert copy == report and hash(copy) == hash(report) and copy.migrations == report.migrations and report != 1
    assert repr(report) == "<keepwell.MigrationReport status: 3 migrations, version 1, 2 pending>"
    assert bool(store.migrations([], newer="accept").up())


def test_a_long_report(store: keepwell.Store) -> None:
    many = [Migration(v, "ü" * 50, f"CREATE TABLE t{v}(a)") for v in range(1, 201)]
    m = store.migrations(many)
    assert len(m.up().migrations) == 200
    assert len(m.status().json()) > 1 << 14 and m.status().migrations[-1].description == "ü" * 50
    assert store.schema_dump().count("CREATE TABLE") == 200


def test_errors_can_be_pickled() -> None:
    error = pickle.loads(pickle.dumps(keepwell.SchemaNewerError("too new", code=34)))
    assert type(error) is keepwell.SchemaNewerError and (str(error), error.code) == ("too new", 34)


# --- schema_dump and rebuild_table ---


def test_schema_dump_round_trip(store: keepwell.Store) -> None:
    store.migrations(THREE).up()
    store.execute_script(
        "CREATE VIEW names AS SELECT name FROM person;"
        "CREATE TRIGGER t AFTER INSERT ON person BEGIN UPDATE person SET age = 0 WHERE id = new.id; END;"
        "CREATE TABLE \"ü; --\"(a TEXT DEFAULT ';')"
    )
    dump = store.schema_dump(timeout=5)
    assert "keepwell_migrations" not in dump and "person_name" in dump
    with keepwell.open(":memory:") as other:
        assert other.schema_dump().strip() == ""
        other.execute_script(dump)
        assert other.schema_dump() == dump
    token = keepwell.CancelToken()
    token.cancel()
    with pytest.raises(keepwell.CancelledError):
        store.schema_dump(cancel=token)


def test_rebuild_table(store: keepwell.Store) -> None:
    store.migrations(THREE).up()
    store.execute("INSERT INTO person(name) VALUES ('Grace')")
    definition = "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, length INTEGER NOT NULL) STRICT"
    report = store.rebuild_table("person", definition, {"length": "length(name)"}, timeout=10)
    assert report.operation == "rebuild"
    assert report.tables == [keepwell.MigrationTable("person", 2, 2)]
    assert store.query("SELECT * FROM person") == [(1, "Ada", 3), (2, "Grace", 5)]
    assert store.query_value("SELECT count(*) FROM sqlite_schema WHERE name = 'person_name'") == 1
    with pytest.raises(keepwell.MigrationError, match="nobody"):
        store.rebuild_table("nobody", "CREATE TABLE nobody(a)")
    with pytest.raises(keepwell.ConstraintError):
        store.rebuild_table("person", definition, {"length": "NULL"})
    assert store.query("SELECT * FROM person") == [(1, "Ada", 3), (2, "Grace", 5)]


WRONG_REBUILDS: "list[tuple[Any, Any, Any, type[Exception], str]]" = [
    (1, "CREATE TABLE t(a)", None, TypeError, "table: a str, not int"),
    ("t", None, None, TypeError, "definition: a str, not NoneType"),
    ("t", "CREATE TABLE t(a)", ["a"], TypeError, "columns: None or a mapping"),
    ("t", "CREATE TABLE t(a)", {"a": 1}, TypeError, "columns: the expression of 'a': a str, not int"),
    ("t", "CREATE TABLE t(a)", {"a": "1\0"}, keepwell.EncodingError, "NUL"),
    ("t", "CREATE TABLE t(a\udc80)", {}, keepwell.EncodingError, "surrogates"),
    ("t", "CREATE TABLE other(a)", {}, keepwell.Error, "other"),
]


@pytest.mark.parametrize("table,definition,mapping,kind,message", WRONG_REBUILDS)
def test_wrong_rebuilds(table: Any, definition: Any, mapping: Any, kind: "type[Exception]", message: str, store: keepwell.Store) -> None:
    store.execute("CREATE TABLE t(a)")
    with pytest.raises(kind, match=message):
        store.rebuild_table(table, definition, mapping)
