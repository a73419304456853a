//! `keepwell top` without a terminal: samples as JSON and as plain lines.

use serde_json::Value;

use super::fake::{busy_store, Fake, Page};
use super::stage::{Ran, Stage};

/// Runs `keepwell top` on an address and expects this code.
pub fn top(code: i32, address: &str, arguments: &[&str]) -> Ran {
    let stage = Stage::new();
    let ran = Ran::of(stage.program(&[&["top", address, "--interval", "1ms"], arguments].concat()).output().unwrap());
    assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
    ran
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// One sample of a store that is shown whole.
fn busy() -> Value {
    let fake = Fake::showing(2, |look| busy_store(Page::default(), "app.db", look, 1.0).text());
    let page = json(&top(0, &fake.address, &["--json"]));
    assert_eq!((&page["operation"], &page["address"]), (&"top".into(), &fake.address.as_str().into()));
    page["stores"][0].clone()
}

/// What a counter grew by between the two looks.
fn growth(store: &Value, rate: &Value) -> f64 {
    rate["per_second"].as_f64().unwrap_or_else(|| panic!("{rate}: {store}")) * store["seconds"].as_f64().unwrap()
}

#[test]
fn rates_are_what_counters_grew_by() {
    let store = busy();
    assert_eq!((&store["store"], &store["version"], &store["sqlite"]), (&"app.db".into(), &"9.8.7".into(), &"3.99.0".into()));
    for (rate, expected) in [
        (&store["reads"], 40.0),
        (&store["writes"], 20.0),
        (&store["commits"], 5.0),
        (&store["errors"], 7.0),
        (&store["rows_returned"], 400.0),
        (&store["rows_changed"], 25.0),
        (&store["busy"], 13.0),
        (&store["timeouts"], 9.0),
        (&store["cancelled"], 11.0),
        (&store["slow"], 2.0),
        (&store["pool"]["waits"], 13.0),
        (&store["writer"]["syncs_saved"], 12.0),
        (&store["wal"]["checkpoints"], 1.0),
    ] {
        assert!((growth(&store, rate) - expected).abs() < 1e-6, "{rate}, not {expected}: {store}");
    }
    assert_eq!(store["reads"]["total"], 1040.0);
}

#[test]
fn latencies_are_of_what_happened_between_the_looks() {
    let store = busy();
    let near =
        |value: &Value, expected: f64| assert!((value.as_f64().unwrap() - expected).abs() < 1e-9, "{value}, not {expected}: {store}");
    near(&store["read_latency"]["p50"], 0.001 * 20.0 / 30.0);
    near(&store["read_latency"]["p95"], 0.001 + 0.009 * 8.0 / 10.0);
    near(&store["read_latency"]["p99"], 0.001 + 0.009 * 9.6 / 10.0);
    // All are above the last finite bound.
    near(&store["write_latency"]["p50"], 0.01);
    near(&store["writer"]["hold_p99"], 0.99);
    // Of readers and the writer together.
    near(&store["pool"]["wait_p99"], 1.99);
}

#[test]
fn levels_are_those_of_the_second_look() {
    let store = busy();
    for (level, expected) in [
        (&store["pool"]["max_open"], 25.0),
        (&store["pool"]["open"], 5.0),
        (&store["pool"]["in_use"], 2.0),
        (&store["pool"]["idle"], 3.0),
        (&store["pool"]["waiting"], 5.0),
        (&store["writer"]["queue"], 4.0),
        (&store["writer"]["group_size"], 3.5),
        (&store["cache"]["hit_ratio"], 0.75),
        (&store["cache"]["entries"], 512.0),
        (&store["wal"]["frames"], 1200.0),
        (&store["wal"]["pending_frames"], 30.0),
        (&store["database_bytes"], 10_485_760.0),
        (&store["database_free_pages"], 17.0),
    ] {
        assert_eq!(level.as_f64(), Some(expected), "{store}");
    }
}

#[test]
fn what_is_not_shown_and_what_nothing_happened_for_is_null() {
    let quiet = |_| busy_store(Page::default(), "app.db", 0, 1.0).text();
    let store = json(&top(0, &Fake::showing(2, quiet).address, &["--json"]))["stores"][0].clone();
    assert_eq!((&store["read_latency"]["p99"], &store["cache"]["hit_ratio"]), (&Value::Null, &Value::Null), "{store}");
    assert_eq!(store["reads"]["per_second"], 0.0);
    let bare = |_| Page::default().put("app.db", "wal_frames", "", 3.0).text();
    let store = json(&top(0, &Fake::showing(2, bare).address, &["--json"]))["stores"][0].clone();
    assert_eq!((&store["reads"], &store["pool"]["open"], &store["wal"]["frames"]), (&Value::Null, &Value::Null, &3.0.into()), "{store}");
}

#[test]
fn a_process_that_began_anew_counts_from_nothing() {
    let fake = Fake::showing(2, |look| busy_store(Page::default(), "app.db", if look == 0 { 50 } else { 2 }, 1.0).text());
    let store = json(&top(0, &fake.address, &["--json"]))["stores"][0].clone();
    assert!((growth(&store, &store["commits"]) - 10.0).abs() < 1e-6, "{store}");
    assert!((growth(&store, &store["writes"]) - 40.0).abs() < 1e-6, "{store}");
}

/// `look` of two stores, the second of which does twice as much.
fn two(look: usize) -> String {
    busy_store(busy_store(Page::default(), "one.db", look, 1.0), "two \\\"quoted\\\".db", look, 2.0).text()
}

#[test]
fn each_store_has_a_block_and_one_can_be_picked() {
    let out = top(0, &Fake::showing(2, two).address, &["--once"]).out;
    let blocks: Vec<&str> = out.trim_end().split("\n\n").collect();
    assert_eq!(blocks.len(), 2, "{out}");
    assert!(blocks[0].starts_with("one.db  keepwell 9.8.7, SQLite 3.99.0\n"), "{out}");
    assert!(blocks[1].starts_with("two \"quoted\".db  keepwell "), "{out}");
    let page = json(&top(0, &Fake::showing(2, two).address, &["--json", "--store", "two \"quoted\".db"]));
    assert_eq!(page["stores"].as_array().unwrap().len(), 1);
    assert!((growth(&page["stores"][0], &page["stores"][0]["commits"]) - 10.0).abs() < 1e-6, "{page}");
    let ran = top(2, &Fake::showing(2, two).address, &["--once", "--store", "three.db"]);
    assert!(ran.err.contains("no store three.db; it shows one.db, two"), "{ran:?}");
}

#[test]
fn plain_lines_fit_a_terminal_and_stand_below_each_other() {
    let out = top(0, &Fake::showing(2, |look| busy_store(Page::default(), "app.db", look, 1.0).text()).address, &["--once"]).out;
    let line = |name: &str| out.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {out}"));
    assert!(out.lines().all(|line| line.chars().count() <= 80), "{out}");
    assert_eq!(line("pool"), "pool     open            5 in use          2 idle            3 max            25");
    assert_eq!(line("read"), "read     p50        667 µs p95       8.20 ms p99       9.64 ms");
    assert_eq!(line("cache"), "cache    hits       75.0 % entries       512 size      1.0 MiB max      64.0 MiB");
    assert!(line("writer").contains("hold p99   990 ms group         3.5 saved/s "), "{out}");
    assert!(line("wait").starts_with("wait     waiting         5 p99        1.99 s wait/s "), "{out}");
    assert!(line("file").contains("size     10.0 MiB free pgs       17"), "{out}");
}

#[test]
fn a_batch_is_so_many_samples() {
    let page = |look| busy_store(Page::default(), "app.db", look, 1.0).text();
    let out = top(0, &Fake::showing(4, page).address, &["--batch", "3"]).out;
    assert_eq!(out.matches("app.db  keepwell").count(), 3, "{out}");
    let out = top(0, &Fake::showing(3, page).address, &["--batch", "2", "--json"]).out;
    let totals: Vec<Value> =
        out.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["stores"][0]["commits"]["total"].clone()).collect();
    assert_eq!(totals, [Value::from(5.0), Value::from(10.0)]);
}

#[test]
fn two_is_wrong_usage() {
    for arguments in [&["nowhere:"][..], &["127.0.0.1:1", "--interval", "0"], &["--batch", "0"], &["--once", "--batch", "2"]] {
        let ran = Ran::of(Stage::new().program(&[&["top"], arguments].concat()).output().unwrap());
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {ran:?}");
    }
}
