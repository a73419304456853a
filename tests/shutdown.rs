//! Stores that are closed while everybody is busy.

use std::path::Path;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use keepwell::driver::Mode;
use keepwell::{Kind, Matrix, Params, QueryOptions, Result, Store, TxMode, ValueRef};

const INSERT: &str = "INSERT INTO t(kind, parts) VALUES (?, ?)";

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn number(store: &Store, sql: &str) -> i64 {
    let rows = store.query(sql, Params::NONE, &plain()).unwrap().collect().unwrap();
    rows[0][0].as_ref().as_i64().unwrap()
}

/// Three rows in one transaction.
fn transaction(store: &Store) -> Result<()> {
    let tx = store.begin(TxMode::Write(Mode::Immediate), &plain())?;
    for _ in 0..3 {
        tx.execute(INSERT, &[ValueRef::from("transaction"), 3.into()], &plain())?;
    }
    tx.commit()
}

/// Five rows in one call.
fn many(store: &Store) -> Result<()> {
    let values = [ValueRef::from("many"), 5.into()].repeat(5);
    store.execute_many(INSERT, Matrix::new(&values, 2, 5)?, &plain()).map(drop)
}

fn single(store: &Store) -> Result<()> {
    store.execute(INSERT, &[ValueRef::from("single"), 1.into()], &plain()).map(drop)
}

/// A result of several batches, read to its end.
fn stream(store: &Store) -> Result<()> {
    let sql = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 1000) SELECT i FROM c, (SELECT max(n) FROM t)";
    let rows = store.query(sql, Params::NONE, &plain())?.collect()?;
    assert_eq!(rows.len(), 1000);
    Ok(())
}

/// Calls `work` until the store is closed, and counts what succeeded. No other error is right.
fn until_closed(store: &Store, done: &AtomicI64, work: fn(&Store) -> Result<()>) {
    loop {
        match work(store) {
            Ok(()) => done.fetch_add(1, Ordering::SeqCst),
            Err(error) => return assert!(matches!(error.kind(), Kind::Closed | Kind::TxEnded), "{error}"),
        };
    }
}

fn files(folder: &Path) -> Vec<String> {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

/// Lets eight threads work, closes the store at some moment, and gives how often each kind of work succeeded.
fn close_under_load(store: &Store, drain: Duration, moment: Duration) -> ([i64; 4], Result<()>) {
    let works: [fn(&Store) -> Result<()>; 4] = [single, transaction, many, stream];
    let done: [AtomicI64; 4] = Default::default();
    let closed = std::thread::scope(|scope| {
        for (work, done) in works.iter().zip(&done) {
            scope.spawn(move || until_closed(store, done, *work));
            scope.spawn(move || until_closed(store, done, *work));
        }
        std::thread::sleep(moment);
        store.close(Some(drain))
    });
    (done.map(AtomicI64::into_inner), closed)
}

/// What was acknowledged is there, once each, and nothing is there in part.
fn check(path: &Path, before: [i64; 3], done: [i64; 4]) -> [i64; 3] {
    let store = Store::open_path(path).unwrap();
    let rows = |kind: &str, parts: i64| {
        let count = number(&store, &format!("SELECT count(*) FROM t WHERE kind = '{kind}'"));
        assert_eq!(count % parts, 0, "a {kind} in part");
        count / parts
    };
    let now = [rows("single", 1), rows("transaction", 3), rows("many", 5)];
    for kind in 0..3 {
        assert_eq!(now[kind] - before[kind], done[kind], "of kind {kind}");
    }
    assert_eq!(number(&store, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
    store.close(None).unwrap();
    now
}

#[test]
fn closing_under_load_finishes_what_is_under_way_and_leaves_one_file() {
    let folder = temp_dir::TempDir::new().unwrap();
    let path = folder.path().join("t.db");
    let mut written = [0; 3];
    for round in 0..25 {
        let store = Store::open_path(&path).unwrap();
        store.execute("CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, kind, parts)", Params::NONE, &plain()).unwrap();
        let (done, closed) = close_under_load(&store, Duration::from_secs(60), Duration::from_micros(round * 500));
        closed.unwrap();
        assert_eq!(files(folder.path()), ["t.db"], "round {round}");
        written = check(&path, written, done);
    }
    assert!(written.iter().all(|count| *count > 0), "{written:?}");
}

#[test]
fn closing_without_patience_ends_calls_and_loses_nothing_acknowledged() {
    let folder = temp_dir::TempDir::new().unwrap();
    let path = folder.path().join("t.db");
    let mut written = [0; 3];
    for round in 0..25 {
        let store = Store::open_path(&path).unwrap();
        store.execute("CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, kind, parts)", Params::NONE, &plain()).unwrap();
        let (done, closed) = close_under_load(&store, Duration::ZERO, Duration::from_micros(round * 500));
        if let Err(error) = closed {
            assert_eq!(error.kind(), Kind::Timeout, "{error}");
            assert!(!error.message().contains("still under way"), "{error}");
        }
        written = check(&path, written, done);
    }
    assert!(written.iter().all(|count| *count > 0), "{written:?}");
}
