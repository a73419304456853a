//! The files of a new migration, named by the folder's own habit.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use keepwell::migrate::{Format, Source};
use keepwell::{Error, Kind, Result};

/// How the number is chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Number {
    Habit,
    Sequential,
    Timestamp,
}

/// Writes them; their paths.
pub fn write(folder: &Path, format: Option<Format>, name: &str, number: Number) -> Result<Vec<PathBuf>> {
    let name = clean(name)?;
    std::fs::create_dir_all(folder).map_err(|error| failed(folder, &error))?;
    let source = Source::folder(folder, format, &[])?;
    let version = version(&source, number);
    let files = match source.format.or(format).unwrap_or(Format::Keepwell) {
        Format::Keepwell | Format::GolangMigrate => {
            vec![(format!("{version}_{name}.up.sql"), ""), (format!("{version}_{name}.down.sql"), "")]
        }
        Format::Goose => vec![(format!("{version}_{name}.sql"), "-- +goose Up\n\n-- +goose Down\n")],
        Format::Dbmate => vec![(format!("{version}_{name}.sql"), "-- migrate:up\n\n-- migrate:down\n")],
        other => {
            let message = format!(
                "new: make a migration of a {} folder with that tool; keepwell writes its own files, goose's and dbmate's",
                other.name()
            );
            return Err(Error::new(Kind::Unsupported, message));
        }
    };
    files.into_iter().map(|(file, text)| create(folder.join(file), text)).collect()
}

fn create(path: PathBuf, text: &str) -> Result<PathBuf> {
    let file = OpenOptions::new().write(true).create_new(true).open(&path);
    file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| failed(&path, &error))?;
    Ok(path)
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::new(Kind::Io, format!("new: {}: {error}", path.display()))
}

fn clean(name: &str) -> Result<String> {
    let name: String = name.trim().chars().map(|c| if c.is_whitespace() || c == '-' { '_' } else { c }).collect();
    if name.is_empty() || name.chars().any(|c| !(c.is_alphanumeric() || c == '_')) {
        return Err(Error::new(Kind::Config, format!("new: {name:?} is no name for a file; letters, digits and _ are")));
    }
    Ok(name)
}

/// The next number as the folder writes them: as wide as the newest, or the time where that is one.
fn version(source: &Source, number: Number) -> String {
    let newest = source.migrations.last();
    let is_time = newest.is_some_and(|m| m.version >= 10_000_000_000_000);
    if number == Number::Timestamp || (number == Number::Habit && is_time) {
        return now();
    }
    let digits = newest.map_or(4, |m| m.up.file.chars().take_while(char::is_ascii_digit).count());
    let next = newest.map_or(1, |m| m.version + 1);
    format!("{next:0digits$}")
}

/// UTC, as `20260131120000`. <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>
fn now() -> String {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, rest) = ((seconds / 86_400) as i64, seconds % 86_400);
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}{month:02}{day:02}{:02}{:02}{:02}", rest / 3600, rest / 60 % 60, rest % 60)
}
