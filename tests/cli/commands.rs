//! Each command, by what it leaves and what it says.

use super::stage::{Stage, PEOPLE};

fn version(stage: &Stage) -> Option<i64> {
    stage.json(0, &["status"])["version"].as_i64()
}

#[test]
fn up_applies_what_is_pending_and_says_each_migration_on_standard_error() {
    let stage = Stage::with(&PEOPLE);
    let ran = stage.done(&["up"]);
    assert!(ran.out.starts_with("2 applied in "), "{}", ran.out);
    assert!(ran.out.ends_with("; at version 2, 0 pending\n"), "{}", ran.out);
    let lines: Vec<&str> = ran.err.lines().collect();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("applied 1 people (2 statements, "), "{}", lines[0]);
    assert!(stage.done(&["up"]).out.starts_with("nothing to do in "));
}

#[test]
fn up_to_a_version_and_by_steps() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up", "--to", "1"]);
    assert_eq!(version(&stage), Some(1));
    stage.done(&["up", "--steps", "1"]);
    assert_eq!(version(&stage), Some(2));
}

#[test]
fn down_undoes_the_newest_one_so_many_or_all() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up"]);
    stage.done(&["down"]);
    assert_eq!(version(&stage), Some(1));
    stage.done(&["up"]);
    stage.done(&["down", "--to", "1"]);
    assert_eq!(version(&stage), Some(1));
    stage.done(&["up"]);
    stage.done(&["down", "--steps", "2"]);
    assert_eq!(version(&stage), None);
    stage.done(&["up"]);
    assert!(stage.done(&["down", "--all"]).out.contains("no migration is applied, 2 pending"));
    stage.expect(2, &["down", "--all", "--steps", "1"]);
}

#[test]
fn to_goes_either_way_and_redo_both() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["to", "2"]);
    stage.done(&["to", "1"]);
    assert_eq!(version(&stage), Some(1));
    assert!(stage.done(&["redo"]).out.starts_with("1 applied, 1 undone in "));
    assert_eq!(version(&stage), Some(1));
}

#[test]
fn status_is_an_aligned_table() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up", "--to", "1"]);
    let out = stage.done(&["status"]).out;
    let lines: Vec<&str> = out.lines().collect();
    let column = lines[0].find("DESCRIPTION").unwrap();
    assert_eq!(&lines[1][column..], "people");
    assert_eq!(&lines[2][column..], "age");
    assert!(lines[2].starts_with("      2  pending  -  "), "{}", lines[2]);
    assert_eq!(lines[3], "at version 1; 1 pending");
}

#[test]
fn status_says_problems_with_their_cures() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up"]);
    stage.write("migrations/1_people.up.sql", "CREATE TABLE other(a);");
    let out = stage.done(&["status"]).out;
    assert!(out.contains("changed: migration 1") && out.contains("changed = accept"), "{out}");
    assert!(stage.done(&["status", "--quiet"]).err.starts_with("changed: "));
}

#[test]
fn plan_and_dry_run_and_rehearse_change_nothing() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up", "--to", "1"]);
    assert!(stage.done(&["plan"]).out.contains("2  apply  2_age.up.sql  age"));
    assert!(stage.done(&["dry-run"]).out.starts_with("dry run: 1 applied in "));
    assert!(stage.done(&["rehearse"]).out.starts_with("rehearsal on a copy: 1 applied in "));
    assert_eq!(version(&stage), Some(1));
    stage.done(&["up"]);
    assert_eq!(stage.done(&["plan"]).out, "nothing to do\n");
}

#[test]
fn baseline_and_mark_take_migrations_for_applied() {
    let stage = Stage::with(&PEOPLE);
    assert!(stage.done(&["baseline", "1"]).out.starts_with("1 taken for applied; at version 1, 1 pending"));
    stage.done(&["mark", "2"]);
    assert_eq!(version(&stage), Some(2));
    assert_eq!(stage.done(&["dump"]).out, "", "nothing was run");
}

#[test]
fn adopt_takes_another_tools_history() {
    let stage = Stage::with(&[("1_people.sql", "-- +goose Up\nCREATE TABLE person(id INTEGER);\n-- +goose Down\nDROP TABLE person;\n")]);
    let store = keepwell::Store::open_path(stage.path("app.db")).unwrap();
    let goose =
        "CREATE TABLE goose_db_version(id INTEGER PRIMARY KEY AUTOINCREMENT, version_id INTEGER NOT NULL, is_applied INTEGER NOT NULL, \
                 tstamp TIMESTAMP DEFAULT (datetime('now')));
                 INSERT INTO goose_db_version(version_id, is_applied) VALUES (0, 1), (1, 1);
                 CREATE TABLE person(id INTEGER);";
    store.execute_script(goose, &Default::default()).unwrap();
    store.close(None).unwrap();
    stage.expect(5, &["up"]);
    let report = stage.json(0, &["adopt"]);
    assert_eq!((&report["version"], &report["adopted_from"]), (&1.into(), &"goose_db_version (goose)".into()));
    stage.done(&["up"]);
}

#[test]
fn verify_finds_what_was_changed_by_hand() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up"]);
    stage.done(&["verify"]);
    let store = keepwell::Store::open_path(stage.path("app.db")).unwrap();
    store.execute_script("CREATE TABLE byhand(a)", &Default::default()).unwrap();
    store.close(None).unwrap();
    assert!(stage.expect(4, &["verify"]).out.contains("drift: "));
}

#[test]
fn rehearse_finds_a_down_text_that_does_not_undo() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up", "--to", "1"]);
    stage.write("migrations/2_age.up.sql", "ALTER TABLE person ADD COLUMN age INTEGER;\nINSERT INTO person(name) VALUES ('Mary');");
    let ran = stage.expect(4, &["rehearse"]);
    assert!(ran.out.contains("rows: after going up and down again, table person has 3 rows where it had 2"), "{}", ran.out);
    assert_eq!(version(&stage), Some(1));
}

#[test]
fn dump_gives_a_schema_that_makes_itself_anew() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up"]);
    let schema = stage.done(&["dump"]).out;
    assert!(schema.contains("CREATE TABLE person"), "{schema}");
    let again = Stage::with(&[("1_all.up.sql", &schema)]);
    again.done(&["up"]);
    assert_eq!(again.done(&["dump"]).out, schema);
    assert_eq!(again.json(0, &["dump"])["schema"], schema);
    again.done(&["dump", "--output", "schema.sql"]);
    assert_eq!(std::fs::read_to_string(again.path("schema.sql")).unwrap(), schema);
}

#[test]
fn rebuild_keeps_the_rows() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up"]);
    let definition = "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, age INTEGER NOT NULL)";
    let arguments = ["rebuild", "person", "--definition", "-", "--column", "age=coalesce(age, 0)"];
    let ran = stage.run_with_input(&arguments, definition);
    assert!(ran.code == 0 && ran.out.contains("table person: 2 rows before, 2 rows after"), "{ran:?}");
    assert!(stage.done(&["dump"]).out.contains("age INTEGER NOT NULL"));
    stage.write("person.sql", definition);
    stage.done(&["rebuild", "person", "--definition", "person.sql"]);
    stage.expect(5, &["rebuild", "nobody", "--definition", "person.sql"]);
    stage.expect(1, &["rebuild", "person", "--definition", "missing.sql"]);
}
