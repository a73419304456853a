//! The cache of results: with it every query gives exactly what it would give without, and a repeat is a hit wherever it may be.

use keepwell::options::CacheUse;
use keepwell::{Config, Params, QueryOptions, Store, Value, ValueRef};
use temp_dir::TempDir;

const CACHED: QueryOptions<'static> = QueryOptions { cache: CacheUse::Use, ..DEFAULT };
const DEFAULT: QueryOptions<'static> = QueryOptions {
    timeout: keepwell::options::Timeout::Default,
    cancel: None,
    read_only: false,
    unprepared: false,
    no_writer: false,
    unbound: false,
    whole: false,
    batch_rows: 0,
    cache: CacheUse::Default,
    cache_ttl: None,
    caller: None,
};

fn open(place: &str, settings: &[(&str, &str)]) -> Store {
    let mut config = Config::new();
    config.set("datasource", place).unwrap();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    Store::open(&config).unwrap()
}

fn ask(store: &Store, sql: &str, params: &[ValueRef<'_>]) -> (Vec<Vec<Value>>, bool) {
    let rows = store.query(sql, params, &CACHED).unwrap();
    let cached = rows.is_from_cache();
    (rows.collect().unwrap(), cached)
}

fn run(store: &Store, sql: &str) {
    store.execute(sql, Params::NONE, &DEFAULT).unwrap();
}

#[test]
fn a_repeat_is_a_hit_until_its_table_is_written_and_other_tables_leave_it_alone() {
    let dir = TempDir::new().unwrap();
    for (place, settings) in [
        (dir.path().join("a.db").display().to_string(), vec![]),
        (dir.path().join("b.db").display().to_string(), vec![("options.journal_mode", "delete")]),
        (":memory:".to_string(), vec![]),
    ] {
        let store = open(&place, &settings);
        run(&store, "CREATE TABLE t(a)");
        run(&store, "CREATE TABLE u(a)");
        run(&store, "INSERT INTO t VALUES (1)");
        let sql = "SELECT a FROM t";
        assert!(!ask(&store, sql, &[]).1, "{place}");
        assert!(ask(&store, sql, &[]).1, "{place}");
        run(&store, "INSERT INTO u VALUES (1)");
        assert!(ask(&store, sql, &[]).1, "{place}: another table");
        run(&store, "INSERT INTO t VALUES (2)");
        let (rows, cached) = ask(&store, sql, &[]);
        assert_eq!((rows.len(), cached), (2, false), "{place}");
        assert!(ask(&store, sql, &[]).1, "{place}");
        run(&store, "UPDATE t SET a = 3 WHERE a = 77");
        ask(&store, sql, &[]);
        assert!(ask(&store, sql, &[]).1, "{place}");
    }
}
