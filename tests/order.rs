//! First come, first served: single writes, transactions, scripts, pinned connections and bulk writes in one line.

use std::sync::atomic::{AtomicI64, Ordering};
use std::thread::ScopedJoinHandle;

use keepwell::cancel::Caller;
use keepwell::driver::Mode;
use keepwell::{Config, Matrix, Params, QueryOptions, Store, TxMode, Value, ValueRef};

fn open(settings: &[(&str, &str)]) -> (temp_dir::TempDir, Store) {
    let folder = temp_dir::TempDir::new().unwrap();
    let mut config = Config::new();
    config.set("datasource", &folder.path().join("t.db").to_string_lossy()).unwrap();
    settings.iter().for_each(|(key, value)| config.set(key, value).unwrap());
    let store = Store::open(&config).unwrap();
    store.execute_script("CREATE TABLE t(place INTEGER PRIMARY KEY AUTOINCREMENT, ticket, s)", &plain()).unwrap();
    (folder, store)
}

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

type Way = fn(&Store, &QueryOptions<'_>, i64) -> keepwell::Result<()>;

/// Every way to write, each with its ticket in one row.
const WAYS: [Way; 8] = [
    |store, options, ticket| store.execute(INSERT, &[ticket.into()], options).map(drop),
    |store, options, ticket| store.query("INSERT INTO t(ticket) VALUES (?1) RETURNING place", &[ticket.into()], options).map(drop),
    |store, options, ticket| {
        let tx = store.begin(TxMode::Write(Mode::Immediate), options)?;
        tx.execute(INSERT, &[ticket.into()], options)?;
        tx.commit()
    },
    |store, options, ticket| {
        let tx = store.begin(TxMode::Write(Mode::Deferred), options)?;
        tx.execute(INSERT, &[ticket.into()], options)?;
        tx.commit()
    },
    |store, options, ticket| store.execute_script(&format!("INSERT INTO t(ticket) VALUES ({ticket})"), options).map(drop),
    |store, options, ticket| store.pin(options)?.execute(INSERT, &[ticket.into()], options).map(drop),
    |store, options, ticket| store.execute_many(INSERT, Matrix::new(&[ticket.into()], 1, 1)?, options).map(drop),
    // Too large to be copied for another thread: it waits for the writer itself.
    |store, options, ticket| {
        let large = vec![b'x'; 100_000];
        let values = [ValueRef::Integer(ticket), ValueRef::Text(&large)];
        store.execute("INSERT INTO t(ticket, s) VALUES (?1, length(?2))", &values, options).map(drop)
    },
];
const INSERT: &str = "INSERT INTO t(ticket) VALUES (?1)";

/// The tickets in the order of service.
fn served(store: &Store) -> Vec<i64> {
    let rows = store.query("SELECT ticket FROM t ORDER BY place", Params::NONE, &plain()).unwrap().collect().unwrap();
    rows.iter()
        .map(|row| match row[0] {
            Value::Integer(ticket) => ticket,
            ref other => panic!("{other:?}"),
        })
        .collect()
}

/// Settings under which the order holds.
const SETTINGS: [&[(&str, &str)]; 4] =
    [&[], &[("writer.group_commit", "off")], &[("writer.group_max", "3"), ("writer.group_delay", "1ms")], &[("pool.max_open", "1")]];

#[test]
fn the_order_of_service_is_the_order_of_arrival() {
    for settings in SETTINGS {
        let (_folder, store) = open(settings);
        let tx = store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
        // Each way before and after each other one, and in runs of several.
        let line: Vec<usize> = (0..64).map(|i| (i * i / 3 + i / 5) % WAYS.len()).collect();
        std::thread::scope(|scope| {
            let store = &store;
            let threads: Vec<ScopedJoinHandle<'_, _>> = line
                .iter()
                .enumerate()
                .map(|(ticket, way)| {
                    let thread = scope.spawn(move || WAYS[*way](store, &plain(), ticket as i64));
                    while store.stats().writer.waiting != ticket + 1 {
                        std::thread::yield_now();
                    }
                    thread
                })
                .collect();
            tx.rollback().unwrap();
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        assert_eq!(served(&store), (0..64).collect::<Vec<i64>>(), "{settings:?}");
    }
}

/// One call as its thread sees it, by a clock that all share.
struct Call {
    /// Drawn right before the call.
    ticket: i64,
    /// When it was known to be in line, or else when it was answered.
    in_line: i64,
}

/// Told as soon as its call is in line.
struct Arrival<'a> {
    clock: &'a AtomicI64,
    in_line: AtomicI64,
}

impl Caller for Arrival<'_> {
    fn before_wait(&self) {
        let now = self.clock.fetch_add(1, Ordering::SeqCst);
        let _ = self.in_line.compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
    }
}

fn call(store: &Store, clock: &AtomicI64, way: i64) -> Call {
    let ticket = clock.fetch_add(1, Ordering::SeqCst);
    let arrival = Arrival { clock, in_line: AtomicI64::new(0) };
    WAYS[way as usize % WAYS.len()](store, &QueryOptions { caller: Some(&arrival), ..plain() }, ticket).unwrap();
    arrival.before_wait();
    Call { ticket, in_line: arrival.in_line.into_inner() }
}

/// A call is overtaken by those that are served before it and have a later ticket. That may happen between its ticket and the line, where the
/// threads of a busy machine may stand for long; once a call is in line, nobody is served before it who comes then.
#[test]
fn nobody_overtakes_in_line() {
    const THREADS: i64 = 12;
    const CALLS: i64 = 200;
    // A reader for each, so that none waits for anything but the writer.
    let (_folder, store) = open(&[("pool.max_open", "16")]);
    let clock = &AtomicI64::new(1);
    let mut calls: Vec<Call> = std::thread::scope(|scope| {
        let store = &store;
        let work = move |thread: i64| (0..CALLS).map(|number| call(store, clock, thread * 7 + number * 3)).collect::<Vec<_>>();
        let threads: Vec<_> = (0..THREADS).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    calls.sort_by_key(|call| call.ticket);
    let order = served(&store);
    assert_eq!(order.len(), calls.len());
    let in_line = |ticket: i64| calls[calls.binary_search_by_key(&ticket, |call| call.ticket).unwrap()].in_line;
    let mut overtaken = Vec::new();
    for (place, ticket) in order.iter().enumerate() {
        let by = order[..place].iter().filter(|earlier| *earlier > ticket);
        overtaken.push(by.inspect(|earlier| assert!(**earlier < in_line(*ticket), "{earlier} overtook {ticket} in line")).count());
    }
    let (some, most) = (overtaken.iter().filter(|by| **by > 0).count(), overtaken.iter().max().unwrap());
    println!("{some} of {} calls were overtaken on the way into the line, one by {most} others at most; nobody in line", order.len());
}
