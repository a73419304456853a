//! What each operation does.

use keepwell::migrate::report::{Direction, State};
use keepwell::migrate::Migration;
use keepwell::Kind;

use crate::{source, versions, Database, THREE};

#[test]
fn up_applies_what_is_pending_once() {
    for database in [Database::fresh(), Database::memory(), Database::with(&[("options.journal_mode", "delete")])] {
        let migrations = database.migrations(THREE);
        let report = migrations.up(None, None).unwrap();
        assert_eq!((report.operation.as_str(), report.before, report.version, report.pending), ("up", None, Some(3), 0));
        assert_eq!(versions(&report), [1, 2, 3]);
        assert_eq!(report.migrations[1].rows_changed, 2);
        assert_eq!(report.migrations[1].statements, 2);
        assert!(report.migrations.iter().all(|line| line.state == State::Applied && line.reversible && line.transactional));
        assert!(database.has("a") && database.has("b_y"));
        let report = migrations.up(None, None).unwrap();
        assert_eq!((versions(&report), report.before, report.version), (Vec::<i64>::new(), Some(3), Some(3)));
    }
}

#[test]
fn up_stops_at_a_version_or_after_some_steps() {
    let database = Database::fresh();
    let migrations = database.migrations(THREE);
    assert_eq!(versions(&migrations.up(None, Some(1)).unwrap()), [1]);
    assert_eq!(versions(&migrations.up(Some(2), None).unwrap()), [2]);
    let report = migrations.up(Some(2), None).unwrap();
    assert_eq!((versions(&report), report.pending), (Vec::<i64>::new(), 1));
    let error = migrations.up(Some(9), None).unwrap_err();
    assert_eq!(error.kind(), Kind::Migration);
    assert!(error.message().contains("migration 9") && error.message().contains("nearest is 3 \"m3\""), "{error}");
}

#[test]
fn down_undoes_the_newest_some_or_all_above_a_version() {
    let database = Database::fresh();
    let migrations = database.migrations(THREE);
    migrations.up(None, None).unwrap();
    let report = migrations.down(None, None).unwrap();
    assert_eq!((versions(&report), report.version, report.pending), (vec![3], Some(2), 1));
    assert_eq!((report.migrations[0].direction, report.migrations[0].state), (Direction::Down, State::Reverted));
    migrations.up(None, None).unwrap();
    assert_eq!(versions(&migrations.down(None, Some(2)).unwrap()), [3, 2]);
    migrations.up(None, None).unwrap();
    assert_eq!(versions(&migrations.down(Some(1), None).unwrap()), [3, 2]);
    assert_eq!(versions(&migrations.down(Some(0), None).unwrap()), [1]);
    assert!(versions(&migrations.down(None, None).unwrap()).is_empty());
    assert!(!database.has("a"));
    assert_eq!(database.count("SELECT count(*) FROM keepwell_migrations"), 3 + 1 + 1 + 2 + 2 + 2 + 1);
}

#[test]
fn to_goes_either_way_and_redo_goes_down_and_up() {
    let database = Database::fresh();
    let migrations = database.migrations(THREE);
    assert_eq!(versions(&migrations.to(2).unwrap()), [1, 2]);
    assert_eq!(versions(&migrations.to(3).unwrap()), [3]);
    assert_eq!(versions(&migrations.to(1).unwrap()), [3, 2]);
    assert_eq!(versions(&migrations.to(0).unwrap()), [1]);
    assert!(migrations.redo().unwrap_err().message().contains("no migration is applied"));
    migrations.up(None, None).unwrap();
    database.run("DELETE FROM b WHERE x = 1");
    let report = migrations.redo().unwrap();
    let ways: Vec<(i64, Direction)> = report.migrations.iter().map(|line| (line.version, line.direction)).collect();
    assert_eq!(ways, [(3, Direction::Down), (3, Direction::Up)]);
    assert_eq!(database.count("SELECT count(*) FROM b"), 1);
}

#[test]
fn what_has_no_down_is_not_undone_and_the_rest_stays() {
    let database = Database::fresh();
    let migrations = database.migrations(&[(1, "CREATE TABLE a(x)", ""), (2, "CREATE TABLE b(x)", "DROP TABLE b")]);
    migrations.up(None, None).unwrap();
    let error = migrations.down(Some(0), None).unwrap_err();
    assert!(error.message().contains("migration 1 \"m1\" cannot be undone"), "{error}");
    assert!(error.message().contains("migration 2 before it is done and stays"), "{error}");
    assert_eq!(migrations.status().unwrap().version, Some(1));
}

#[test]
fn an_older_program_goes_down_by_the_text_in_the_history() {
    let database = Database::fresh();
    database.migrations(THREE).up(None, None).unwrap();
    let older = database.migrations(&THREE[..1]);
    let report = older.down(Some(1), None).unwrap();
    assert_eq!((versions(&report), report.version), (vec![3, 2], Some(1)));
    assert!(!database.has("b"));
    assert_eq!(older.up(None, None).unwrap().version, Some(1));
}

#[test]
fn status_tells_how_each_migration_stands() {
    let database = Database::fresh();
    database
        .migrations(&[(1, "CREATE TABLE a(x)", ""), (2, "CREATE TABLE b(x)", ""), (4, "CREATE TABLE d(x)", ""), (9, "", "")])
        .up(None, None)
        .unwrap();
    let now =
        database.migrations(&[(1, "CREATE TABLE a(x)", ""), (2, "CREATE TABLE b(x, y)", ""), (3, "SELECT 1", ""), (5, "SELECT 2", "")]);
    let report = now.status().unwrap();
    let states: Vec<(i64, State)> = report.migrations.iter().map(|line| (line.version, line.state)).collect();
    let expected =
        [(1, State::Applied), (2, State::Changed), (3, State::OutOfOrder), (4, State::Missing), (5, State::OutOfOrder), (9, State::Newer)];
    assert_eq!(states, expected);
    let kinds: Vec<(&str, Option<i64>)> = report.problems.iter().map(|problem| (problem.kind.as_str(), problem.version)).collect();
    assert_eq!(
        kinds,
        [("changed", Some(2)), ("missing", Some(4)), ("newer", Some(9)), ("out_of_order", Some(3)), ("out_of_order", Some(5))]
    );
    let first = &report.migrations[0];
    assert!(first.applied_at.ends_with('Z') && first.applied_at.len() == 24, "{first:?}");
    assert!(first.engine.starts_with("SQLite 3.") && first.program.starts_with("migrations"), "{first:?}");
    assert_eq!((report.version, report.pending), (Some(9), 2));
}

#[test]
fn a_database_without_a_history_has_everything_pending_and_is_not_touched() {
    let database = Database::fresh();
    let report = database.migrations(THREE).status().unwrap();
    assert_eq!((report.version, report.pending, versions(&report)), (None, 3, vec![1, 2, 3]));
    let report = database.migrations(THREE).plan().unwrap();
    assert_eq!((versions(&report), report.migrations[0].state), (vec![1, 2, 3], State::Pending));
    assert!(!database.has("keepwell_migrations"));
}

#[test]
fn a_dry_run_executes_and_leaves_nothing() {
    let database = Database::fresh();
    let migrations = database.migrations(THREE);
    migrations.up(Some(1), None).unwrap();
    let report = migrations.dry_run().unwrap();
    assert_eq!((report.operation.as_str(), versions(&report), report.migrations[0].rows_changed), ("dry_run", vec![2, 3], 2));
    assert!(!database.has("b"));
    assert_eq!(migrations.status().unwrap().version, Some(1));
    let wrong = database.migrations(&[THREE[0], (2, "CREATE TABLE c(x); INSERT INTO nowhere VALUES (1)", "")]);
    let error = wrong.dry_run().unwrap_err();
    assert!(error.message().contains("nowhere"), "{error}");
    assert!(!database.has("c"));
}

#[test]
fn a_baseline_is_the_beginning_of_a_history() {
    let database = Database::fresh();
    database.run("CREATE TABLE a(x INTEGER PRIMARY KEY); CREATE TABLE b(x)");
    let migrations = database.migrations(THREE);
    let report = migrations.baseline(2).unwrap();
    assert_eq!((versions(&report), report.version, report.pending), (vec![1, 2], Some(2), 1));
    assert_eq!(report.migrations[0].direction, Direction::Baseline);
    assert_eq!(versions(&migrations.up(None, None).unwrap()), [3]);
    assert!(migrations.baseline(3).unwrap_err().message().contains("in the history already, up to 3"));
    assert_eq!(Database::fresh().migrations(THREE).baseline(7).unwrap_err().kind(), Kind::Migration);
}

#[test]
fn one_migration_can_be_marked() {
    let database = Database::fresh();
    let migrations = database.migrations(THREE);
    migrations.up(Some(1), None).unwrap();
    database.run("CREATE TABLE b(x)");
    assert_eq!(versions(&migrations.mark(2).unwrap()), [2]);
    assert!(migrations.mark(2).unwrap_err().message().contains("applied already"));
    assert_eq!(versions(&migrations.up(None, None).unwrap()), [3]);
}

#[test]
fn verify_notices_changes_by_other_means() {
    let database = Database::fresh();
    let migrations = database.migrations(THREE);
    migrations.up(None, None).unwrap();
    let report = migrations.verify().unwrap();
    assert_eq!(report.problems, []);
    database.run("CREATE INDEX by_hand ON a(x)");
    let report = migrations.verify().unwrap();
    assert_eq!((report.problems.len(), report.problems[0].kind.as_str()), (1, "drift"));
    database.run("DROP INDEX by_hand");
    assert_eq!(migrations.verify().unwrap().problems, []);
    database.run("CREATE TABLE keepwell_other(x); DROP TABLE keepwell_other");
    assert_eq!(migrations.verify().unwrap().problems, []);
}

#[test]
fn the_hash_of_each_step_is_that_of_the_schema_then() {
    let database = Database::fresh();
    let migrations = database.migrations(THREE);
    for version in 1..=3 {
        let report = migrations.up(Some(version), None).unwrap();
        assert_eq!(report.schema_hash, migrations.verify().unwrap().schema_hash, "{version}");
    }
    let stepwise = database.value("SELECT group_concat(schema_hash) FROM keepwell_migrations");
    let other = Database::fresh();
    other.migrations(THREE).up(None, None).unwrap();
    assert_eq!(other.value("SELECT group_concat(schema_hash) FROM keepwell_migrations"), stepwise);
}

#[test]
fn the_schema_dump_is_the_same_text_for_the_same_schema() {
    let database = Database::fresh();
    let parts = [
        "CREATE TABLE zebra(x, y)",
        "CREATE TABLE ant(x INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE INDEX by_x ON zebra(x)",
        "CREATE VIEW old AS SELECT * FROM zebra",
        "CREATE TRIGGER t AFTER INSERT ON ant BEGIN SELECT 1; SELECT 2; END",
        "CREATE VIRTUAL TABLE words USING fts5(text)",
    ];
    database.migrations(&[(1, &parts.join(";\n"), "")]).up(None, None).unwrap();
    let dump = database.store.schema_dump(&Default::default()).unwrap();
    let other = Database::fresh();
    let order = [5, 1, 0, 4, 3, 2];
    order.iter().for_each(|part| other.run(parts[*part]));
    assert_eq!(other.store.schema_dump(&Default::default()).unwrap(), dump);
    assert!(!dump.contains("keepwell") && !dump.contains("sqlite_") && !dump.contains("words_"), "{dump}");
    let again = Database::fresh();
    again.run(&dump);
    assert_eq!(again.store.schema_dump(&Default::default()).unwrap(), dump);
}

#[test]
fn a_rehearsal_leaves_the_database_alone_and_finds_a_down_that_does_not_undo() {
    for database in [Database::fresh(), Database::memory()] {
        database.run("CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT); INSERT INTO person(name) VALUES ('a'), ('b')");
        let good = database.migrations(&[
            (1, "CREATE TABLE pet(owner REFERENCES person); INSERT INTO pet SELECT id FROM person", "DROP TABLE pet"),
            (2, "ALTER TABLE person ADD COLUMN age", "ALTER TABLE person DROP COLUMN age"),
        ]);
        let report = good.rehearse().unwrap();
        assert_eq!((report.operation.as_str(), versions(&report), &report.problems), ("rehearse", vec![1, 2], &vec![]));
        let pets = report.tables.iter().find(|table| table.table == "pet").unwrap();
        assert_eq!((pets.before, pets.after), (None, Some(2)));
        assert!(!database.has("pet") && !database.has("keepwell_migrations"));
        let bad = database.migrations(&[(1, "DELETE FROM person WHERE name = 'a'; CREATE TABLE x(y)", "SELECT 1")]);
        let error = bad.rehearse().unwrap_err();
        assert!(error.message().contains("rehearsal on a copy") && error.message().contains("already exists"), "{error}");
        let bad =
            database.migrations(&[(1, "DELETE FROM person WHERE name = 'a'; CREATE INDEX IF NOT EXISTS i ON person(name)", "SELECT 1")]);
        let kinds: Vec<String> = bad.rehearse().unwrap().problems.into_iter().map(|problem| problem.kind).collect();
        assert_eq!(kinds, ["rows", "schema"]);
        let oneway = database.migrations(&[(1, "CREATE TABLE x(y)", "")]);
        assert_eq!(oneway.rehearse().unwrap().problems[0].kind, "irreversible");
        let left: Vec<_> = std::fs::read_dir(database.folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert!(!left.iter().any(|name| name.to_string_lossy().contains("rehearsal")), "{left:?}");
    }
}

#[test]
fn a_snapshot_is_written_before_the_first_pending_migration() {
    let database = Database::fresh();
    database.run("CREATE TABLE kept(x); INSERT INTO kept VALUES (7)");
    let copy = database.folder.child("before.db");
    let mut migrations = database.migrations(THREE);
    migrations.set("snapshot", copy.to_str().unwrap()).unwrap();
    let report = migrations.up(None, None).unwrap();
    assert_eq!(report.snapshot.as_deref(), copy.to_str());
    let saved = keepwell::Store::open_path(&copy).unwrap();
    let rows =
        saved.query("SELECT count(*), (SELECT x FROM kept) FROM sqlite_schema", keepwell::Params::NONE, &Default::default()).unwrap();
    assert_eq!(rows.collect().unwrap()[0], [keepwell::Value::Integer(1), keepwell::Value::Integer(7)]);
    assert_eq!(migrations.up(None, None).unwrap().snapshot, None);
    migrations.down(None, None).unwrap_err();
    assert_eq!(migrations.status().unwrap().version, Some(3));
}

#[test]
fn progress_is_heard_and_can_end_a_run() {
    use keepwell::migrate::apply::Phase;
    use keepwell::store::{Operation, EVERYTHING};
    let database = Database::fresh();
    let migrations = database.migrations(THREE);
    let mut heard = Vec::new();
    let mut listen = |event: &keepwell::migrate::apply::Event<'_>| {
        heard.push((event.phase, event.version, event.statement, event.index, event.total, event.sql.to_string()));
        !event.sql.starts_with("CREATE INDEX")
    };
    let error = migrations.run(Operation::Run(EVERYTHING), &Default::default(), &mut listen).unwrap_err();
    assert_eq!(error.kind(), Kind::Cancelled);
    let two: Vec<_> = heard.iter().filter(|event| event.1 == 2).cloned().collect();
    assert_eq!(
        two,
        [
            (Phase::Begin, 2, 0, 2, 3, String::new()),
            (Phase::Statement, 2, 1, 2, 3, "CREATE TABLE b(x);".to_string()),
            (Phase::Statement, 2, 2, 2, 3, "INSERT INTO b VALUES (1), (2)".to_string()),
            (Phase::Done, 2, 0, 2, 3, String::new()),
        ]
    );
    assert_eq!(migrations.status().unwrap().version, Some(2));
    assert_eq!(versions(&migrations.up(None, None).unwrap()), [3]);
}

#[test]
fn all_in_one_transaction_is_all_or_nothing() {
    let database = Database::fresh();
    let broken = [THREE[0], THREE[1], (3, "SELECT nothing", "")];
    let mut migrations = database.migrations(&broken);
    migrations.set("transactions", "all").unwrap();
    migrations.up(None, None).unwrap_err();
    assert!(!database.has("a") && !database.has("keepwell_migrations"));
    let mut migrations = database.migrations(THREE);
    migrations.set("transactions", "all").unwrap();
    assert_eq!(versions(&migrations.up(None, None).unwrap()), [1, 2, 3]);
    assert_eq!(migrations.status().unwrap().version, Some(3));
}

#[test]
fn the_json_form_has_one_shape() {
    let database = Database::fresh();
    let report = database.migrations(THREE).up(None, None).unwrap();
    let json: serde_json::Value = serde_json::from_str(&report.to_json()).unwrap();
    assert_eq!(json["operation"], "up");
    assert_eq!(json["migrations"][1]["state"], "applied");
    assert_eq!(json["migrations"][1]["direction"], "up");
    assert_eq!(json["version"], 3);
    assert!(json["before"].is_null());
}

#[test]
fn a_list_is_sorted_and_refuses_what_is_there_twice() {
    let two = vec![Migration::new(5, "five", "SELECT 5", None), Migration::new(2, "two", "SELECT 2", None)];
    assert_eq!(keepwell::migrate::Source::list(two).unwrap().migrations[0].version, 2);
    let twice = vec![Migration::new(5, "five", "SELECT 5", None), Migration::new(5, "other", "SELECT 2", None)];
    let error = keepwell::migrate::Source::list(twice).unwrap_err();
    assert!(error.kind() == Kind::Migration && error.message().contains("five") && error.message().contains("other"), "{error}");
    assert_eq!(keepwell::migrate::Source::list(vec![Migration::new(-1, "x", "", None)]).unwrap_err().kind(), Kind::Migration);
    let _ = source(&[]);
}
