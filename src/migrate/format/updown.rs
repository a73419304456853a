//! The layout of golang-migrate, which is keepwell's own: a file for each direction, `N_name.up.sql` and `N_name.down.sql`.

use super::folder::{Entry, Folder};
use super::piece::{Direction, Piece};
use super::{name, Reading};
use crate::error::Result;

/// The parts of such a name.
pub(super) struct Name<'a> {
    digits: &'a str,
    words: &'a str,
    direction: Direction,
}

pub(super) fn read(_folder: &Folder, entry: &Entry) -> Result<Reading> {
    let Some(parts) = parse(entry.base()) else { return Ok(Reading::Other) };
    Ok(Reading::Pieces(vec![Piece {
        version: name::version(&entry.name, parts.digits)?,
        description: name::description(parts.words),
        direction: parts.direction,
        script: entry.script(|_| false)?,
    }]))
}

/// The parts of a name, where it is one. golang-migrate's pattern is `^([0-9]+)_(.*)\.(down|up)\.(.*)$`: the last direction counts, and
/// any ending will do. An ending that is nearly `sql` will not: it is a slip or an editor's copy.
pub(super) fn parse(file: &str) -> Option<Name<'_>> {
    let (digits, rest) = name::digits(file);
    let rest = rest.strip_prefix('_').filter(|_| !digits.is_empty())?;
    let up = rest.rfind(".up.").map(|at| (at, Direction::Up, ".up.".len()));
    let down = rest.rfind(".down.").map(|at| (at, Direction::Down, ".down.".len()));
    let (at, direction, length) = up.max(down)?;
    is_ending(&rest[at + length..]).then_some(Name { digits, words: &rest[..at], direction })
}

/// `.sql` is for `N_name.up..sql`, which exists in real folders.
fn is_ending(ending: &str) -> bool {
    let lower = ending.to_ascii_lowercase();
    if ending == "sql" || ending == ".sql" {
        return true;
    }
    let goes_on = lower.strip_prefix("sql").is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()));
    !ending.is_empty() && !goes_on && !name::is_copy(ending) && strsim::osa_distance(&lower, "sql") > 1
}
