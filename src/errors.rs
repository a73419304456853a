//! Errors of a store: counted by their status, the last one remembered, those of the machine logged as errors.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::error::{Error, Kind};
use crate::metrics::cell::Counter;
use crate::process;
use crate::sync::Mutex;

/// The target of these events in the log.
const TARGET: &str = "keepwell::error";

/// The errors of one store.
pub struct Errors {
    by_kind: [Counter; Kind::ALL.len()],
    last: Mutex<Option<LastError>>,
    /// What the store is called in logs.
    store: String,
    /// Panics of the process before the store was opened.
    panics_before: u64,
}

/// The error that a call ended with last.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct LastError {
    pub code: i32,
    pub name: &'static str,
    pub message: String,
    /// Milliseconds since 1970.
    pub at_ms: u64,
}

impl Errors {
    /// No errors so far, of a store that is called `store` in logs.
    pub fn new(store: &str) -> Self {
        Errors {
            by_kind: std::array::from_fn(|_| Counter::default()),
            last: Mutex::new(None),
            store: store.to_string(),
            panics_before: process::panics(),
        }
    }

    /// Counts an error that a caller gets.
    #[cold]
    pub fn count(&self, error: &Error) {
        let kind = error.kind();
        self.by_kind[kind as usize - 1].one();
        let at_ms = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis() as u64);
        let message = error.message().to_string();
        *self.last.lock() = Some(LastError { code: kind.number(), name: kind.name(), message, at_ms });
        log::log!(
            target: TARGET,
            level(kind),
            store = self.store.as_str(),
            code = kind.name(),
            sqlite_code = error.engine().map_or(0, |engine| engine.extended),
            retryable = error.is_retryable();
            "{}", error.message(),
        );
    }

    /// The kinds that have happened, by name, and those of [`WATCHED`]. Panics are stopped where no store is known: they are the process's.
    pub fn by_name(&self) -> Vec<(&'static str, u64)> {
        let panics = |kind: &Kind| if *kind == Kind::Panic { process::panics() - self.panics_before } else { 0 };
        let all = Kind::ALL.iter().zip(&self.by_kind).map(|((kind, name), count)| (kind, *name, count.get() + panics(kind)));
        all.filter(|(kind, _, count)| *count > 0 || WATCHED.contains(kind)).map(|(_, name, count)| (name, count)).collect()
    }

    /// The last one.
    pub fn last(&self) -> Option<LastError> {
        self.last.lock().clone()
    }
}

/// What alerts look at: there from the start, so that its first time is a rise.
const WATCHED: [Kind; 9] =
    [Kind::Panic, Kind::Busy, Kind::Timeout, Kind::Exhausted, Kind::Io, Kind::Full, Kind::Corrupt, Kind::CantOpen, Kind::NoMemory];

/// What an operator has to look at is an error; what a program can expect is not.
fn level(kind: Kind) -> log::Level {
    match kind {
        Kind::Io | Kind::Full | Kind::Corrupt | Kind::CantOpen | Kind::NoMemory | Kind::Panic | Kind::Engine => log::Level::Error,
        Kind::Busy | Kind::Timeout | Kind::Exhausted | Kind::SelfDeadlock | Kind::Forked | Kind::SchemaNewer => log::Level::Warn,
        _ => log::Level::Debug,
    }
}
