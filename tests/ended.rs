//! What a call has left behind that was ended early: nothing. And a call that has done its work is not ended any more.

use std::cell::Cell;
use std::collections::BTreeSet;

use keepwell::cancel::{Caller, CancelToken};
use keepwell::driver::Mode;
use keepwell::{Config, Kind, Params, QueryOptions, Result, Store, TxMode, Value};

fn store() -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let mut config = Config::new();
    config.set("datasource", &folder.path().join("t.db").to_string_lossy()).unwrap();
    let store = Store::open(&config).unwrap();
    store.execute_script("CREATE TABLE t(n INTEGER PRIMARY KEY, s TEXT)", &QueryOptions::default()).unwrap();
    (folder, store)
}

/// Cancels its own call at the engine's first look at it, wherever in the statement that is.
struct Canceller {
    token: CancelToken,
    looks: Cell<u32>,
}

impl Canceller {
    fn new() -> Self {
        Canceller { token: CancelToken::new().unwrap(), looks: Cell::new(0) }
    }

    fn options(&self) -> QueryOptions<'_> {
        self.token.reset();
        QueryOptions { cancel: Some(self.token), caller: Some(self), ..Default::default() }
    }
}

impl Caller for Canceller {
    fn before_wait(&self) {
        self.looks.set(self.looks.get() + 1);
        self.token.cancel();
    }
}

impl Drop for Canceller {
    fn drop(&mut self) {
        self.token.free();
    }
}

/// SQLite looks once in some thousand steps of a statement, counted over all its runs: sooner or later that is at its end, when the row is
/// written. `write` inserts the row that it is given; what it says has to be what `rows` has in the end.
fn answers_are_true(write: impl Fn(i64, &QueryOptions<'_>) -> Result<bool>, rows: impl FnOnce() -> Vec<i64>) {
    let canceller = Canceller::new();
    let mut answered: BTreeSet<i64> = (0..3_000).filter(|n| write(*n, &canceller.options()).unwrap()).collect();
    assert!(canceller.looks.get() > 0, "the engine never looked");
    let unexpected: Vec<i64> = rows().into_iter().filter(|n| !answered.remove(n)).collect();
    assert_eq!(unexpected, [0_i64; 0], "written although told to be cancelled");
    assert_eq!(answered, BTreeSet::new(), "told to be done and not there");
}

/// Whether a write was done, where it was not cancelled.
fn done<T>(result: Result<T>) -> Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == Kind::Cancelled => Ok(false),
        Err(error) => Err(error),
    }
}

fn numbers(rows: keepwell::Rows) -> Vec<i64> {
    let number = |row: Vec<Value>| row[0].as_ref().as_i64().unwrap();
    rows.collect().unwrap().into_iter().map(number).collect()
}

const INSERT: &str = "INSERT INTO t VALUES (?, 'text')";
const ALL: &str = "SELECT n FROM t ORDER BY n";

#[test]
fn a_write_that_is_told_to_be_cancelled_has_not_been_done() {
    let (_folder, store) = store();
    answers_are_true(
        |n, options| done(store.execute(INSERT, &[n.into()], options)),
        || numbers(store.query(ALL, Params::NONE, &QueryOptions::default()).unwrap()),
    );
}

#[test]
fn a_write_inside_a_transaction_that_is_told_to_be_cancelled_has_not_been_done() {
    let (_folder, store) = store();
    let plain = QueryOptions::default();
    answers_are_true(
        |n, options| {
            let tx = store.begin(TxMode::Write(Mode::Immediate), &plain)?;
            let done = done(tx.execute(INSERT, &[n.into()], options))?;
            // A write that was interrupted in the middle has taken the transaction with it.
            match tx.commit() {
                Err(error) if !done && error.kind() == Kind::TxEnded => Ok(done),
                other => other.map(|()| done),
            }
        },
        || numbers(store.query(ALL, Params::NONE, &plain).unwrap()),
    );
}

#[test]
fn a_transaction_that_is_told_not_to_have_begun_has_not_begun() {
    let (_folder, store) = store();
    let pinned = store.pin(&QueryOptions::default()).unwrap();
    let canceller = Canceller::new();
    for _ in 0..3_000 {
        match pinned.begin(TxMode::Write(Mode::Immediate), &canceller.options()) {
            Ok(tx) => tx.rollback().unwrap(),
            Err(error) => assert_eq!(error.kind(), Kind::Cancelled, "{error}"),
        }
    }
}
