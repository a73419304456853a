//! How much is kept, for how long, and how it is counted.

use std::time::Duration;

use keepwell::options::CacheUse;
use keepwell::store::Bypass;
use keepwell::{Params, QueryOptions, TxMode};

use crate::bench::{cached, everywhere, plain, Bench, T};

/// A query with one parameter: each value has a result of its own, of one integer.
const ECHO: &str = "SELECT ?";

/// What one of these takes: the entry, its key (each part with a tag and eight bytes), its one cell.
const ECHO_COST: u64 = 256 + (9 + ECHO.len() as u64 + 9) + 16;

fn echo(bench: &Bench, n: i64) -> bool {
    bench.ask_with(ECHO, &[n.into()], &cached())
}

#[test]
fn the_bytes_of_a_result_are_counted_exactly() {
    let bench = &Bench::new();
    echo(bench, 1);
    assert_eq!((bench.stats().entries, bench.stats().bytes), (1, ECHO_COST));
    bench.ask(T);
    // Two rows of two cells, and 'one' and 'two', each with its closing NUL.
    let of_t = 256 + (9 + T.len() as u64) + 4 * 16 + 2 * 4;
    assert_eq!((bench.stats().entries, bench.stats().bytes), (2, ECHO_COST + of_t));
    bench.ask_with(ECHO, &["text".into()], &cached());
    assert_eq!(bench.stats().bytes, ECHO_COST + of_t + 256 + (9 + ECHO.len() as u64 + 9 + 4) + 16 + 5);
    bench.run("DELETE FROM t");
    bench.ask_with(T, &[], &QueryOptions { cache: CacheUse::Refresh, ..cached() });
    bench.store.cache_clear();
    assert_eq!((bench.stats().entries, bench.stats().bytes), (0, 0));
}

#[test]
fn what_was_used_least_recently_leaves_when_there_are_too_many() {
    let bench = &Bench::with(&[("cache.size", "10")]);
    (0..10).for_each(|n| assert!(!echo(bench, n)));
    assert!(echo(bench, 0), "used last from here on");
    assert!(!echo(bench, 10));
    assert_eq!((bench.stats().entries, bench.stats().evicted), (10, 1));
    assert!(echo(bench, 0));
    (2..11).for_each(|n| assert!(echo(bench, n), "{n}"));
    assert!(!echo(bench, 1));
    assert_eq!((bench.stats().max_entries, bench.stats().entries, bench.stats().bytes), (10, 10, 10 * ECHO_COST));
}

#[test]
fn what_was_used_least_recently_leaves_when_all_are_too_large() {
    let bench = &Bench::with(&[("cache.max_bytes", "16KiB")]);
    let fit = 16 * 1024 / ECHO_COST;
    (0..fit as i64 + 7).for_each(|n| assert!(!echo(bench, n)));
    let stats = bench.stats();
    assert_eq!((stats.entries, stats.bytes, stats.evicted), (fit, fit * ECHO_COST, 7));
    assert_eq!(stats.max_bytes, 16 * 1024);
    (7..fit as i64 + 7).for_each(|n| assert!(echo(bench, n), "{n}"));
}

/// A sixteenth of everything is the most that one result may take, to the byte.
#[test]
fn the_largest_result_that_is_kept_is_a_sixteenth_of_all() {
    let bench = &Bench::with(&[("cache.max_bytes", "32KiB")]);
    let sql = "SELECT n, s FROM t WHERE n = 1";
    let beside = 256 + (9 + sql.len()) + 2 * 16 + 1;
    for (size, is_kept) in [(2048 - beside, true), (2048 - beside + 1, false), (2048 - beside, true)] {
        bench.store.execute("UPDATE t SET s = ? WHERE n = 1", &["x".repeat(size).as_str().into()], &plain()).unwrap();
        assert!(!bench.ask(sql));
        assert_eq!((bench.ask(sql), bench.stats().entries), (is_kept, u64::from(is_kept)));
    }
}

#[test]
fn a_result_is_too_old_when_the_store_the_one_who_kept_it_or_the_one_who_asks_says_so() {
    let soon = Duration::from_millis(200);
    let is_over = || std::thread::sleep(soon + Duration::from_millis(50));
    let within = |ttl| QueryOptions { cache_ttl: Some(ttl), ..cached() };
    let lasting = within(Duration::from_secs(3600));

    let by_store = Bench::with(&[("cache.ttl", "200ms")]);
    by_store.moved(T);
    is_over();
    assert!(!by_store.ask(T));
    assert_eq!(by_store.stats().expired, 1);
    by_store.ask_with(T, &[], &QueryOptions { cache: CacheUse::Refresh, ..lasting });
    is_over();
    by_store.hits(T);

    let by_query = Bench::with(&[("query.cache_ttl", "200ms")]);
    by_query.moved(T);
    is_over();
    by_query.moved(T);

    let never = Bench::with(&[("cache.ttl", "0")]);
    never.moved(T);
    assert!(!never.ask_with(ECHO, &[1.into()], &within(soon)));
    is_over();
    never.hits(T);
    assert!(!never.ask_with(ECHO, &[1.into()], &lasting), "who kept it said so");
    assert!(!never.ask_with(T, &[], &within(soon)), "who asks says so");
    assert!(never.ask_with(T, &[], &within(soon)), "it was replaced");
}

/// The sum of everything is what was asked for and succeeded.
fn adds_up(bench: &Bench, asked: u64) {
    let stats = bench.stats();
    assert_eq!(stats.hits + stats.misses + stats.bypasses.iter().sum::<u64>(), asked, "{}: {stats:?}", bench.name());
}

#[test]
fn hits_misses_and_bypasses_are_all_queries_that_asked_and_succeeded() {
    everywhere(|bench| {
        bench.run("INSERT INTO u VALUES (1)");
        let mut asked = 0;
        let queries =
            [T, T, "SELECT random()", "SELECT n FROM u", "PRAGMA user_version", "INSERT INTO u VALUES (2) RETURNING n", "SELECT n FROM u"];
        for sql in queries {
            bench.store.query(sql, Params::NONE, &cached()).unwrap().collect().unwrap();
            asked += 1;
            adds_up(bench, asked);
        }
        for sql in [
            "SELECT",
            "SELECT * FROM nowhere",
            "INSERT INTO t VALUES (1, 'taken') RETURNING n",
            "SELECT ?",
            "SELECT abs(-9223372036854775808)",
        ] {
            assert!(bench.store.query(sql, Params::NONE, &cached()).is_err(), "{sql}");
            adds_up(bench, asked);
        }
        let reader_only = QueryOptions { no_writer: true, ..cached() };
        if bench.store.query("DELETE FROM u RETURNING n", Params::NONE, &reader_only).is_ok() {
            asked += 1;
        }
        adds_up(bench, asked);
        assert!(bench.store.query("DELETE FROM u", Params::NONE, &QueryOptions { read_only: true, ..cached() }).is_err());
        adds_up(bench, asked);
        let tx = bench.store.begin(TxMode::Write(Default::default()), &plain()).unwrap();
        tx.query(T, Params::NONE, &cached()).unwrap();
        asked += 1;
        assert!(tx.query("SELECT * FROM nowhere", Params::NONE, &cached()).is_err());
        tx.rollback().unwrap();
        adds_up(bench, asked);
        bench.store.query(T, Params::NONE, &QueryOptions { cache: CacheUse::Skip, ..plain() }).unwrap();
        adds_up(bench, asked);
    });
}

#[test]
fn where_there_is_no_cache_only_those_who_ask_for_one_are_counted() {
    let bench = &Bench::with(&[("cache.enabled", "false")]);
    bench.never_hits(T);
    assert!(bench.store.query("SELECT * FROM nowhere", Params::NONE, &cached()).is_err());
    bench.ask_with(T, &[], &plain());
    bench.store.cache_clear();
    let stats = bench.stats();
    assert_eq!((stats.bypasses[Bypass::Disabled as usize], stats.hits, stats.misses, stats.max_entries), (3, 0, 0, 0));
    assert_eq!(stats.hit_ratio(), 0.0);
}

#[test]
fn a_result_stays_whole_for_who_holds_it() {
    let bench = &Bench::with(&[("cache.size", "1")]);
    bench.moved(T);
    let hold = || {
        let rows = bench.store.query(T, Params::NONE, &cached()).unwrap();
        assert!(rows.is_from_cache());
        rows
    };
    let truth = bench.truth(T, &[]);
    let (evicted, cleared) = (hold(), hold());
    echo(bench, 1);
    assert_eq!(bench.stats().evicted, 1);
    bench.settles(T);
    bench.store.cache_clear();
    bench.settles(T);
    let closed = hold();
    bench.run("DELETE FROM t");
    bench.store.close(None).unwrap();
    for rows in [evicted, cleared, closed] {
        assert_eq!(rows.collect().unwrap(), truth);
    }
    assert_eq!((bench.stats().entries, bench.stats().bytes), (0, 0));
}
