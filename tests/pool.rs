//! Leases: who waits, who is told why, and what comes back clean.

use std::sync::mpsc;
use std::time::Duration;

use keepwell::driver::Mode;
use keepwell::options::Timeout;
use keepwell::{Config, Kind, Params, QueryOptions, Scope, Store, TxMode, Value};

fn open(settings: &[(&str, &str)]) -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let mut config = Config::new();
    config.set("datasource", &folder.path().join("t.db").to_string_lossy()).unwrap();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    let store = Store::open(&config).unwrap();
    execute(&store, "CREATE TABLE t(n INTEGER PRIMARY KEY, s TEXT)");
    (folder, store)
}

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn within(millis: u64) -> QueryOptions<'static> {
    QueryOptions { timeout: Timeout::After(Duration::from_millis(millis)), ..plain() }
}

fn execute(store: &Store, sql: &str) {
    store.execute(sql, Params::NONE, &plain()).unwrap();
}

fn begin(store: &Store) -> Scope {
    store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap()
}

fn count(store: &Store) -> i64 {
    match store.query("SELECT count(*) FROM t", Params::NONE, &plain()).unwrap().collect().unwrap()[0][0] {
        Value::Integer(n) => n,
        ref other => panic!("{other:?}"),
    }
}

const MANY: &str = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000) SELECT i FROM c";

#[test]
fn a_thread_that_would_wait_for_itself_is_told_at_once() {
    let (_folder, store) = open(&[]);
    let tx = begin(&store);
    let error = store.execute("INSERT INTO t VALUES (1, 'a')", Params::NONE, &plain()).unwrap_err();
    assert_eq!(error.kind(), Kind::SelfDeadlock);
    assert!(error.message().contains("transaction"), "{error}");
    tx.rollback().unwrap();
    execute(&store, "INSERT INTO t VALUES (1, 'a')");
}

#[test]
fn a_wait_that_is_too_long_names_who_holds_the_writer() {
    let (_folder, store) = open(&[]);
    let (ready, go) = (mpsc::channel(), mpsc::channel::<()>());
    let holder = {
        let store = store.clone();
        std::thread::spawn(move || {
            let tx = begin(&store);
            tx.execute("INSERT INTO t VALUES (5, 'held')", Params::NONE, &plain()).unwrap();
            ready.0.send(()).unwrap();
            go.1.recv().unwrap();
            tx.commit().unwrap();
        })
    };
    ready.1.recv().unwrap();
    let error = store.execute("DELETE FROM t", Params::NONE, &within(30)).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.message().contains("writer held") && error.message().contains("INSERT INTO t VALUES (5"), "{error}");
    go.0.send(()).unwrap();
    holder.join().unwrap();
    assert_eq!(count(&store), 1);
}

#[test]
fn without_a_deadline_the_configured_wait_ends_in_exhausted() {
    let (_folder, store) = open(&[("pool.wait_timeout", "50ms")]);
    let other = store.clone();
    let (ready, go) = (mpsc::channel(), mpsc::channel::<()>());
    let holder = std::thread::spawn(move || {
        let _tx = begin(&other);
        ready.0.send(()).unwrap();
        go.1.recv().unwrap();
    });
    ready.1.recv().unwrap();
    let error = store.execute("DELETE FROM t", Params::NONE, &plain()).unwrap_err();
    assert_eq!(error.kind(), Kind::Exhausted);
    assert_eq!(store.stats().exhausted, 1);
    go.0.send(()).unwrap();
    holder.join().unwrap();
}

#[test]
fn a_small_result_has_given_its_reader_back_and_a_large_one_holds_it_until_read() {
    let (_folder, store) = open(&[("pool.max_open", "2")]);
    let small = store.query("SELECT 1", Params::NONE, &plain()).unwrap();
    assert!(small.is_complete());
    assert_eq!(count(&store), 0);
    let large = store.query(MANY, Params::NONE, &plain()).unwrap();
    assert!(!large.is_complete());
    assert_eq!(store.query("SELECT 1", Params::NONE, &plain()).err().unwrap().kind(), Kind::SelfDeadlock);
    assert_eq!(large.collect().unwrap().len(), 100_000);
    assert_eq!(count(&store), 0);
    drop(store.query(MANY, Params::NONE, &plain()).unwrap());
    assert_eq!(count(&store), 0);
}

#[test]
fn one_connection_is_enough() {
    let (_folder, store) = open(&[("pool.max_open", "1")]);
    execute(&store, "INSERT INTO t VALUES (1, 'a')");
    assert_eq!(count(&store), 1);
    let threads: Vec<_> = (0..4)
        .map(|thread| {
            let store = store.clone();
            std::thread::spawn(move || {
                for n in 0..50 {
                    let sql = format!("INSERT INTO t VALUES ({}, 'x')", 100 + thread * 100 + n);
                    execute(&store, &sql);
                    assert!(count(&store) > 0);
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|t| t.join().unwrap());
    assert_eq!(count(&store), 201);
}

#[test]
fn what_comes_back_open_is_undone_and_what_comes_back_changed_is_discarded() {
    let (_folder, store) = open(&[]);
    let pinned = store.pin(&plain()).unwrap();
    pinned.execute("BEGIN", Params::NONE, &plain()).unwrap();
    pinned.execute("INSERT INTO t VALUES (1, 'lost')", Params::NONE, &plain()).unwrap();
    pinned.release().unwrap();
    assert_eq!((count(&store), store.stats().resets), (0, 1));
    let pinned = store.pin(&plain()).unwrap();
    pinned.execute("PRAGMA foreign_keys = off", Params::NONE, &plain()).unwrap();
    pinned.execute("CREATE TEMP TABLE mine(a)", Params::NONE, &plain()).unwrap();
    pinned.release().unwrap();
    assert_eq!(store.stats().discards, 1);
    let pinned = store.pin(&plain()).unwrap();
    let on = pinned.query("PRAGMA foreign_keys", Params::NONE, &plain()).unwrap().collect().unwrap();
    assert_eq!(on, vec![vec![Value::Integer(1)]]);
    assert_eq!(pinned.query("SELECT * FROM mine", Params::NONE, &plain()).err().unwrap().kind(), Kind::Sql);
}

#[test]
fn a_shared_connection_keeps_its_settings_and_its_transactions() {
    let (_folder, store) = open(&[]);
    for (sql, kind) in [
        ("PRAGMA foreign_keys = off", Kind::Unsupported),
        ("PRAGMA query_only = 0", Kind::Unsupported),
        ("PRAGMA journal_mode = delete", Kind::Unsupported),
        ("ATTACH ':memory:' AS other", Kind::Unsupported),
        ("CREATE TEMP TABLE mine(a)", Kind::Unsupported),
        ("BEGIN", Kind::Misuse),
        ("COMMIT", Kind::Misuse),
        ("SAVEPOINT s", Kind::Misuse),
    ] {
        let by_execute = store.execute(sql, Params::NONE, &plain()).unwrap_err();
        assert_eq!(by_execute.kind(), kind, "{sql}: {by_execute}");
        let by_query = store.query(sql, Params::NONE, &plain()).err().unwrap();
        assert_eq!(by_query.kind(), kind, "{sql}: {by_query}");
    }
    execute(&store, "PRAGMA user_version = 7");
    execute(&store, "PRAGMA journal_mode = WAL");
    execute(&store, "VACUUM");
    execute(&store, "ANALYZE");
    assert_eq!(store.query("PRAGMA user_version", Params::NONE, &plain()).unwrap().collect().unwrap(), vec![vec![Value::Integer(7)]]);
    let pinned = store.pin(&QueryOptions { read_only: true, ..plain() }).unwrap();
    assert!(pinned.execute("PRAGMA query_only = off", Params::NONE, &plain()).is_err(), "not even on a pinned reader");
    assert_eq!(pinned.execute("DELETE FROM t", Params::NONE, &plain()).unwrap_err().kind(), Kind::ReadOnly);
}

#[test]
fn read_only_is_the_engines_word_on_every_road() {
    let (_folder, store) = open(&[]);
    let only = QueryOptions { read_only: true, ..plain() };
    for sql in ["INSERT INTO t VALUES (1, 'a')", "DELETE FROM t", "DROP TABLE t", "INSERT INTO t VALUES (1, 'a') RETURNING n"] {
        assert_eq!(store.execute(sql, Params::NONE, &only).unwrap_err().kind(), Kind::ReadOnly, "{sql}");
        assert_eq!(store.query(sql, Params::NONE, &only).err().unwrap().kind(), Kind::ReadOnly, "{sql}");
        let tx = begin(&store);
        assert_eq!(tx.execute(sql, Params::NONE, &only).unwrap_err().kind(), Kind::ReadOnly, "{sql}");
        tx.commit().unwrap();
        let tx = store.begin(TxMode::ReadOnly, &plain()).unwrap();
        assert_eq!(tx.execute(sql, Params::NONE, &plain()).unwrap_err().kind(), Kind::ReadOnly, "{sql}");
    }
    execute(&store, "INSERT INTO t VALUES (1, 'a')");
    assert_eq!(store.query("SELECT n FROM t", Params::NONE, &only).unwrap().collect().unwrap().len(), 1);
}

#[test]
fn idle_and_old_connections_are_closed_by_the_maintenance() {
    let settings = [("pool.idle_timeout", "1ms"), ("pool.health_check_interval", "10ms"), ("pool.max_lifetime", "20ms")];
    let (_folder, store) = open(&settings);
    assert_eq!(count(&store), 0);
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while store.stats().readers.total + store.stats().writer.total > 0 {
        assert!(std::time::Instant::now() < end, "{:?}", store.stats());
        std::thread::sleep(Duration::from_millis(5));
    }
    let stats = store.stats();
    assert!(stats.closed_idle_time + stats.closed_lifetime >= 2, "{stats:?}");
    assert_eq!(count(&store), 0);
}

#[test]
fn min_idle_readers_are_there_from_the_start_and_stay() {
    let (_folder, store) = open(&[("pool.min_idle", "3"), ("pool.idle_timeout", "1ms"), ("pool.health_check_interval", "10ms")]);
    assert_eq!(store.stats().readers.idle, 3);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(store.stats().readers.idle, 3);
}

#[test]
fn a_write_that_a_reader_met_first_goes_to_the_writer_and_is_no_mess() {
    let (_folder, store) = open(&[]);
    for n in 1..=3 {
        let rows = store.query("INSERT INTO t(s) VALUES ('x') RETURNING n", Params::NONE, &plain()).unwrap();
        assert_eq!(rows.collect().unwrap(), vec![vec![Value::Integer(n)]]);
    }
    let only_reader = QueryOptions { no_writer: true, ..plain() };
    let refused = store.query("INSERT INTO t(s) VALUES ('x') RETURNING n", Params::NONE, &only_reader).err().unwrap();
    assert_eq!(refused.kind(), Kind::NeedsWriter);
    assert_eq!((count(&store), store.stats().resets), (3, 0));
}

#[test]
fn a_timed_out_query_leaves_a_working_store() {
    let (_folder, store) = open(&[]);
    let endless = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c) SELECT max(i) FROM c";
    let error = store.query(endless, Params::NONE, &within(30)).err().unwrap();
    assert_eq!(error.kind(), Kind::Timeout);
    let write = format!("INSERT INTO t SELECT i, 'x' FROM ({endless})").replace("max(i) FROM c", "i FROM c");
    assert_eq!(store.execute(&write, Params::NONE, &within(30)).unwrap_err().kind(), Kind::Timeout);
    assert_eq!(count(&store), 0);
    execute(&store, "INSERT INTO t VALUES (1, 'a')");
}

#[test]
fn a_transaction_that_the_engine_ends_says_so() {
    let (_folder, store) = open(&[]);
    execute(&store, "CREATE TRIGGER stop BEFORE INSERT ON t WHEN new.n = 13 BEGIN SELECT RAISE(ROLLBACK, 'thirteen'); END");
    let tx = begin(&store);
    let inner = tx.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
    tx.execute("INSERT INTO t VALUES (1, 'a')", Params::NONE, &plain()).unwrap();
    let error = inner.execute("INSERT INTO t VALUES (13, 'b')", Params::NONE, &plain()).unwrap_err();
    assert_eq!((error.kind(), error.outcome()), (Kind::Constraint, keepwell::error::Outcome::RolledBack));
    assert_eq!(tx.commit().unwrap_err().kind(), Kind::TxEnded);
    assert_eq!(inner.commit().unwrap_err().kind(), Kind::TxEnded);
    assert_eq!(count(&store), 0);
}

#[test]
fn a_transaction_that_ends_inside_execute_many_or_a_script_gives_its_connection_back() {
    let (_folder, store) = open(&[]);
    execute(&store, "CREATE TRIGGER stop BEFORE INSERT ON t WHEN new.n = 13 BEGIN SELECT RAISE(ROLLBACK, 'thirteen'); END");
    for by_script in [false, true] {
        let tx = begin(&store);
        let error = if by_script {
            tx.execute_script("INSERT INTO t VALUES (1, 'a'); INSERT INTO t VALUES (13, 'b')", &plain()).unwrap_err()
        } else {
            let values: Vec<_> = [1, 13].iter().map(|n| keepwell::ValueRef::from(*n)).collect();
            let matrix = keepwell::Matrix::new(&values, 1, 2).unwrap();
            tx.execute_many("INSERT INTO t(n) VALUES (?)", matrix, &plain()).unwrap_err()
        };
        assert_eq!(error.outcome(), keepwell::error::Outcome::RolledBack, "{error}");
        assert_eq!(store.stats().writer.idle, 1, "the writer is back while the handle of the ended transaction lives");
        execute(&store, "DELETE FROM t");
        assert_eq!(tx.commit().unwrap_err().kind(), Kind::TxEnded);
    }
}

#[test]
fn closing_waits_for_what_is_under_way_and_then_ends_it() {
    let (_folder, store) = open(&[("close_timeout", "50ms")]);
    let tx = begin(&store);
    let stream = store.query(MANY, Params::NONE, &plain()).unwrap();
    let error = store.close(None).unwrap_err();
    assert_eq!(error.kind(), Kind::Timeout);
    assert!(error.message().contains("transaction") && error.message().contains("stream"), "{error}");
    assert!(tx.commit().is_err());
    assert!(stream.collect().is_err());
    assert_eq!(store.query("SELECT 1", Params::NONE, &plain()).err().unwrap().kind(), Kind::Closed);
    store.close(None).unwrap();
}

#[test]
fn the_log_is_cut_when_the_last_reader_has_gone_and_not_before() {
    let (folder, store) = open(&[]);
    // As another process would: it keeps the engine from removing the log with the last connection.
    let other = Store::open_path(folder.path().join("t.db")).unwrap();
    execute(&store, "INSERT INTO t VALUES (1, 'a')");
    let stream = store.query("SELECT 'x' FROM t UNION ALL SELECT * FROM (WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 100000) SELECT i FROM c)", Params::NONE, &plain()).unwrap();
    std::thread::scope(|scope| {
        let close = scope.spawn(|| store.close(Some(Duration::from_secs(20))));
        while store.query("SELECT 1", Params::NONE, &plain()).is_ok() {
            std::thread::yield_now();
        }
        assert_eq!(stream.collect().unwrap().len(), 100_001);
        close.join().unwrap().unwrap();
    });
    assert_eq!(std::fs::metadata(folder.path().join("t.db-wal")).unwrap().len(), 0);
    assert_eq!(count(&other), 1);
}

#[test]
fn closing_leaves_one_file() {
    let (folder, store) = open(&[]);
    execute(&store, "INSERT INTO t VALUES (1, 'a')");
    assert_eq!(count(&store), 1);
    store.close(None).unwrap();
    let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(names, ["t.db"]);
}

#[test]
fn a_script_is_all_or_nothing_unless_it_says_otherwise() {
    let (_folder, store) = open(&[]);
    let error = store.execute_script("INSERT INTO t VALUES (1, 'a');\nINSERT INTO t VALUES (1, 'b');", &plain()).unwrap_err();
    assert_eq!((error.kind(), error.offset()), (Kind::Constraint, Some(31)));
    assert!(error.message().contains("line 2"), "{error}");
    assert_eq!(count(&store), 0);
    let own = "BEGIN; INSERT INTO t VALUES (1, 'a'); COMMIT; INSERT INTO t VALUES (2, 'b'); INSERT INTO t VALUES (2, 'c');";
    assert!(store.execute_script(own, &plain()).is_err());
    assert_eq!(count(&store), 1);
    let open_end = store.execute_script("BEGIN; INSERT INTO t VALUES (9, 'a');", &plain()).unwrap_err();
    assert_eq!(open_end.kind(), Kind::Misuse);
    assert_eq!(count(&store), 1);
    let changes = store.execute_script("INSERT INTO t VALUES (3, 'a'); UPDATE t SET s = 'z'; -- done", &plain()).unwrap();
    assert_eq!(changes.rows_affected, 3);
}
