//! `keepwell stats`: what it says of a sound database.

use keepwell::{Config, Store};
use serde_json::Value;

use super::stage::{Ran, Stage, PEOPLE};

/// Tables of every sort, with rows that are counted: 300, 200, and 100 after a third of what was there is gone.
const SCHEMA: &str = "
    CREATE TABLE big(id INTEGER PRIMARY KEY, name TEXT);
    CREATE INDEX big_name ON big(name);
    CREATE TABLE keyed(k TEXT PRIMARY KEY, v) WITHOUT ROWID;
    CREATE TABLE shrunk(a);
    CREATE VIRTUAL TABLE words USING fts5(word);
    CREATE VIEW names AS SELECT name FROM big;
    CREATE TRIGGER none AFTER DELETE ON keyed BEGIN SELECT 1; END;
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) INSERT INTO big SELECT i, 'name ' || i FROM n;
    INSERT INTO big VALUES (1000, printf('%.50000c', 'x'));
    INSERT INTO keyed SELECT printf('%050d', id), id FROM big WHERE id <= 200;
    INSERT INTO shrunk SELECT zeroblob(2000) FROM big WHERE id <= 150;
    DELETE FROM shrunk WHERE rowid > 100;
    ANALYZE;
    PRAGMA user_version = 7;
    PRAGMA application_id = 4711;";

/// `app.db` with these settings and statements.
pub fn database(stage: &Stage, settings: &[(&str, &str)], sql: &str) -> Store {
    let mut config = Config::new();
    config.set("datasource", stage.path("app.db").to_str().unwrap()).unwrap();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    let store = Store::open(&config).unwrap();
    store.execute_script(sql, &Default::default()).unwrap();
    store
}

/// Runs `keepwell stats app.db` with these arguments and expects this code.
pub fn stats(stage: &Stage, code: i32, arguments: &[&str]) -> Ran {
    let ran = Ran::of(stage.program(&[&["stats", "app.db"], arguments].concat()).output().unwrap());
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    ran
}

pub fn json(stage: &Stage, code: i32, arguments: &[&str]) -> Value {
    let ran = stats(stage, code, &[arguments, &["--json"]].concat());
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

fn filled() -> Stage {
    let stage = Stage::new();
    database(&stage, &[("options.page_size", "1024"), ("options.auto_vacuum", "incremental")], SCHEMA).close(None).unwrap();
    stage
}

fn object<'a>(report: &'a Value, name: &str) -> &'a Value {
    let objects = report["objects"].as_array().unwrap();
    objects.iter().find(|object| object["name"] == name).unwrap_or_else(|| panic!("{name}: {report}"))
}

#[test]
fn every_page_belongs_to_somebody() {
    let report = json(&filled(), 0, &[]);
    let number = |key: &str| report[key].as_u64().unwrap();
    let objects = report["objects"].as_array().unwrap();
    let pages: u64 = objects.iter().map(|object| object["pages"].as_u64().unwrap()).sum();
    assert_eq!(number("pages"), pages + number("free_pages") + number("other_pages"), "{report}");
    assert_eq!(number("file_bytes"), number("pages") * 1024);
    assert!(number("free_pages") >= 50, "the deleted rows had a page each at least: {report}");
    assert!(number("other_pages") >= 1, "auto_vacuum keeps a map of pages: {report}");
}

#[test]
fn objects_come_by_size_with_their_rows() {
    let report = json(&filled(), 0, &[]);
    let sizes: Vec<u64> = report["objects"].as_array().unwrap().iter().map(|object| object["bytes"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted_by(|one, next| one >= next) && sizes[0] > sizes[sizes.len() - 1], "{sizes:?}");
    for (name, kind, table, rows) in [
        ("big", "table", "big", 301),
        ("big_name", "index", "big", 301),
        ("keyed", "table", "keyed", 200),
        ("shrunk", "table", "shrunk", 100),
        ("words_config", "table", "words_config", 1),
    ] {
        let object = object(&report, name);
        assert_eq!((&object["kind"], &object["table"], &object["rows"]), (&kind.into(), &table.into(), &rows.into()), "{object}");
        assert_eq!(object["bytes"].as_u64().unwrap(), object["pages"].as_u64().unwrap() * 1024, "{object}");
        let filled = object["payload_bytes"].as_u64().unwrap() + object["unused_bytes"].as_u64().unwrap();
        assert!(filled > 0 && filled < object["bytes"].as_u64().unwrap(), "{object}");
    }
}

#[test]
fn settings_and_counts_are_those_of_the_database() {
    let stage = filled();
    let report = json(&stage, 0, &[]);
    for (key, expected) in [
        ("operation", Value::from("stats")),
        ("page_size", 1024.into()),
        ("encoding", "UTF-8".into()),
        ("auto_vacuum", "incremental".into()),
        ("journal_mode", "wal".into()),
        ("application_id", 4711.into()),
        ("user_version", 7.into()),
        ("tables", 9.into()),
        ("virtual_tables", 1.into()),
        ("indexes", 1.into()),
        ("triggers", 1.into()),
        ("views", 1.into()),
        ("migration_version", Value::Null),
        ("checks", Value::Array(Vec::new())),
        ("notes", Value::Array(Vec::new())),
    ] {
        assert_eq!(report[key], expected, "{key}: {report}");
    }
    assert!(report["analyzed_tables"].as_u64().unwrap() >= 3, "{report}");
    let before = report["schema_version"].as_i64().unwrap();
    database(&stage, &[], "CREATE TABLE one_more(a)").close(None).unwrap();
    assert!(json(&stage, 0, &[])["schema_version"].as_i64().unwrap() > before);
}

#[test]
fn the_migration_version_is_the_one_of_migrate_status() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up", "--to", "1"]);
    let report = json(&stage, 0, &[]);
    assert_eq!((&report["migration_version"], &report["analyzed_tables"]), (&1.into(), &Value::Null));
    stage.done(&["up"]);
    assert_eq!(json(&stage, 0, &[])["migration_version"], stage.json(0, &["status"])["version"]);
}

#[test]
fn people_read_an_aligned_table_in_round_units() {
    let out = stats(&filled(), 0, &[]).out;
    let (facts, space) = out.split_once("\n\n").unwrap();
    let value = |name: &str| facts.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}: {out}")).trim();
    assert_eq!((value("database"), value("journal mode"), value("migration version")), ("app.db", "wal", "none"));
    assert_eq!(value("schema  "), "9 tables, 1 index, 1 trigger, 1 view");
    assert!(value("file").ends_with(" pages of 1.0 KiB"), "{out}");
    let lines: Vec<&str> = space.lines().collect();
    let column = lines[0].find("NAME").unwrap();
    assert!(lines.iter().any(|line| &line[column..] == "big_name on big" && line.contains(" KiB  ") && line.contains(" %  ")), "{out}");
    let end = lines[0].find("ROWS").unwrap() + "ROWS".len();
    assert!(lines[1..].iter().all(|line| line.as_bytes()[end - 1].is_ascii_digit() && line.as_bytes()[end] == b' '), "{out}");
}

#[test]
fn an_empty_database_has_nothing() {
    let stage = Stage::new();
    stage.write("app.db", "");
    let report = json(&stage, 0, &["--integrity-check", "--foreign-key-check"]);
    assert_eq!((&report["pages"], &report["objects"]), (&0.into(), &Value::Array(Vec::new())), "{report}");
}
