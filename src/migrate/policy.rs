//! What a runner does in cases that may be a mistake: safe unless the program says otherwise. One table of names for every language.

use std::path::PathBuf;
use std::time::Duration;

use crate::error::{Error, Kind, Result};

/// How each doubtful case is decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// A pending version that is lower than one that is applied.
    pub out_of_order: Verdict,
    /// An applied migration whose text is not what was applied.
    pub changed: Verdict,
    /// An applied migration that the source does not have, below the source's newest.
    pub missing: Verdict,
    /// Applied migrations above the source's newest: the database is newer than the program.
    pub newer: Verdict,
    /// Numbers left out between versions.
    pub gaps: Verdict,
    /// A migration outside a transaction of which only a part has run.
    pub interrupted: Interrupted,
    pub transactions: Transactions,
    /// How long to wait for other connections' writes, each time. `None`: as long as it takes.
    pub lock_timeout: Option<Duration>,
    /// A copy of the database is written there before the first pending migration; the file must not exist.
    pub snapshot: Option<PathBuf>,
    /// Names of files in the folder that are no migrations although they look like some.
    pub ignore: Vec<String>,
    /// Who applies, for the history.
    pub who: String,
    /// The program, for the history.
    pub program: String,
}

/// What to do about a doubtful case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// An error that names the cure.
    Refuse,
    /// Go on: apply what is out of order, take what is changed, missing or newer for applied.
    Accept,
    /// Go on and leave it alone: what is out of order stays pending.
    Skip,
}

/// What to do about a migration of which only a part has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Interrupted {
    Refuse,
    /// Go on with the statement that it stopped at.
    Resume,
    /// Run it again from its start.
    Restart,
}

/// How many transactions a run has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transactions {
    /// One for each migration.
    Each,
    /// One for all.
    All,
    /// None: every statement is durable by itself.
    None,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            out_of_order: Verdict::Refuse,
            changed: Verdict::Refuse,
            missing: Verdict::Refuse,
            newer: Verdict::Refuse,
            gaps: Verdict::Accept,
            interrupted: Interrupted::Refuse,
            transactions: Transactions::Each,
            lock_timeout: Some(Duration::from_secs(60)),
            snapshot: None,
            ignore: Vec::new(),
            who: user(),
            program: program(),
        }
    }
}

/// The names of the settings with what they take, for messages and documentation.
pub const KEYS: [(&str, &str); 12] = [
    ("out_of_order", "refuse, accept, skip"),
    ("changed", "refuse, accept"),
    ("missing", "refuse, accept"),
    ("newer", "refuse, accept"),
    ("gaps", "accept, refuse"),
    ("interrupted", "refuse, resume, restart"),
    ("transactions", "each, all, none"),
    ("lock_timeout", "a duration such as 60s, or none"),
    ("snapshot", "a path"),
    ("ignore", "file names, separated by commas"),
    ("who", "a text"),
    ("program", "a text"),
];

impl Policy {
    /// Sets one of [`KEYS`] by its name.
    ///
    /// # Errors
    /// [`Kind::Config`] with what the setting takes, or the names that there are.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let value = value.trim();
        match key {
            "out_of_order" => self.out_of_order = verdict(key, value, true)?,
            "changed" => self.changed = verdict(key, value, false)?,
            "missing" => self.missing = verdict(key, value, false)?,
            "newer" => self.newer = verdict(key, value, false)?,
            "gaps" => self.gaps = verdict(key, value, false)?,
            "interrupted" => {
                self.interrupted = match value {
                    "refuse" => Interrupted::Refuse,
                    "resume" => Interrupted::Resume,
                    "restart" => Interrupted::Restart,
                    _ => return Err(wrong(key, value)),
                }
            }
            "transactions" => {
                self.transactions = match value {
                    "each" => Transactions::Each,
                    "all" => Transactions::All,
                    "none" => Transactions::None,
                    _ => return Err(wrong(key, value)),
                }
            }
            "lock_timeout" => self.lock_timeout = duration(key, value)?,
            "snapshot" => self.snapshot = (!value.is_empty()).then(|| PathBuf::from(value)),
            "ignore" => self.ignore = value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_string).collect(),
            "who" => self.who = value.to_string(),
            "program" => self.program = value.to_string(),
            _ => return Err(unknown(key)),
        }
        Ok(())
    }
}

fn verdict(key: &str, value: &str, skips: bool) -> Result<Verdict> {
    match value {
        "refuse" => Ok(Verdict::Refuse),
        "accept" => Ok(Verdict::Accept),
        "skip" if skips => Ok(Verdict::Skip),
        _ => Err(wrong(key, value)),
    }
}

fn duration(key: &str, value: &str) -> Result<Option<Duration>> {
    if value == "none" {
        return Ok(None);
    }
    crate::config::duration(value).map(Some).ok_or_else(|| wrong(key, value))
}

fn wrong(key: &str, value: &str) -> Error {
    let takes = KEYS.iter().find(|(name, _)| *name == key).map_or("", |(_, takes)| takes);
    Error::new(Kind::Config, format!("migrations: {key} = {value:?}: it takes {takes}"))
}

fn unknown(key: &str) -> Error {
    let names: Vec<&str> = KEYS.iter().map(|(name, _)| *name).collect();
    Error::new(Kind::Config, format!("migrations: there is no setting {key:?}; there are {}", names.join(", ")))
}

fn user() -> String {
    ["USER", "LOGNAME", "USERNAME"].iter().find_map(|name| std::env::var(name).ok()).unwrap_or_default()
}

fn program() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
