//! A store between two looks, as people read it: a line for each part, of cells that stand below each other.

use super::super::quantity::{bytes, short_number, short_time};
use super::view::{Latency, Rate, View};

/// Columns of the name of a line, of a label and of a value. Four cells and a name are 79 columns.
const NAME: usize = 9;
const LABEL: usize = 8;
const VALUE: usize = 8;

/// What is shown where there is nothing to show.
const NOTHING: &str = "-";

/// A label and its value.
type Cell = (&'static str, String);

/// The lines of a store; the first one names it.
pub fn lines(view: &View) -> Vec<String> {
    let versions = if view.version.is_empty() { String::new() } else { format!("  keepwell {}, SQLite {}", view.version, view.sqlite) };
    let head = format!("{}{versions}", view.store.replace(char::is_control, "?"));
    [head].into_iter().chain(parts(view).iter().map(|(name, cells)| line(name, cells))).collect()
}

fn line(name: &str, cells: &[Cell]) -> String {
    let cells = cells.iter().map(|(label, value)| format!("{label:<LABEL$} {value:>VALUE$}"));
    format!("{name:<NAME$}{}", cells.collect::<Vec<_>>().join(" "))
}

fn parts(view: &View) -> Vec<(&'static str, Vec<Cell>)> {
    let (pool, writer, cache, wal) = (&view.pool, &view.writer, &view.cache, &view.wal);
    vec![
        (
            "calls",
            vec![
                ("read/s", rate(view.reads)),
                ("write/s", rate(view.writes)),
                ("commit/s", rate(view.commits)),
                ("error/s", rate(view.errors)),
            ],
        ),
        ("rows", vec![("out/s", rate(view.rows_returned)), ("change/s", rate(view.rows_changed))]),
        ("read", latency(&view.read_latency)),
        ("write", latency(&view.write_latency)),
        (
            "pool",
            vec![("open", number(pool.open)), ("in use", number(pool.in_use)), ("idle", number(pool.idle)), ("max", number(pool.max_open))],
        ),
        ("wait", vec![("waiting", number(pool.waiting)), ("p99", time(pool.wait_p99)), ("wait/s", rate(pool.waits))]),
        (
            "writer",
            vec![
                ("in line", number(writer.queue)),
                ("hold p99", time(writer.hold_p99)),
                ("group", number(writer.group_size)),
                ("saved/s", rate(writer.syncs_saved)),
            ],
        ),
        (
            "cache",
            vec![
                ("hits", ratio(cache.hit_ratio)),
                ("entries", number(cache.entries)),
                ("size", size(cache.bytes)),
                ("max", size(cache.max_bytes)),
            ],
        ),
        (
            "log",
            vec![
                ("frames", number(wal.frames)),
                ("pending", number(wal.pending_frames)),
                ("size", size(wal.bytes)),
                ("ckpt/s", rate(wal.checkpoints)),
            ],
        ),
        ("file", vec![("size", size(view.database_bytes)), ("free pgs", number(view.database_free_pages))]),
        (
            "trouble",
            vec![
                ("busy/s", rate(view.busy)),
                ("late/s", rate(view.timeouts)),
                ("cancel/s", rate(view.cancelled)),
                ("slow/s", rate(view.slow)),
            ],
        ),
    ]
}

fn latency(latency: &Latency) -> Vec<Cell> {
    vec![("p50", time(latency.p50)), ("p95", time(latency.p95)), ("p99", time(latency.p99))]
}

fn rate(rate: Option<Rate>) -> String {
    number(rate.map(|rate| rate.per_second))
}

fn number(number: Option<f64>) -> String {
    number.map_or(NOTHING.to_string(), short_number)
}

fn time(seconds: Option<f64>) -> String {
    seconds.map_or(NOTHING.to_string(), short_time)
}

fn ratio(ratio: Option<f64>) -> String {
    ratio.map_or(NOTHING.to_string(), |ratio| format!("{:.1} %", ratio * 100.0))
}

fn size(size: Option<f64>) -> String {
    size.map_or(NOTHING.to_string(), |size| bytes(size as u64))
}
