//! The configuration of one store: every knob with its default and limits, checked before anything is opened.
//!
//! One table ([`KEYS`]) holds all keys; files, key/value calls, suggestions, validation and the printed reference are driven
//! from it. Nothing is read from the environment.
//!
//! To add a setting, add its field in `sections.rs` and its row in `keys.rs`; the tests below then cover it.

mod check;
mod keys;
mod kind;
mod listen;
mod load;
mod parameters;
mod percent;
mod quantity;
mod reference;
mod sections;
mod spell;
mod uri;
mod yaml;

use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Kind, Result};

pub use keys::{Key, KEYS};
pub use kind::duration;
pub use listen::address;
pub use sections::{
    AutoVacuum, Cache, CacheEnabled, Driver, JournalMode, Metrics, Options, Pool, Query, SecondSqlite, SecureDelete, Synchronous,
    TempStore, Writer,
};
pub use uri::{DataSource, Mode, Source};

/// Everything a store can be told, as typed values.
///
/// The fields may be set directly or through [`Config::set`] and the `load_…` functions; where a key is set more than once by
/// different calls, the last call wins. [`Config::validate`] checks both ways of setting alike.
///
/// ```
/// # fn main() -> keepwell::error::Result<()> {
/// use keepwell::config::Config;
///
/// let mut config = Config::new();
/// config.load_yaml("database:\n  datasource: file:app.db?mode=rwc\n  pool: {max_open: 8, max_lifetime: 5m}\n")?;
/// config.set("query.timeout", "250ms")?;
/// config.validate()?;
/// assert_eq!(config.pool.max_open, 8);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The engine. Default [`Driver::Sqlite`].
    pub driver: Driver,
    /// The database to open. There is no default: [`Config::validate`] refuses `None`.
    pub datasource: Option<DataSource>,
    /// How long closing waits for running calls before it cancels them; zero cancels at once.
    pub close_timeout: Duration,
    /// The connections.
    pub pool: Pool,
    pub writer: Writer,
    /// What a call does where it does not say otherwise.
    pub query: Query,
    /// The cache of results.
    pub cache: Cache,
    /// The metrics.
    pub metrics: Metrics,
    /// The engine's own knobs.
    pub options: Options,
}

impl Default for Config {
    fn default() -> Self {
        Config::new()
    }
}

impl Config {
    /// A configuration in which every key has the default of its row in [`KEYS`], and no data source.
    pub fn new() -> Self {
        let mut config = sections::BLANK;
        for key in KEYS.iter().filter(|key| !key.default().is_empty()) {
            key.put(&mut config, key.default()).expect("a test holds that every default is a value its own key accepts");
        }
        config
    }

    /// Sets one key from text.
    ///
    /// `key` is a dotted path such as `pool.max_open`. A leading `database.` is accepted, as are the Go field names
    /// (`MaxOpenConns`), any mix of letter case, `-` for `_`, and `sqlite.` for `options.`.
    /// `value` is a number in the key's unit or with a suffix of its own (`250ms`, `5m`, `64MiB`), a word, or one of
    /// true/false, on/off, yes/no, 1/0.
    ///
    /// # Errors
    /// [`Kind::Config`] when the key does not exist (the message names the nearest one) or the value is not allowed (the message
    /// names key, value and what is allowed). The configuration is then unchanged.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        keys::find(key).ok_or_else(|| wrong(keys::unknown(key)))?.put(self, value).map_err(wrong)
    }

    /// The value of one key as text that [`Config::set`] accepts, in the key's unit.
    ///
    /// `None` when there is no such key, or for `datasource` while none is set. The key is spelt as for [`Config::set`].
    pub fn get(&self, key: &str) -> Option<String> {
        keys::find(key)?.take(self)
    }

    /// Like [`Config::get`], but says which key there is when there is no such key; empty for `datasource` while none is set.
    ///
    /// # Errors
    /// [`Kind::Config`] with the nearest key.
    pub fn text(&self, key: &str) -> Result<String> {
        let key = keys::find(key).ok_or_else(|| wrong(keys::unknown(key)))?;
        Ok(key.take(self).unwrap_or_default())
    }

    /// Loads YAML text over the present values: the keys at the top, or all of them under `database:`.
    ///
    /// Under `database:`, top-level sections with other names are left alone, so that an application can keep one file; only names
    /// of keepwell's own beside `database:` are refused, because they are nearly always wrongly indented.
    ///
    /// # Errors
    /// [`Kind::Config`] with the line for text that is not YAML, is empty, or holds several documents; for a key that is unknown or
    /// occurs twice; for a list or a map where one value is expected, or the reverse; and for every value that [`Config::set`] would refuse.
    /// Then nothing is changed at all.
    pub fn load_yaml(&mut self, text: &str) -> Result<()> {
        load::load(self, text, None).map_err(wrong)
    }

    /// Loads a YAML file of at most 1 MiB; see [`Config::load_yaml`]. Blocks on reading the file.
    ///
    /// # Errors
    /// As [`Config::load_yaml`], each naming the file; [`Kind::Io`] when it cannot be read; [`Kind::Encoding`] with the byte
    /// offset when it is not UTF-8.
    pub fn load_file(&mut self, path: &Path) -> Result<()> {
        let text = load::read(path)?;
        load::load(self, &text, Some(path)).map_err(wrong)
    }

    /// Sets the data source: the same as `set("datasource", uri)`.
    ///
    /// # Errors
    /// [`Kind::Config`]; see [`DataSource::parse`].
    pub fn load_uri(&mut self, uri: &str) -> Result<()> {
        self.set("datasource", uri)
    }

    /// What to open.
    ///
    /// # Errors
    /// [`Kind::Config`] while no data source is set.
    pub fn source(&self) -> Result<&Source> {
        self.datasource.as_ref().map(|found| found.source()).ok_or_else(|| wrong(check::NO_SOURCE.to_owned()))
    }

    /// Checks every value against the limits of its key, and the values against each other.
    ///
    /// # Errors
    /// [`Kind::Config`] for the first thing that is wrong, with the cure.
    pub fn validate(&self) -> Result<()> {
        check::validate(self).map_err(wrong)
    }

    /// What is allowed but probably not meant, such as `cache=shared`, one sentence each. Empty for [`Config::new`].
    pub fn warnings(&self) -> Vec<String> {
        check::warnings(self)
    }

    /// The table of keys as Markdown, for the README.
    pub fn reference() -> String {
        reference::markdown()
    }
}

/// A configuration error with a message for people.
fn wrong(message: String) -> Error {
    Error::new(Kind::Config, message)
}

#[cfg(test)]
mod tests;
