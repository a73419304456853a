//! Stores with one connection behind one door: databases in memory, and files with `pool.max_open = 1`.

use keepwell::driver::Mode;
use keepwell::{Config, Matrix, Params, QueryOptions, Store, TxMode, ValueRef};

const THREADS: i64 = 8;
const ROUNDS: i64 = 40;
const INSERT: &str = "INSERT INTO t(thread, n) VALUES (?, ?)";

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn open(source: &str, settings: &[(&str, &str)]) -> Store {
    let mut config = Config::new();
    config.load_uri(source).unwrap();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    let store = Store::open(&config).unwrap();
    store.execute("CREATE TABLE t(thread, n)", Params::NONE, &plain()).unwrap();
    store
}

fn number(store: &Store, sql: &str) -> i64 {
    store.query(sql, Params::NONE, &plain()).unwrap().collect().unwrap()[0][0].as_ref().as_i64().unwrap()
}

/// Six rows in all the ways there are, each followed by a read that sees them.
fn write_and_read(store: &Store, thread: i64, round: i64) {
    let row = [ValueRef::from(thread), round.into()];
    store.execute(INSERT, &row, &plain()).unwrap();
    let returned = store.query(&format!("{INSERT} RETURNING n"), &row, &plain()).unwrap();
    assert_eq!(returned.collect().unwrap().len(), 1);
    store.execute_many(INSERT, Matrix::new(&row.repeat(2), 2, 2).unwrap(), &plain()).unwrap();
    let tx = store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
    tx.execute(INSERT, &row, &plain()).unwrap();
    tx.execute(INSERT, &row, &plain()).unwrap();
    tx.commit().unwrap();
    assert_eq!(number(store, &format!("SELECT count(*) FROM t WHERE thread = {thread}")), 6 * (round + 1));
    let sql = "WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < 600) SELECT i FROM c";
    assert_eq!(store.query(sql, Params::NONE, &plain()).unwrap().collect().unwrap().len(), 600, "several batches");
}

/// No wait ends in an error, none is for itself, and no row is lost.
fn many_threads(store: &Store) {
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            scope.spawn(move || (0..ROUNDS).for_each(|round| write_and_read(store, thread, round)));
        }
    });
    assert_eq!(number(store, "SELECT count(*) FROM t"), 6 * THREADS * ROUNDS);
    let stats = store.stats();
    assert_eq!((stats.exhausted, stats.self_deadlocks, stats.writer.waiting + stats.readers.waiting), (0, 0, 0));
}

/// Timers that would close every connection at once.
const SHORT: [(&str, &str); 3] = [("pool.idle_timeout", "1ms"), ("pool.max_lifetime", "1ms"), ("pool.health_check_interval", "1ms")];

#[test]
fn a_memory_database_is_shared_by_all_threads_and_lost_by_no_timer() {
    let store = open(":memory:", &SHORT);
    many_threads(&store);
    store.close(None).unwrap();
}

#[test]
fn one_connection_serves_many_threads_whatever_they_do() {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = open(&folder.path().join("t.db").to_string_lossy(), &[("pool.max_open", "1")]);
    many_threads(&store);
    store.close(None).unwrap();
}

#[test]
fn connections_that_are_replaced_all_the_time_lose_nothing() {
    let folder = temp_dir::TempDir::new().unwrap();
    let store = open(&folder.path().join("t.db").to_string_lossy(), &SHORT);
    many_threads(&store);
    assert!(store.stats().closed_lifetime > 0);
    store.close(None).unwrap();
}
