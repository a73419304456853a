//! The data source: the text that says which database to open, and what it means.
//!
//! Follows [SQLite's URI file names](https://sqlite.org/uri.html), but refuses what SQLite passes over: unknown parameters, broken
//! percent-encoding, a fragment, a NUL.

use std::path::{Path, PathBuf};

use super::keys::quoted;
use super::parameters::{Opening, Parameters};
use super::percent;
use crate::error::{Error, Kind, Result};

/// A data source: the text it was given as, and what to open.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSource {
    text: String,
    source: Source,
    warnings: Vec<String>,
}

/// What to open.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A database in memory that all connections of one store share, and no other store.
    Memory,
    /// A file.
    File {
        /// Where it is; relative to the working folder at the time of opening.
        path: PathBuf,
        /// What may be done with it.
        mode: Mode,
        /// The file cannot change while it is open, so the engine takes no locks; `mode` is [`Mode::ReadOnly`] then.
        immutable: bool,
        /// The engine takes no locks although the file may change; `mode` is [`Mode::ReadOnly`] then.
        nolock: bool,
        /// The engine's file layer by its name; `None` is the usual one.
        vfs: Option<String>,
    },
}

/// What may be done with a database file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Reading; the file must exist.
    ReadOnly,
    /// Reading and writing; the file must exist.
    ReadWrite,
    /// Reading and writing; the file is created if it does not exist.
    ReadWriteCreate,
}

/// Why a data source was refused: the end of a sentence that starts with its text.
type Refusal = String;

impl DataSource {
    /// Reads a plain path, a `file:` URI, or `:memory:`.
    ///
    /// A URI may be relative (`file:app.db`) or absolute (`file:/srv/app.db`, `file:///srv/app.db`), its names and values may be
    /// percent-encoded, and it may have the parameters `mode` (`ro`, `rw`, `rwc`, `memory`; default `rwc`), `immutable`, `nolock`, `vfs`, and
    /// `cache`, which changes nothing: connections of a store share what they can by other means.
    ///
    /// # Errors
    /// [`Kind::Config`] with the cure for everything else; an unknown parameter names the nearest right one.
    pub fn parse(text: &str) -> Result<DataSource> {
        DataSource::read(text).map_err(|refusal| Error::new(Kind::Config, format!("datasource: {} {refusal}", quoted(text))))
    }

    /// As [`DataSource::parse`], with half an error sentence.
    pub(super) fn read(text: &str) -> Result<DataSource, Refusal> {
        let (source, warnings) = match text {
            "" => return Err("is empty; name a file, or :memory: for a database in memory".into()),
            _ if text.contains('\0') => return Err("holds a NUL byte".into()),
            ":memory:" => (Source::Memory, Vec::new()),
            _ => match strip_scheme(text) {
                Some(rest) => uri(rest)?,
                None => (plain(text)?, Vec::new()),
            },
        };
        Ok(DataSource { text: text.to_owned(), source, warnings })
    }

    /// What to open.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The text that was given.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What was accepted without effect, one sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }
}

impl Source {
    /// The file's path; `None` in memory.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Source::Memory => None,
            Source::File { path, .. } => Some(path),
        }
    }

    /// Whether it may be written to.
    pub fn is_writable(&self) -> bool {
        !matches!(self, Source::File { mode: Mode::ReadOnly, .. })
    }

    /// The source as a URI for the engine, in ASCII and with every parameter; `None` in memory.
    pub fn to_uri(&self) -> Option<String> {
        let Source::File { path, mode, immutable, nolock, vfs } = self else { return None };
        let authority = if path.is_absolute() { "//" } else { "" };
        let mut uri = format!("file:{authority}{}?mode={}", percent::encode(&path_bytes(path)), mode.as_str());
        for (name, on) in [("immutable", *immutable), ("nolock", *nolock)] {
            if on {
                uri.push_str(&format!("&{name}=1"));
            }
        }
        if let Some(vfs) = vfs {
            uri.push_str(&format!("&vfs={}", percent::encode(vfs.as_bytes())));
        }
        Some(uri)
    }
}

impl Mode {
    pub(super) const ALL: [Mode; 3] = [Mode::ReadOnly, Mode::ReadWrite, Mode::ReadWriteCreate];

    /// The value of the URI parameter `mode`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::ReadOnly => "ro",
            Mode::ReadWrite => "rw",
            Mode::ReadWriteCreate => "rwc",
        }
    }
}

fn strip_scheme(text: &str) -> Option<&str> {
    let (scheme, rest) = text.split_once(':')?;
    scheme.eq_ignore_ascii_case("file").then_some(rest)
}

/// A path as it stands; what looks like half a URI is refused, because the engine would create a file of that name.
fn plain(text: &str) -> Result<Source, Refusal> {
    if text.trim().is_empty() {
        return Err("is blank; name a file, or :memory: for a database in memory".into());
    }
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    if text.contains("://") || ["sqlite", "sqlite3"].iter().any(|name| name.eq_ignore_ascii_case(scheme)) {
        return Err(format!("has the scheme {}; write file:app.db or file:///full/path/app.db", quoted(scheme)));
    }
    if text.contains('?') {
        return Err("has a ? but is no URI; put file: before it, or write %3F in a URI for a ? in the name".into());
    }
    Ok(Source::File { path: text.into(), mode: Mode::ReadWriteCreate, immutable: false, nolock: false, vfs: None })
}

/// What stands after `file:`.
fn uri(rest: &str) -> Result<(Source, Vec<String>), Refusal> {
    if rest.contains('#') {
        return Err("has a fragment (#…); write %23 for a # in the name".into());
    }
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let path = percent::decode(strip_authority(path)?)?;
    let parameters = Parameters::read(query)?;
    let warnings = parameters.warnings()?;
    let source = match parameters.opening(path == b":memory:")? {
        Opening::Memory => Source::Memory,
        Opening::File { .. } if path.is_empty() => {
            return Err("names no file; write file:app.db, or :memory: for a database in memory".into())
        }
        Opening::File { mode, immutable, nolock, vfs } => Source::File { path: path_from(path)?, mode, immutable, nolock, vfs },
    };
    Ok((source, warnings))
}

fn strip_authority(path: &str) -> Result<&str, Refusal> {
    let Some(rest) = path.strip_prefix("//") else { return Ok(path) };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        return Ok(path);
    }
    Err(format!("names the host {}; write file:{host}{path} for a relative path, file:///… for a full one", quoted(host)))
}

#[cfg(unix)]
fn path_from(bytes: Vec<u8>) -> Result<PathBuf, Refusal> {
    use std::os::unix::ffi::OsStringExt;
    Ok(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_from(bytes: Vec<u8>) -> Result<PathBuf, Refusal> {
    String::from_utf8(bytes).map(PathBuf::from).map_err(|_| "has a path that is not UTF-8".into())
}

#[cfg(unix)]
fn path_bytes(path: &Path) -> Vec<u8> {
    use std::os::unix::ffi::OsStrExt;
    path.as_os_str().as_bytes().to_vec()
}

#[cfg(not(unix))]
fn path_bytes(path: &Path) -> Vec<u8> {
    path.to_string_lossy().into_owned().into_bytes()
}

#[cfg(test)]
mod tests;
