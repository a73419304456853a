//! The command line: what each command does, what it says, and with which code it ends.
#![cfg(feature = "cli")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use temp_dir::TempDir;

/// A folder with migrations and a database beside them.
struct Place {
    folder: TempDir,
}

struct Ended {
    code: i32,
    out: String,
    err: String,
}

impl Place {
    fn new(files: &[(&str, &str)]) -> Place {
        let place = Place { folder: TempDir::new().unwrap() };
        fs::create_dir(place.path("migrations")).unwrap();
        files.iter().for_each(|(name, text)| place.write(&format!("migrations/{name}"), text));
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.child(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_keepwell"));
        command.arg("migrate").args(arguments).current_dir(self.folder.path());
        command.env("KEEPWELL_DATABASE", "app.db").env_remove("KEEPWELL_CONFIG");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs what must succeed; its standard output.
    fn ok(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.code, 0, "{arguments:?}: {}{}", ended.out, ended.err);
        ended.out
    }
}

const TWO: &[(&str, &str)] = &[
    ("0001_people.up.sql", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT);\n"),
    ("0001_people.down.sql", "DROP TABLE person;\n"),
    ("0002_some.up.sql", "INSERT INTO person(name) VALUES ('a'), ('b');\n"),
    ("0002_some.down.sql", "DELETE FROM person;\n"),
];

#[test]
fn up_down_to_and_redo_say_what_they_did() {
    let place = Place::new(TWO);
    let ended = place.run(&["up"]);
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("applied      1 people") && ended.out.ends_with("version 2, 0 pending\n"), "{}", ended.out);
    assert!(ended.err.contains("[1/2] applying 1 people"), "{}", ended.err);
    assert_eq!(place.ok(&["up", "--quiet"]), "");
    assert!(place.ok(&["down"]).contains("undone       2 some"));
    assert!(place.ok(&["to", "2"]).contains("applied      2 some"));
    assert!(place.ok(&["redo"]).ends_with("version 2, 0 pending\n"));
    assert!(place.ok(&["down", "--all"]).ends_with("version none, 2 pending\n"));
    assert!(place.run(&["up", "--steps", "1", "--verbose"]).err.contains("1: CREATE TABLE person"));
}

#[test]
fn looks_write_nothing_and_say_what_is_pending() {
    let place = Place::new(TWO);
    let missing = place.run(&["status"]);
    assert!(missing.code == 1 && missing.err.contains("there is no such database"), "{}", missing.err);
    assert!(!place.path("app.db").exists());
    place.ok(&["up", "--to", "1"]);
    let status = place.ok(&["status"]);
    assert!(status.starts_with("VERSION  STATE    APPLIED AT") && status.contains("      2  pending"), "{status}");
    assert_eq!(place.run(&["status", "--check"]).code, 3);
    assert_eq!(place.run(&["plan", "--check"]).code, 3);
    assert!(place.ok(&["dry-run"]).contains("applied      2 some"));
    assert!(place.ok(&["rehearse"]).contains("table person: 0 rows before, 2 after"));
    place.ok(&["up"]);
    assert_eq!(place.run(&["status", "--check"]).code, 0);
    place.ok(&["verify"]);
}

#[test]
fn codes_tell_why_it_ended() {
    let place = Place::new(TWO);
    assert_eq!(place.run(&["upwards"]).code, 2);
    place.ok(&["up"]);
    place.write("migrations/0002_some.up.sql", "SELECT 1;\n");
    let changed = place.run(&["up"]);
    assert!(changed.code == 5 && changed.err.contains("changed = accept"), "{}", changed.err);
    assert_eq!(place.run(&["up", "--set", "changed=accept"]).code, 0);
    assert_eq!(place.run(&["verify"]).code, 4);
    fs::remove_file(place.path("migrations/0002_some.up.sql")).unwrap();
    fs::remove_file(place.path("migrations/0002_some.down.sql")).unwrap();
    assert_eq!(place.run(&["up"]).code, 6);
    place.write("migrations/0003_wrong.up.sql", "CREATE TABLE c(x);\nSELECT y FROM c;\n");
    let wrong = place.run(&["up", "--set", "missing=accept"]);
    assert!(wrong.code == 1 && wrong.err.contains("0003_wrong.up.sql, line 2, column 8, statement 2"), "{}", wrong.err);
    place.write("migrations/0003_wrong.up.sql", "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT count(*) FROM c;\n");
    assert_eq!(place.run(&["up", "--set", "missing=accept", "--timeout", "100ms"]).code, 7);
    assert_eq!(place.run(&["up", "--set", "nothing=accept"]).code, 1);
    place.write("migrations/4-near.up.sql", "");
    assert!(place.run(&["status"]).err.contains("4-near.up.sql"));
}

#[test]
fn json_is_all_there_is_on_the_standard_output() {
    let place = Place::new(TWO);
    let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    let up = place.run(&["up", "--json"]);
    assert_eq!(up.err, "");
    assert_eq!(parsed(&up.out)["migrations"][1]["rows_changed"], 2);
    assert_eq!(parsed(&place.ok(&["status", "--json"]))["operation"], "status");
    let error = place.run(&["to", "9", "--json"]);
    assert_eq!((error.code, parsed(&error.out)["error"]["kind"].as_str()), (5, Some("KW_MIGRATION")));
    assert_eq!(parsed(&place.ok(&["new", "more", "--json"]))["files"][0], "migrations/0003_more.up.sql");
}

#[test]
fn new_files_follow_the_folders_habit_and_overwrite_nothing() {
    let place = Place::new(&[]);
    assert_eq!(place.ok(&["new", "add people"]), "migrations/0001_add_people.up.sql\nmigrations/0001_add_people.down.sql\n");
    assert!(place.ok(&["new", "more"]).starts_with("migrations/0002_more.up.sql\n"));
    assert!(place.ok(&["new", "later", "--timestamp"]).starts_with("migrations/20"));
    assert!(place.ok(&["new", "latest"]).starts_with("migrations/20"));
    assert_eq!(place.run(&["new", "../x"]).code, 1);
    let goose = Place::new(&[("00001_a.sql", "-- +goose Up\nSELECT 1;\n")]);
    assert_eq!(goose.ok(&["new", "b"]), "migrations/00002_b.sql\n");
    goose.ok(&["up"]);
    let diesel = Place::new(&[]);
    fs::create_dir(diesel.path("migrations/1_a")).unwrap();
    diesel.write("migrations/1_a/up.sql", "SELECT 1;");
    assert!(diesel.run(&["new", "b"]).err.contains("diesel"));
}

#[test]
fn a_dump_makes_the_schema_anew() {
    let place = Place::new(TWO);
    place.ok(&["up"]);
    let dump = place.ok(&["dump"]);
    assert_eq!(dump, "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT);\n");
    place.ok(&["dump", "--output", "schema.sql"]);
    assert_eq!(fs::read_to_string(place.path("schema.sql")).unwrap(), dump);
}

#[test]
fn a_table_is_rebuilt() {
    let place = Place::new(TWO);
    place.ok(&["up"]);
    place.write("new.sql", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT NOT NULL, letters INTEGER)");
    let said = place.ok(&["rebuild", "person", "--definition", "new.sql", "--column", "letters=length(name)"]);
    assert!(said.contains("table person: 2 rows before, 2 after"), "{said}");
    let refused = place.run(&["rebuild", "nobody", "--definition", "new.sql"]);
    assert!(refused.code == 5 && refused.err.contains("no such table"), "{}", refused.err);
}

#[test]
fn a_baseline_a_mark_and_an_adoption() {
    let place = Place::new(TWO);
    assert!(place.ok(&["baseline", "1"]).contains("marked       1 people"));
    assert!(place.ok(&["mark", "2"]).contains("marked       2 some"));
    assert_eq!(place.run(&["adopt"]).code, 5);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let place = Place::new(TWO);
    place.ok(&["up"]);
    let mut child = place.command(&["status", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ended = child.wait_with_output().unwrap();
    assert!(!String::from_utf8_lossy(&ended.stderr).contains("panick"), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn the_database_may_come_from_a_configuration() {
    let place = Place::new(TWO);
    place.write("keepwell.yaml", "datasource: other.db\n");
    let ended = place.command(&["up", "--config", "keepwell.yaml"]).env_remove("KEEPWELL_DATABASE").output().unwrap();
    assert!(ended.status.success() && place.path("other.db").exists(), "{}", String::from_utf8_lossy(&ended.stderr));
    let nothing = place.command(&["up"]).env_remove("KEEPWELL_DATABASE").output().unwrap();
    assert!(String::from_utf8_lossy(&nothing.stderr).contains("--database"));
}
