//! Bodies of transactions that are run again: `other` is a second store on the same file, in the way like another process.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keepwell::cancel::CancelToken;
use keepwell::driver::Mode;
use keepwell::error::{Outcome, Retry};
use keepwell::options::Timeout;
use keepwell::{Error, Kind, Params, QueryOptions, Result, Scope, Store, TxMode, Value};

const DEFERRED: TxMode = TxMode::Write(Mode::Deferred);
const IMMEDIATE: TxMode = TxMode::Write(Mode::Immediate);

struct Two {
    _folder: temp_dir::TempDir,
    store: Store,
    other: Store,
}

fn two() -> Two {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = Store::open_path(folder.path().join("t.db")).unwrap();
    store.execute("CREATE TABLE t(s TEXT UNIQUE)", Params::NONE, &plain()).unwrap();
    let other = Store::open_path(folder.path().join("t.db")).unwrap();
    Two { _folder: folder, store, other }
}

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn insert(tx: &Scope, text: &str) -> Result<()> {
    tx.execute("INSERT INTO t VALUES (?)", &[text.into()], &plain()).map(drop)
}

fn count(store: &Store) -> Value {
    store.query("SELECT count(*) FROM t", Params::NONE, &plain()).unwrap().collect().unwrap()[0][0].clone()
}

/// Reads, and lets the other store commit: the next write of a deferred transaction is a conflict then.
fn be_overtaken(tx: &Scope, other: &Store) {
    tx.query("SELECT * FROM t", Params::NONE, &plain()).unwrap();
    other.execute("INSERT INTO t VALUES ('other')", Params::NONE, &plain()).unwrap();
}

#[test]
fn a_conflict_is_run_again_and_the_value_comes_out() {
    let Two { store, other, .. } = &two();
    let mut runs = 0;
    let value = store.run(DEFERRED, &plain(), |tx| {
        runs += 1;
        if runs == 1 {
            be_overtaken(tx, other);
        }
        insert(tx, "own").inspect_err(|error| assert_eq!((error.kind(), error.retry()), (Kind::Conflict, Retry::Transaction)))?;
        Ok(runs * 10)
    });
    assert_eq!((value.unwrap(), runs, count(other)), (20, 2, Value::Integer(2)));
}

#[test]
fn what_is_run_again_is_the_outermost() {
    let Two { store, other, .. } = &two();
    let (outer_runs, inner_runs) = (AtomicU32::new(0), AtomicU32::new(0));
    let result = store.run(DEFERRED, &plain(), |tx| {
        outer_runs.fetch_add(1, Ordering::Relaxed);
        let inner = tx.run(IMMEDIATE, &plain(), |inner| {
            if inner_runs.fetch_add(1, Ordering::Relaxed) == 0 {
                be_overtaken(inner, other);
            }
            insert(inner, "own")
        });
        inner.inspect_err(|error| assert_eq!(error.kind(), Kind::Conflict))
    });
    result.unwrap();
    assert_eq!((outer_runs.into_inner(), inner_runs.into_inner(), count(other)), (2, 2, Value::Integer(2)));
}

#[test]
fn other_errors_and_panics_roll_back_and_come_out() {
    let Two { store, other, .. } = &two();
    let mut runs = 0;
    let error = store.run(IMMEDIATE, &plain(), |tx| {
        runs += 1;
        insert(tx, "a")?;
        insert(tx, "a")
    });
    assert_eq!((error.unwrap_err().kind(), runs), (Kind::Constraint, 1));
    let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.run(IMMEDIATE, &plain(), |tx| -> Result<()> {
            insert(tx, "a")?;
            std::panic::panic_any("deliberate")
        })
    }));
    assert_eq!(panic.unwrap_err().downcast_ref::<&str>(), Some(&"deliberate"));
    other.execute("INSERT INTO t VALUES ('after')", Params::NONE, &plain()).unwrap();
    assert_eq!(count(store), Value::Integer(1));
}

#[test]
fn a_failure_of_the_programs_own_comes_out_of_a_body_that_undoes() {
    let Two { store, .. } = &two();
    let answer: std::result::Result<(), &str> = store
        .run(IMMEDIATE, &plain(), |tx| {
            insert(tx, "a")?;
            tx.undo()?;
            Ok(Err("refused"))
        })
        .unwrap();
    assert_eq!((answer, count(store)), (Err("refused"), Value::Integer(0)));
}

#[test]
fn what_was_committed_is_never_run_again() {
    let Two { store, .. } = &two();
    for by_hand in [true, false] {
        let mut runs = 0;
        let error = store.run(IMMEDIATE, &plain(), |tx| -> Result<()> {
            runs += 1;
            if by_hand {
                insert(tx, "a")?;
                tx.commit()?;
            }
            let error = Error::new(Kind::Busy, "made for this test").with_retry(Retry::Transaction);
            Err(if by_hand { error } else { error.with_outcome(Outcome::Committed) })
        });
        assert_eq!((error.unwrap_err().kind(), runs, count(store)), (Kind::Busy, 1, Value::Integer(1)));
    }
}

#[test]
fn a_deadline_and_a_token_end_everything_and_name_the_last_error() {
    let Two { store, .. } = &two();
    let conflict = || Error::new(Kind::Conflict, "made for this test").with_retry(Retry::Transaction);
    let options = QueryOptions { timeout: Timeout::After(Duration::from_millis(60)), ..plain() };
    let error = store.run(IMMEDIATE, &options, |_| -> Result<()> { Err(conflict()) }).unwrap_err();
    assert_eq!((error.kind(), error.retry()), (Kind::Timeout, Retry::No));
    assert!(error.message().ends_with("made for this test"), "{error}");

    let token = CancelToken::new().unwrap();
    let mut runs = 0;
    let options = QueryOptions { cancel: Some(token), ..plain() };
    let error = store.run(IMMEDIATE, &options, |_| -> Result<()> {
        runs += 1;
        if runs == 2 {
            token.cancel();
        }
        Err(conflict())
    });
    let error = error.unwrap_err();
    assert_eq!((error.kind(), runs), (Kind::Cancelled, 2));
    assert!(error.message().contains("2 runs failed before"), "{error}");
    token.free();
}

#[test]
fn bounds_hold_for_savepoints_and_for_options_of_a_calls_own() {
    let Two { store, .. } = &two();
    const ENDLESS: &str = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";
    let options = QueryOptions { timeout: Timeout::After(Duration::from_millis(50)), ..plain() };
    let own = QueryOptions { timeout: Timeout::None, ..plain() };
    let error = store.run(IMMEDIATE, &options, |tx| tx.begin(IMMEDIATE, &own)?.query(ENDLESS, Params::NONE, &own).map(drop));
    let error = error.unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    // And a transaction that was begun without bounds has none after its beginning.
    let tx = store.begin(IMMEDIATE, &QueryOptions { timeout: Timeout::After(Duration::from_millis(30)), ..plain() }).unwrap();
    std::thread::sleep(Duration::from_millis(40));
    insert(&tx, "late").unwrap();
    tx.commit().unwrap();
}
