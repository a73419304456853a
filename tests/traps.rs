//! Traps that a hostile user has found, each with the way out.

use std::sync::mpsc;
use std::time::Duration;

use keepwell::driver::Mode;
use keepwell::{Config, Kind, Params, QueryOptions, Scope, Store, TxMode, Value};

fn open() -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = Store::open_path(folder.path().join("t.db")).unwrap();
    run(&store, "CREATE TABLE parent(id INTEGER PRIMARY KEY, x)");
    run(&store, "CREATE TABLE child(pid)");
    (folder, store)
}

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn run(store: &Store, sql: &str) {
    store.execute(sql, Params::NONE, &plain()).unwrap();
}

fn begin(store: &Store) -> Scope {
    store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap()
}

fn execute(on: &Scope, sql: &str) -> keepwell::Result<keepwell::driver::Changes> {
    on.execute(sql, Params::NONE, &plain())
}

fn numbers(store: &Store, sql: &str) -> Vec<i64> {
    let rows = store.query(sql, Params::NONE, &plain()).unwrap().collect().unwrap();
    rows.iter().map(|row| if let Value::Integer(i) = row[0] { i } else { panic!("{row:?}") }).collect()
}

#[test]
fn last_insert_rowid_works_in_the_next_statement() {
    let (_folder, store) = open();
    let tx = begin(&store);
    assert_eq!(execute(&tx, "INSERT INTO parent(id, x) VALUES (77, 1)").unwrap().last_insert_id, 77);
    execute(&tx, "INSERT INTO child VALUES (last_insert_rowid())").unwrap();
    assert_eq!(execute(&tx, "UPDATE parent SET x = 2").unwrap().last_insert_id, 0);
    assert!(execute(&tx, "INSERT INTO parent(id) VALUES (77)").is_err());
    let tail = "INSERT INTO parent(id) VALUES (88); INSERT INTO child VALUES (last_insert_rowid());";
    tx.execute_script(tail, &plain()).unwrap();
    tx.commit().unwrap();
    assert_eq!(numbers(&store, "SELECT pid FROM child"), [77, 88]);
    assert_eq!(store.execute("CREATE VIRTUAL TABLE f USING fts5(c)", Params::NONE, &plain()).unwrap(), Default::default());
}

#[test]
fn statements_that_the_engine_runs_inside_others_lose_no_rows() {
    let (_folder, store) = open();
    run(&store, "CREATE VIRTUAL TABLE f USING fts5(c)");
    run(&store, "INSERT INTO f VALUES ('hello')");
    run(&store, "INSERT INTO parent VALUES (1, 1), (2, 2)");
    let listing = "SELECT count(*) FROM sqlite_schema m, pragma_table_info(m.name) p WHERE m.name IN ('parent', 'child')";
    assert_eq!(numbers(&store, listing), [3]);
    for _ in 0..3 {
        let joined = "SELECT m.name, p.name FROM sqlite_schema m, pragma_table_info(m.name) p WHERE m.name IN ('parent', 'child')";
        assert_eq!(store.query(joined, Params::NONE, &plain()).unwrap().collect().unwrap().len(), 3);
        let end = "SELECT id FROM parent UNION ALL SELECT name FROM pragma_table_info('parent') WHERE name = 'nope'";
        assert_eq!(numbers(&store, end), [1, 2]);
        let search = "SELECT id FROM parent UNION ALL SELECT rowid FROM f WHERE f MATCH 'hello'";
        assert_eq!(numbers(&store, search), [1, 2, 1]);
    }
    run(&store, "ALTER TABLE parent ADD COLUMN y");
    let rows = store.query("SELECT * FROM parent", Params::NONE, &plain()).unwrap();
    assert_eq!(rows.columns().names, ["id", "x", "y"]);
}

#[test]
fn a_statement_that_fails_to_prepare_spoils_nothing_for_the_next() {
    let (_folder, store) = open();
    let tx = begin(&store);
    execute(&tx, "CREATE TABLE zz(a)").unwrap();
    tx.rollback().unwrap();
    assert!(store.execute("SELEC 1", Params::NONE, &plain()).is_err());
    assert!(store.execute("INSERT INTO nope VALUES (1)", Params::NONE, &plain()).is_err());
    let tx = begin(&store);
    execute(&tx, "INSERT INTO parent VALUES (1, 1)").unwrap();
    let inner = tx.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
    execute(&inner, "CREATE TABLE u(a)").unwrap();
    inner.rollback().unwrap();
    assert!(execute(&tx, "INSERT INTO nope VALUES (1)").is_err());
    tx.commit().unwrap();
    assert_eq!(numbers(&store, "SELECT id FROM parent"), [1]);
}

#[test]
fn what_a_pinned_connection_may_do_is_not_remembered_for_others() {
    let (_folder, store) = open();
    let pinned = store.pin(&plain()).unwrap();
    for sql in ["BEGIN", "INSERT INTO child VALUES (1)", "COMMIT"] {
        execute(&pinned, sql).unwrap();
    }
    let tx = pinned.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
    execute(&tx, "INSERT INTO child VALUES (2)").unwrap();
    assert_eq!(execute(&tx, "COMMIT").unwrap_err().kind(), Kind::Misuse);
    assert_eq!(execute(&pinned, "ROLLBACK").unwrap_err().kind(), Kind::Misuse);
    tx.commit().unwrap();
    pinned.release().unwrap();
    assert_eq!(store.execute("BEGIN", Params::NONE, &plain()).unwrap_err().kind(), Kind::Misuse);
    let tx = begin(&store);
    execute(&tx, "INSERT INTO child VALUES (3)").unwrap();
    assert_eq!(execute(&tx, "COMMIT").unwrap_err().kind(), Kind::Misuse);
    tx.rollback().unwrap();
    assert_eq!(numbers(&store, "SELECT pid FROM child"), [1, 2]);
}

#[test]
fn a_transaction_that_was_busy_when_the_store_closed_does_not_commit_later() {
    let (folder, store) = open();
    let (ready, begun) = mpsc::channel();
    let worker = {
        let store = store.clone();
        std::thread::spawn(move || {
            let tx = begin(&store);
            execute(&tx, "INSERT INTO child VALUES (1)").unwrap();
            ready.send(()).unwrap();
            let endless = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT max(i) FROM c";
            assert!(tx.query(endless, Params::NONE, &plain()).is_err());
            std::thread::sleep(Duration::from_millis(50));
            assert!(execute(&tx, "INSERT INTO child VALUES (2)").is_err());
            assert!(tx.commit().is_err());
        })
    };
    begun.recv().unwrap();
    assert_eq!(store.close(Some(Duration::from_millis(20))).unwrap_err().kind(), Kind::Timeout);
    worker.join().unwrap();
    let again = Store::open_path(folder.path().join("t.db")).unwrap();
    assert_eq!(numbers(&again, "SELECT pid FROM child"), Vec::<i64>::new());
}

#[test]
fn read_only_stays_read_only_where_there_is_one_connection() {
    let mut config = Config::new();
    config.load_uri(":memory:").unwrap();
    let store = Store::open(&config).unwrap();
    run(&store, "CREATE TABLE t(a)");
    let only = QueryOptions { read_only: true, ..plain() };
    let ways: [&dyn Fn() -> Scope; 3] =
        [&|| store.begin(TxMode::ReadOnly, &plain()).unwrap(), &|| store.begin(TxMode::Write(Mode::Immediate), &only).unwrap(), &|| {
            store.pin(&only).unwrap()
        }];
    for scope in ways.iter().map(|way| way()) {
        assert_eq!(execute(&scope, "INSERT INTO t VALUES (1)").unwrap_err().kind(), Kind::ReadOnly);
        scope.query("SELECT 1", Params::NONE, &only).unwrap();
        assert_eq!(execute(&scope, "INSERT INTO t VALUES (1)").unwrap_err().kind(), Kind::ReadOnly);
        drop(scope);
    }
    run(&store, "INSERT INTO t VALUES (1)");
}

#[test]
fn a_database_that_was_removed_is_not_silently_another_one() {
    let (folder, store) = open();
    run(&store, "INSERT INTO child VALUES (1)");
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let error = store.query("SELECT count(*) FROM child", Params::NONE, &plain()).err().unwrap();
    assert_eq!(error.kind(), Kind::Io, "{error}");
    assert!(!store.health(&plain()).can_read);
    assert!(!folder.path().join("t.db").exists());
}

#[test]
fn a_script_ends_only_what_it_began() {
    let (_folder, store) = open();
    for script in ["INSERT INTO child VALUES (6); ROLLBACK;", "INSERT INTO child VALUES (7); COMMIT;"] {
        assert_eq!(store.execute_script(script, &plain()).unwrap_err().kind(), Kind::Misuse);
    }
    assert_eq!(numbers(&store, "SELECT pid FROM child"), Vec::<i64>::new());
    store.execute_script("BEGIN; INSERT INTO child VALUES (8); ROLLBACK; INSERT INTO child VALUES (9);", &plain()).unwrap();
    assert_eq!(numbers(&store, "SELECT pid FROM child"), [9]);
}
