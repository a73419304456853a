//! Commits that this store has no part in: of plain connections and other stores in this process.

use std::time::Duration;

use keepwell::cancel::Op;
use keepwell::driver::Mode;
use keepwell::{Params, QueryOptions, TxMode};

use crate::bench::{cached, in_files, open, plain, Bench, T, U};

#[test]
fn a_strangers_commit_moves_everything() {
    in_files(|bench| {
        let stranger = bench.stranger();
        for n in 10..14 {
            bench.warm();
            stranger.execute("INSERT INTO t VALUES (?, 'theirs')", [n]).unwrap();
            bench.moved(T);
            bench.moved(U);
        }
    });
}

#[test]
fn a_strangers_commit_that_was_rolled_back_leaves_hits_alone() {
    let bench = &Bench::new();
    let stranger = bench.stranger();
    bench.warm();
    stranger.execute_batch("BEGIN; DELETE FROM t; ROLLBACK").unwrap();
    bench.hits(T);
    bench.hits(U);
}

#[test]
fn a_strangers_commit_right_before_ones_own_is_not_lost() {
    in_files(|bench| {
        let stranger = bench.stranger();
        for n in 10..14 {
            bench.warm();
            stranger.execute("INSERT INTO t VALUES (?, 'theirs')", [n]).unwrap();
            bench.run("INSERT INTO u VALUES (1)");
            bench.moved(T);
            bench.moved(U);
        }
        bench.warm();
        let tx = bench.store.begin(TxMode::Write(Mode::Deferred), &plain()).unwrap();
        stranger.execute("INSERT INTO t VALUES (20, 'theirs')", []).unwrap();
        tx.execute("INSERT INTO u VALUES (2)", Params::NONE, &plain()).unwrap();
        tx.commit().unwrap();
        bench.moved(T);
        bench.moved(U);
    });
}

#[test]
fn two_stores_on_one_file_see_each_other() {
    in_files(|bench| {
        let settings: &[(&str, &str)] = if bench.is_wal() { &[] } else { &[("options.journal_mode", "delete")] };
        let other = open(bench.path().to_str().unwrap(), settings);
        for n in 10..14 {
            bench.warm();
            other.execute("INSERT INTO t VALUES (?, 'theirs')", &[n.into()], &plain()).unwrap();
            bench.moved(T);
            bench.run("UPDATE t SET s = 'mine' WHERE n >= 10");
            let rows = other.query("SELECT s FROM t WHERE n = ?", &[n.into()], &cached()).unwrap();
            assert_eq!(rows.collect().unwrap(), [[keepwell::Value::Text(b"mine".to_vec())]]);
        }
    });
}

/// A half-read result holds an old snapshot. What is read and kept beside it must be of today.
#[test]
fn a_half_read_result_and_a_strangers_commit_leave_nothing_old_in_the_cache() {
    let bench = &Bench::with(&[("pool.max_open", "3")]);
    let stranger = bench.stranger();
    let long = "SELECT n, s FROM t, json_each('[1,2,3,4,5,6,7,8,9]')";
    let mut rows = bench.store.query(long, Params::NONE, &QueryOptions { batch_rows: 2, ..cached() }).unwrap();
    assert!(!rows.is_complete());
    stranger.execute("INSERT INTO t VALUES (3, 'theirs')", []).unwrap();
    bench.moved(T);
    let mut seen = 0;
    while let Some(batch) = rows.next_batch(&Op::unbounded()).unwrap() {
        seen += batch.rows();
    }
    assert_eq!(seen, 18, "the half-read result stays what it was");
    bench.never_hits_with(long, &QueryOptions { batch_rows: 2, ..cached() });
    bench.hits(T);
}

/// What such a transaction sees is old by design; it neither comes from the cache nor goes into it.
#[test]
fn a_read_only_transaction_across_a_commit_neither_uses_nor_fills_the_cache() {
    let bench = &Bench::new();
    bench.warm();
    let (stranger, before) = (bench.stranger(), bench.truth(T, &[]));
    let tx = bench.store.begin(TxMode::ReadOnly, &plain()).unwrap();
    let sees = || {
        let rows = tx.query(T, Params::NONE, &cached()).unwrap();
        assert!(!rows.is_from_cache());
        rows.collect().unwrap()
    };
    assert_eq!(sees(), before);
    stranger.execute("INSERT INTO t VALUES (3, 'theirs')", []).unwrap();
    bench.run("INSERT INTO t VALUES (4, 'mine')");
    assert_eq!(sees(), before);
    bench.moved(T);
    assert_eq!(sees(), before);
    bench.hits(T);
    tx.rollback().unwrap();
    bench.hits(T);
}

#[test]
fn a_strangers_trigger_is_followed_from_its_first_run_on() {
    in_files(|bench| {
        let (stranger, insert) = (bench.stranger(), "INSERT INTO t VALUES (NULL, 'again')");
        bench.run(insert);
        stranger.execute_batch("CREATE TRIGGER also AFTER INSERT ON t BEGIN INSERT INTO u VALUES (new.n); END").unwrap();
        for _ in 0..3 {
            bench.warm();
            bench.run(insert);
            bench.moved(T);
            bench.moved(U);
        }
    });
}

#[test]
fn a_strangers_trigger_is_followed_in_a_transaction_that_was_begun_before() {
    let bench = &Bench::new();
    let (stranger, insert) = (bench.stranger(), "INSERT INTO t VALUES (NULL, 'again')");
    bench.run(insert);
    bench.warm();
    let tx = bench.store.begin(TxMode::Write(Mode::Deferred), &plain()).unwrap();
    stranger.execute_batch("CREATE TRIGGER also AFTER INSERT ON t BEGIN INSERT INTO u VALUES (new.n); END").unwrap();
    tx.execute(insert, Params::NONE, &plain()).unwrap();
    tx.execute(insert, Params::NONE, &plain()).unwrap();
    bench.warm();
    tx.commit().unwrap();
    bench.moved(T);
    bench.moved(U);
}

#[test]
fn a_strangers_change_of_the_schema_is_noticed() {
    in_files(|bench| {
        let stranger = bench.stranger();
        bench.settles("SELECT * FROM t");
        stranger.execute_batch("ALTER TABLE t ADD COLUMN added DEFAULT 5").unwrap();
        bench.settles("SELECT * FROM t");
        stranger.execute_batch("DROP TABLE u; CREATE VIRTUAL TABLE u USING fts5(n); INSERT INTO u VALUES ('five')").unwrap();
        bench.settles(U);
        bench.run("INSERT INTO u VALUES ('six')");
        bench.moved(U);
        stranger.execute_batch("VACUUM").unwrap();
        bench.settles("SELECT rowid FROM t");
    });
}

#[test]
fn checkpoints_and_new_logs_leave_results_right_and_unrelated_writes_leave_them_kept() {
    let bench = &Bench::with(&[("options.wal_autocheckpoint", "4")]);
    let stranger = bench.stranger();
    bench.warm();
    for n in 0..200 {
        bench.run("INSERT INTO u VALUES (1)");
        bench.hits(T);
        if n % 50 == 25 {
            bench.run("PRAGMA wal_checkpoint(RESTART)");
            bench.hits(T);
        }
    }
    for _ in 0..3 {
        // A log that is cut has a new header: a miss is allowed.
        stranger.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        bench.settles(T);
        stranger.execute("INSERT INTO t VALUES (NULL, 'theirs')", []).unwrap();
        bench.moved(T);
        bench.run("INSERT INTO t VALUES (NULL, 'mine')");
        bench.moved(T);
    }
}

/// A query waits for the lock of a stranger whether it asks for the cache or not.
#[test]
fn a_locked_file_is_waited_for_by_who_asks_for_the_cache_too() {
    let bench = &Bench::in_rollback_mode();
    bench.warm();
    let stranger = bench.stranger();
    stranger.execute_batch("BEGIN EXCLUSIVE; INSERT INTO t VALUES (3, 'theirs')").unwrap();
    std::thread::scope(|threads| {
        threads.spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            stranger.execute_batch("COMMIT").unwrap();
        });
        assert!(!bench.ask(T));
    });
    bench.settles(T);
}
