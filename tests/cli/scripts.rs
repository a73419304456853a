//! What scripts rely on: exit codes, JSON, streams, and where the database comes from.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use super::stage::{Ran, Stage, PEOPLE};

/// Runs until it is stopped.
const ENDLESS: &str =
    "CREATE TABLE t(a);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT count(*) FROM n;";

#[test]
fn three_says_that_something_is_pending_where_that_is_asked() {
    let stage = Stage::with(&PEOPLE);
    for command in ["status", "plan"] {
        stage.done(&[command]);
        stage.expect(3, &[command, "--check"]);
    }
    stage.done(&["up"]);
    for command in ["status", "plan"] {
        stage.done(&[command, "--check"]);
    }
}

#[test]
fn one_is_an_error_and_its_migration_leaves_nothing() {
    let stage = Stage::with(&[("1_a.up.sql", "CREATE TABLE a(b);\nCREATE TABLE wrong wrong;")]);
    let error = stage.json(1, &["up"]);
    assert_eq!(error["error"]["kind"], "KW_SQL");
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("1_a.up.sql, line 2"), "{message}");
    assert_eq!(stage.done(&["dump"]).out, "");
}

#[test]
fn two_is_wrong_usage() {
    let stage = Stage::with(&PEOPLE);
    stage.expect(2, &["upp"]);
    stage.expect(2, &["up", "--to", "-1"]);
    stage.expect(2, &["up", "--timeout", "soon"]);
    stage.expect(2, &["up", "--quiet", "--verbose"]);
    stage.expect(2, &["up", "--set", "out_of_order"]);
    let ran = stage.expect(2, &["up", "--set", "out_of_ordr=accept"]);
    assert!(ran.err.contains("out_of_order"), "{ran:?}");
    let ran = stage.expect(2, &["--set", "gaps=refuse", "up", "--set", "newer=accept"]);
    assert!(ran.err.contains("after it"), "{ran:?}");
    let ran = stage.expect(2, &["up", "--format", "rails"]);
    assert!(ran.err.contains("golang-migrate"), "{ran:?}");
    let ran = Ran::of(stage.bare(&["up"]).output().unwrap());
    assert!(ran.code == 2 && ran.err.contains("KEEPWELL_DATABASE"), "{ran:?}");
    assert!(!stage.has("app.db"));
}

#[test]
fn five_is_what_the_history_refuses_and_a_policy_accepts() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up"]);
    stage.write("migrations/0_before.up.sql", "CREATE TABLE before(a);");
    assert_eq!(stage.json(5, &["up"])["error"]["kind"], "KW_MIGRATION");
    stage.done(&["--set", "out_of_order=accept", "up"]);
    stage.expect(5, &["to", "77"]);
    stage.expect(5, &["redo", "--format", "goose"]);
}

#[test]
fn six_is_a_database_that_is_newer() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up"]);
    std::fs::remove_file(stage.path("migrations/2_age.up.sql")).unwrap();
    std::fs::remove_file(stage.path("migrations/2_age.down.sql")).unwrap();
    assert_eq!(stage.json(6, &["up"])["error"]["kind"], "KW_SCHEMA_NEWER");
    // Its text is in the history.
    stage.done(&["down"]);
    stage.done(&["up"]);
}

#[test]
fn seven_is_out_of_time() {
    let stage = Stage::with(&[("1_endless.up.sql", ENDLESS)]);
    assert_eq!(stage.json(7, &["up", "--timeout", "100ms"])["error"]["kind"], "KW_TIMEOUT");
}

#[cfg(unix)]
#[test]
fn an_interrupt_rolls_the_running_migration_back() {
    let stage = Stage::with(&[("1_endless.up.sql", ENDLESS)]);
    let mut child = stage.command(&["up", "--verbose"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().contains("1.1  CREATE TABLE t(a);"));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<String> = lines.map(Result::unwrap).collect();
    assert_eq!(child.wait().unwrap().code(), Some(7), "{rest:?}");
    assert_eq!(stage.done(&["dump"]).out, "");
    assert_eq!(stage.json(0, &["status"])["pending"], 1);
}

#[test]
fn every_report_is_one_json_object_and_nothing_else() {
    let stage = Stage::with(&PEOPLE);
    let commands: [&[&str]; 11] = [
        &["plan"],
        &["status"],
        &["up", "--to", "1"],
        &["dry-run"],
        &["rehearse"],
        &["up"],
        &["redo"],
        &["verify"],
        &["down"],
        &["to", "2"],
        &["down", "--all", "--quiet"],
    ];
    for command in commands {
        let report = stage.json(0, command);
        assert_eq!(report["operation"], command[0].replace('-', "_"), "{report}");
    }
}

#[test]
fn quiet_says_nothing() {
    let stage = Stage::with(&PEOPLE);
    let ran = stage.done(&["up", "-q"]);
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", ""));
    let ran = stage.expect(1, &["up", "-q", "--dir", "nowhere"]);
    assert!(ran.err.contains("nowhere"), "{ran:?}");
}

#[test]
fn only_commands_that_may_begin_a_database_make_one() {
    let looks: [&[&str]; 9] = [
        &["verify"],
        &["dry-run"],
        &["rehearse"],
        &["down"],
        &["redo"],
        &["mark", "1"],
        &["adopt"],
        &["dump"],
        &["up", "--dir", "nowhere"],
    ];
    let stage = Stage::with(&PEOPLE);
    for command in looks {
        stage.expect(1, command);
        assert!(!stage.has("app.db"), "{command:?}");
    }
    for command in ["plan", "status"] {
        assert!(stage.done(&[command]).err.contains("app.db is not there yet"));
        assert!(!stage.has("app.db"), "{command}");
    }
    for command in [&["up"][..], &["to", "1"], &["baseline", "1"]] {
        let stage = Stage::with(&PEOPLE);
        stage.done(command);
        assert!(stage.has("app.db"), "{command:?}");
    }
}

#[test]
fn a_look_leaves_the_journal_mode_alone() {
    let stage = Stage::with(&PEOPLE);
    stage.done(&["up"]);
    // Bytes 18 and 19 of the header: 2 is the write-ahead log, 1 is not.
    let path = stage.path("app.db");
    let mut bytes = std::fs::read(&path).unwrap();
    (bytes[18], bytes[19]) = (1, 1);
    std::fs::write(&path, &bytes).unwrap();
    for command in ["status", "plan", "verify", "dump"] {
        stage.done(&[command]);
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{command}");
    }
}

#[test]
fn the_database_comes_from_arguments_before_the_environment() {
    let stage = Stage::with(&PEOPLE);
    stage.write("keepwell.yaml", "database:\n  datasource: configured.db\n");
    stage.done(&["up", "--config", "keepwell.yaml"]);
    assert!(stage.has("configured.db") && !stage.has("app.db"));
    stage.done(&["up", "--config", "keepwell.yaml", "--database", "file:given.db?mode=rwc"]);
    assert!(stage.has("given.db") && !stage.has("app.db"));
    let mut command = stage.bare(&["status", "--check"]);
    assert_eq!(command.env("KEEPWELL_CONFIG", "keepwell.yaml").status().unwrap().code(), Some(0));
    stage.expect(1, &["up", "--config", "nowhere.yaml"]);
}

#[test]
fn the_metrics_of_a_configuration_are_left_to_its_application() {
    let stage = Stage::with(&PEOPLE);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let metrics = format!("  metrics: {{listen: '{}', file: metrics.prom, collect_interval: 1s}}\n", taken.local_addr().unwrap());
    stage.write("keepwell.yaml", &format!("database:\n  datasource: app.db\n{metrics}"));
    stage.done(&["up", "--config", "keepwell.yaml"]);
    assert!(stage.has("app.db") && !stage.has("metrics.prom"));
}

#[test]
fn a_reader_that_went_away_is_no_error() {
    let stage = Stage::with(&PEOPLE);
    for arguments in [&["status"][..], &["up", "--json"], &["dump"], &["status", "--help"], &["up", "--dir", "nowhere", "--json"]] {
        let mut command = stage.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        drop(child.stderr.take());
        let code = child.wait().unwrap().code();
        let expected = if arguments.contains(&"nowhere") { 1 } else { 0 };
        assert_eq!(code, Some(expected), "{arguments:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let stage = Stage::with(&PEOPLE);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = stage.command(&["status"]).stdout(full).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(1) && text.contains("error: standard output: "), "{text}");
}

#[test]
fn the_readme_and_the_help_say_the_same_codes() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let table = readme.split("| exit code | |").nth(1).unwrap().split("\n\n").next().unwrap();
    let help = Stage::new().done(&["--help"]).out;
    for code in 0..=7 {
        assert!(table.contains(&format!("\n| {code} | ")), "README: {code}");
        assert!(help.contains(&format!("\n  {code}  ")), "help: {code}");
    }
    for command in help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().lines() {
        let name = command.split_whitespace().next().unwrap();
        assert!(name == "help" || readme.contains(&format!("`{name}")), "README: {name}");
    }
}
