//! The database of a command: which one, and whether it has to be there.

use std::env;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keepwell::config::{Mode, Source};
use keepwell::options::Timeout;
use keepwell::{Config, Error, Kind, QueryOptions, Result, Store};

use super::arguments::{Common, Stats};
use super::interrupt;
use super::output::Output;

/// How long opening may wait, whose 0 would be without end: the limits of `pool.wait_timeout`.
const SHORTEST: Duration = Duration::from_millis(1);
const LONGEST: Duration = Duration::from_secs(86_400);

/// Which database a command's arguments name, and how long it may take there.
pub struct Place<'a> {
    /// A path or URI, as a configuration has it.
    database: Option<String>,
    config: Option<&'a Path>,
    timeout: Option<Duration>,
    /// The argument that names a database, for who gave none.
    argument: &'static str,
}

impl<'a> From<&'a Common> for Place<'a> {
    fn from(common: &'a Common) -> Self {
        Place { database: common.database.clone(), config: common.config.as_deref(), timeout: common.timeout, argument: "--database PATH" }
    }
}

impl<'a> From<&'a Stats> for Place<'a> {
    fn from(stats: &'a Stats) -> Self {
        Place { database: stats.file.as_deref().map(spelt), config: stats.config.as_deref(), timeout: stats.timeout, argument: "FILE" }
    }
}

/// A file's name as a data source: a URI as it is, and every other name as one, whatever characters it has.
fn spelt(file: &Path) -> String {
    let text = file.to_string_lossy();
    let is_uri = text.get(..5).is_some_and(|scheme| scheme.eq_ignore_ascii_case("file:"));
    let source = Source::File { path: file.to_path_buf(), mode: Mode::ReadOnly, immutable: false, nolock: false, vfs: None };
    source.to_uri().filter(|_| !is_uri && text != ":memory:" && !text.is_empty()).unwrap_or(text.into_owned())
}

/// What a command wants with the database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// To change it; it is made where there is none.
    Create,
    /// To change it; it has to be there.
    Change,
    /// To look at it; it has to be there.
    Look,
    /// To look at what a file holds; it has to be there, and a file.
    Examine,
    /// To look at it; one that is not there is empty, and is not made.
    Foresee,
}

/// Runs `work` on it with the call's options, and closes it.
///
/// # Errors
/// Those of `work`; [`Kind::Config`] when no database is named, [`Kind::CantOpen`] when it has to be there and is not, and those of [`Store::open`].
pub fn with<'a, R>(
    place: impl Into<Place<'a>>,
    need: Need,
    output: &Output,
    work: impl FnOnce(&Store, &QueryOptions<'_>) -> Result<R>,
) -> Result<R> {
    let place = place.into();
    let cancel = Some(interrupt::token()?);
    let store = open(&place, need, output)?;
    let timeout = place.timeout.map_or(Timeout::None, Timeout::After);
    let result = work(&store, &QueryOptions { timeout, cancel, ..QueryOptions::default() });
    let closed = store.close(None);
    let result = result?;
    closed.map(|()| result)
}

fn open(place: &Place<'_>, need: Need, output: &Output) -> Result<Store> {
    let mut config = config(place)?;
    config.warnings().iter().for_each(|warning| output.aside(&format!("warning: {warning}")));
    let source = config.source()?.clone();
    let missing = source.path().filter(|path| !path.try_exists().unwrap_or(true));
    match (need, missing) {
        (Need::Create, _) | (Need::Change, None) => Store::open(&config),
        (Need::Examine, _) if source == Source::Memory => Err(Error::new(Kind::Config, "a database in memory has no file to look at")),
        (Need::Look | Need::Foresee | Need::Examine, None) => look(config, source, output),
        (Need::Foresee, Some(path)) => {
            output.aside(&format!("{} is not there yet; looked at as an empty database", path.display()));
            config.load_uri(":memory:")?;
            Store::open(&config)
        }
        (_, Some(path)) => {
            let cure = if need == Need::Examine { "" } else { "; `up`, `to` and `baseline` make one" };
            Err(Error::new(Kind::CantOpen, format!("there is no database {}{cure}", path.display())))
        }
    }
}

/// Opens it for reading alone, so that a look does not even change its journal mode.
///
/// SQLite makes files beside a database with a write-ahead log even to read it. Where it may not, and no change waits in a file beside it,
/// the database is read as one that does not change. <https://sqlite.org/wal.html#readonly>
fn look(mut config: Config, source: Source, output: &Output) -> Result<Store> {
    let Source::File { path, immutable, nolock, vfs, .. } = source else { return Store::open(&config) };
    readable(&path)?;
    let uri = |immutable| Source::File { path: path.clone(), mode: Mode::ReadOnly, immutable, nolock, vfs: vfs.clone() }.to_uri();
    uri(immutable).map_or(Ok(()), |uri| config.load_uri(&uri))?;
    let error = match Store::open(&config) {
        Err(error) if matches!(error.kind(), Kind::ReadOnly | Kind::CantOpen) => error,
        opened => return opened,
    };
    if let Some(waiting) = waiting(&path) {
        let message = format!(
            "{}: {} holds changes that only a program that may write can take in or roll back; open the database with one once",
            path.display(),
            waiting.display()
        );
        return Err(Error::new(error.kind(), message).with_source(error));
    }
    output.aside(&format!("{}: its folder may not be written; looked at as a file that nobody changes meanwhile", path.display()));
    uri(true).map_or(Ok(()), |uri| config.load_uri(&uri))?;
    Store::open(&config)
}

/// Fails for what is no file that may be read, in words that say what it is.
fn readable(path: &Path) -> Result<()> {
    let failed = |error: io::Error| {
        let kind = if error.kind() == ErrorKind::PermissionDenied { Kind::Permission } else { Kind::CantOpen };
        Error::new(kind, format!("{}: {error}", path.display())).with_source(error)
    };
    let file = fs::metadata(path).map_err(failed)?;
    let what = match (file.is_file(), file.is_dir()) {
        // Nothing has it open in this process yet, so that no lock gets lost.
        (true, _) => return File::open(path).map(drop).map_err(failed),
        (_, true) => "a folder",
        _ => "no ordinary file",
    };
    Err(Error::new(Kind::CantOpen, format!("{} is {what}, not a database", path.display())))
}

/// The file beside a database that holds changes which are not in it.
fn waiting(path: &Path) -> Option<PathBuf> {
    ["-wal", "-journal"].iter().map(|ending| beside(path, ending)).find(|file| fs::metadata(file).is_ok_and(|file| file.len() > 0))
}

/// A file that SQLite keeps beside a database; where the database is a link, beside what it leads to.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = fs::canonicalize(path).unwrap_or(path.to_path_buf()).into_os_string();
    name.push(ending);
    name.into()
}

/// Arguments come before the environment, and a database before the one of a configuration.
fn config(place: &Place<'_>) -> Result<Config> {
    let given = place.database.is_some() || place.config.is_some();
    let variable = |name: &str| env::var_os(name).filter(|value| !given && !value.is_empty());
    let file = place.config.map(Path::to_path_buf).or_else(|| variable("KEEPWELL_CONFIG").map(PathBuf::from));
    let database = match (&place.database, variable("KEEPWELL_DATABASE")) {
        (Some(database), _) => Some(database.clone()),
        (None, Some(text)) => Some(text.into_string().map_err(|_| Error::new(Kind::Config, "KEEPWELL_DATABASE is not UTF-8"))?),
        (None, None) => None,
    };
    if file.is_none() && database.is_none() {
        let argument = place.argument;
        let message = format!("no database is named: give {argument} or --config FILE, or set KEEPWELL_DATABASE or KEEPWELL_CONFIG");
        return Err(Error::new(Kind::Config, message));
    }
    let mut config = Config::new();
    file.map_or(Ok(()), |file| config.load_file(&file))?;
    database.map_or(Ok(()), |database| config.load_uri(&database))?;
    // The metrics of a configuration are the application's: its address is taken, and its file is not this program's to write.
    config.metrics.enabled = false;
    if let Some(timeout) = place.timeout {
        config.pool.wait_timeout = timeout.clamp(SHORTEST, LONGEST);
    }
    Ok(config)
}
