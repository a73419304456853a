//! Standard output and standard error. A reader that went away is no error, and nothing here panics.

use std::io::{self, ErrorKind, Write};

use keepwell::{Error, Kind, Result};

use super::arguments::Command;

/// How things are said.
pub struct Output {
    pub json: bool,
    pub quiet: bool,
    pub verbose: bool,
}

impl Output {
    /// As a command's arguments ask for.
    pub fn of(command: &Command) -> Output {
        match command {
            Command::Migrate(migrate) => {
                let common = &migrate.common;
                Output { json: common.json, quiet: common.quiet, verbose: common.verbose }
            }
            Command::Stats(stats) => Output { json: stats.json, quiet: stats.quiet, verbose: false },
            Command::Top(top) => Output { json: top.json, quiet: false, verbose: false },
        }
    }

    /// Writes to standard output what was asked for.
    ///
    /// # Errors
    /// [`Kind::Io`] when it cannot be written, such as to a full disk; not when nobody reads it any more.
    pub fn write(&self, text: &str) -> Result<()> {
        self.reach(text).map(drop)
    }

    /// The same, and says whether somebody reads it still.
    pub fn reach(&self, text: &str) -> Result<bool> {
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
            Err(error) => Err(Error::new(Kind::Io, format!("standard output: {error}")).with_source(error)),
        }
    }

    /// Writes one JSON object, or what people read, unless all is to be quiet.
    pub fn say(&self, json: impl FnOnce() -> String, text: impl FnOnce() -> String) -> Result<()> {
        match (self.json, self.quiet) {
            (true, _) => self.write(&(json() + "\n")),
            (false, true) => Ok(()),
            (false, false) => self.write(&text()),
        }
    }

    /// Says something beside the outcome, unless all is to be quiet.
    pub fn aside(&self, text: &str) {
        if !self.quiet {
            complain(text);
        }
    }

    /// Says an error.
    pub fn fail(&self, error: &Error) {
        if !self.json {
            return complain(&format!("error: {error}"));
        }
        let object = serde_json::json!({ "error": { "kind": error.kind().name(), "message": error.message() } });
        if let Err(error) = self.write(&format!("{object}\n")) {
            complain(&format!("error: {error}"));
        }
    }
}

/// Writes a line to standard error; when that is closed, nobody wants to know.
pub fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}
