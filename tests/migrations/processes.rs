//! Many processes that start together, and processes that are killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use keepwell::migrate::{Migration, Source};
use keepwell::{Kind, Store};

use crate::Database;

const COUNT: i64 = 50;
const ROWS: i64 = 500;

/// Fifty migrations; each makes a table, fills it, and builds the one before anew.
fn fifty() -> Source {
    let one = |n: i64| {
        let rebuild = match n {
            1 => String::new(),
            _ => format!(
                "CREATE TABLE new_{n}(x INTEGER PRIMARY KEY, y TEXT NOT NULL, z DEFAULT 0); INSERT INTO new_{n}(x, y) SELECT x, y FROM t{0}; \
                 DROP TABLE t{0}; ALTER TABLE new_{n} RENAME TO t{0};",
                n - 1
            ),
        };
        let up = format!(
            "CREATE TABLE t{n}(x INTEGER PRIMARY KEY, y TEXT);
             WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < {ROWS}) INSERT INTO t{n} SELECT i, 'row ' || i FROM c;
             {rebuild}"
        );
        Migration::new(n, format!("table {n}"), up, None)
    };
    Source::list((1..=COUNT).map(one).collect()).unwrap()
}

/// Runs in a process of its own, when another test asks for it.
#[test]
fn child() {
    let Ok(path) = std::env::var("KEEPWELL_MIGRATING") else { return };
    let store = Store::open_path(path).unwrap();
    let report = store.migrations(fifty()).up(None, None).unwrap();
    println!("\napplied {}", report.migrations.len());
    store.close(None).unwrap();
}

fn start(path: &Path) -> Child {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "processes::child", "--nocapture"]).env("KEEPWELL_MIGRATING", path);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

#[test]
fn twenty_processes_that_start_together_apply_each_once_and_all_succeed() {
    let database = Database::fresh();
    let children: Vec<Child> = (0..20).map(|_| start(&database.folder.child("test.db"))).collect();
    let mut applied = 0;
    for child in children {
        let output = child.wait_with_output().unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{out}\n{err}");
        let said = out.lines().find_map(|line| line.strip_prefix("applied ")).expect("it says how many");
        applied += said.parse::<i64>().unwrap();
    }
    assert_eq!(applied, COUNT);
    assert_eq!(database.count("SELECT count(*) FROM keepwell_migrations"), COUNT);
    whole(&database.store, Some(COUNT));
}

/// The database is at the boundary of a migration: history, tables and rows agree. The version that it is at.
fn whole(store: &Store, expected: Option<i64>) -> i64 {
    let report = store.migrations(fifty()).verify().unwrap();
    assert_eq!(report.problems, []);
    let version = report.version.unwrap_or_default();
    assert!(expected.is_none_or(|expected| expected == version), "{version}");
    let options = keepwell::QueryOptions::default();
    let count = |sql: &str| match store.query(sql, keepwell::Params::NONE, &options).unwrap().collect().unwrap()[0][0] {
        keepwell::Value::Integer(number) => number,
        ref other => panic!("{sql}: {other:?}"),
    };
    assert_eq!(count("SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name GLOB 't[0-9]*'"), version);
    assert_eq!(count("SELECT count(*) FROM sqlite_schema WHERE name GLOB 'new_*'"), 0);
    for n in 1..=version {
        assert_eq!(count(&format!("SELECT count(*) FROM t{n}")), ROWS, "t{n} at {version}");
        let columns = count(&format!("SELECT count(*) FROM pragma_table_info('t{n}')"));
        assert_eq!(columns, if n < version { 3 } else { 2 }, "t{n} at {version}");
    }
    version
}

#[test]
fn a_process_that_is_killed_leaves_the_database_at_a_boundary() {
    let rounds: u32 = std::env::var("KEEPWELL_TEST_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(40);
    let (mut reached, mut inside, mut seed) = (0, 0, 88_172_645_463_325_252_u64);
    let mut database = Database::fresh();
    for round in 0..rounds {
        let mut child = start(&database.folder.child("test.db"));
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        std::thread::sleep(Duration::from_micros(10_000 + seed % 80_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let version = whole(&database.store, None);
        assert!(version >= reached, "round {round}: {version} after {reached}");
        inside += u32::from(version > reached && version < COUNT);
        reached = version;
        if reached == COUNT {
            database = Database::fresh();
            reached = 0;
        }
    }
    println!("{inside} of {rounds} kills hit a run under way");
    assert!(inside > 0);
    assert_eq!(database.value("PRAGMA integrity_check"), keepwell::Value::Text(b"ok".to_vec()));
}

#[test]
fn a_killed_one_outside_a_transaction_is_known_and_goes_on() {
    let database = Database::fresh();
    let path = database.folder.child("test.db");
    let inserts: String = (1..=400).map(|n| format!("INSERT INTO a VALUES ({n});\n")).collect();
    let text = format!("-- keepwell: no transaction\nCREATE TABLE a(x PRIMARY KEY);\n{inserts}");
    let source = || Source::list(vec![Migration::new(1, "slow", text.clone(), None)]).unwrap();
    let mut seen = 0;
    // A run that stops inside, as a kill does: the connection is dropped between two statements.
    let migrations = database.store.migrations(source());
    let mut stop = |event: &keepwell::migrate::apply::Event<'_>| event.statement != 100;
    let up = keepwell::store::Operation::Run(keepwell::store::EVERYTHING);
    assert_eq!(migrations.run(up, &Default::default(), &mut stop).unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(database.count("SELECT count(*) FROM a"), 99);
    let other = Store::open_path(&path).unwrap();
    assert!(other.migrations(source()).up(None, None).unwrap_err().message().contains("stopped after 100 statements"));
    let mut resuming = other.migrations(source());
    resuming.set("interrupted", "resume").unwrap();
    resuming
        .run(up, &Default::default(), &mut |event| {
            seen += u32::from(event.statement > 0);
            true
        })
        .unwrap();
    assert_eq!((seen, database.count("SELECT count(*) FROM a")), (301, 400));
}
