//! Loading: YAML entries onto a configuration, all of them or none.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::yaml::{Entry, Found};
use super::{keys, spell, yaml, Config};
use crate::error::{Error, Kind, Result};

/// The largest file that is read.
const LARGEST: u64 = 1 << 20;

/// Loads `text`; errors start with `path` and line, or with the line alone.
pub(super) fn load(config: &mut Config, text: &str, path: Option<&Path>) -> Result<(), String> {
    let place = |line: Option<usize>| match (path, line) {
        (Some(path), Some(line)) => format!("{}:{line}: ", path.display()),
        (Some(path), None) => format!("{}: ", path.display()),
        (None, Some(line)) => format!("line {line}: "),
        (None, None) => String::new(),
    };
    let entries = yaml::entries(text).map_err(|fault| format!("{}{}", place(fault.line), fault.message))?;
    let mut draft = Draft { config: config.clone(), seen: HashMap::new(), rooted: entries.iter().any(is_root) };
    for entry in &entries {
        draft.take(entry).map_err(|message| format!("{}{message}", place(Some(entry.line))))?;
    }
    *config = draft.config;
    Ok(())
}

/// The text of a file.
pub(super) fn read(path: &Path) -> Result<String> {
    let wrong = |kind, message: String| Error::new(kind, format!("{}: {message}", path.display()));
    let failed = |error: std::io::Error| wrong(Kind::Io, format!("cannot be read: {error}")).with_source(error);
    let mut bytes = Vec::new();
    File::open(path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() as u64 > LARGEST {
        return Err(wrong(Kind::Config, format!("is larger than {LARGEST} bytes, so it is no configuration")));
    }
    String::from_utf8(bytes).map_err(|error| wrong(Kind::Encoding, format!("is not UTF-8 at byte {}", error.utf8_error().valid_up_to())))
}

/// A configuration that entries are put into, with the line of each key that was seen.
struct Draft {
    config: Config,
    seen: HashMap<String, usize>,
    rooted: bool,
}

impl Draft {
    fn take(&mut self, entry: &Entry) -> Result<(), String> {
        if self.rooted && !is_under_root(&entry.path) {
            return foreign(&entry.path);
        }
        if is_root(entry) {
            self.once(keys::ROOT, entry.line)?;
            return section(entry, keys::ROOT);
        }
        if let Some(key) = keys::find(&entry.path) {
            self.once(key.name(), entry.line)?;
            return key.put(&mut self.config, value(entry, key.name())?);
        }
        let name = keys::section(&entry.path).ok_or_else(|| keys::unknown(&entry.path))?;
        self.once(&spell::fold(&entry.path), entry.line)?;
        section(entry, name)
    }

    /// Notes that `name` stands on `line`; it may stand there only once.
    fn once(&mut self, name: &str, line: usize) -> Result<(), String> {
        match self.seen.insert(name.to_owned(), line) {
            Some(first) => Err(format!("{name} is given twice; the first time on line {first}")),
            None => Ok(()),
        }
    }
}

fn is_root(entry: &Entry) -> bool {
    spell::fold(&entry.path) == keys::ROOT
}

fn is_under_root(path: &str) -> bool {
    let first = path.split('.').next().unwrap_or(path);
    spell::fold(first) == keys::ROOT
}

/// Something beside `database:`: another program's, unless it has a name of ours.
fn foreign(path: &str) -> Result<(), String> {
    if keys::find(path).is_none() && keys::section(path).is_none() {
        return Ok(());
    }
    Err(format!("{path} stands beside \"{}:\"; indent it to stand under it", keys::ROOT))
}

fn section(entry: &Entry, name: &str) -> Result<(), String> {
    match &entry.found {
        Found::Map | Found::Nothing => Ok(()),
        found => Err(format!("{name} takes a map of keys, not {}", describe(found))),
    }
}

fn value<'a>(entry: &'a Entry, name: &str) -> Result<&'a str, String> {
    match &entry.found {
        Found::Value(text) => Ok(text),
        found => Err(format!("{name} takes one value, not {}", describe(found))),
    }
}

fn describe(found: &Found) -> String {
    match found {
        Found::Value(text) => keys::quoted(text),
        Found::Nothing => "nothing; leave the key out for its default".into(),
        Found::Map => "a map".into(),
        Found::List => "a list".into(),
        Found::Alias => "an alias; write the value out".into(),
    }
}
