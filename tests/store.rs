//! The store through its Rust face: the shortest way from an idea to a running statement.

use keepwell::{Config, Kind, Params, QueryOptions, Store, TxMode, Value};

fn scratch() -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = Store::open_path(folder.path().join("t.db")).unwrap();
    (folder, store)
}

#[test]
fn what_was_written_is_read() {
    let (_folder, store) = scratch();
    let options = QueryOptions::default();
    store.execute("CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT)", Params::NONE, &options).unwrap();
    let changes = store.execute("INSERT INTO t(b) VALUES (?)", &["hello".into()], &options).unwrap();
    assert_eq!((changes.last_insert_id, changes.rows_affected), (1, 1));
    let rows = store.query("SELECT a, b FROM t", Params::NONE, &options).unwrap();
    assert_eq!(rows.columns().names, ["a", "b"]);
    assert_eq!(rows.collect().unwrap(), vec![vec![Value::Integer(1), Value::Text(b"hello".to_vec())]]);
    store.close(None).unwrap();
    assert_eq!(store.query("SELECT 1", Params::NONE, &options).err().unwrap().kind(), Kind::Closed);
}

#[test]
fn a_dropped_transaction_leaves_nothing() {
    let (_folder, store) = scratch();
    let options = QueryOptions::default();
    store.execute("CREATE TABLE t(a)", Params::NONE, &options).unwrap();
    {
        let tx = store.begin(TxMode::Write(Default::default()), &options).unwrap();
        tx.execute("INSERT INTO t VALUES (1)", Params::NONE, &options).unwrap();
    }
    let tx = store.begin(TxMode::Write(Default::default()), &options).unwrap();
    tx.execute("INSERT INTO t VALUES (2)", Params::NONE, &options).unwrap();
    let inner = tx.begin(TxMode::Write(Default::default()), &options).unwrap();
    inner.execute("INSERT INTO t VALUES (3)", Params::NONE, &options).unwrap();
    inner.rollback().unwrap();
    tx.commit().unwrap();
    let rows = store.query("SELECT a FROM t", Params::NONE, &options).unwrap().collect().unwrap();
    assert_eq!(rows, vec![vec![Value::Integer(2)]]);
}

#[test]
fn a_memory_store_works_like_a_file() {
    let mut config = Config::new();
    config.load_uri(":memory:").unwrap();
    let store = Store::open(&config).unwrap();
    let options = QueryOptions::default();
    store.execute("CREATE TABLE t(a)", Params::NONE, &options).unwrap();
    store.execute("INSERT INTO t VALUES (1)", Params::NONE, &options).unwrap();
    assert_eq!(store.query("SELECT a FROM t", Params::NONE, &options).unwrap().collect().unwrap().len(), 1);
    store.execute("VACUUM", Params::NONE, &options).unwrap();
    store.close(None).unwrap();
}

#[test]
fn a_statement_of_a_script_that_has_nothing_to_do_does_not_end_its_transaction() {
    let (_folder, store) = scratch();
    store.execute_script("CREATE TABLE t(a); CREATE INDEX i ON t(a)", &QueryOptions::default()).unwrap();
    for nothing in ["CREATE INDEX IF NOT EXISTS i ON t(a)", "CREATE TABLE IF NOT EXISTS t(a)", "DROP TABLE IF EXISTS nowhere"] {
        let script = format!("INSERT INTO t VALUES (1); {nothing}; INSERT INTO nowhere VALUES (1)");
        store.execute_script(&script, &QueryOptions::default()).unwrap_err();
        let rows = store.query("SELECT count(*) FROM t", Params::NONE, &QueryOptions::default()).unwrap().collect().unwrap();
        assert_eq!(rows[0][0], Value::Integer(0), "{nothing}");
    }
}
