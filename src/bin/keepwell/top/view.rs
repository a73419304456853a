//! A store between two looks: rates, latencies and levels. One form for people and as JSON.

use serde::Serialize;

use super::histogram::Histogram;
use super::scrape::Series;

/// A metric that the process does not show is `None`, and so is what nothing happened for. Times are in seconds, sizes in bytes.
#[derive(Debug, Serialize)]
pub struct View {
    pub store: String,
    pub version: String,
    pub sqlite: String,
    /// Between the two looks.
    pub seconds: f64,
    pub reads: Option<Rate>,
    pub writes: Option<Rate>,
    /// Of transactions that programs began; a single write is none.
    pub commits: Option<Rate>,
    pub errors: Option<Rate>,
    pub rows_returned: Option<Rate>,
    pub rows_changed: Option<Rate>,
    pub read_latency: Latency,
    pub write_latency: Latency,
    pub pool: Pool,
    pub writer: Writer,
    pub cache: Cache,
    pub wal: Wal,
    pub database_bytes: Option<f64>,
    pub database_free_pages: Option<f64>,
    pub busy: Option<Rate>,
    pub timeouts: Option<Rate>,
    pub cancelled: Option<Rate>,
    pub slow: Option<Rate>,
}

/// How often something happens.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Rate {
    pub per_second: f64,
    /// Since the process began.
    pub total: f64,
}

/// Of what ended between the two looks.
#[derive(Debug, Serialize)]
pub struct Latency {
    pub p50: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Pool {
    pub max_open: Option<f64>,
    pub open: Option<f64>,
    pub in_use: Option<f64>,
    pub idle: Option<f64>,
    /// In the lines for a reader and for the writer.
    pub waiting: Option<f64>,
    pub waits: Option<Rate>,
    pub wait_p99: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Writer {
    pub queue: Option<f64>,
    pub hold_p99: Option<f64>,
    /// Writes in a shared transaction, on average.
    pub group_size: Option<f64>,
    pub syncs_saved: Option<Rate>,
}

#[derive(Debug, Serialize)]
pub struct Cache {
    /// The part of the queries that asked it which it answered, from 0 to 1.
    pub hit_ratio: Option<f64>,
    pub entries: Option<f64>,
    pub bytes: Option<f64>,
    pub max_bytes: Option<f64>,
}

#[derive(Debug, Serialize)]
pub struct Wal {
    pub frames: Option<f64>,
    pub pending_frames: Option<f64>,
    pub bytes: Option<f64>,
    pub checkpoints: Option<Rate>,
}

const ALL: (&str, &str) = ("", "");
const READS: (&str, &str) = ("statement", "read");
const WRITES: (&str, &str) = ("statement", "write");
const QUERIES: &str = "keepwell_query_duration_seconds";

impl View {
    pub fn between(store: &str, before: &Series, now: &Series, seconds: f64) -> View {
        let look = Look { before, now, seconds };
        View {
            store: store.to_string(),
            version: now.text("keepwell_build_info", "version").to_string(),
            sqlite: now.text("keepwell_build_info", "sqlite").to_string(),
            seconds,
            reads: look.rate("keepwell_query_duration_seconds_count", READS),
            writes: look.rate("keepwell_query_duration_seconds_count", WRITES),
            commits: look.rate("keepwell_tx_total", ("outcome", "committed")),
            // There is a series for each error that has happened.
            errors: Some(look.rate("keepwell_errors_total", ALL).unwrap_or(Rate { per_second: 0.0, total: 0.0 })),
            rows_returned: look.rate("keepwell_query_rows_returned_total", ALL),
            rows_changed: look.rate("keepwell_query_rows_changed_total", ALL),
            read_latency: Latency::of(look.since(QUERIES, READS)),
            write_latency: Latency::of(look.since(QUERIES, WRITES)),
            pool: Pool::of(&look),
            writer: Writer::of(&look),
            cache: Cache::of(&look),
            wal: Wal::of(&look),
            database_bytes: look.level("keepwell_database_bytes"),
            database_free_pages: look.level("keepwell_database_free_pages"),
            busy: look.rate("keepwell_busy_total", ALL),
            timeouts: look.rate("keepwell_stopped_total", ("reason", "timeout")),
            cancelled: look.rate("keepwell_stopped_total", ("reason", "cancelled")),
            slow: look.rate("keepwell_query_slow_total", ALL),
        }
    }
}

/// The two looks at a store.
struct Look<'a> {
    before: &'a Series,
    now: &'a Series,
    seconds: f64,
}

impl Look<'_> {
    fn level(&self, name: &str) -> Option<f64> {
        self.now.sum(name, ALL)
    }

    /// What a counter grew by. One that is less than before began anew.
    fn growth(&self, name: &str, label: (&str, &str)) -> Option<f64> {
        let now = self.now.sum(name, label)?;
        let before = self.before.sum(name, label).filter(|before| *before <= now).unwrap_or(0.0);
        Some(now - before)
    }

    fn rate(&self, name: &str, label: (&str, &str)) -> Option<Rate> {
        let total = self.now.sum(name, label)?;
        Some(Rate { per_second: self.growth(name, label)? / self.seconds, total })
    }

    fn since(&self, name: &str, label: (&str, &str)) -> Option<Histogram> {
        let now = self.now.histogram(name, label)?;
        Some(self.before.histogram(name, label).map_or(now.clone(), |before| now.since(&before)))
    }

    fn p99(&self, name: &str) -> Option<f64> {
        self.since(name, ALL)?.quantile(0.99)
    }
}

impl Latency {
    fn of(histogram: Option<Histogram>) -> Latency {
        let part = |quantile| histogram.as_ref().and_then(|histogram| histogram.quantile(quantile));
        Latency { p50: part(0.5), p95: part(0.95), p99: part(0.99) }
    }
}

impl Pool {
    fn of(look: &Look<'_>) -> Pool {
        let lines = [look.level("keepwell_reader_queue_depth"), look.level("keepwell_writer_queue_depth")];
        Pool {
            max_open: look.level("keepwell_pool_max_open_connections"),
            open: look.level("keepwell_pool_open_connections"),
            in_use: look.level("keepwell_pool_in_use_connections"),
            idle: look.level("keepwell_pool_idle_connections"),
            waiting: lines.into_iter().flatten().reduce(|sum, line| sum + line),
            waits: look.rate("keepwell_pool_wait_count_total", ALL),
            wait_p99: look.p99("keepwell_pool_wait_duration_seconds"),
        }
    }
}

impl Writer {
    fn of(look: &Look<'_>) -> Writer {
        Writer {
            queue: look.level("keepwell_writer_queue_depth"),
            hold_p99: look.p99("keepwell_writer_hold_seconds"),
            group_size: look.since("keepwell_writer_group_size", ALL).and_then(|sizes| sizes.mean()),
            syncs_saved: look.rate("keepwell_writer_syncs_saved_total", ALL),
        }
    }
}

impl Cache {
    fn of(look: &Look<'_>) -> Cache {
        let hits = look.growth("keepwell_cache_hits_total", ALL);
        let asked = hits.zip(look.growth("keepwell_cache_misses_total", ALL)).map(|(hits, misses)| hits + misses);
        Cache {
            hit_ratio: hits.zip(asked).filter(|(_, asked)| *asked > 0.0).map(|(hits, asked)| hits / asked),
            entries: look.level("keepwell_cache_entries"),
            bytes: look.level("keepwell_cache_bytes"),
            max_bytes: look.level("keepwell_cache_max_bytes"),
        }
    }
}

impl Wal {
    fn of(look: &Look<'_>) -> Wal {
        Wal {
            frames: look.level("keepwell_wal_frames"),
            pending_frames: look.level("keepwell_wal_pending_frames"),
            bytes: look.level("keepwell_wal_bytes"),
            checkpoints: look.rate("keepwell_wal_checkpoint_seconds_count", ALL),
        }
    }
}
