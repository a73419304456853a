//! `keepwell top` and a process that is one: the names are those of the catalogue.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use keepwell::driver::Mode;
use keepwell::options::CacheUse;
use keepwell::store::TxMode;
use keepwell::{Params, QueryOptions, Store};
use serde_json::Value;

use super::stage::{Ran, Stage};
use super::stats::database;

/// A write, a transaction, a query and a query that is cached.
fn work(store: &Store) {
    let plain = QueryOptions::default();
    let insert = "INSERT INTO t VALUES (1)";
    store.execute(insert, Params::NONE, &plain).unwrap();
    let tx = store.begin(TxMode::Write(Mode::Immediate), &plain).unwrap();
    tx.execute(insert, Params::NONE, &plain).unwrap();
    tx.commit().unwrap();
    drop(store.query("SELECT count(*) FROM t", Params::NONE, &plain).unwrap());
    let cached = QueryOptions { cache: CacheUse::Use, ..plain };
    (0..2).for_each(|_| drop(store.query("SELECT a FROM u", Params::NONE, &cached).unwrap()));
    assert!(store.query("wrong", Params::NONE, &plain).is_err());
}

/// Every value in the object that is null, by its path.
fn nulls(value: &Value, path: &str) -> Vec<String> {
    match value {
        Value::Null => vec![path.to_string()],
        Value::Object(fields) => fields.iter().flat_map(|(name, field)| nulls(field, &format!("{path}.{name}"))).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_store_with_a_listener_is_shown_whole() {
    let stage = Stage::new();
    let metrics = [("metrics.listen", "127.0.0.1:0"), ("metrics.collect_interval", "50ms"), ("metrics.label", "mine")];
    let store = database(&stage, &metrics, "CREATE TABLE t(a); CREATE TABLE u(a); INSERT INTO u VALUES (1)");
    let address = store.metrics_address().unwrap().to_string();
    let done = AtomicBool::new(false);
    let ran = thread::scope(|scope| {
        // Two, so that they wait for each other.
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    work(&store);
                }
            });
        }
        let ran = stage.program(&["top", &address, "--json", "--interval", "300ms"]).output();
        done.store(true, Ordering::Relaxed);
        Ran::of(ran.unwrap())
    });
    assert_eq!(ran.code, 0, "{ran:?}");
    let page: Value = serde_json::from_str(&ran.out).unwrap();
    let shown = &page["stores"][0];
    assert_eq!(shown["store"], "mine");
    for rate in ["reads", "writes", "commits", "errors", "rows_returned", "rows_changed"] {
        assert!(shown[rate]["per_second"].as_f64().unwrap() > 0.0, "{rate}: {shown}");
    }
    assert!(shown["read_latency"]["p99"].as_f64().unwrap() >= shown["read_latency"]["p50"].as_f64().unwrap(), "{shown}");
    assert!(shown["cache"]["hit_ratio"].as_f64().unwrap() > 0.4, "{shown}");
    // Whether somebody waited or shared a transaction meanwhile is chance.
    let missing: Vec<String> =
        nulls(shown, "").into_iter().filter(|path| path != ".writer.group_size" && path != ".pool.wait_p99").collect();
    assert_eq!(missing, Vec::<String>::new(), "{shown}");
}
