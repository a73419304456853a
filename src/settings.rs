//! From the configuration to what each part needs to know.

use std::sync::Arc;
use std::time::Duration;

use crate::cache;
use crate::caretaker::Rhythm;
use crate::clock::Clock;
use crate::config::{AutoVacuum, CacheEnabled, Config, Mode, SecureDelete, Source};
use crate::driver::sqlite::{Access, Place, Pragma, Settings};
use crate::error::{Error, Kind, Result};
use crate::group::Rules;
use crate::metrics::meter::Meter;
use crate::pool::Limits;
use crate::store::{Caching, Defaults};

/// What the SQLite driver needs to know.
pub fn sqlite(config: &Config, clock: Option<Arc<Clock>>, meter: Option<Arc<Meter>>) -> Result<Settings> {
    let options = &config.options;
    Ok(Settings {
        place: place(config.source()?)?,
        journal_mode: options.journal_mode.as_str().to_string(),
        at_birth: at_birth(config),
        pragmas: pragmas(config),
        statement_cache: config.query.statement_cache as usize,
        busy_timeout: options.busy_timeout,
        keep_snapshots: !config.pool.snapshot_idle.is_zero(),
        clock,
        meter,
        obstacles: Arc::default(),
    })
}

fn place(source: &Source) -> Result<Place> {
    match source {
        Source::Memory => Ok(Place::Memory),
        Source::File { vfs: Some(vfs), .. } => {
            Err(Error::new(Kind::Unsupported, format!("datasource: vfs={vfs} is not part of this build; leave vfs out")))
        }
        Source::File { path, mode, immutable, nolock, .. } => {
            let access = match mode {
                Mode::ReadOnly => Access::ReadOnly,
                Mode::ReadWrite => Access::ReadWrite,
                Mode::ReadWriteCreate => Access::ReadWriteCreate,
            };
            Ok(Place::File { path: path.clone(), access, immutable: *immutable || *nolock })
        }
    }
}

fn at_birth(config: &Config) -> Vec<Pragma> {
    let mut pragmas = Vec::new();
    if config.options.page_size != 0 {
        pragmas.push(number("page_size", config.options.page_size as i64));
    }
    if config.options.auto_vacuum != AutoVacuum::Keep {
        pragmas.push(number("auto_vacuum", config.options.auto_vacuum as i64));
    }
    pragmas
}

fn pragmas(config: &Config) -> Vec<Pragma> {
    let options = &config.options;
    let journal_limit = match options.journal_size_limit {
        0 => -1,
        limit => limit as i64,
    };
    let secure = Pragma {
        name: "secure_delete",
        value: options.secure_delete.as_str().to_string(),
        expect: (if options.secure_delete == SecureDelete::Fast { 2 } else { options.secure_delete as i64 }).to_string(),
    };
    let memory = matches!(config.source(), Ok(Source::Memory));
    let mut pragmas = vec![
        number("foreign_keys", options.foreign_keys.into()),
        number("synchronous", options.synchronous as i64),
        number("cache_size", -(options.cache_size as i64 / 1024)),
        number("temp_store", options.temp_store as i64),
        number("trusted_schema", options.trusted_schema.into()),
        number("recursive_triggers", options.recursive_triggers.into()),
        number("cell_size_check", options.cell_size_check.into()),
        number("journal_size_limit", journal_limit),
        secure,
    ];
    if !memory && options.mmap_size > 0 {
        pragmas.push(number("mmap_size", options.mmap_size as i64));
    }
    pragmas
}

fn number(name: &'static str, value: i64) -> Pragma {
    Pragma { name, value: value.to_string(), expect: value.to_string() }
}

/// What the pool needs to know. A memory database has one connection that no timer closes.
pub fn limits(config: &Config) -> Limits {
    let pool = &config.pool;
    let memory = matches!(config.source(), Ok(Source::Memory));
    Limits {
        max_open: pool.max_open as usize,
        max_idle: pool.idle_limit() as usize,
        min_idle: pool.min_idle as usize,
        max_lifetime: some(pool.max_lifetime).filter(|_| !memory),
        idle_timeout: some(pool.idle_timeout),
        health_check_after: some(pool.health_check_interval),
        wait_timeout: some(pool.wait_timeout),
        checkpoint_frames: config.options.wal_autocheckpoint,
        leak_threshold: some(pool.leak_threshold),
    }
}

/// What holds where a call says nothing.
pub fn defaults(config: &Config) -> Defaults {
    Defaults {
        timeout: some(config.query.timeout),
        batch_rows: config.query.batch_rows as usize,
        read_only: config.query.read_only,
        keep_statements: config.query.use_prepared && config.query.statement_cache > 0,
        close_timeout: config.close_timeout,
        caching: Caching {
            always: config.cache.enabled == CacheEnabled::True && config.query.use_cache,
            ttl: some(config.query.cache_ttl),
        },
        group: config.writer.group_commit.then_some(Rules { most: config.writer.group_max as usize, delay: config.writer.group_delay }),
    }
}

/// What the cache of results needs to know; `None` where there is to be none.
pub fn cache(config: &Config) -> Option<cache::Limits> {
    let cache = &config.cache;
    let limits = || cache::Limits {
        entries: cache.size as usize,
        bytes: usize::try_from(cache.max_bytes).unwrap_or(usize::MAX),
        ttl: some(cache.ttl),
    };
    (cache.enabled != CacheEnabled::False).then(limits)
}

/// What statements are measured with; `None`: nobody measures.
pub fn meter(config: &Config, label: &str) -> Option<Meter> {
    let metrics = &config.metrics;
    let made = || Meter::new(label, metrics.statements as usize, some(metrics.slow_query), metrics.slow_query_params);
    metrics.enabled.then(made)
}

/// What the store is called in metrics and logs.
pub fn label(config: &Config) -> Result<String> {
    match config.metrics.label.as_str() {
        "" => Ok(place(config.source()?)?.name()),
        label => Ok(label.to_string()),
    }
}

/// Whether a store is opened to read only.
pub fn reads_only(config: &Config) -> bool {
    let file = match config.source() {
        Ok(Source::File { mode, immutable, nolock, .. }) => *mode == Mode::ReadOnly || *immutable || *nolock,
        _ => false,
    };
    file || config.query.read_only
}

/// How often the maintenance looks (as often as its shortest limit asks for), and how long a snapshot may be idle.
pub fn rhythm(config: &Config) -> Rhythm {
    let pool = &config.pool;
    let never = Duration::from_secs(365 * 86_400);
    let shortest = [pool.idle_timeout, pool.max_lifetime, pool.leak_threshold]
        .into_iter()
        .filter_map(some)
        .fold(pool.health_check_interval, Duration::min);
    let look = some(pool.health_check_interval).map_or(never, |_| shortest.max(Duration::from_millis(10)));
    let chores = some(config.metrics.collect_interval).filter(|_| config.metrics.enabled);
    Rhythm { look, short: some(pool.snapshot_idle).unwrap_or(Duration::from_millis(5)), chores }
}

/// In the configuration 0 means "never" or "without end".
fn some(time: Duration) -> Option<Duration> {
    (!time.is_zero()).then_some(time)
}
