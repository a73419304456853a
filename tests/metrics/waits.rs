//! Where time went, and who held the writer, in the error itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use keepwell::driver::Mode;
use keepwell::options::Timeout;
use keepwell::{Kind, Params, QueryOptions, TxMode};

use super::bench::Bench;

#[test]
fn a_timeout_names_the_holder_its_lease_and_statement_and_the_place_in_line() {
    let bench = Arc::new(Bench::new());
    let options = QueryOptions::default();
    let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &options).unwrap();
    tx.execute("INSERT INTO t(name) VALUES ('the culprit')", Params::NONE, &options).unwrap();
    let waiting = |count: usize| {
        let end = Instant::now() + Duration::from_secs(20);
        while bench.store.stats().writer.waiting != count {
            assert!(Instant::now() < end, "nobody waits");
            std::thread::yield_now();
        }
    };
    let (first, second) = (bench.clone(), bench.clone());
    let first = std::thread::spawn(move || first.store.execute("DELETE FROM t WHERE id = 1", Params::NONE, &QueryOptions::default()));
    waiting(1);
    let late = std::thread::spawn(move || {
        let brief = QueryOptions { timeout: Timeout::After(Duration::from_millis(60)), ..QueryOptions::default() };
        second.store.execute("DELETE FROM t WHERE id = 2", Params::NONE, &brief).unwrap_err()
    });
    let error = late.join().unwrap();
    assert_eq!(error.kind(), Kind::Timeout);
    let text = error.message();
    for part in [
        "the timeout of 60ms passed (queue ",
        "writer held ",
        " ms by a transaction, lease ",
        "INSERT INTO t(name) VALUES ('the culprit')",
        "queue position 2;",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }
    tx.commit().unwrap();
    first.join().unwrap().unwrap();

    let series = bench.series();
    assert_eq!(series.get("keepwell_pool_wait_count_total"), 2.0);
    assert_eq!(series.get("keepwell_pool_wait_duration_seconds_count{role=\"writer\"}"), 2.0);
    assert!(series.get("keepwell_pool_wait_duration_seconds_sum{role=\"writer\"}") >= 0.06);
    assert!(series.get("keepwell_writer_hold_seconds_sum") >= 0.06);
}

#[test]
fn a_statement_that_runs_too_long_says_that_it_was_the_statement() {
    let bench = Bench::new();
    let brief = QueryOptions { timeout: Timeout::After(Duration::from_millis(50)), ..QueryOptions::default() };
    let long = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c";
    let error = bench.store.query(long, Params::NONE, &brief).err().unwrap();
    let (_, execution) = error.message().split_once("(queue 0 ms, busy 0 ms, execution ").unwrap_or_else(|| panic!("{error}"));
    assert!(execution.split(' ').next().unwrap().parse::<u64>().unwrap() >= 50, "{error}");
}

#[test]
fn a_script_that_waited_says_so_whatever_statement_had_to_stop() {
    let bench = Bench::new();
    let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &QueryOptions::default()).unwrap();
    std::thread::scope(|scope| {
        let script = scope.spawn(|| {
            let brief = QueryOptions { timeout: Timeout::After(Duration::from_millis(400)), ..QueryOptions::default() };
            let count = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c";
            bench.store.execute_script(&format!("DELETE FROM t; INSERT INTO t(n) {count};"), &brief).unwrap_err()
        });
        while bench.store.stats().writer.waiting == 0 && !script.is_finished() {
            std::thread::yield_now();
        }
        std::thread::sleep(Duration::from_millis(20));
        tx.rollback().unwrap();
        let error = script.join().unwrap();
        assert!(error.message().contains("(queue ") && !error.message().contains("(queue 0 ms"), "{error}");
    });
}

#[test]
fn what_is_held_for_very_long_is_counted_once() {
    let bench = Bench::with(&[("pool.leak_threshold", "10ms"), ("pool.health_check_interval", "10ms")]);
    let tx = bench.store.begin(TxMode::ReadOnly, &QueryOptions::default()).unwrap();
    let leaks = || bench.series().get("keepwell_pool_leaks_suspected_total");
    let end = Instant::now() + Duration::from_secs(20);
    while leaks() == 0.0 {
        assert!(Instant::now() < end, "nobody notices");
        std::thread::yield_now();
    }
    assert!(bench.series().get("keepwell_reader_oldest_age_seconds") >= 0.01);
    // Several rounds of the maintenance later it still counts once: the file's age tells rounds.
    std::thread::sleep(Duration::from_millis(60));
    assert_eq!(leaks(), 1.0);
    tx.commit().unwrap();
    assert_eq!(bench.series().get("keepwell_reader_oldest_age_seconds"), 0.0);
}
