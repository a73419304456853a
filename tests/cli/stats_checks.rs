//! `keepwell stats`: its checks, what they find, and how they end.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Command;

use super::stage::Stage;
use super::stats::{database, json, stats};

const INDEXED: &str = "CREATE TABLE t(a, b); CREATE INDEX i ON t(a); \
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i, hex(zeroblob(50)) || i FROM n;";

/// The problems of the check with this name.
fn problems(report: &serde_json::Value, name: &str) -> Vec<String> {
    let check = report["checks"].as_array().unwrap().iter().find(|check| check["name"] == name);
    let problems = check.unwrap_or_else(|| panic!("{name}: {report}"))["problems"].as_array().unwrap();
    problems.iter().map(|problem| problem.as_str().unwrap().to_string()).collect()
}

/// Writes over a text of the schema in the file.
fn patch(stage: &Stage, before: &str, after: &str) {
    let mut bytes = fs::read(stage.path("app.db")).unwrap();
    let at = bytes.windows(before.len()).position(|window| window == before.as_bytes()).unwrap();
    bytes[at..at + after.len()].copy_from_slice(after.as_bytes());
    fs::write(stage.path("app.db"), bytes).unwrap();
}

#[test]
fn a_sound_database_passes_every_check() {
    let stage = Stage::new();
    database(&stage, &[], INDEXED).close(None).unwrap();
    let report = json(&stage, 0, &["--integrity-check", "--foreign-key-check"]);
    assert!(problems(&report, "integrity_check").is_empty() && problems(&report, "foreign_key_check").is_empty(), "{report}");
    assert!(problems(&json(&stage, 0, &["--quick"]), "quick_check").is_empty());
    let out = stats(&stage, 0, &["--integrity-check"]).out;
    assert!(out.contains("integrity_check    ok\n"), "{out}");
}

#[test]
fn a_page_that_was_overwritten_is_found_with_and_without_a_check() {
    let stage = Stage::new();
    database(&stage, &[], INDEXED).close(None).unwrap();
    let mut bytes = fs::read(stage.path("app.db")).unwrap();
    // The second page is the root of the first table.
    bytes[4096..4096 + 64].fill(0xaa);
    fs::write(stage.path("app.db"), bytes).unwrap();
    let ran = stats(&stage, 4, &[]);
    assert!(ran.out.contains("\ncorrupt: 1 of the 1 pages of t\n"), "{ran:?}");
    for check in ["integrity_check", "quick_check"] {
        let argument = if check == "quick_check" { "--quick" } else { "--integrity-check" };
        assert!(!problems(&json(&stage, 4, &[argument]), check).is_empty());
    }
    let ran = stats(&stage, 4, &["--quick", "--quiet"]);
    assert!(ran.out.is_empty() && ran.err.contains("quick_check: "), "{ran:?}");
}

/// An index of one column that the schema takes for one of another: its pages are sound.
#[test]
fn an_index_that_is_not_its_tables_is_found_by_the_long_check_alone() {
    let stage = Stage::new();
    database(&stage, &[], INDEXED).close(None).unwrap();
    patch(&stage, "CREATE INDEX i ON t(a)", "CREATE INDEX i ON t(b)");
    let found = problems(&json(&stage, 4, &["--integrity-check"]), "integrity_check");
    assert!(found.len() == 100 && found[0].contains("missing from index i"), "{found:?}");
    json(&stage, 0, &["--quick"]);
    json(&stage, 0, &[]);
}

#[test]
fn rows_whose_foreign_keys_lead_nowhere_are_counted_by_key() {
    let stage = Stage::new();
    let orphans = "CREATE TABLE parent(a, b, PRIMARY KEY (a, b)); \
                   CREATE TABLE child(id INTEGER PRIMARY KEY, x, y, FOREIGN KEY (x, y) REFERENCES parent); \
                   CREATE TABLE keyed(k TEXT PRIMARY KEY, x REFERENCES child) WITHOUT ROWID; \
                   INSERT INTO child VALUES (5, 1, 2), (6, 1, 2), (7, NULL, 2); INSERT INTO keyed VALUES ('k', 1);";
    database(&stage, &[("options.foreign_keys", "off")], orphans).close(None).unwrap();
    let found = problems(&json(&stage, 4, &["--foreign-key-check"]), "foreign_key_check");
    assert_eq!(
        found,
        ["child: 2 rows whose x, y leads to no row of parent, the first with rowid 5", "keyed: 1 row whose x leads to no row of child",]
    );
    json(&stage, 0, &["--integrity-check"]);
}

/// A key whose parent can not be one ends SQLite's check: that is what it found.
#[test]
fn a_foreign_key_that_can_not_be_checked_is_a_problem() {
    let stage = Stage::new();
    let mismatch = "CREATE TABLE parent(a); CREATE TABLE child(x REFERENCES parent(a)); INSERT INTO child VALUES (1);";
    database(&stage, &[("options.foreign_keys", "off")], mismatch).close(None).unwrap();
    let found = problems(&json(&stage, 4, &["--foreign-key-check"]), "foreign_key_check");
    assert!(found.len() == 1 && found[0].contains("foreign key mismatch"), "{found:?}");
}

/// Checking its index takes many seconds: the schema is made to say that each entry rests on 200000 bytes.
fn endless() -> Stage {
    let stage = Stage::new();
    let sql = "CREATE TABLE t(a); CREATE INDEX i ON t(length(hex(zeroblob(0000001 + a % 2))) > 0); \
               WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i FROM n;";
    database(&stage, &[], sql).close(None).unwrap();
    patch(&stage, "zeroblob(0000001", "zeroblob(0200000");
    stage
}

#[test]
fn seven_is_a_check_out_of_time() {
    assert_eq!(json(&endless(), 7, &["--integrity-check", "--timeout", "200ms"])["error"]["kind"], "KW_TIMEOUT");
}

#[cfg(unix)]
#[test]
fn an_interrupt_ends_a_long_check() {
    let stage = endless();
    let mut child = stage.program(&["stats", "app.db", "--integrity-check"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("integrity_check: "));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(7), "{rest:?}");
}
