//! The layout of sqlx: `N_name.sql`, or `N_name.up.sql` and `N_name.down.sql`.

use super::folder::{Entry, Folder};
use super::piece::{Direction, Piece};
use super::{name, Reading};
use crate::error::Result;

pub(super) fn read(_folder: &Folder, entry: &Entry) -> Result<Reading> {
    let Some((digits, words, direction)) = parse(entry.base()) else { return Ok(Reading::Other) };
    Ok(Reading::Pieces(vec![Piece {
        version: name::version(&entry.name, digits)?,
        description: name::description(words),
        direction,
        script: entry.script(is_marked)?,
    }]))
}

/// The parts of a name. sqlx would take `N_name.Up.sql` and `N_name.down..sql` for an up of that strange description.
fn parse(file: &str) -> Option<(&str, &str, Direction)> {
    let (digits, rest) = name::digits(file);
    let words = rest.strip_prefix('_').filter(|_| !digits.is_empty())?.strip_suffix(".sql")?;
    let (words, direction) = match (words.strip_suffix(".up"), words.strip_suffix(".down")) {
        (Some(words), _) => (words, Direction::Up),
        (_, Some(words)) => (words, Direction::Down),
        _ => (words, Direction::Up),
    };
    (!name::has_direction(words)).then_some((digits, words, direction))
}

/// Whether the text begins with sqlx's marker; it must be the very first thing.
pub(super) fn is_marked(text: &str) -> bool {
    text.starts_with("-- no-transaction")
}
