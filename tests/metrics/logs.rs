//! The log over the C functions, and the slow calls in it.

#![allow(unsafe_code)]

use std::ffi::{c_void, CStr};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};

use keepwell::ffi::insight_types::*;
use keepwell::ffi::types::*;
use keepwell::{Params, QueryOptions, ValueRef};
use serde_json::Value;

use super::bench::Bench;

extern "C" {
    fn kw_log_set_callback(level: u32, callback: kw_log_callback, context: *mut c_void, err: *mut kw_error) -> i32;
    fn kw_log_open(level: u32, capacity: u32, out: *mut kw_log, err: *mut kw_error) -> i32;
    fn kw_log_next(log: kw_log, timeout_us: i64, out: *mut kw_log_event, err: *mut kw_error) -> i32;
    fn kw_log_close(log: kw_log) -> i32;
}

/// The log is one for the process: its tests take turns.
static TURN: Mutex<()> = Mutex::new(());

struct View(kw_log);

#[derive(Debug)]
struct Event {
    level: u32,
    dropped: u64,
    target: String,
    message: String,
    fields: Value,
}

impl View {
    fn open(level: u32, capacity: u32) -> View {
        let mut log = 0;
        assert_eq!(unsafe { kw_log_open(level, capacity, &mut log, null_mut()) }, KW_OK);
        View(log)
    }

    fn next(&self, timeout_us: i64) -> Option<Event> {
        let mut event: kw_log_event = unsafe { std::mem::zeroed() };
        event.struct_size = size_of::<kw_log_event>() as u32;
        match unsafe { kw_log_next(self.0, timeout_us, &mut event, null_mut()) } {
            KW_DONE => return None,
            status => assert_eq!(status, KW_ROW),
        }
        let text = |pointer| unsafe { CStr::from_ptr(pointer) }.to_str().unwrap().to_string();
        let (target, message, fields) = (text(event.target), text(event.message), text(event.fields));
        assert_eq!((target.len(), message.len(), fields.len()), (event.target_len, event.message_len, event.fields_len));
        Some(Event { level: event.level, dropped: event.dropped, target, message, fields: serde_json::from_str(&fields).unwrap() })
    }

    /// The events of this store.
    fn of(&self, bench: &Bench) -> Vec<Event> {
        let all = std::iter::from_fn(|| self.next(0));
        all.filter(|event| event.fields["store"] == bench.store.database()).collect()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        assert_eq!(unsafe { kw_log_close(self.0) }, KW_OK);
    }
}

#[test]
fn a_slow_call_is_told_with_its_plan_and_without_its_values() {
    let _turn = TURN.lock();
    let bench = Bench::with(&[("metrics.slow_query", "1ns")]);
    bench.execute("INSERT INTO t(name, n) VALUES ('a', 1), ('b', 2)");
    let view = View::open(KW_LOG_WARN, 0);
    let options = QueryOptions::default();
    let secret = [ValueRef::Text(b"secret"), ValueRef::Integer(1)];
    let sql = "SELECT id FROM t WHERE name <> ? AND n >= ?";
    assert_eq!(bench.store.query(sql, &secret[..], &options).unwrap().collect().unwrap().len(), 2);
    let events = view.of(&bench);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.level, event.target.as_str(), event.dropped), (KW_LOG_WARN, "keepwell::slow", 0));
    assert!(event.message.starts_with("slow: ") && event.message.ends_with(sql), "{}", event.message);
    let fields = &event.fields;
    assert_eq!(fields["sql"], sql);
    assert_eq!(fields["params"], "1: text of 6 bytes, 2: integer");
    assert_eq!(fields["plan"], "SCAN t");
    assert_eq!(
        (fields["rows_returned"].as_u64(), fields["rows_scanned"].as_u64(), fields["failed"].as_bool()),
        (Some(2), Some(1), Some(false))
    );
    let seconds = |name: &str| fields[name].as_f64().unwrap();
    let sum = seconds("queue_seconds") + seconds("busy_seconds") + seconds("execution_seconds");
    assert!(seconds("duration_seconds") > 0.0 && (sum - seconds("duration_seconds")).abs() < 1e-9);
    assert_eq!(bench.series().get("keepwell_query_slow_total"), 3.0);

    let bench = Bench::with(&[("metrics.slow_query", "1ns"), ("metrics.slow_query_params", "true")]);
    bench.store.query(sql, &secret[..], &options).unwrap();
    let events = view.of(&bench);
    assert_eq!(events.last().unwrap().fields["params"], "SELECT id FROM t WHERE name <> 'secret' AND n >= 1");

    // However large the values are, an event is not.
    let large = vec![b'x'; 1_000_000];
    bench.store.query(sql, &[ValueRef::Text(&large), ValueRef::Integer(1)][..], &options).unwrap();
    assert!(view.of(&bench).last().unwrap().fields["params"].as_str().unwrap().len() <= 16 * 1024);

    let bench = Bench::with(&[("metrics.slow_query", "0")]);
    bench.rows("SELECT 1");
    assert_eq!((view.of(&bench).len(), bench.series().get("keepwell_query_slow_total")), (0, 0.0));
}

#[test]
fn what_has_no_plan_and_what_runs_for_many_rows_is_told_as_what_it_is() {
    let _turn = TURN.lock();
    let bench = Bench::with(&[("metrics.slow_query", "1ns")]);
    let view = View::open(KW_LOG_WARN, 0);
    bench.execute("CREATE TABLE other(x)");
    let values = [ValueRef::Integer(1), ValueRef::Integer(2), ValueRef::Integer(3), ValueRef::Integer(4)];
    let matrix = keepwell::Matrix::new(&values, 2, 2).unwrap();
    bench.store.execute_many("INSERT INTO t(id, n) VALUES (?, ?)", matrix, &QueryOptions::default()).unwrap();
    let events = view.of(&bench);
    let told: Vec<(&str, &str)> =
        events.iter().map(|event| (event.fields["params"].as_str().unwrap(), event.fields["plan"].as_str().unwrap())).collect();
    assert_eq!(told, [("", ""), ("2 rows of 2", "")]);
}

#[test]
fn a_long_result_is_told_once_with_all_of_its_rows() {
    let _turn = TURN.lock();
    let bench = Bench::with(&[("metrics.slow_query", "1ns")]);
    let view = View::open(KW_LOG_WARN, 0);
    let sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000) SELECT x FROM c";
    assert_eq!(bench.rows(sql), 1000);
    let events = view.of(&bench);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!(event.fields["rows_returned"], 1000);
}

#[test]
fn a_slow_result_that_is_closed_early_is_told() {
    let _turn = TURN.lock();
    let bench = Bench::with(&[("metrics.slow_query", "1ns")]);
    let view = View::open(KW_LOG_WARN, 0);
    let sql = "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 1000) SELECT x FROM c";
    drop(bench.store.query(sql, Params::NONE, &QueryOptions::default()).unwrap());
    let events = view.of(&bench);
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((event.fields["sql"].as_str(), event.fields["rows_returned"].as_u64()), (Some(sql), Some(256)));
}

#[test]
fn a_view_hears_of_events_whatever_becomes_of_other_listeners_meanwhile() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let (rounds, turn) = (2_000, Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds {
                turn.wait();
                assert_eq!(unsafe { kw_log_set_callback(KW_LOG_OFF, None, null_mut(), null_mut()) }, KW_OK);
                turn.wait();
            }
        });
        let deaf = (0..rounds).filter(|_| {
            turn.wait();
            let view = View::open(KW_LOG_DEBUG, 0);
            turn.wait();
            bench.store.query("SELEKT", Params::NONE, &QueryOptions::default()).err().unwrap();
            view.of(&bench).is_empty()
        });
        assert_eq!(deaf.count(), 0);
    });
}

#[test]
fn errors_are_told_by_their_weight() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let (all, grave) = (View::open(KW_LOG_TRACE, 0), View::open(KW_LOG_WARN, 0));
    bench.store.query("SELEKT", Params::NONE, &QueryOptions::default()).err().unwrap();
    let events = all.of(&bench);
    let error = events.iter().find(|event| event.target == "keepwell::error").unwrap();
    assert_eq!((error.level, error.fields["code"].as_str()), (KW_LOG_DEBUG, Some("KW_SQL")));
    assert!(grave.of(&bench).is_empty());
}

#[test]
fn a_full_view_loses_the_oldest_and_says_how_many() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let view = View::open(KW_LOG_DEBUG, 4);
    for n in 0..10 {
        bench.store.query(&format!("SELEKT {n}"), Params::NONE, &QueryOptions::default()).err().unwrap();
    }
    let events: Vec<Event> = std::iter::from_fn(|| view.next(0)).collect();
    assert_eq!(events.len(), 4, "{events:?}");
    assert_eq!(events.iter().map(|event| event.dropped).collect::<Vec<_>>(), [6, 0, 0, 0]);
    assert!(events[3].message.contains("SELEKT 9"));
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(event: *const kw_log_event, context: *mut c_void) {
    let store = unsafe { &*context.cast::<keepwell::Store>() };
    let message = unsafe { CStr::from_ptr((*event).message) }.to_string_lossy();
    if message.contains("from many") {
        CALLS.fetch_add(1, Ordering::Relaxed);
        // A callback may use the library; what it does there is not told to it.
        store.query("SELEKT inside", Params::NONE, &QueryOptions::default()).err().unwrap();
        assert_eq!(unsafe { kw_log_set_callback(KW_LOG_OFF, None, null_mut(), null_mut()) }, KW_MISUSE);
    }
}

#[test]
fn a_callback_hears_of_every_event_until_it_is_taken_back() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    let context = (&bench.store as *const keepwell::Store).cast_mut().cast::<c_void>();
    assert_eq!(unsafe { kw_log_set_callback(KW_LOG_DEBUG, Some(count), context, null_mut()) }, KW_OK);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..25 {
                    bench.store.query("SELEKT from many", Params::NONE, &QueryOptions::default()).err().unwrap();
                }
            });
        }
    });
    assert_eq!(unsafe { kw_log_set_callback(KW_LOG_OFF, None, null_mut(), null_mut()) }, KW_OK);
    assert_eq!(CALLS.load(Ordering::Relaxed), 200);
    bench.store.query("SELEKT from many", Params::NONE, &QueryOptions::default()).err().unwrap();
    assert_eq!(CALLS.load(Ordering::Relaxed), 200);
}

static MET: Mutex<usize> = Mutex::new(0);
static MEETS: std::sync::Condvar = std::sync::Condvar::new();

/// Waits in the callback until two threads are there.
extern "C" fn meet(event: *const kw_log_event, _context: *mut c_void) {
    let message = unsafe { CStr::from_ptr((*event).message) }.to_string_lossy();
    if !message.contains("from two") {
        return;
    }
    let mut met = MET.lock().unwrap();
    *met += 1;
    MEETS.notify_all();
    let limit = std::time::Duration::from_secs(20);
    drop(MEETS.wait_timeout_while(met, limit, |met| *met < 2).unwrap());
}

#[test]
fn a_callback_that_waits_for_another_thread_does_not_wait_for_ever() {
    let _turn = TURN.lock();
    let bench = Bench::new();
    assert_eq!(unsafe { kw_log_set_callback(KW_LOG_DEBUG, Some(meet), null_mut(), null_mut()) }, KW_OK);
    let began = std::time::Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| bench.store.query("SELEKT from two", Params::NONE, &QueryOptions::default()).err().unwrap());
        }
    });
    assert_eq!(unsafe { kw_log_set_callback(KW_LOG_OFF, None, null_mut(), null_mut()) }, KW_OK);
    assert!(*MET.lock().unwrap() == 2 && began.elapsed().as_secs() < 15, "the two have met");
}

#[test]
fn closing_a_view_wakes_who_waits_for_its_next_event() {
    let _turn = TURN.lock();
    let mut log = 0;
    assert_eq!(unsafe { kw_log_open(KW_LOG_ERROR, 0, &mut log, null_mut()) }, KW_OK);
    let waiter = std::thread::spawn(move || {
        let mut event: kw_log_event = unsafe { std::mem::zeroed() };
        event.struct_size = size_of::<kw_log_event>() as u32;
        unsafe { kw_log_next(log, -1, &mut event, null_mut()) }
    });
    assert_eq!(unsafe { kw_log_close(log) }, KW_OK);
    let status = waiter.join().unwrap();
    assert!(status == KW_DONE || status == KW_INVALID_HANDLE, "{status}");
    assert_eq!(unsafe { kw_log_close(log) }, KW_OK, "twice is harmless");
}
