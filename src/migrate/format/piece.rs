//! A piece: one direction of a migration, as a file gives it.

use std::collections::BTreeMap;
use std::fmt::Display;

use super::name;
use crate::error::{Error, Kind, Result};
use crate::migrate::{Migration, Script};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Direction {
    Up,
    Down,
}

#[derive(Debug)]
pub(super) struct Piece {
    pub(super) version: i64,
    pub(super) description: String,
    pub(super) direction: Direction,
    pub(super) script: Script,
}

/// The two directions of one version, while they are gathered.
#[derive(Default)]
struct Pair {
    up: Option<Piece>,
    down: Option<Piece>,
}

/// Brings the directions of each version together, in the order of the versions.
///
/// # Errors
/// [`Kind::Migration`] naming the files, for a direction that is there twice and a down without an up.
pub(super) fn assemble(pieces: Vec<Piece>) -> Result<Vec<Migration>> {
    let mut pairs: BTreeMap<i64, Pair> = BTreeMap::new();
    for piece in pieces {
        let pair = pairs.entry(piece.version).or_default();
        let place = match piece.direction {
            Direction::Up => &mut pair.up,
            Direction::Down => &mut pair.down,
        };
        if let Some(first) = place {
            return Err(twice(first, &piece));
        }
        *place = Some(piece);
    }
    pairs.into_iter().map(|(version, pair)| pair.migration(version)).collect()
}

impl Pair {
    fn migration(self, version: i64) -> Result<Migration> {
        match (self.up, self.down) {
            (Some(up), down) => Ok(Migration { version, description: up.description, up: up.script, down: down.map(|piece| piece.script) }),
            (None, Some(down)) => Err(refuse(
                &down.script.file,
                format!(
                    "migration {version} can be undone but not done: there is no up with version {version}; add it, or {}",
                    name::IGNORE
                ),
            )),
            (None, None) => unreachable!("a pair is made for a piece"),
        }
    }
}

fn twice(first: &Piece, second: &Piece) -> Error {
    let (one, other) = (&first.script.file, &second.script.file);
    Error::new(Kind::Migration, format!("version {} is there twice: {one} and {other}; rename one of them", first.version))
}

/// An error about a file.
pub(super) fn refuse(file: &str, what: impl Display) -> Error {
    Error::new(Kind::Migration, format!("{file}: {what}"))
}

/// An error about a line of a file.
pub(super) fn refuse_line(file: &str, line: usize, what: impl Display) -> Error {
    Error::new(Kind::Migration, format!("{file}, line {line}: {what}"))
}
