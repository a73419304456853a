//! A new migration: its number by the folder's habit, and its files, which never take the place of others.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use keepwell::migrate::{Format, Source};
use keepwell::{Error, Kind, Result};

use super::{calendar, template};

/// Digits of the first number in an empty folder.
const WIDTH: usize = 4;

/// How a migration is numbered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Numbering {
    /// As the newest one in the folder is; in an empty one as the layout's own tool does.
    Habit,
    Sequential,
    Timestamp,
}

impl Numbering {
    /// What two switches ask for, of which one at most is on.
    pub fn of(sequential: bool, timestamp: bool) -> Numbering {
        match (sequential, timestamp) {
            (true, _) => Numbering::Sequential,
            (_, true) => Numbering::Timestamp,
            _ => Numbering::Habit,
        }
    }
}

/// Writes the files and gives their paths. Makes the folder where there is none.
///
/// # Errors
/// [`Kind::Config`] for a name that cannot be one, [`Kind::Unsupported`] for a layout that is not written here, [`Kind::Io`], and those of
/// [`Source::folder`].
pub fn write(folder: &Path, format: Option<Format>, ignore: &[String], name: &str, numbering: Numbering) -> Result<Vec<PathBuf>> {
    let name = cleaned(name)?;
    fs::create_dir_all(folder).map_err(|error| failed(folder, error))?;
    let source = Source::folder(folder, format, ignore)?;
    let format = format.or(source.format).unwrap_or(Format::Keepwell);
    let files = template::files(format, &format!("{}_{name}", number(&source, format, numbering)?))?;
    let paths: Vec<PathBuf> = files.iter().map(|(file, _)| folder.join(file)).collect();
    for (at, (path, (_, text))) in paths.iter().zip(&files).enumerate() {
        if let Err(error) = create(path, text) {
            paths[..at].iter().for_each(|made| drop(fs::remove_file(made)));
            return Err(failed(path, error));
        }
    }
    Ok(paths)
}

fn create(path: &Path, text: &str) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).open(path)?.write_all(text.as_bytes())
}

fn failed(path: &Path, error: io::Error) -> Error {
    Error::new(Kind::Io, format!("new: {}: {error}", path.display())).with_source(error)
}

/// The digits of the new version.
fn number(source: &Source, format: Format, numbering: Numbering) -> Result<String> {
    let newest = source.migrations.last();
    let width = newest.map(|newest| digits(&newest.up.file));
    let by_time = match numbering {
        Numbering::Habit => width.map_or(matches!(format, Format::Goose | Format::Dbmate), |width| width == calendar::DIGITS),
        numbering => numbering == Numbering::Timestamp,
    };
    let next = match newest.map(|newest| newest.version.checked_add(1)) {
        None => 1,
        Some(Some(next)) => next,
        Some(None) => return Err(Error::new(Kind::Migration, "new: the newest version is the greatest there can be; rename its files")),
    };
    let next = if by_time { next.max(calendar::now()) } else { next };
    let width = width.unwrap_or(WIDTH);
    Ok(format!("{next:0width$}"))
}

/// How many digits a file's name begins with.
fn digits(file: &str) -> usize {
    file.chars().take_while(char::is_ascii_digit).count()
}

/// The name as a part of a file's name.
fn cleaned(name: &str) -> Result<String> {
    let words: Vec<&str> = name.split_whitespace().collect();
    let cleaned = words.join("_");
    if cleaned.is_empty() || !cleaned.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
        return Err(Error::new(Kind::Config, format!("new: {name:?} cannot be a name; take letters, digits, `_` and `-`")));
    }
    Ok(cleaned)
}
