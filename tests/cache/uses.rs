//! Who uses the cache, and who may not any more: settings, options of a call, tokens and deadlines, closed stores, forked children.

use std::time::Duration;

use keepwell::cancel::CancelToken;
use keepwell::driver::Mode;
use keepwell::options::{CacheUse, Timeout};
use keepwell::{Kind, Params, QueryOptions, TxMode};

use crate::bench::{cached, everywhere, plain, Bench, T};

const fn wants(cache: CacheUse) -> QueryOptions<'static> {
    QueryOptions {
        cache,
        timeout: Timeout::Default,
        cancel: None,
        read_only: false,
        unprepared: false,
        no_writer: false,
        unbound: false,
        whole: false,
        batch_rows: 0,
        cache_ttl: None,
        caller: None,
    }
}

/// Asks twice with these options; says whether the second time was a hit.
fn repeat_hits(bench: &Bench, options: &QueryOptions<'_>) -> bool {
    bench.ask_with(T, &[], options);
    bench.ask_with(T, &[], options)
}

#[test]
fn settings_and_calls_decide_together_who_uses_the_cache() {
    // `cache.enabled`, `query.use_cache`, then whether Default, Use, Skip and Refresh hit.
    let table = [
        ("request", "true", [false, true, false, false]),
        ("request", "false", [false, true, false, false]),
        ("true", "true", [true, true, false, false]),
        ("true", "false", [false, true, false, false]),
        ("false", "true", [false, false, false, false]),
        ("false", "false", [false, false, false, false]),
    ];
    for (enabled, use_cache, expected) in table {
        let bench = &Bench::with(&[("cache.enabled", enabled), ("query.use_cache", use_cache)]);
        let uses = [CacheUse::Default, CacheUse::Use, CacheUse::Skip, CacheUse::Refresh];
        let hits = uses.map(|cache| {
            bench.store.cache_clear();
            repeat_hits(bench, &wants(cache))
        });
        assert_eq!(hits, expected, "cache.enabled {enabled}, query.use_cache {use_cache}");
    }
}

#[test]
fn who_skips_or_refreshes_leaves_a_good_result_for_the_others() {
    everywhere(|bench| {
        bench.moved(T);
        assert!(!bench.ask_with(T, &[], &wants(CacheUse::Skip)));
        bench.hits(T);
        assert!(!bench.ask_with(T, &[], &wants(CacheUse::Refresh)));
        bench.hits(T);
        bench.run("INSERT INTO t VALUES (3, 'three')");
        assert!(!bench.ask_with(T, &[], &wants(CacheUse::Refresh)));
        bench.hits(T);
        assert_eq!(bench.stats().entries, 1);
    });
}

#[test]
fn options_of_the_call_that_change_no_row_share_one_result() {
    let bench = &Bench::new();
    bench.moved(T);
    for options in [
        QueryOptions { read_only: true, ..cached() },
        QueryOptions { unprepared: true, ..cached() },
        QueryOptions { no_writer: true, ..cached() },
        QueryOptions { batch_rows: 1, ..cached() },
        QueryOptions { timeout: Timeout::After(Duration::from_secs(9)), ..cached() },
    ] {
        assert!(bench.ask_with(T, &[], &options));
    }
}

#[test]
fn a_cancelled_token_or_a_deadline_that_has_passed_ends_a_hit_like_any_query() {
    everywhere(|bench| {
        bench.moved(T);
        let token = CancelToken::new().unwrap();
        token.cancel();
        for (options, kind) in [
            (QueryOptions { cancel: Some(token), ..plain() }, Kind::Cancelled),
            (QueryOptions { timeout: Timeout::After(Duration::ZERO), ..plain() }, Kind::Timeout),
        ] {
            let without = bench.store.query(T, Params::NONE, &options).err().map(|error| error.kind());
            let with = bench.store.query(T, Params::NONE, &QueryOptions { cache: CacheUse::Use, ..options });
            assert_eq!((without, with.err().map(|error| error.kind())), (Some(kind), Some(kind)));
        }
        token.reset();
        assert!(bench.ask_with(T, &[], &QueryOptions { cancel: Some(token), ..cached() }));
        token.free();
    });
}

#[test]
fn after_the_store_is_closed_nothing_is_a_hit() {
    everywhere(|bench| {
        bench.moved(T);
        bench.store.close(None).unwrap();
        for options in [cached(), plain(), wants(CacheUse::Refresh)] {
            assert_eq!(bench.store.query(T, Params::NONE, &options).err().map(|error| error.kind()), Some(Kind::Closed));
        }
        bench.store.cache_clear();
        assert_eq!(bench.stats().entries, 0);
    });
}

#[cfg(unix)]
#[test]
#[allow(unsafe_code)]
fn a_forked_child_has_no_hits() {
    everywhere(|bench| {
        bench.moved(T);
        // SAFETY: the child makes one call and ends without returning.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: plain calls of the system.
            unsafe { libc::alarm(30) };
            let kind = bench.store.query(T, Params::NONE, &cached()).err().map(|error| error.kind());
            unsafe { libc::_exit(i32::from(kind != Some(Kind::Forked))) };
        }
        let mut state = 0;
        // SAFETY: `state` is valid for the answer.
        assert_eq!(unsafe { libc::waitpid(child, &mut state, 0) }, child);
        assert_eq!(state, 0, "the child got something else");
        bench.hits(T);
        bench.run("INSERT INTO t VALUES (3, 'three')");
        bench.moved(T);
    });
}

/// A file that may not grow stands for a full disk: commits fail in the middle of writing the log, or the journal.
#[cfg(unix)]
#[test]
#[allow(unsafe_code)]
fn on_a_full_disk_what_failed_is_not_seen_and_what_was_committed_is() {
    crate::bench::in_files(|bench| {
        // SAFETY: the child has a store of its own and ends without returning.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: plain calls of the system; the limit is this process's own.
            unsafe { libc::alarm(60) };
            let fine = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fill_the_disk(&bench.again())));
            unsafe { libc::_exit(i32::from(fine.is_err())) };
        }
        let mut state = 0;
        // SAFETY: `state` is valid for the answer.
        assert_eq!(unsafe { libc::waitpid(child, &mut state, 0) }, child);
        assert_eq!(state, 0, "the child ended badly");
        bench.settles(T);
    });
}

#[cfg(unix)]
fn fill_the_disk(bench: &Bench) {
    let write = |rows: i64| -> keepwell::Result<()> {
        let tx = bench.store.begin(keepwell::TxMode::Write(Default::default()), &plain())?;
        for _ in 0..rows {
            tx.execute("INSERT INTO t VALUES (NULL, hex(zeroblob(3000)))", Params::NONE, &plain())?;
        }
        tx.commit()
    };
    for rows in [1, 3, 20] {
        limit_files(256 * 1024);
        let mut failed = 0;
        for _ in 0..200 {
            bench.settles(T);
            failed += i32::from(write(rows).is_err());
            bench.settles(T);
            if failed == 3 {
                break;
            }
        }
        assert_eq!(failed, 3, "the disk was full");
        limit_files(libc::RLIM_INFINITY);
        bench.run("DELETE FROM t WHERE n > 2");
        bench.settles(T);
        bench.run("UPDATE t SET s = s || '!'");
        bench.moved(T);
    }
}

/// No file may grow beyond this, and trying to is an error instead of a signal.
#[cfg(unix)]
#[allow(unsafe_code)]
fn limit_files(bytes: libc::rlim_t) {
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: libc::RLIM_INFINITY };
    // SAFETY: plain calls of the system.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &limit), 0);
    }
}

#[test]
fn preparing_in_a_deferred_transaction_opens_no_snapshot() {
    let bench = Bench::new();
    let tx = bench.store.begin(TxMode::Write(Mode::Deferred), &plain()).unwrap();
    tx.prepare("INSERT INTO t VALUES (1001, 'one')", &plain()).unwrap();
    bench.stranger().execute("INSERT INTO t VALUES (1002, 'two')", []).unwrap();
    let written = tx.execute("INSERT INTO t VALUES (1001, 'one')", Params::NONE, &plain());
    written.expect("nothing was read before, so nothing is in conflict");
    tx.commit().unwrap();
    bench.moved(T);
}
