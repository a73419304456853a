//! `keepwell stats`: which files it takes, what it leaves alone, and what it says of those that are no database.

use std::fs;
use std::process::Command;

use keepwell::driver::Mode;
use keepwell::store::TxMode;
use keepwell::Params;

use super::stage::{Ran, Stage, PROGRAM};
use super::stats::{database, json, stats};

const ROWS: &str = "CREATE TABLE t(a); \
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) INSERT INTO t SELECT zeroblob(1000) FROM n;";

/// The error that `app.db` gives.
fn error(stage: &Stage, code: i32) -> String {
    let ran = stats(stage, code, &[]);
    assert_eq!(ran.out, "");
    ran.err
}

#[test]
fn a_file_that_is_not_there_is_an_error_and_is_not_made() {
    let stage = Stage::new();
    assert_eq!(error(&stage, 1), "error: there is no database app.db\n");
    assert_eq!(json(&stage, 1, &[])["error"]["kind"], "KW_CANT_OPEN");
    assert!(!stage.has("app.db"));
}

#[test]
fn what_is_no_database_is_said_to_be_none() {
    let stage = Stage::new();
    fs::create_dir(stage.path("app.db")).unwrap();
    assert_eq!(error(&stage, 1), "error: app.db is a folder, not a database\n");
    fs::remove_dir(stage.path("app.db")).unwrap();
    // What encryption leaves has no header either.
    let noise: Vec<u8> = (0..8192_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for bytes in [b"a text, and nothing else".to_vec(), noise] {
        fs::write(stage.path("app.db"), &bytes).unwrap();
        assert!(error(&stage, 1).contains("the file is no SQLite database (or is encrypted)"));
        assert_eq!(json(&stage, 1, &["--integrity-check"])["error"]["kind"], "KW_CORRUPT");
        assert_eq!(fs::read(stage.path("app.db")).unwrap(), bytes);
    }
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for() {
    let stage = Stage::new();
    assert!(Command::new("mkfifo").arg(stage.path("app.db")).status().unwrap().success());
    assert_eq!(error(&stage, 1), "error: app.db is no ordinary file, not a database\n");
}

#[test]
fn the_file_may_come_from_the_environment_or_a_configuration() {
    let stage = Stage::new();
    database(&stage, &[], ROWS).close(None).unwrap();
    stage.write("keepwell.yaml", "database:\n  datasource: app.db\n");
    let code = |command: &mut Command| Ran::of(command.output().unwrap()).code;
    assert_eq!(code(stage.program(&["stats"]).env("KEEPWELL_DATABASE", "app.db")), 0);
    assert_eq!(code(&mut stage.program(&["stats", "--config", "keepwell.yaml"])), 0);
    assert_eq!(code(&mut stage.program(&["stats", "file:app.db?mode=rw"])), 0);
    assert_eq!(code(&mut stage.program(&["stats", "nowhere.db", "--config", "keepwell.yaml"])), 1);
    assert_eq!(code(&mut stage.program(&["stats"])), 2);
    assert_eq!(code(stage.program(&["stats"]).env("KEEPWELL_DATABASE", ":memory:")), 2);
}

#[test]
fn a_name_with_signs_of_a_uri_is_a_name() {
    let stage = Stage::new();
    database(&stage, &[], ROWS).close(None).unwrap();
    fs::rename(stage.path("app.db"), stage.path("100%?#.db")).unwrap();
    assert_eq!(Ran::of(stage.program(&["stats", "100%?#.db"]).output().unwrap()).code, 0);
}

#[test]
fn a_look_leaves_the_file_as_it_is() {
    for mode in ["wal", "delete"] {
        let stage = Stage::new();
        database(&stage, &[("options.journal_mode", mode)], ROWS).close(None).unwrap();
        let bytes = fs::read(stage.path("app.db")).unwrap();
        let report = json(&stage, 0, &["--integrity-check", "--foreign-key-check"]);
        assert_eq!(report["journal_mode"], mode);
        assert_eq!(fs::read(stage.path("app.db")).unwrap(), bytes, "{mode}");
    }
}

#[test]
fn a_database_that_another_process_writes_to_is_seen_as_it_was_committed() {
    let stage = Stage::new();
    let store = database(&stage, &[], ROWS);
    let tx = store.begin(TxMode::Write(Mode::Immediate), &Default::default()).unwrap();
    tx.execute("DELETE FROM t", Params::NONE, &Default::default()).unwrap();
    let report = json(&stage, 0, &["--integrity-check"]);
    let table = report["objects"].as_array().unwrap().iter().find(|object| object["name"] == "t").unwrap();
    assert_eq!(table["rows"], 100, "{report}");
    assert!(report["wal_bytes"].as_u64().unwrap() > 100_000, "{report}");
    tx.commit().unwrap();
    let report = json(&stage, 0, &[]);
    assert!(report["free_pages"].as_u64().unwrap() > 20, "{report}");
}

/// A lock that does not go away ends the wait for it, and not later than asked.
#[test]
fn seven_is_a_lock_of_others() {
    let stage = Stage::new();
    let store = database(&stage, &[("options.journal_mode", "delete")], ROWS);
    let _tx = store.begin(TxMode::Write(Mode::Exclusive), &Default::default()).unwrap();
    let began = std::time::Instant::now();
    stats(&stage, 7, &["--timeout", "50ms"]);
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "options.busy_timeout is 5 s");
}

/// A copy taken in the middle of a transaction is what a crash leaves.
#[test]
fn a_journal_that_waits_to_be_rolled_back_is_named() {
    let stage = Stage::new();
    let store = database(&stage, &[("options.journal_mode", "delete"), ("options.cache_size", "64")], ROWS);
    let tx = store.begin(TxMode::Write(Mode::Immediate), &Default::default()).unwrap();
    let spilling =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) INSERT INTO t SELECT zeroblob(1000) FROM n";
    tx.execute("UPDATE t SET a = zeroblob(999)", Params::NONE, &Default::default()).unwrap();
    tx.execute(spilling, Params::NONE, &Default::default()).unwrap();
    let crashed = Stage::new();
    for name in ["app.db", "app.db-journal"] {
        fs::copy(stage.path(name), crashed.path(name)).unwrap();
    }
    let said = error(&crashed, 1);
    assert!(said.contains("app.db-journal holds changes that only a program that may write"), "{said}");
}

/// Runs `keepwell stats` as somebody who may not write to the folder, nor go where the program was built.
#[cfg(unix)]
fn as_nobody(stage: &Stage, name: &str) -> Ran {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    const NOBODY: u32 = 65_534;
    let copy = stage.path("keepwell");
    fs::copy(PROGRAM, &copy).unwrap();
    let folder = copy.parent().unwrap();
    fs::set_permissions(folder, fs::Permissions::from_mode(0o555)).unwrap();
    let mut command = Command::new(&copy);
    command.args(["stats", name]).current_dir(folder);
    if fs::metadata(&copy).unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let ran = Ran::of(command.output().unwrap());
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).unwrap();
    ran
}

#[cfg(unix)]
#[test]
fn a_database_in_a_folder_that_may_not_be_written_is_read_all_the_same() {
    for mode in ["wal", "delete"] {
        let stage = Stage::new();
        database(&stage, &[("options.journal_mode", mode)], ROWS).close(None).unwrap();
        let ran = as_nobody(&stage, "app.db");
        assert!(ran.code == 0 && ran.out.contains("  table  t\n"), "{mode}: {ran:?}");
        assert!(ran.out.contains(&format!("\njournal mode       {mode}\n")), "{ran:?}");
        assert_eq!(ran.err.contains("a file that nobody changes meanwhile"), mode == "wal", "{ran:?}");
    }
}

#[cfg(unix)]
#[test]
fn a_log_in_a_folder_that_may_not_be_written_is_never_passed_over() {
    let stage = Stage::new();
    let _store = database(&stage, &[], ROWS);
    for ending in ["", "-wal"] {
        fs::copy(stage.path(&format!("app.db{ending}")), stage.path(&format!("copy.db{ending}"))).unwrap();
    }
    let ran = as_nobody(&stage, "copy.db");
    assert!(ran.code == 1 && ran.err.contains("copy.db-wal holds changes"), "{ran:?}");
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_said_to_be_one() {
    use std::os::unix::fs::PermissionsExt;

    let stage = Stage::new();
    database(&stage, &[], ROWS).close(None).unwrap();
    fs::set_permissions(stage.path("app.db"), fs::Permissions::from_mode(0o000)).unwrap();
    let ran = as_nobody(&stage, "app.db");
    assert!(ran.code == 1 && ran.err.starts_with("error: app.db: Permission denied"), "{ran:?}");
}
