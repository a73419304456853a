//! The format of a folder, where its files show it without a doubt.

use std::collections::BTreeMap;

use super::folder::{Entry, Folder};
use super::piece::{refuse, Direction};
use super::{dbmate, goose, name, sections, sqlx, subfolders, updown, versioned, Format};
use crate::error::{Error, Kind, Result};

/// What the files show.
#[derive(Default)]
struct Signs {
    /// The first file of each format. Where two formats read a file alike, the first of [`Format::ALL`] stands for both, Flyway for refinery.
    first: BTreeMap<Format, String>,
    /// The first `U1__name.sql`.
    undo: Option<String>,
    /// A marker or a program that only refinery has.
    refinery: bool,
    /// A marker that only sqlx has.
    sqlx: bool,
    /// A numbered program in Go: a folder of nothing else is goose's.
    go: bool,
}

/// The format; `None` for a folder without migrations.
///
/// # Errors
/// [`Kind::Migration`] naming files, when several formats show, none shows although there are migrations, or two would read a file
/// differently; [`Kind::Encoding`] and [`Kind::Io`] for files that had to be read.
pub(super) fn detect(folder: &Folder) -> Result<Option<Format>> {
    let mut signs = Signs::default();
    for entry in folder.entries().iter().filter(|entry| !entry.is_folder()) {
        signs.look_at(entry)?;
    }
    if signs.first.len() > 1 {
        return Err(signs.mixed());
    }
    match signs.first.keys().next() {
        None if signs.go => Ok(Some(Format::Goose)),
        None => no_format(folder),
        Some(Format::Keepwell) if signs.sqlx => Ok(Some(Format::Sqlx)),
        Some(Format::Flyway) => signs.flyway_or_refinery().map(Some),
        Some(format) => Ok(Some(*format)),
    }
}

impl Signs {
    fn look_at(&mut self, entry: &Entry) -> Result<()> {
        let format = if let Some(parts) = versioned::parse(entry.base()) {
            self.versioned(entry, &parts)?
        } else if entry.is_below() {
            in_subfolder(entry)
        } else if updown::parse(entry.base()).is_some() {
            self.sqlx |= sqlx::is_marked(&entry.text()?);
            Some(Format::Keepwell)
        } else {
            self.go |= goose::parse(entry.base()).is_some_and(|(_, words, ending)| ending == "go" && !words.ends_with("_test"));
            numbered(entry)?
        };
        if let Some(format) = format {
            self.first.entry(format).or_insert_with(|| entry.name.clone());
        }
        Ok(())
    }

    fn versioned(&mut self, entry: &Entry, parts: &versioned::Name) -> Result<Option<Format>> {
        if parts.letter == 'U' && parts.ending == "sql" {
            self.undo.get_or_insert_with(|| entry.name.clone());
        }
        self.refinery |= parts.ending == "rs" || (parts.ending == "sql" && versioned::is_marked(&entry.text()?));
        Ok(["sql", "rs", "java"].contains(&parts.ending).then_some(Format::Flyway))
    }

    /// Without a `U` file both read a folder alike, but for refinery's marker.
    fn flyway_or_refinery(&self) -> Result<Format> {
        match &self.undo {
            Some(file) => {
                let what = "it undoes a migration in Flyway and is a migration of its own in refinery";
                Err(refuse(file, format!("{what}; say which by giving the format flyway or refinery")))
            }
            None if self.refinery => Ok(Format::Refinery),
            None => Ok(Format::Flyway),
        }
    }

    fn mixed(&self) -> Error {
        let files: Vec<String> = self.first.iter().map(|(format, file)| format!("{file} ({})", format.name())).collect();
        let what = "the files are in the layouts of several tools";
        let cure = "give the format, or name those that are no migrations in the policy `ignore` (names, separated by commas)";
        Error::new(Kind::Migration, format!("{what}: {}; {cure}", files.join(", ")))
    }
}

/// `N_name.sql`: whose it is stands in the text. dbmate needs no `_`.
fn numbered(entry: &Entry) -> Result<Option<Format>> {
    let (digits, rest) = name::digits(entry.base());
    if digits.is_empty() || !rest.ends_with(".sql") {
        return Ok(None);
    }
    let text = entry.text()?;
    if sections::begins(&text, &goose::MARKING, Direction::Up).is_some() {
        return Ok(Some(Format::Goose));
    }
    if sections::begins(&text, &dbmate::MARKING, Direction::Up).is_some() {
        return Ok(Some(Format::Dbmate));
    }
    Ok((rest.starts_with('_') && !name::has_direction(rest)).then_some(Format::Sqlx))
}

fn in_subfolder(entry: &Entry) -> Option<Format> {
    let path = entry.name.strip_prefix(entry.top())?;
    (path == "/up.sql").then(|| subfolders::named_for(entry.top())).flatten()
}

/// A folder in which no format shows must not hold what was meant as a migration.
fn no_format(folder: &Folder) -> Result<Option<Format>> {
    let meant = |entry: &&Entry| match entry.is_below() {
        true => entry.name[entry.top().len()..].eq_ignore_ascii_case("/up.sql"),
        false => name::looks_like_migration(Format::Keepwell, &entry.name),
    };
    match folder.entries().iter().find(meant) {
        Some(entry) => Err(name::near_miss(None, &entry.name)),
        None => Ok(None),
    }
}
