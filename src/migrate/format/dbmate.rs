//! The layout of dbmate: `N_name.sql` with `-- migrate:up` and `-- migrate:down`.

use super::folder::{Entry, Folder};
use super::piece::Direction;
use super::sections::{self, Line, Marking};
use super::{name, Reading};
use crate::error::Result;

pub(super) const MARKING: Marking = Marking { up: "-- migrate:up", down: "-- migrate:down", read: line };

/// dbmate takes every name of digits that ends in `.sql`.
pub(super) fn read(_folder: &Folder, entry: &Entry) -> Result<Reading> {
    let (digits, rest) = name::digits(entry.base());
    let Some(words) = rest.strip_suffix(".sql").filter(|_| !digits.is_empty()) else { return Ok(Reading::Other) };
    let version = name::version(&entry.name, digits)?;
    let description = name::description(words.trim_start_matches(['_', '-', '.', ' ']));
    sections::divide(entry, version, &description, &MARKING).map(Reading::Pieces)
}

/// What a line says. A marker begins at the line's start, in small letters; the one option is `transaction:false`, and dbmate
/// passes over other words.
fn line(line: &str) -> Result<Line, String> {
    let Some(comment) = line.trim().strip_prefix("--").map(str::trim) else { return Ok(Line::Sql) };
    let Some(said) = comment.strip_prefix("migrate:") else { return Ok(Line::Sql) };
    if line.starts_with([' ', '\t']) {
        return Err(format!("`{}` does not begin at the line's start, where dbmate looks for it; move it there", line.trim()));
    }
    let (word, options) = said.split_at(said.find(char::is_whitespace).unwrap_or(said.len()));
    let direction = match word {
        "up" => Direction::Up,
        "down" => Direction::Down,
        _ => return Err(format!("`{}` is no marker of dbmate; there are migrate:up and migrate:down: correct or delete it", line.trim())),
    };
    let mut outside_transaction = false;
    for option in options.split_whitespace().filter(|option| option.starts_with("transaction")) {
        match option {
            "transaction:false" => outside_transaction = true,
            "transaction:true" => outside_transaction = false,
            _ => return Err(format!("{option:?} is no option of a marker; there are transaction:true and transaction:false")),
        }
    }
    Ok(Line::Begins { direction, outside_transaction })
}
