//! The one table of metrics: name, type, help, unit, and how each is read. Nobody else knows a name.
//!
//! Names follow the [practices of Prometheus](https://prometheus.io/docs/practices/naming/). Each `go_sql_<x>` of client_golang has its like
//! in `keepwell_pool_<x>`; of the time waited there is a histogram, whose sum is `go_sql_wait_duration_seconds_total`.

use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric as Sample, MetricFamily, MetricType};

use super::cell::Buckets;
use super::facts::Facts;
use super::sheet::Sheet;

/// One metric.
pub struct Metric {
    /// Without the `_total` of a counter's series.
    pub name: &'static str,
    pub kind: Kind,
    /// `seconds`, `bytes`, or empty.
    pub unit: &'static str,
    pub help: &'static str,
    read: fn(&Facts, &mut Series),
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// Where a metric's values go, each with its labels.
pub struct Series<'a> {
    store: &'a str,
    kind: Kind,
    samples: Vec<Sample>,
}

type Labels<'a> = &'a [(&'a str, &'a str)];

impl Series<'_> {
    fn put(&mut self, labels: Labels<'_>, fill: impl FnOnce(&mut Sample)) {
        let mut sample = Sample::default();
        let pairs = std::iter::once(("store", self.store)).chain(labels.iter().copied()).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name(name.to_string());
            pair.set_value(value.to_string());
            pair
        });
        sample.set_label(pairs.collect());
        fill(&mut sample);
        self.samples.push(sample);
    }

    /// A value of a counter or gauge.
    fn value(&mut self, labels: Labels<'_>, value: f64) {
        let kind = self.kind;
        self.put(labels, |sample| match kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                sample.set_counter(counter);
            }
            _ => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                sample.set_gauge(gauge);
            }
        });
    }

    fn number(&mut self, value: u64) {
        self.value(&[], value as f64);
    }

    fn optional(&mut self, value: Option<u64>) {
        value.into_iter().for_each(|value| self.number(value));
    }

    /// A number of what is counted on each connection, where anybody measures that.
    fn counted(&mut self, facts: &Facts, pick: impl FnOnce(&Sheet) -> u64) {
        self.optional(facts.statements.as_ref().map(pick));
    }

    fn each(&mut self, label: &str, values: impl IntoIterator<Item = (&'static str, u64)>) {
        values.into_iter().for_each(|(name, value)| self.value(&[(label, name)], value as f64));
    }

    /// A histogram whose numbers are so many of its unit.
    fn buckets(&mut self, labels: Labels<'_>, buckets: &Buckets, per_unit: f64) {
        let mut below = 0;
        let cumulative = buckets.bounds.iter().zip(&buckets.counts).map(|(bound, count)| {
            below += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound as f64 / per_unit);
            bucket.set_cumulative_count(below);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(cumulative.collect());
        histogram.set_sample_count(buckets.count());
        histogram.set_sample_sum(buckets.sum as f64 / per_unit);
        self.put(labels, |sample| sample.set_histogram(histogram));
    }

    fn times(&mut self, labels: Labels<'_>, buckets: &Buckets) {
        self.buckets(labels, buckets, 1e9);
    }
}

const fn counter(name: &'static str, help: &'static str, read: fn(&Facts, &mut Series)) -> Metric {
    Metric { name, kind: Kind::Counter, unit: "", help, read }
}

const fn gauge(name: &'static str, help: &'static str, read: fn(&Facts, &mut Series)) -> Metric {
    Metric { name, kind: Kind::Gauge, unit: "", help, read }
}

const fn times(name: &'static str, help: &'static str, read: fn(&Facts, &mut Series)) -> Metric {
    Metric { name, kind: Kind::Histogram, unit: "seconds", help, read }
}

impl Metric {
    const fn of(self, unit: &'static str) -> Metric {
        Metric { unit, ..self }
    }

    /// The values of one store.
    pub fn family(&self, facts: &Facts) -> MetricFamily {
        let mut series = Series { store: &facts.store, kind: self.kind, samples: Vec::new() };
        (self.read)(facts, &mut series);
        let mut family = MetricFamily::default();
        family.set_name(self.full_name());
        family.set_help(self.help.to_string());
        family.set_field_type(match self.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(series.samples);
        family
    }

    /// The name in the Prometheus text.
    pub fn full_name(&self) -> String {
        let total = if self.kind == Kind::Counter { "_total" } else { "" };
        format!("{}{total}", self.name)
    }
}

/// All that there is to say of a store; what has no value just now is left out.
pub fn families(facts: &Facts) -> Vec<(&'static Metric, MetricFamily)> {
    let all = CATALOG.iter().map(|metric| (metric, metric.family(facts)));
    all.filter(|(_, family)| !family.get_metric().is_empty()).collect()
}

/// Every metric.
#[rustfmt::skip]
pub const CATALOG: &[Metric] = &[
    gauge("keepwell_build_info", "The library and its engine by their versions; always 1.",
        |f, s| s.value(&[("version", env!("CARGO_PKG_VERSION")), ("sqlite", &f.engine)], 1.0)),

    gauge("keepwell_pool_max_open_connections", "Connections that may be open at most.", |f, s| s.number(f.pool.max_open as u64)),
    gauge("keepwell_pool_open_connections", "Connections that are open, in use or idle.", |f, s| s.number(f.pool.open as u64)),
    gauge("keepwell_pool_in_use_connections", "Connections that are in use.", |f, s| s.number((f.pool.open - f.pool.idle) as u64)),
    gauge("keepwell_pool_idle_connections", "Connections that are idle.", |f, s| s.number(f.pool.idle as u64)),
    counter("keepwell_pool_wait_count", "Calls that had to wait for a connection.", |f, s| s.number(f.pool.waits)),
    times("keepwell_pool_wait_duration_seconds", "How long calls waited that had to wait for a connection.", |f, s| {
        s.times(&[("role", "reader")], &f.pool.reader_waits);
        s.times(&[("role", "writer")], &f.pool.writer_waits);
    }),
    counter("keepwell_pool_opened", "Connections that were opened.", |f, s| s.number(f.pool.opened)),
    counter("keepwell_pool_max_idle_closed", "Connections that were closed because more were idle than pool.max_idle.", |f, s| s.number(f.pool.closed_max_idle)),
    counter("keepwell_pool_max_idle_time_closed", "Connections that were closed because they were idle for pool.idle_timeout.", |f, s| s.number(f.pool.closed_idle_time)),
    counter("keepwell_pool_max_lifetime_closed", "Connections that were closed because they were as old as pool.max_lifetime.", |f, s| s.number(f.pool.closed_lifetime)),
    counter("keepwell_pool_broken_closed", "Connections that were closed because they no longer worked.", |f, s| s.number(f.pool.closed_broken)),
    counter("keepwell_pool_resets", "Connections that came back with rows or a transaction open and were reset.",
        |f, s| s.each("reason", ["rows", "transaction"].into_iter().zip(f.pool.resets))),
    counter("keepwell_pool_discards", "Connections that came back changed, could not be reset, or were in use when their thread panicked, and were closed.",
        |f, s| s.each("reason", ["changed", "failed", "panic"].into_iter().zip(f.pool.discards))),
    counter("keepwell_pool_exhausted", "Calls that got no connection within pool.wait_timeout.", |f, s| s.number(f.pool.exhausted)),
    counter("keepwell_pool_self_deadlocks", "Calls that would have waited for a connection of their own thread.", |f, s| s.number(f.pool.self_deadlocks)),
    counter("keepwell_pool_leaks_suspected", "Transactions, pinned connections and results that were held for longer than pool.leak_threshold.", |f, s| s.number(f.pool.leaks)),

    gauge("keepwell_reader_queue_depth", "Calls that wait for a reader.", |f, s| s.number(f.pool.waiting_readers as u64)),
    gauge("keepwell_reader_oldest_age_seconds", "How long the oldest transaction, pinned connection or result has held a reader; it may keep the log from being begun anew.",
        |f, s| s.value(&[], f.pool.oldest_reader.as_secs_f64())).of("seconds"),

    gauge("keepwell_writer_queue_depth", "Calls that wait for the writer.", |f, s| s.number(f.pool.waiting_writers as u64)),
    times("keepwell_writer_hold_seconds", "How long the writer was held at a time.", |f, s| s.times(&[], &f.writer.holds)),
    Metric { name: "keepwell_writer_group_size", kind: Kind::Histogram, unit: "",
        help: "Writes in each transaction that several callers shared.", read: |f, s| s.buckets(&[], &f.writer.groups, 1.0) },
    counter("keepwell_writer_syncs_saved", "Commits that were not needed because writes shared one.", |f, s| s.number(f.writer.groups.sum.saturating_sub(f.writer.groups.count()))),
    counter("keepwell_writer_replayed_writes", "Writes that were run again because another one ended the transaction that they shared.", |f, s| s.number(f.writer.replayed)),

    counter("keepwell_busy", "Obstacles that were met: locks of other processes, commits of others after a snapshot, recoveries of the log, reads that a checkpoint waited for.",
        |f, s| s.each("cause", f.obstacles.iter().copied())),
    counter("keepwell_busy_wait_seconds", "Time that was waited for locks.", |f, s| s.value(&[], f.obstacle_nanos as f64 / 1e9)).of("seconds"),

    times("keepwell_query_duration_seconds", "Calls that ran a statement, from the call to the end of the statement, waits included. Results from the cache are not among them.", |f, s| {
        f.statements.iter().for_each(|sheet| {
            s.times(&[("statement", "read")], &sheet.reads.read());
            s.times(&[("statement", "write")], &sheet.writes.read());
        })
    }),
    counter("keepwell_query_rows_returned", "Rows that statements returned.", |f, s| s.counted(f, |sheet| sheet.rows_returned.get())),
    counter("keepwell_query_rows_changed", "Rows that statements inserted, updated or deleted, without those of triggers and cascades.", |f, s| s.counted(f, |sheet| sheet.rows_changed.get())),
    counter("keepwell_query_full_scans", "Runs of statements that went through a whole table.", |f, s| s.counted(f, |sheet| sheet.full_scans.get())),
    counter("keepwell_query_full_scan_rows", "Rows that were gone through in whole tables.", |f, s| s.counted(f, |sheet| sheet.scanned_rows.get())),
    counter("keepwell_query_automatic_indexes", "Runs of statements for which the engine made an index of its own.", |f, s| s.counted(f, |sheet| sheet.automatic_indexes.get())),
    counter("keepwell_query_sorts", "Sorts that no index saved.", |f, s| s.counted(f, |sheet| sheet.sorts.get())),
    counter("keepwell_query_slow", "Calls that took metrics.slow_query or longer.", |f, s| s.counted(f, |sheet| sheet.slow.get())),

    counter("keepwell_tx", "Transactions that were begun by a call, and those of execute_many, by how they ended.", |f, s| s.each("outcome", f.transactions.iter().copied())),
    counter("keepwell_tx_retries", "Transactions that were run again from their start because another commit was in the way.", |f, s| s.number(f.retries)),
    counter("keepwell_tx_retries_exhausted", "Transactions that failed although they were run again.", |f, s| s.number(f.retries_exhausted)),
    counter("keepwell_stopped", "Calls that timed out or were cancelled, by what they were doing: waiting for a connection, waiting for a lock, running.", |f, s| {
        f.stops.iter().for_each(|(stage, reason, count)| s.value(&[("stage", stage), ("reason", reason)], *count as f64));
    }),

    counter("keepwell_cache_hits", "Queries that were served from the cache of results.", |f, s| s.number(f.cache.hits)),
    counter("keepwell_cache_misses", "Queries that were run and whose results could be kept.", |f, s| s.number(f.cache.misses)),
    counter("keepwell_cache_bypasses", "Queries that asked for the cache and went past it.", |f, s| s.each("reason", f.cache.bypasses.iter().copied())),
    counter("keepwell_cache_invalidated", "Results that were dropped because their tables had changed.", |f, s| s.number(f.cache.invalidated)),
    counter("keepwell_cache_expired", "Results that were dropped because of their age.", |f, s| s.number(f.cache.expired)),
    counter("keepwell_cache_evicted", "Results that were dropped for want of room.", |f, s| s.number(f.cache.evicted)),
    gauge("keepwell_cache_entries", "Results that are kept.", |f, s| s.number(f.cache.entries)),
    gauge("keepwell_cache_bytes", "Memory of results that are kept.", |f, s| s.number(f.cache.bytes)).of("bytes"),
    gauge("keepwell_cache_max_bytes", "Memory that results may take at most.", |f, s| s.number(f.cache.max_bytes)).of("bytes"),
    counter("keepwell_statement_cache_hits", "Statements that were found prepared.", |f, s| s.counted(f, |sheet| sheet.statements_found.get())),
    counter("keepwell_statement_cache_misses", "Statements that had to be prepared.", |f, s| s.counted(f, |sheet| sheet.statements_made.get())),
    counter("keepwell_page_cache_hits", "Pages that were found in the engine's cache.", |f, s| s.counted(f, |sheet| sheet.pages.hits.get())),
    counter("keepwell_page_cache_misses", "Pages that were read from the file.", |f, s| s.counted(f, |sheet| sheet.pages.misses.get())),
    counter("keepwell_page_cache_writes", "Pages that were written.", |f, s| s.counted(f, |sheet| sheet.pages.writes.get())),
    counter("keepwell_page_cache_spills", "Pages that were written before their transaction ended, for want of room.", |f, s| s.counted(f, |sheet| sheet.pages.spills.get())),
    gauge("keepwell_page_cache_bytes", "Memory of the engine's page caches.", |f, s| s.counted(f, |sheet| sheet.pages.bytes.get())).of("bytes"),

    gauge("keepwell_wal_frames", "Pages in the write-ahead log.", |f, s| s.number(f.log.frames)),
    gauge("keepwell_wal_pending_frames", "Pages in the write-ahead log that are not in the database yet.", |f, s| s.number(f.log.pending)),
    gauge("keepwell_wal_bytes", "Size of the write-ahead log's file.", |f, s| s.optional(f.log.bytes)).of("bytes"),
    times("keepwell_wal_checkpoint_seconds", "How long it took to copy the log into the database, or to have it begun anew.", |f, s| s.times(&[], &f.log.checkpoints)),
    gauge("keepwell_database_bytes", "Size of the database.", |f, s| s.optional(f.database.bytes())).of("bytes"),
    gauge("keepwell_database_page_bytes", "Size of a page.", |f, s| s.optional(f.database.page_bytes)).of("bytes"),
    gauge("keepwell_database_free_pages", "Pages of the database that hold nothing.", |f, s| s.optional(f.database.free_pages)),
    gauge("keepwell_database_schema_version", "The engine's own count of changes of the schema.", |f, s| s.optional(f.database.schema_version)),
    gauge("keepwell_migrations_version", "The newest migration that is applied.", |f, s| {
        f.database.migrations_version.into_iter().for_each(|version| s.value(&[], version as f64));
    }),
    counter("keepwell_migrations_applied", "Migrations that were applied through this store.", |f, s| s.number(f.migrations_applied)),

    counter("keepwell_errors", "Errors that calls ended with, by status.", |f, s| s.each("code", f.errors.iter().copied())),
    counter("keepwell_forks", "Forks of the process while the store was open.", |f, s| s.number(f.forks)),
    counter("keepwell_second_sqlite", "Looks that found a second SQLite library on the file in this process.", |f, s| s.number(f.second_libraries)),
];
