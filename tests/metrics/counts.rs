//! What was done is what is counted.

use std::sync::{Arc, Barrier};
use std::time::Duration;

use keepwell::driver::Mode;
use keepwell::metrics::report::{Cost, Order};
use keepwell::options::{CacheUse, Timeout};
use keepwell::store::{Wants, Write};
use keepwell::{Kind, Matrix, Params, QueryOptions, TxMode, ValueRef};

use super::bench::Bench;

const READS: &str = "keepwell_query_duration_seconds_count{statement=\"read\"}";
const WRITES: &str = "keepwell_query_duration_seconds_count{statement=\"write\"}";
const RETURNED: &str = "keepwell_query_rows_returned_total";
const CHANGED: &str = "keepwell_query_rows_changed_total";

fn cost(bench: &Bench, sql: &str) -> Cost {
    let all = bench.store.statement_report(Order::Total);
    all.into_iter().find(|cost| cost.sql.as_deref() == Some(sql)).unwrap_or_else(|| panic!("{sql} is not in the report"))
}

#[test]
fn queries_and_rows() {
    let bench = Bench::new();
    let options = QueryOptions::default();
    let grown = bench.growth(&[READS, WRITES, RETURNED, CHANGED], || {
        bench.execute("INSERT INTO t(name, n) VALUES ('a', 1), ('b', 2), ('c', 3)");
        bench.execute("UPDATE t SET n = n + 1 WHERE n > 1");
        assert_eq!(bench.rows("SELECT * FROM t"), 3);
        assert_eq!(bench.rows("DELETE FROM t WHERE n = 1 RETURNING id"), 1);
        assert_eq!(bench.rows("SELECT * FROM t WHERE id = 99"), 0);
    });
    assert_eq!(grown, [2.0, 3.0, 4.0, 6.0]);

    // One call for many rows is one run.
    let values: Vec<ValueRef<'_>> = (0..1000).map(ValueRef::Integer).collect();
    let grown = bench.growth(&[READS, WRITES, RETURNED, CHANGED], || {
        let matrix = Matrix::new(&values, 1, 1000).unwrap();
        bench.store.execute_many("INSERT INTO t(n) VALUES (?)", matrix, &options).unwrap();
    });
    assert_eq!(grown, [0.0, 1.0, 0.0, 1000.0]);
    let many = cost(&bench, "INSERT INTO t(n) VALUES (?)");
    assert_eq!((many.calls, many.rows, many.writes, many.errors), (1, 1000, true, 0));

    // A result in many batches is one run, read to its end or not.
    let grown = bench.growth(&[READS, RETURNED], || assert_eq!(bench.rows("SELECT n FROM t"), 1002));
    assert_eq!(grown, [1.0, 1002.0]);
    let grown = bench.growth(&[READS, RETURNED], || drop(bench.store.query("SELECT n FROM t", Params::NONE, &options).unwrap()));
    assert_eq!(grown, [1.0, 256.0]);

    // Each statement of a script is one.
    let grown = bench.growth(&[READS, WRITES, CHANGED], || {
        let script = "INSERT INTO t(n) VALUES (1); SELECT count(*) FROM t; DELETE FROM t WHERE n > 100;";
        bench.store.execute_script(script, &options).unwrap();
    });
    assert_eq!(grown, [1.0, 2.0, 900.0]);

    // What changes no rows is not taken for what came before it.
    let grown = bench.growth(&[WRITES, CHANGED], || assert_eq!(bench.rows("CREATE TABLE other(x)"), 0));
    assert_eq!(grown, [1.0, 0.0]);

    // What is wrong before it runs is no run, but an error; what fails while it runs is both.
    let grown =
        bench.growth(&[READS, WRITES, "keepwell_errors_total{code=\"KW_SQL\"}", "keepwell_errors_total{code=\"KW_CONSTRAINT\"}"], || {
            assert_eq!(bench.store.query("SELEKT 1", Params::NONE, &options).err().unwrap().kind(), Kind::Sql);
            let twice = "INSERT INTO t(id) VALUES (7000), (7000)";
            assert_eq!(bench.store.execute(twice, Params::NONE, &options).unwrap_err().kind(), Kind::Constraint);
        });
    assert_eq!(grown, [0.0, 1.0, 1.0, 1.0]);
    assert_eq!(cost(&bench, "INSERT INTO t(id) VALUES (7000), (7000)").errors, 1);
}

#[test]
fn transactions_by_their_end_and_runs_again() {
    let bench = Bench::new();
    let options = QueryOptions::default();
    let immediate = TxMode::Write(Mode::Immediate);
    let outcome = |end: &str| format!("keepwell_tx_total{{outcome=\"{end}\"}}");
    let names = [outcome("committed"), outcome("rolled_back"), outcome("ended_by_engine"), outcome("abandoned"), WRITES.to_string()];
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let grown = bench.growth(&names, || {
        let tx = bench.store.begin(immediate, &options).unwrap();
        tx.execute("INSERT INTO t(n) VALUES (1)", Params::NONE, &options).unwrap();
        let inner = tx.begin(immediate, &options).unwrap();
        inner.execute("INSERT INTO t(n) VALUES (2)", Params::NONE, &options).unwrap();
        inner.rollback().unwrap();
        tx.commit().unwrap();
        bench.store.begin(TxMode::ReadOnly, &options).unwrap().commit().unwrap();
        bench.store.begin(immediate, &options).unwrap().rollback().unwrap();
        drop(bench.store.begin(immediate, &options).unwrap());
        let tx = bench.store.begin(immediate, &options).unwrap();
        tx.execute("INSERT OR ROLLBACK INTO t(id) VALUES (1)", Params::NONE, &options).unwrap_err();
        drop(tx);
    });
    assert_eq!(grown, [2.0, 2.0, 1.0, 0.0, 3.0]);

    // A deferred transaction whose snapshot another store overtakes is run again, once.
    let other = super::bench::open(&bench.folder, &[]).unwrap();
    let names = ["keepwell_tx_retries_total", "keepwell_tx_retries_exhausted_total", "keepwell_busy_total{cause=\"snapshot\"}"];
    let grown = bench.growth(&names, || {
        let mut runs = 0;
        let deferred = TxMode::Write(Mode::Deferred);
        let result = bench.store.run(deferred, &options, |tx| {
            runs += 1;
            tx.query("SELECT count(*) FROM t", Params::NONE, &options)?.collect()?;
            if runs == 1 {
                other.execute("INSERT INTO t(n) VALUES (5)", Params::NONE, &options)?;
            }
            tx.execute("INSERT INTO t(n) VALUES (6)", Params::NONE, &options)
        });
        assert_eq!((result.unwrap().rows_affected, runs), (1, 2));
    });
    assert_eq!(grown, [1.0, 0.0, 1.0]);
    other.close(None).unwrap();
}

#[test]
fn the_cache_and_prepared_statements() {
    let bench = Bench::with(&[("pool.max_open", "2")]);
    let cached = QueryOptions { cache: CacheUse::Use, ..QueryOptions::default() };
    let names = [
        "keepwell_cache_hits_total",
        "keepwell_cache_misses_total",
        "keepwell_cache_bypasses_total{reason=\"function\"}",
        READS,
        "keepwell_statement_cache_hits_total",
        "keepwell_statement_cache_misses_total",
    ];
    let grown = bench.growth(&names, || {
        for _ in 0..5 {
            bench.store.query("SELECT count(*) FROM t", Params::NONE, &cached).unwrap();
        }
        bench.store.query("SELECT random()", Params::NONE, &cached).unwrap();
        for _ in 0..3 {
            bench.rows("SELECT name FROM t");
        }
    });
    assert_eq!(grown, [4.0, 1.0, 1.0, 5.0, 2.0, 3.0]);
    let series = bench.series();
    assert_eq!(series.get("keepwell_cache_entries"), 1.0);
    assert!(series.get("keepwell_cache_bytes") > 0.0 && series.get("keepwell_cache_max_bytes") == 64.0 * 1024.0 * 1024.0);
}

#[test]
fn scans_sorts_and_automatic_indexes() {
    let bench = Bench::new();
    let values: Vec<ValueRef<'_>> = (0..500).map(ValueRef::Integer).collect();
    let matrix = Matrix::new(&values, 1, 500).unwrap();
    bench.store.execute_many("INSERT INTO t(n) VALUES (?)", matrix, &QueryOptions::default()).unwrap();
    let names = [
        "keepwell_query_full_scans_total",
        "keepwell_query_full_scan_rows_total",
        "keepwell_query_sorts_total",
        "keepwell_query_automatic_indexes_total",
    ];
    let point = "SELECT n FROM t WHERE id = 7";
    assert_eq!(bench.growth(&names, || assert_eq!(bench.rows(point), 1)), [0.0; 4]);
    let scan = "SELECT id FROM t WHERE n = 7";
    let grown = bench.growth(&names, || (0..2).for_each(|_| assert_eq!(bench.rows(scan), 1)));
    assert_eq!(grown, [2.0, 2.0 * 499.0, 0.0, 0.0]);
    assert_eq!(bench.growth(&names, || assert_eq!(bench.rows("SELECT n FROM t ORDER BY n"), 500))[2], 1.0);
    let join = "SELECT count(*) FROM t a, t b WHERE a.n = b.n";
    assert_eq!(bench.growth(&names, || assert_eq!(bench.rows(join), 1))[3], 1.0);

    let (point, scan, join) = (cost(&bench, point), cost(&bench, scan), cost(&bench, join));
    assert_eq!((point.full_scans, point.calls), (0, 1));
    assert_eq!((scan.full_scans, scan.scanned_rows, scan.calls, scan.rows), (2, 998, 2, 2));
    assert_eq!(join.automatic_indexes, 1);
    assert!(scan.worst_nanos > 0 && scan.worst_nanos <= scan.nanos && scan.mean_nanos() <= scan.worst_nanos);
    let worst = bench.store.statement_report(Order::Scanned);
    assert!(worst[0].scanned_rows >= worst[1].scanned_rows);
    bench.store.reset_statement_report();
    assert_eq!(bench.store.statement_report(Order::Total), []);
}

#[test]
fn many_threads_lose_nothing() {
    let bench = Bench::new();
    let (threads, each) = (8, 200);
    let start = Barrier::new(threads);
    let names = [READS, WRITES, CHANGED, "keepwell_errors_total{code=\"KW_CONSTRAINT\"}"];
    let grown = bench.growth(&names, || {
        std::thread::scope(|scope| {
            for thread in 0..threads {
                let (bench, start) = (&bench, &start);
                scope.spawn(move || {
                    start.wait();
                    for n in 0..each {
                        let options = QueryOptions::default();
                        bench.rows("SELECT count(*) FROM t");
                        let key = ValueRef::Integer((n * threads + thread) as i64);
                        bench.store.execute("INSERT INTO t(id) VALUES (?)", &[key][..], &options).unwrap();
                        // The same key again: each fails by itself, shared or not.
                        bench.store.execute("INSERT INTO t(id) VALUES (?)", &[key][..], &options).unwrap_err();
                    }
                });
            }
        });
    });
    let all = (threads * each) as f64;
    assert_eq!(grown, [all, 2.0 * all, all, all]);
    let series = bench.series();
    let (groups, grouped) = (series.get("keepwell_writer_group_size_count"), series.get("keepwell_writer_group_size_sum"));
    assert_eq!(series.get("keepwell_writer_syncs_saved_total"), grouped - groups);
    let insert = cost(&bench, "INSERT INTO t(id) VALUES (?)");
    assert_eq!((insert.rows, insert.errors), (all as u64, all as u64));
    // The store has threads of its own that count too; nobody may lose a wait.
    assert!(series.get("keepwell_pool_wait_count_total") >= series.get("keepwell_pool_wait_duration_seconds_count{role=\"writer\"}"));
}

#[test]
fn a_write_is_counted_once_however_often_it_was_run() {
    let bench = Bench::new();
    bench.execute("CREATE TABLE child(p REFERENCES t(id) DEFERRABLE INITIALLY DEFERRED)");
    bench.execute("INSERT INTO t(id) VALUES (1)");
    let (first, last) = ("INSERT INTO t(n) VALUES (10)", "INSERT INTO t(n) VALUES (30)");
    for (middle, wrong) in [
        ("INSERT INTO t(n) VALUES (20)", 0),
        // Each of these costs the first its transaction.
        ("INSERT INTO child VALUES (-1)", 1),
        ("INSERT OR ROLLBACK INTO t(id) VALUES (1)", 1),
        // An error that leaves the transaction open.
        ("INSERT INTO t(n) VALUES (abs(-9223372036854775807 - 1))", 1),
    ] {
        bench.store.reset_statement_report();
        let write = |sql| Write { sql, params: Params::NONE, wants: Wants::Changes, options: QueryOptions::default() };
        let grown = bench.growth(&[WRITES, CHANGED], || {
            let failed = bench.store.execute_together(&[first, middle, last].map(write)).iter().filter(|result| result.is_err()).count();
            assert_eq!(failed, wrong, "{middle}");
        });
        assert_eq!(grown, [3.0, (3 - wrong) as f64], "{middle}");
        for (sql, errors) in [(first, 0), (middle, wrong as u64), (last, 0)] {
            let cost = cost(&bench, sql);
            assert_eq!((cost.calls, cost.errors, cost.rows), (1, errors, 1 - errors), "{sql} with {middle}");
        }
    }
}

#[test]
fn a_flood_of_statements_is_bounded_and_nothing_of_it_is_lost() {
    let bench = Bench::with(&[("metrics.statements", "50"), ("query.statement_cache", "20")]);
    bench.store.reset_statement_report();
    for n in 0..2_000 {
        bench.rows(&format!("SELECT {n}"));
    }
    let report = bench.store.statement_report(Order::Total);
    assert!(report.len() <= 51, "{}", report.len());
    assert_eq!(report.iter().map(|cost| cost.calls).sum::<u64>(), 2_000);
    assert_eq!(report.last().unwrap().sql, None);
    let bench = Bench::with(&[("metrics.statements", "0")]);
    bench.rows("SELECT 1");
    assert_eq!(bench.store.statement_report(Order::Total), []);
}

#[test]
fn what_is_switched_off_is_not_measured() {
    let bench = Bench::with(&[("metrics.enabled", "false")]);
    bench.rows("SELECT 1");
    let series = bench.series();
    assert!(!series.has(READS) && !series.has(RETURNED), "nobody measures statements");
    assert_eq!(series.get("keepwell_pool_open_connections"), 2.0);
    assert_eq!(bench.store.statement_report(Order::Total), []);
}

#[test]
fn what_the_maintenance_tries_in_vain_is_no_callers_stop() {
    let bench = Bench::with(&[("options.wal_autocheckpoint", "4")]);
    let options = QueryOptions::default();
    // A reader stays, so that the log can not be begun anew.
    let reader = bench.store.begin(TxMode::ReadOnly, &options).unwrap();
    reader.query("SELECT count(*) FROM t", Params::NONE, &options).unwrap();
    let end = std::time::Instant::now() + Duration::from_secs(20);
    while bench.store.health(&options).problem.is_empty() {
        bench.execute("INSERT INTO t(name) VALUES (hex(randomblob(8000)))");
        assert!(std::time::Instant::now() < end, "the log is never long");
    }
    let series = bench.series();
    let stops: f64 = series.names().filter(|name| name.starts_with("keepwell_stopped_total")).map(|name| series.get(name)).sum();
    assert_eq!(stops, 0.0);
    assert_eq!(series.get("keepwell_pool_wait_duration_seconds_count{role=\"writer\"}"), series.get("keepwell_pool_wait_count_total"));
    reader.commit().unwrap();
}

#[test]
fn stops_by_stage_and_reason() {
    let bench = Arc::new(Bench::new());
    let stopped =
        |stage: &str, reason: &str| bench.series().get(&format!("keepwell_stopped_total{{stage=\"{stage}\",reason=\"{reason}\"}}"));
    let brief = QueryOptions { timeout: Timeout::After(Duration::from_millis(30)), ..QueryOptions::default() };
    let long = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT sum(x) FROM c";
    assert_eq!(bench.store.query(long, Params::NONE, &brief).err().unwrap().kind(), Kind::Timeout);
    assert_eq!((stopped("execution", "timeout"), stopped("queue", "timeout")), (1.0, 0.0));

    let tx = bench.store.begin(TxMode::Write(Mode::Immediate), &QueryOptions::default()).unwrap();
    let other = bench.clone();
    std::thread::spawn(move || other.store.execute("DELETE FROM t", Params::NONE, &brief_of(30)).unwrap_err()).join().unwrap();
    assert_eq!(stopped("queue", "timeout"), 1.0);

    // Another store has the lock.
    let second = super::bench::open(&bench.folder, &[]).unwrap();
    assert_eq!(second.execute("DELETE FROM t", Params::NONE, &brief).unwrap_err().kind(), Kind::Timeout);
    let series = super::bench::series(&second);
    assert_eq!(series.get("keepwell_stopped_total{stage=\"busy\",reason=\"timeout\"}"), 1.0);
    assert_eq!(series.get("keepwell_busy_total{cause=\"lock\"}"), 1.0);
    assert!(series.get("keepwell_busy_wait_seconds_total") > 0.01);
    tx.rollback().unwrap();

    let token = keepwell::cancel::CancelToken::new().unwrap();
    token.cancel();
    let cancelled = QueryOptions { cancel: Some(token), ..QueryOptions::default() };
    assert_eq!(bench.store.query("SELECT 1", Params::NONE, &cancelled).err().unwrap().kind(), Kind::Cancelled);
    assert_eq!(stopped("queue", "cancelled"), 1.0);
    token.free();
}

#[test]
fn a_slow_result_that_is_not_read_to_its_end_is_slow() {
    let bench = Bench::with(&[("metrics.slow_query", "1ns")]);
    bench.execute("INSERT INTO t(n) VALUES (1), (2), (3)");
    let few = QueryOptions { batch_rows: 1, ..QueryOptions::default() };
    let query = "SELECT n FROM t";
    let grown = bench.growth(&["keepwell_query_slow_total", READS], || {
        drop(bench.store.query(query, Params::NONE, &few).unwrap());
        let tx = bench.store.begin(TxMode::ReadOnly, &few).unwrap();
        let rows = tx.query(query, Params::NONE, &few).unwrap();
        tx.commit().unwrap();
        drop(rows);
    });
    assert_eq!(grown, [2.0, 2.0]);
}

#[test]
fn a_run_that_cannot_begin_ends_with_an_error() {
    let bench = Bench::new();
    let token = keepwell::cancel::CancelToken::new().unwrap();
    token.cancel();
    let (plain, cancelled) = (QueryOptions::default(), QueryOptions { cancel: Some(token), ..QueryOptions::default() });
    let grown = bench.growth(&["keepwell_errors_total{code=\"KW_CANCELLED\"}"], || {
        bench.store.run(TxMode::ReadOnly, &cancelled, |_| Ok(())).unwrap_err();
        bench.store.run(TxMode::ReadOnly, &plain, |tx| tx.run(TxMode::ReadOnly, &cancelled, |_| Ok(()))).unwrap_err();
    });
    assert_eq!(grown, [2.0]);
    token.free();
}

fn brief_of(millis: u64) -> QueryOptions<'static> {
    QueryOptions { timeout: Timeout::After(Duration::from_millis(millis)), ..QueryOptions::default() }
}
