//! The database of a command: which one, and whether it has to be there.

use std::env;
use std::path::PathBuf;

use keepwell::config::{Mode, Source};
use keepwell::options::Timeout;
use keepwell::{Config, Error, Kind, QueryOptions, Result, Store};

use super::arguments::Common;
use super::interrupt;
use super::output::Output;

/// What a command wants with the database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To change it; it is made where there is none.
    Create,
    /// To change it; it has to be there.
    Change,
    /// To look at it; it has to be there.
    Look,
    /// To look at it; one that is not there is empty, and is not made.
    Foresee,
}

/// Runs `work` on it with the call's options, and closes it.
///
/// # Errors
/// Those of `work`; [`Kind::Config`] when no database is named, [`Kind::CantOpen`] when it has to be there and is not, and those of [`Store::open`].
pub fn with<R>(common: &Common, need: Need, output: &Output, work: impl FnOnce(&Store, &QueryOptions<'_>) -> Result<R>) -> Result<R> {
    let cancel = Some(interrupt::token()?);
    let store = open(common, need, output)?;
    let timeout = common.timeout.map_or(Timeout::None, Timeout::After);
    let result = work(&store, &QueryOptions { timeout, cancel, ..QueryOptions::default() });
    let closed = store.close(None);
    let result = result?;
    closed.map(|()| result)
}

fn open(common: &Common, need: Need, output: &Output) -> Result<Store> {
    let mut config = config(common)?;
    config.warnings().iter().for_each(|warning| output.aside(&format!("warning: {warning}")));
    let source = config.source()?.clone();
    if let Some(path) = source.path().filter(|path| need != Need::Create && !path.try_exists().unwrap_or(true)) {
        if need != Need::Foresee {
            let message = format!("there is no database {}; `up`, `to` and `baseline` make one", path.display());
            return Err(Error::new(Kind::CantOpen, message));
        }
        output.aside(&format!("{} is not there yet; looked at as an empty database", path.display()));
        config.load_uri(":memory:")?;
    } else if matches!(need, Need::Look | Need::Foresee) {
        only_reading(source).map_or(Ok(()), |uri| config.load_uri(&uri))?;
    }
    Store::open(&config)
}

/// The same file, opened for reading alone, so that a look does not even change its journal mode.
fn only_reading(source: Source) -> Option<String> {
    match source {
        Source::File { path, immutable, nolock, vfs, .. } => Source::File { path, mode: Mode::ReadOnly, immutable, nolock, vfs }.to_uri(),
        Source::Memory => None,
    }
}

/// Arguments come before the environment, and a database before the one of a configuration.
fn config(common: &Common) -> Result<Config> {
    let given = common.database.is_some() || common.config.is_some();
    let variable = |name: &str| env::var_os(name).filter(|value| !given && !value.is_empty());
    let file = common.config.clone().or_else(|| variable("KEEPWELL_CONFIG").map(PathBuf::from));
    let database = match (&common.database, variable("KEEPWELL_DATABASE")) {
        (Some(database), _) => Some(database.clone()),
        (None, Some(text)) => Some(text.into_string().map_err(|_| Error::new(Kind::Config, "KEEPWELL_DATABASE is not UTF-8"))?),
        (None, None) => None,
    };
    if file.is_none() && database.is_none() {
        let message = "no database is named: give --database PATH or --config FILE, or set KEEPWELL_DATABASE or KEEPWELL_CONFIG";
        return Err(Error::new(Kind::Config, message));
    }
    let mut config = Config::new();
    file.map_or(Ok(()), |file| config.load_file(&file))?;
    database.map_or(Ok(()), |database| config.load_uri(&database))?;
    Ok(config)
}
