//! `fork()` seen from Rust: a child may drop what it inherited, and nothing of its parent's is touched.
#![cfg(unix)]
#![allow(unsafe_code)]

use keepwell::{Config, Kind, Params, QueryOptions, Store, TxMode, Value};

const COUNT: &str = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5000) SELECT x, randomblob(400) FROM c";

fn open(folder: &temp_dir::TempDir) -> Store {
    let mut config = Config::new();
    config.set("datasource", &folder.path().join("t.db").to_string_lossy()).unwrap();
    // So small that a transaction of some size writes to the log, and to the shared index of the log, before it is committed.
    config.set("options.cache_size", "64").unwrap();
    Store::open(&config).unwrap()
}

fn execute(store: &Store, sql: &str) {
    store.execute(sql, Params::NONE, &QueryOptions::default()).unwrap();
}

fn first(store: &Store, sql: &str) -> Value {
    store.query(sql, Params::NONE, &QueryOptions::default()).unwrap().collect().unwrap().remove(0).remove(0)
}

/// Runs `body` in a child with copies of all that it owns, which the parent leaves alone for as long as the child lives. A panic or a
/// hang ends the child badly.
fn in_child(body: impl FnOnce()) {
    // SAFETY: the child runs `body` and ends without returning.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: plain calls of the system.
        unsafe { libc::alarm(30) };
        let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).is_ok();
        unsafe { libc::_exit(i32::from(!fine)) };
    }
    std::mem::forget(body);
    let mut state = 0;
    // SAFETY: `state` is valid for the answer.
    assert_eq!(unsafe { libc::waitpid(child, &mut state, 0) }, child);
    assert_eq!(state, 0, "the child ended badly");
}

/// A second owner of the same thing, for the child of a fork, where it is the only one.
fn copied<T>(thing: &T) -> T {
    // SAFETY: one of the two owners is dropped in the parent, the other in the child alone, each in a memory of its own.
    unsafe { std::ptr::read(thing) }
}

#[test]
fn a_child_that_drops_a_transaction_leaves_it_to_the_parent() {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = open(&folder);
    let options = QueryOptions::default();
    execute(&store, "CREATE TABLE t(x INTEGER PRIMARY KEY, y)");
    let tx = store.begin(TxMode::Write(Default::default()), &options).unwrap();
    tx.execute(&format!("INSERT INTO t {COUNT}"), Params::NONE, &options).unwrap();
    let inherited = copied(&tx);
    in_child(move || {
        assert_eq!(inherited.execute("DELETE FROM t", Params::NONE, &QueryOptions::default()).unwrap_err().kind(), Kind::Forked);
        assert_eq!(inherited.commit().unwrap_err().kind(), Kind::Forked);
    });
    tx.execute("UPDATE t SET y = x", Params::NONE, &options).unwrap();
    tx.commit().unwrap();
    assert_eq!(first(&store, "SELECT count(*) FROM t WHERE y = x"), Value::Integer(5000));
    assert_eq!(first(&store, "PRAGMA integrity_check"), Value::Text(b"ok".to_vec()));
}

#[test]
fn a_child_that_drops_rows_or_a_pinned_connection_leaves_them_to_the_parent() {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = open(&folder);
    let options = QueryOptions::default();
    let pinned = store.pin(&options).unwrap();
    pinned.execute("CREATE TEMP TABLE own(x)", Params::NONE, &options).unwrap();
    let rows = store.query(COUNT, Params::NONE, &options).unwrap();
    let inherited = (copied(&pinned), copied(&rows));
    in_child(move || {
        let (pinned, rows) = inherited;
        assert_eq!(rows.collect().unwrap_err().kind(), Kind::Forked);
        drop(pinned);
    });
    assert_eq!(rows.collect().unwrap().len(), 5000);
    pinned.execute("INSERT INTO own VALUES (1)", Params::NONE, &options).unwrap();
}

#[test]
fn a_child_that_drops_a_store_has_stores_of_its_own() {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = open(&folder);
    execute(&store, "CREATE TABLE t(x)");
    let (inherited, folder_of_both) = (copied(&store), &folder);
    in_child(move || {
        // The child's own maintenance thread may get the memory, and so the identity, of the parent's.
        let own = open(folder_of_both);
        drop(inherited);
        execute(&own, "INSERT INTO t VALUES (1)");
        own.close(None).unwrap();
    });
    execute(&store, "INSERT INTO t VALUES (2)");
    assert_eq!(first(&store, "SELECT sum(x) FROM t"), Value::Integer(3));
    store.close(None).unwrap();
}
