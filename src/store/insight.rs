//! What is known of a store at a moment: its numbers, gathered from its parts, and what has to be looked up in its file.
//!
//! Shared by the store, its maintenance and its listener; it keeps no store open.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::expose;
use crate::cache::{Bypass, Cache, CacheStats};
use crate::cancel::Stop;
use crate::config::Config;
use crate::driver::{Connection, Obstacle, Stage};
use crate::error::Result;
use crate::errors::Errors;
use crate::metrics::cell::Counter;
use crate::metrics::facts::{CacheFacts, DatabaseFacts, Facts, LogFacts, PoolFacts, WriterFacts};
use crate::metrics::meter::Meter;
use crate::metrics::text::{self, Format};
use crate::migrate::history;
use crate::pool::Pool;
use crate::process;
use crate::sentry::Sentry;
use crate::settings;
use crate::sync::Mutex;
use crate::ticks;
use crate::warnings::Warnings;

/// The parts of a store that can be asked.
pub struct Insight {
    pub pool: Arc<Pool>,
    pub sentry: Arc<Sentry>,
    pub meter: Option<Arc<Meter>>,
    /// `None`: `cache.enabled` is false.
    pub cache: Option<Arc<Cache>>,
    /// Queries that asked for a cache that is not there.
    pub cacheless: Counter,
    pub errors: Arc<Errors>,
    pub retries: Counter,
    pub retries_exhausted: Counter,
    pub migrations_applied: Counter,
    /// The value of the label `store`.
    pub label: String,
    /// Where the metrics are written to.
    pub file: Option<PathBuf>,
    pub warnings: Arc<Warnings>,
    /// The store was opened to read only.
    pub reads_only: bool,
    interval: Duration,
    /// Where the log is when there is one, whatever folder the process goes to later.
    log_file: Option<PathBuf>,
    /// What the process had forked before the store was opened.
    forks_before: u64,
    sample: Mutex<Sample>,
}

/// What an insight is made of.
pub struct Parts {
    /// What the store is called in metrics and logs.
    pub label: String,
    pub pool: Arc<Pool>,
    pub sentry: Arc<Sentry>,
    pub warnings: Arc<Warnings>,
    pub meter: Option<Arc<Meter>>,
    pub cache: Option<Arc<Cache>>,
}

/// What was last looked up in the database.
#[derive(Default)]
struct Sample {
    at: Option<Instant>,
    database: DatabaseFacts,
}

impl Insight {
    /// The insight into a store of these parts.
    ///
    /// # Errors
    /// [`crate::Kind::Config`] for a `metrics.file` that can not be one.
    pub fn new(config: &Config, parts: Parts) -> Result<Self> {
        let Parts { label, pool, sentry, warnings, meter, cache } = parts;
        Ok(Insight {
            file: expose::file(config, pool.database())?,
            log_file: expose::beside(pool.database(), "-wal"),
            reads_only: settings::reads_only(config),
            warnings,
            errors: Arc::new(Errors::new(&label)),
            label,
            pool,
            sentry,
            meter,
            cache,
            cacheless: Counter::default(),
            retries: Counter::default(),
            retries_exhausted: Counter::default(),
            migrations_applied: Counter::default(),
            interval: config.metrics.collect_interval,
            forks_before: process::forks(),
            sample: Mutex::default(),
        })
    }

    /// Looks up what has to be looked up, unless nobody wants that or no reader is idle.
    pub fn take_sample(&self) {
        if self.interval.is_zero() || self.pool.check_process().is_err() {
            return;
        }
        ticks::tune();
        if self.meter.is_some() {
            self.pool.sample();
        }
        let Some(mut lease) = self.pool.idle_reader() else { return };
        if let Ok(database) = look_up(lease.connection()) {
            *self.sample.lock() = Sample { at: Some(Instant::now()), database };
        }
    }

    /// The database as it was when it was last looked at, which is not much longer ago than `metrics.collect_interval`.
    pub fn database(&self) -> DatabaseFacts {
        let at = self.sample.lock().at;
        if at.is_none_or(|at| at.elapsed() >= self.interval) {
            self.take_sample();
        }
        self.sample.lock().database
    }

    /// The size of the log's file.
    pub fn log_bytes(&self) -> Option<u64> {
        self.pool.driver().marks()?;
        std::fs::metadata(self.log_file.as_ref()?).map(|file| file.len()).ok()
    }

    /// The cache of results in numbers; all zero where there is none, but for the queries that asked for it.
    pub fn cache_stats(&self) -> CacheStats {
        let mut stats = self.cache.as_ref().map(|cache| cache.stats()).unwrap_or_default();
        stats.bypasses[Bypass::Disabled as usize] += self.cacheless.get();
        stats
    }

    /// All numbers, in a form of the exposition.
    pub fn text(&self, format: Format) -> Result<String> {
        self.pool.check_process()?;
        text::write(&self.facts(), format)
    }

    /// All numbers.
    pub fn facts(&self) -> Facts {
        let driver = self.pool.driver();
        let (obstacles, backlog) = (driver.obstacles(), driver.backlog());
        let database = self.database();
        Facts {
            store: self.label.clone(),
            engine: crate::driver::sqlite::version().to_string(),
            pool: self.pool_facts(),
            writer: self.writer_facts(),
            statements: self.meter.as_ref().map(|meter| meter.sheets.sum()),
            obstacles: OBSTACLES.iter().map(|(name, obstacle)| (*name, obstacles.count(*obstacle))).collect(),
            obstacle_nanos: obstacles.wait_nanos(),
            stops: STAGES
                .iter()
                .flat_map(|(stage, at)| STOPS.map(|(reason, stop)| (*stage, reason, obstacles.stop_count(*at, stop))))
                .collect(),
            transactions: ENDINGS.into_iter().zip(&self.pool.counters.transactions).map(|(name, count)| (name, count.get())).collect(),
            retries: self.retries.get(),
            retries_exhausted: self.retries_exhausted.get(),
            cache: cache_facts(&self.cache_stats()),
            log: LogFacts {
                frames: backlog.frames.into(),
                pending: backlog.frames.saturating_sub(backlog.done).into(),
                bytes: self.log_bytes(),
                checkpoints: self.pool.counters.checkpoints.read(),
            },
            database,
            errors: self.errors.by_name(),
            migrations_applied: self.migrations_applied.get(),
            forks: process::forks() - self.forks_before,
            second_libraries: self.sentry.sightings(),
        }
    }

    fn pool_facts(&self) -> PoolFacts {
        let (writer, readers) = self.pool.load();
        let (all, counters) = (writer.plus(readers), &self.pool.counters);
        PoolFacts {
            max_open: all.capacity,
            open: all.total,
            idle: all.idle,
            waiting_readers: readers.waiting,
            waiting_writers: writer.waiting,
            waits: counters.waits.get(),
            reader_waits: counters.reader_waits.read(),
            writer_waits: counters.writer_waits.read(),
            opened: counters.opened.get(),
            closed_max_idle: counters.closed_max_idle.get(),
            closed_idle_time: counters.closed_idle_time.get(),
            closed_lifetime: counters.closed_lifetime.get(),
            closed_broken: counters.closed_broken.get(),
            resets: counters.resets.each_ref().map(Counter::get),
            discards: counters.discards.each_ref().map(Counter::get),
            exhausted: counters.exhausted.get(),
            self_deadlocks: counters.self_deadlocks.get(),
            leaks: counters.leaks.get(),
            oldest_reader: self.pool.oldest_reader().unwrap_or_default(),
        }
    }

    fn writer_facts(&self) -> WriterFacts {
        let counters = &self.pool.counters;
        WriterFacts { holds: counters.holds.read(), groups: counters.groups.read(), replayed: counters.replayed.get() }
    }
}

const OBSTACLES: [(&str, Obstacle); 4] =
    [("lock", Obstacle::Lock), ("snapshot", Obstacle::Snapshot), ("recovery", Obstacle::Recovery), ("checkpoint", Obstacle::Checkpoint)];
const STAGES: [(&str, Stage); 3] = [("queue", Stage::Queue), ("busy", Stage::Busy), ("execution", Stage::Execution)];
const STOPS: [(&str, Stop); 2] = [("timeout", Stop::TimedOut), ("cancelled", Stop::Cancelled)];
const ENDINGS: [&str; 4] = ["committed", "rolled_back", "ended_by_engine", "abandoned"];

fn cache_facts(stats: &CacheStats) -> CacheFacts {
    CacheFacts {
        hits: stats.hits,
        misses: stats.misses,
        bypasses: Bypass::ALL.iter().zip(stats.bypasses).map(|((_, name), count)| (*name, count)).collect(),
        invalidated: stats.invalidated,
        expired: stats.expired,
        evicted: stats.evicted,
        entries: stats.entries,
        bytes: stats.bytes,
        max_bytes: stats.max_bytes,
    }
}

fn look_up(connection: &mut dyn Connection) -> Result<DatabaseFacts> {
    connection.enter()?;
    let mut ask = |sql: &str| connection.ask(sql);
    let mut count = |pragma: &str| Ok(ask(&format!("PRAGMA main.{pragma}"))?.and_then(|number| u64::try_from(number).ok()));
    let (page_bytes, pages) = (count("page_size")?, count("page_count")?);
    let (free_pages, schema_version) = (count("freelist_count")?, count("schema_version")?);
    let migrations_version = match ask(history::EXISTS)? {
        Some(_) => ask(history::NEWEST)?,
        None => None,
    };
    Ok(DatabaseFacts { page_bytes, pages, free_pages, schema_version, migrations_version })
}
