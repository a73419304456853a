//! One look at a store.

use keepwell::driver::Mode;
use keepwell::{Params, QueryOptions, TxMode};
use temp_dir::TempDir;

use super::bench::{open, Bench};

#[test]
fn a_healthy_store_says_what_an_operator_asks_first() {
    let bench = Bench::new();
    bench.rows("SELECT * FROM t");
    let tx = bench.store.begin(TxMode::ReadOnly, &QueryOptions::default()).unwrap();
    let health = bench.store.health(&QueryOptions::default());
    assert!(health.healthy && health.can_read && health.can_write, "{health:?}");
    assert_eq!((health.problem.as_str(), health.pool.max_open, health.pool.in_use, health.pool.waiting), ("", 25, 1, 0));
    assert!(health.database_bytes.unwrap() >= 4096 && health.wal_bytes.unwrap() > 0);
    assert_eq!((health.schema_version, health.last_error), (None, None));
    tx.commit().unwrap();

    bench.store.query("SELEKT", Params::NONE, &QueryOptions::default()).err().unwrap();
    let health = bench.store.health(&QueryOptions::default());
    let error = health.last_error.clone().unwrap();
    assert_eq!((error.code, error.name), (7, "KW_SQL"));
    assert!(error.message.contains("SELEKT") && error.at_ms > 1_600_000_000_000);
    let json: serde_json::Value = serde_json::from_str(&health.to_json()).unwrap();
    assert_eq!((json["healthy"].as_bool(), json["pool"]["max_open"].as_u64()), (Some(true), Some(25)));
    assert_eq!(json["last_error"]["name"], "KW_SQL");
    let before = bench.series();
    bench.store.health(&QueryOptions::default());
    let read = "keepwell_query_duration_seconds_count{statement=\"read\"}";
    assert_eq!(bench.series().get(read), before.get(read), "a look is no query");
}

#[test]
fn a_store_that_cannot_write_says_why() {
    let bench = Bench::new();
    let second = open(&bench.folder, &[("options.busy_timeout", "10ms")]).unwrap();
    let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &QueryOptions::default()).unwrap();
    let health = second.health(&QueryOptions::default());
    assert!(!health.healthy && health.can_read && !health.can_write, "{health:?}");
    assert!(health.problem.contains("database is locked"), "{}", health.problem);
    tx.rollback().unwrap();
    assert!(second.health(&QueryOptions::default()).healthy);
    second.close(None).unwrap();
    let health = second.health(&QueryOptions::default());
    assert!(!health.healthy && health.problem.contains("closed"), "{health:?}");
}

#[test]
fn a_store_that_only_reads_need_not_write() {
    let folder = TempDir::new().unwrap();
    open(&folder, &[]).unwrap().close(None).unwrap();
    let reader = open(&folder, &[("query.read_only", "true")]).unwrap();
    assert!(reader.health(&QueryOptions::default()).healthy);
}
