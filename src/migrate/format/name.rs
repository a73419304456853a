//! The name of a file: its version, its description, whether it was meant as a migration, and how it should be spelled.

use super::piece::{refuse, Direction};
use super::Format;
use crate::error::{Error, Result};

/// The cure for a file that is no migration although it looks like one.
pub(super) const IGNORE: &str = "name it in the policy `ignore` (names, separated by commas) to leave it alone";

/// Endings of files that hold programs.
const PROGRAMS: [&str; 15] = ["go", "rs", "py", "js", "mjs", "cjs", "ts", "rb", "php", "sh", "java", "class", "kt", "scala", "groovy"];

/// Endings of copies that editors and merges leave.
const COPIES: [&str; 12] = ["orig", "bak", "backup", "swp", "swo", "tmp", "rej", "old", "save", "copy", "disabled", "skip"];

/// The digits at its start, and what follows them.
pub(super) fn digits(name: &str) -> (&str, &str) {
    name.split_at(name.find(|c: char| !c.is_ascii_digit()).unwrap_or(name.len()))
}

/// The version that digits write.
///
/// # Errors
/// [`crate::error::Kind::Migration`] for a number that does not fit 64 bits.
pub(super) fn version(file: &str, digits: &str) -> Result<i64> {
    digits.parse().map_err(|_| {
        let what = format!("the version {digits} is too big; the greatest is {}: rename the file", i64::MAX);
        refuse(file, what)
    })
}

/// A name for people: blanks for `_`, and for `-` where that divides the words.
pub(super) fn description(name: &str) -> String {
    let divider = if name.contains('_') { '_' } else { '-' };
    name.replace(divider, " ").trim().to_string()
}

/// Whether an editor or a merge left it.
pub(super) fn is_copy(name: &str) -> bool {
    let ending = name.rsplit('.').next().unwrap_or_default().to_ascii_lowercase();
    name.ends_with(['~', '#']) || COPIES.contains(&ending.as_str())
}

/// Whether it holds a program.
pub(super) fn is_program(name: &str) -> bool {
    PROGRAMS.contains(&name.rsplit('.').next().unwrap_or_default())
}

/// Where `.up` or `.down` is, as a part of the name, in any case of letters.
fn direction(name: &str) -> Option<(usize, Direction)> {
    let lower = name.to_ascii_lowercase() + ".";
    let up = lower.rfind(".up.").map(|at| (at, Direction::Up));
    let down = lower.rfind(".down.").map(|at| (at, Direction::Down));
    up.max(down)
}

/// Whether a name says a direction, in any case of letters.
pub(super) fn has_direction(name: &str) -> bool {
    direction(name).is_some()
}

/// Whether a file of this name was probably meant as a migration, though it is none: ignoring it would lose one without a word.
pub(super) fn looks_like_migration(format: Format, name: &str) -> bool {
    let name = name.trim_start_matches([' ', '#']);
    let mut rest = name.chars();
    let (first, second) = (rest.next().unwrap_or(' '), rest.next().unwrap_or(' '));
    if first.is_ascii_digit() || has_direction(name) || ("+-".contains(first) && second.is_ascii_digit()) {
        return true;
    }
    let lower = name.to_ascii_lowercase();
    let sql = lower.ends_with(".sql");
    let lettered = "vurb".contains(first.to_ascii_lowercase());
    match format {
        Format::Refinery | Format::Flyway => lettered && (second.is_ascii_digit() || (sql && "_- ".contains(second))),
        _ => lettered && second.is_ascii_digit() && (sql || lower.contains("__")),
    }
}

/// The error about a file that looks like a migration and is none. `None`: of no format at all.
pub(super) fn near_miss(format: Option<Format>, file: &str) -> Error {
    let Some(format) = format else {
        let what = "it looks like a migration, but of no format that keepwell knows";
        return refuse(file, format!("{what}; {} is keepwell's own: rename it, or {IGNORE}", Format::Keepwell.wants()));
    };
    let base = file.rsplit('/').next().unwrap_or(file);
    let cure = match suggestion(format, base) {
        Some(right) if is_program(base) => format!("a program cannot be run here: write it as SQL in {right}"),
        Some(right) => format!("rename it to {right}"),
        None if is_copy(base) => "delete it".to_string(),
        None => "rename it".to_string(),
    };
    let what = format!("it looks like a migration and is none: the format {} wants {}", format.name(), format.wants());
    refuse(file, format!("{what}; {cure}, or {IGNORE}"))
}

/// The right spelling of a name, where it can be told.
fn suggestion(format: Format, name: &str) -> Option<String> {
    let (letter, number, said, word) = parts(name)?;
    let right = match format {
        Format::Keepwell | Format::GolangMigrate => match said {
            Some(Direction::Down) => format!("{number}_{word}.down.sql"),
            _ => format!("{number}_{word}.up.sql"),
        },
        Format::Goose | Format::Dbmate if said == Some(Direction::Down) => return None,
        Format::Goose | Format::Dbmate => format!("{number}_{word}.sql"),
        Format::Sqlx => match said {
            Some(Direction::Up) => format!("{number}_{word}.up.sql"),
            Some(Direction::Down) => format!("{number}_{word}.down.sql"),
            None => format!("{number}_{word}.sql"),
        },
        Format::Refinery => format!("{letter}{number}__{}.sql", word.replace(|c: char| !c.is_alphanumeric(), "_")),
        Format::Flyway => match said {
            Some(Direction::Down) => format!("U{number}__{word}.sql"),
            _ => format!("{letter}{number}__{word}.sql"),
        },
        Format::Diesel | Format::RusqliteMigration => {
            let divider = if format == Format::Diesel { '_' } else { '-' };
            let side = if said == Some(Direction::Down) { "down" } else { "up" };
            format!("{number}{divider}{word}/{side}.sql")
        }
    };
    (right != name).then_some(right)
}

/// What a misspelled name says: the letter before the number, the number, the direction, the words.
fn parts(name: &str) -> Option<(char, &str, Option<Direction>, String)> {
    let bare = name.trim_start_matches([' ', '#']);
    let first = bare.chars().next()?.to_ascii_uppercase();
    let (letter, rest) = match first {
        'V' | 'U' => (first, bare[1..].trim_start_matches(['_', '-', '.', ' '])),
        _ => ('V', bare),
    };
    let (number, rest) = digits(rest);
    let dotted = rest.strip_prefix('.').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    if number.is_empty() || dotted || is_copy(name) {
        return None;
    }
    let said = direction(rest);
    let end = said.map(|(at, _)| at).or_else(|| rest.rfind('.')).unwrap_or(rest.len());
    let word = rest[..end].trim_matches(['_', '-', '.', ' ']).replace(' ', "_");
    (!word.is_empty()).then_some((letter, number, said.map(|(_, direction)| direction), word))
}
