//! The parameters of a data-source URI: what stands after the `?`.

use super::kind::{flag, list};
use super::{keys, percent, spell, Mode};

/// The parameters as they were given, each at most once.
#[derive(Default)]
pub(super) struct Parameters {
    mode: Option<String>,
    cache: Option<String>,
    immutable: Option<String>,
    nolock: Option<String>,
    vfs: Option<String>,
}

/// How a database is opened.
pub(super) enum Opening {
    Memory,
    File { mode: Mode, immutable: bool, nolock: bool, vfs: Option<String> },
}

/// Why parameters were refused: the end of a sentence that starts with the data source.
type Refusal = String;

const NAMES: [&str; 5] = ["mode", "cache", "immutable", "nolock", "vfs"];

const CACHE_SHARED: &str = "datasource: cache=shared is ignored; connections have a page cache each, and those of one \
                            store share a database in memory without it";

impl Parameters {
    /// Reads `name=value&name=value`, percent-encoded.
    pub(super) fn read(query: &str) -> Result<Parameters, Refusal> {
        let mut parameters = Parameters::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (percent::decode_text(name)?, percent::decode_text(value)?);
            let slot = parameters.slot(&name).ok_or_else(|| unknown(&name))?;
            if value.is_empty() {
                return Err(format!("gives the parameter {name} no value"));
            }
            if slot.replace(value).is_some() {
                return Err(format!("gives the parameter {name} twice"));
            }
        }
        Ok(parameters)
    }

    /// How a path with these parameters is opened; `memory` says that the path alone means memory.
    pub(super) fn opening(self, memory: bool) -> Result<Opening, Refusal> {
        let immutable = is_on("immutable", &self.immutable)?;
        let nolock = is_on("nolock", &self.nolock)?;
        let mode = match self.mode.as_deref() {
            Some(word) => word_to_mode(word)?,
            None if immutable || nolock => Some(Mode::ReadOnly),
            None => Some(Mode::ReadWriteCreate),
        };
        let Some(mode) = mode.filter(|_| !memory) else { return self.in_memory() };
        if (immutable || nolock) && mode != Mode::ReadOnly {
            return Err("would write without locks, which corrupts the file; use mode=ro, or leave immutable and nolock out".into());
        }
        match self.vfs.as_deref() {
            Some("memdb") => Err("asks for a database in memory by vfs=memdb; write :memory:".into()),
            _ => Ok(Opening::File { mode, immutable, nolock, vfs: self.vfs }),
        }
    }

    /// What was given without effect; an error for a value of `cache` that does not exist.
    pub(super) fn warnings(&self) -> Result<Vec<String>, Refusal> {
        match self.cache.as_deref() {
            None | Some("private") => Ok(Vec::new()),
            Some("shared") => Ok(vec![CACHE_SHARED.into()]),
            Some(word) => Err(not_one_of("cache", word, &["shared", "private"])),
        }
    }

    fn in_memory(&self) -> Result<Opening, Refusal> {
        let for_files = [&self.immutable, &self.nolock, &self.vfs];
        if for_files.into_iter().any(Option::is_some) || self.mode.as_deref() == Some("ro") {
            return Err("is a database in memory, for which mode=ro, immutable, nolock and vfs make no sense; leave them out".into());
        }
        Ok(Opening::Memory)
    }

    fn slot(&mut self, name: &str) -> Option<&mut Option<String>> {
        let slots = [&mut self.mode, &mut self.cache, &mut self.immutable, &mut self.nolock, &mut self.vfs];
        NAMES.iter().zip(slots).find(|(known, _)| **known == name).map(|(_, slot)| slot)
    }
}

/// `None` is memory.
fn word_to_mode(word: &str) -> Result<Option<Mode>, Refusal> {
    if word == "memory" {
        return Ok(None);
    }
    let mode = Mode::ALL.into_iter().find(|mode| mode.as_str() == word);
    mode.map(Some).ok_or_else(|| not_one_of("mode", word, &["ro", "rw", "rwc", "memory"]))
}

fn is_on(name: &str, value: &Option<String>) -> Result<bool, Refusal> {
    let Some(text) = value else { return Ok(false) };
    flag(text).ok_or_else(|| not_one_of(name, text, &["1", "0"]))
}

/// Why there is no such parameter; other SQLite wrappers have options of the engine here, which are keys of their own.
fn unknown(name: &str) -> Refusal {
    let quoted = keys::quoted(name);
    if let Some(key) = keys::find(&format!("options.{name}")) {
        return format!("has the unknown parameter {quoted}; set the key {} instead", key.name());
    }
    match spell::nearest(name, NAMES.into_iter()) {
        None => format!("has the unknown parameter {quoted}; there are: {}", list(NAMES.iter())),
        near => format!("has the unknown parameter {quoted}{}", spell::hint(near)),
    }
}

fn not_one_of(name: &str, value: &str, words: &[&str]) -> Refusal {
    format!("has {name}={}, which is not one of {}", keys::quoted(value), list(words.iter()))
}
