//! The check of a whole configuration: values against limits, and against each other.

use super::{Config, Driver, JournalMode, Source, Synchronous, KEYS};

/// What to do while there is no data source.
pub(super) const NO_SOURCE: &str = "datasource is not set; name a file (file:app.db), or :memory: for a database in memory";

/// The first thing that is wrong.
pub(super) fn validate(config: &Config) -> Result<(), String> {
    limits(config)?;
    idle_readers(config)?;
    super::listen::address(&config.metrics).map(drop)?;
    config.datasource.as_ref().map(drop).ok_or_else(|| NO_SOURCE.to_owned())
}

/// What is allowed but probably not meant.
pub(super) fn warnings(config: &Config) -> Vec<String> {
    let mut warnings = config.datasource.as_ref().map(|source| source.warnings().to_vec()).unwrap_or_default();
    warnings.extend(no_cleanup(config));
    warnings.extend(engine(config));
    warnings.extend(silent(config));
    warnings
}

/// Holds values that were set as fields to the limits that text is held to.
fn limits(config: &Config) -> Result<(), String> {
    let mut scratch = config.clone();
    KEYS.iter().try_for_each(|key| key.take(config).map_or(Ok(()), |text| key.put(&mut scratch, &text)))
}

fn idle_readers(config: &Config) -> Result<(), String> {
    let pool = &config.pool;
    let readers = pool.max_open - 1;
    if pool.min_idle > readers {
        return Err(format!(
            "pool.min_idle: {} is more than the {readers} readers that pool.max_open = {} leaves beside the writer; \
             lower the one or raise the other",
            pool.min_idle, pool.max_open
        ));
    }
    if pool.min_idle > pool.max_idle {
        return Err(format!(
            "pool.min_idle: {} is more than pool.max_idle = {}; lower the one or raise the other",
            pool.min_idle, pool.max_idle
        ));
    }
    Ok(())
}

fn no_cleanup(config: &Config) -> Option<String> {
    let pool = &config.pool;
    let wanted = [("idle_timeout", pool.idle_timeout), ("max_lifetime", pool.max_lifetime)];
    let (name, _) = wanted.into_iter().find(|(_, time)| !time.is_zero())?;
    pool.health_check_interval.is_zero().then(|| format!("pool.{name} has no effect while pool.health_check_interval is 0"))
}

fn engine(config: &Config) -> Vec<String> {
    let Driver::Sqlite = config.driver;
    let on_disk = matches!(config.source(), Ok(Source::File { .. }));
    let mut warnings = Vec::new();
    if on_disk && config.options.synchronous == Synchronous::Off {
        warnings.push("options.synchronous = off: a power failure can corrupt the database".into());
    }
    if on_disk && config.options.journal_mode != JournalMode::Wal {
        let mode = config.options.journal_mode.as_str();
        warnings.push(format!("options.journal_mode = {mode}: readers and the writer block each other; wal avoids it"));
    }
    warnings
}

fn silent(config: &Config) -> Option<String> {
    let metrics = &config.metrics;
    let asked = [("listen", &metrics.listen), ("file", &metrics.file)].into_iter().find(|(_, value)| !value.is_empty());
    let (key, _) = asked.filter(|_| !metrics.enabled)?;
    Some(format!("metrics.{key}: it has no effect while metrics.enabled is false"))
}
