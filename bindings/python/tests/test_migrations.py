"""Migrations: every operation, every kind of source, and what happens when one does not go well."""

from __future__ import annotations

import datetime
import json
import subprocess
import sys
import threading
from pathlib import Path

import keepwell
import pytest
from conftest import ENDLESS, Script, command
from keepwell import Migration
from test_signals import interrupt

THREE = [
    Migration(1, "people", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT)", "DROP TABLE person"),
    Migration(2, "two of them", "INSERT INTO person(name) VALUES ('Ada'), ('Björn')", "DELETE FROM person"),
    Migration(3, "age", "ALTER TABLE person ADD COLUMN age INTEGER", "ALTER TABLE person DROP COLUMN age"),
]


def versions(report: keepwell.MigrationReport) -> "list[int]":
    return [line.version for line in report.migrations]


def test_up_down_to_and_redo(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    assert len(m) == 3
    report = m.up()
    assert (report.operation, report.before, report.version, report.pending, versions(report)) == ("up", None, 3, 0, [1, 2, 3])
    assert report.migrations[1].rows_changed == 2 and report.migrations[1].state == "applied"
    assert versions(m.up()) == []
    assert versions(m.down()) == [3]
    assert versions(m.down(steps=2)) == [2, 1]
    assert versions(m.up(to=2)) == [1, 2]
    assert versions(m.up(steps=1)) == [3]
    assert versions(m.down(to=1)) == [3, 2]
    assert versions(m.to(3)) == [2, 3]
    assert [(line.version, line.direction) for line in m.redo().migrations] == [(3, "down"), (3, "up")]
    assert versions(m.down(to=0)) == [3, 2, 1]
    assert m.status().version is None


def test_looks_write_nothing_and_a_dry_run_leaves_nothing(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    assert [line.state for line in m.status().migrations] == ["pending"] * 3
    assert versions(m.plan()) == [1, 2, 3] and versions(m.plan(to=2)) == [1, 2]
    assert store.query_value("SELECT count(*) FROM sqlite_schema") == 0
    assert m.dry_run(steps=2).migrations[1].rows_changed == 2
    rehearsal = m.rehearse()
    assert rehearsal.ok and rehearsal.tables == [("person", None, 2)]
    assert store.query_value("SELECT count(*) FROM sqlite_schema") == 0


def test_a_status_tells_when_and_by_whom(store: keepwell.Store) -> None:
    m = store.migrations(THREE, who="the tests", program="pytest")
    m.up()
    line = m.status().migrations[0]
    assert line.applied_at is not None and line.applied_at.tzinfo is not None
    assert abs(datetime.datetime.now(datetime.timezone.utc) - line.applied_at) < datetime.timedelta(minutes=5)
    assert (line.who, line.program, line.engine[:7], len(line.checksum)) == ("the tests", "pytest", "SQLite ", 64)


def test_baseline_mark_and_verify(store: keepwell.Store) -> None:
    store.execute(THREE[0].up)
    m = store.migrations(THREE)
    assert versions(m.baseline(1)) == [1] and m.status().migrations[0].direction == "baseline"
    assert versions(m.mark(2)) == [2]
    assert versions(m.up()) == [3]
    assert m.verify().ok
    store.execute("CREATE INDEX by_hand ON person(name)")
    report = m.verify()
    assert not report.ok and [problem.kind for problem in report.problems] == ["drift"]


def test_a_folder_and_files_in_memory(store: keepwell.Store, tmp_path: Path) -> None:
    folder = tmp_path / "migrations"
    folder.mkdir()
    files = {"0001_a.up.sql": "CREATE TABLE a(x);\r\n", "0001_a.down.sql": "DROP TABLE a", "0002_b.up.sql": b"\xef\xbb\xbfCREATE TABLE b(x)"}
    for name, content in files.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "README.md").write_text("about")
    m = store.migrations(folder)
    assert versions(m.up()) == [1, 2]
    assert m.status().ignored == ["README.md"] and m.status().migrations[1].file == "0002_b.up.sql"
    assert versions(store.migrations(files).up()) == []
    assert versions(store.migrations(str(folder), format="golang-migrate").up()) == []
    (folder / "0003-c.up.sql").write_text("SELECT 1")
    with pytest.raises(keepwell.MigrationError, match="0003-c.up.sql"):
        store.migrations(folder)
    assert len(store.migrations(folder, ignore=["0003-c.up.sql"])) == 2
    with pytest.raises(keepwell.CannotOpenError, match="nowhere"):
        store.migrations(tmp_path / "nowhere")
    with pytest.raises(keepwell.ConfigError, match="goose"):
        store.migrations(folder, format="geese")
    with pytest.raises(keepwell.ConfigError, match="out_of_order"):
        store.migrations(THREE, outoforder="accept")
    with pytest.raises(keepwell.MigrationError, match="twice"):
        store.migrations([THREE[0], THREE[0]])
    for wrong in (7, [("a", "b")], None):
        with pytest.raises((keepwell.MisuseError, TypeError)):
            store.migrations(wrong)  # type: ignore[arg-type]


def test_what_is_refused_names_the_cure(store: keepwell.Store) -> None:
    store.migrations(THREE).up()
    changed = [THREE[0], THREE[1]._replace(up="SELECT 1"), THREE[2]]
    with pytest.raises(keepwell.MigrationError, match="changed = accept") as caught:
        store.migrations(changed).up()
    assert (caught.value.name, caught.value.code) == ("KW_MIGRATION", 33)
    assert versions(store.migrations(changed, changed="accept").up()) == []
    with pytest.raises(keepwell.SchemaNewerError, match="newer than this program"):
        store.migrations(THREE[:2]).up()
    assert versions(store.migrations(THREE[:2]).down(to=2)) == [3]
    with pytest.raises(keepwell.SqlError, match="line 2, column 8, statement 2") as failed:
        store.migrations([*THREE, Migration(4, "wrong", "CREATE TABLE w(x);\nSELECT y FROM w")]).up()
    assert failed.value.rolled_back and "2 migrations" not in str(failed.value)
    assert store.query_value("SELECT count(*) FROM sqlite_schema WHERE name = 'w'") == 0
    for arguments in ({"to": -1}, {"steps": "1"}, {"to": True}):
        with pytest.raises((keepwell.MisuseError, TypeError, ValueError)):
            store.migrations(THREE).up(**arguments)  # type: ignore[arg-type]


def test_progress_is_heard_and_ends_a_run(store: keepwell.Store) -> None:
    m = store.migrations(THREE)
    events = []
    m.up(progress=events.append, to=2)
    assert [(event.phase, event.version) for event in events] == [("begin", 1), ("statement", 1), ("done", 1), ("begin", 2), ("statement", 2), ("done", 2)]
    assert events[4].sql == THREE[1].up and (events[4].index, events[4].total, events[4].rows_changed) == (2, 2, 2)
    with pytest.raises(keepwell.CancelledError):
        m.up(progress=lambda event: event.phase != "statement")
    def fail(event: keepwell.MigrationEvent) -> None:
        raise LookupError(event.description)
    with pytest.raises(LookupError, match="age"):
        m.up(progress=fail)
    assert m.status().version == 2
    assert versions(m.up()) == [3]


def test_deadlines_tokens_and_locks(store: keepwell.Store, tmp_path: Path) -> None:
    slow = store.migrations([Migration(1, "slow", f"CREATE TABLE s(x); {ENDLESS}")])
    with pytest.raises(keepwell.TimeoutError):
        slow.up(timeout=0.05)
    token = keepwell.CancelToken()
    timer = threading.Timer(0.1, token.cancel)
    timer.start()
    with pytest.raises(keepwell.CancelledError):
        slow.up(cancel=token)
    timer.join()
    assert store.query_value("SELECT count(*) FROM sqlite_schema") == 0
    with keepwell.open(tmp_path / "test.db") as other, other.transaction() as tx:
        tx.execute("CREATE TABLE held(x)")
        with pytest.raises(keepwell.TimeoutError, match="write lock"):
            store.migrations(THREE, lock_timeout=0.05).up()
        tx.rollback()
    assert versions(store.migrations(THREE).up()) == [1, 2, 3]
    with store.transaction(), pytest.raises(keepwell.SelfDeadlockError):
        store.migrations([*THREE, Migration(4, "more", "SELECT 1")]).up()


def test_control_c_undoes_the_migration_that_runs(tmp_path: Path) -> None:
    code = """
        m = store.migrations([keepwell.Migration(1, "a", "CREATE TABLE a(x)"), keepwell.Migration(2, "b", "CREATE TABLE b(x); " + ENDLESS)])
        ready()
        try:
            m.up()
        except KeyboardInterrupt:
            print("interrupted")
        print(m.status().version, store.query_value("SELECT count(*) FROM sqlite_schema WHERE name = 'b'"))
        store.close()
    """
    seconds, out, err = interrupt(code, tmp_path)
    assert (out, err) == ("interrupted\n1 0\n", "") and seconds < 8


def test_threads_and_processes_that_start_together_apply_each_once(store: keepwell.Store, tmp_path: Path) -> None:
    list_ = [Migration(n, f"number {n}", f"CREATE TABLE t{n}(x)") for n in range(1, 31)]
    counts = []
    threads = [threading.Thread(target=lambda: counts.append(len(store.migrations(list_).up().migrations))) for _ in range(4)]
    code = (
        "import keepwell, sys\n"
        "with keepwell.open(sys.argv[1]) as s:\n"
        "    l = [keepwell.Migration(n, f'number {n}', f'CREATE TABLE t{n}(x)') for n in range(1, 31)]\n"
        "    print(len(s.migrations(l).up().migrations))\n"
    )
    programs = [
        subprocess.Popen([*command(), "-c", code, str(tmp_path / "test.db")], stdout=subprocess.PIPE, text=True, cwd=Path(keepwell.__file__).parents[1])
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for program in programs:
        counts.append(int(program.communicate(timeout=60)[0]))
        assert program.returncode == 0
    assert sum(counts) == 30
    assert store.query_value("SELECT count(*) FROM keepwell_migrations") == 30


def test_a_table_is_rebuilt_and_the_schema_dumped(store: keepwell.Store) -> None:
    store.migrations(THREE).up()
    report = store.rebuild_table(
        "person", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, letters INTEGER)", {"letters": "length(name)"}
    )
    assert (report.operation, report.tables) == ("rebuild", [("person", 2, 2)])
    assert store.query("SELECT letters FROM person") == [(3,), (5,)]
    assert any(problem.message == "column age is gone" for problem in report.problems)
    dump = store.schema_dump()
    assert dump.startswith('CREATE TABLE "person"(') and "keepwell" not in dump
    with keepwell.open(":memory:") as other:
        other.execute_script(dump)
        assert other.schema_dump() == dump
    with pytest.raises(keepwell.MigrationError, match="no such table"):
        store.rebuild_table("nowhere", "CREATE TABLE nowhere(x)")


def test_a_report_is_data(store: keepwell.Store) -> None:
    report = store.migrations(THREE).up()
    assert json.loads(report.json()) == report.to_dict()
    assert repr(report) == "<keepwell.MigrationReport up: version 3, 0 pending [1 applied, 2 applied, 3 applied]>"


def test_another_tools_history_is_adopted(store: keepwell.Store) -> None:
    store.execute_script("CREATE TABLE schema_migrations (version uint64,dirty bool); INSERT INTO schema_migrations VALUES (2, 0);" + THREE[0].up)
    m = store.migrations({"1_a.up.sql": THREE[0].up, "2_b.up.sql": THREE[1].up, "3_c.up.sql": THREE[2].up})
    with pytest.raises(keepwell.MigrationError, match="golang-migrate"):
        m.up()
    report = m.adopt()
    assert versions(report) == [1, 2] and report.adopted_from == "schema_migrations (golang-migrate)"
    assert versions(m.up()) == [3]


def test_a_set_ends_with_its_store_and_with_a_fork(store: keepwell.Store, script: Script) -> None:
    with store.migrations(THREE) as m:
        m.up()
    with pytest.raises(keepwell.InvalidHandleError):
        m.up()
    m = store.migrations(THREE)
    store.close()
    with pytest.raises(keepwell.ClosedError):
        m.up()
    if sys.platform != "win32":
        done = script(
            """
            import os, keepwell
            store = keepwell.open("f.db")
            m = store.migrations([keepwell.Migration(1, "a", "CREATE TABLE a(x)")])
            child = os.fork()
            if child == 0:
                try:
                    m.up()
                except keepwell.ForkedError:
                    os._exit(7)
                os._exit(8)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
            m.up()
            store.close()
            print("fine")
            """
        )
        assert (done.stdout, done.stderr) == ("fine\n", "")
