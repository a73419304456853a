//! The layouts of Diesel and rusqlite_migration: a subfolder for each migration, with `up.sql` and `down.sql`.

use super::folder::{Entry, Folder};
use super::piece::{refuse, Direction, Piece};
use super::{name, Format};
use crate::error::{Error, Result};

/// The files of one subfolder that count.
#[derive(Default)]
struct Subfolder<'a> {
    up: Option<&'a Entry>,
    down: Option<&'a Entry>,
    metadata: Option<&'a Entry>,
    others: Vec<&'a Entry>,
}

/// The directions that the subfolders hold, and the names of what is no migration.
pub(super) fn read(format: Format, folder: &Folder) -> Result<(Vec<Piece>, Vec<String>)> {
    let (mut pieces, mut ignored) = (Vec::new(), Vec::new());
    for group in folder.entries().chunk_by(|a, b| a.is_below() && b.is_below() && a.top() == b.top()) {
        let first = &group[0];
        if first.is_below() {
            subfolder(format, first.top(), group, &mut pieces, &mut ignored)?;
        } else if name::looks_like_migration(format, &first.name) {
            return Err(name::near_miss(Some(format), &first.name));
        } else {
            ignored.push(first.name.clone());
        }
    }
    Ok((pieces, ignored))
}

fn subfolder(format: Format, top: &str, group: &[Entry], pieces: &mut Vec<Piece>, ignored: &mut Vec<String>) -> Result<()> {
    let files = Subfolder::of(top, group);
    let Some((digits, words)) = parse(format, top) else {
        if files.up.is_some() || top.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(misnamed(format, top));
        }
        ignored.push(format!("{top}/"));
        return Ok(());
    };
    let version = name::version(top, &digits)?;
    if version == 0 && format == Format::RusqliteMigration {
        return Err(refuse(top, "rusqlite_migration counts from 1; rename it"));
    }
    for other in files.others.iter().filter(|other| !other.is_folder()) {
        refuse_near_miss(top, other)?;
        ignored.push(other.name.clone());
    }
    if files.up.is_none() && files.down.is_none() {
        return Err(refuse(top, format!("the subfolder has no up.sql; add it, delete the subfolder, or {}", name::IGNORE)));
    }
    let outside = files.metadata.map_or(Ok(false), is_outside)?;
    for (entry, direction) in [(files.up, Direction::Up), (files.down, Direction::Down)] {
        let Some(entry) = entry else { continue };
        pieces.push(Piece { version, description: name::description(words), direction, script: entry.script(|_| outside)? });
    }
    Ok(())
}

impl<'a> Subfolder<'a> {
    fn of(top: &str, group: &'a [Entry]) -> Subfolder<'a> {
        let mut files = Subfolder::default();
        for entry in group {
            match &entry.name[top.len()..] {
                "/up.sql" => files.up = Some(entry),
                "/down.sql" => files.down = Some(entry),
                "/metadata.toml" => files.metadata = Some(entry),
                _ => files.others.push(entry),
            }
        }
        files
    }
}

/// The digits of the version, and the words. Diesel's version is what is before the first `_`, without `-`.
fn parse(format: Format, top: &str) -> Option<(String, &str)> {
    let divider = if format == Format::Diesel { '_' } else { '-' };
    let (version, words) = match top.split_once(divider) {
        Some(parts) => parts,
        None if format == Format::Diesel => (top, ""),
        None => return None,
    };
    let digits = if format == Format::Diesel { version.replace('-', "") } else { version.to_string() };
    let number = version.starts_with(|c: char| c.is_ascii_digit()) && digits.chars().all(|c| c.is_ascii_digit());
    number.then_some((digits, words))
}

/// The format that a subfolder with an `up.sql` is named for. `2020-01-01-000000_name` is Diesel's, as is any number with dashes that is as
/// long as a date; `1-name` is rusqlite_migration's.
pub(super) fn named_for(top: &str) -> Option<Format> {
    let is_date = parse(Format::Diesel, top).is_some_and(|(digits, _)| digits.len() >= 8);
    match name::digits(top) {
        ("", _) => None,
        (_, rest) if rest.starts_with('-') && !is_date => Some(Format::RusqliteMigration),
        _ => parse(Format::Diesel, top).map(|_| Format::Diesel),
    }
}

/// Whether Diesel's settings of a migration say `run_in_transaction = false`, above any table.
fn is_outside(metadata: &Entry) -> Result<bool> {
    let text = metadata.text()?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    for (key, value) in lines.take_while(|line| !line.starts_with('[')).filter_map(|line| line.split_once('=')) {
        match (key.trim(), value.trim()) {
            ("run_in_transaction", "true") => return Ok(false),
            ("run_in_transaction", "false") => return Ok(true),
            ("run_in_transaction", other) => {
                return Err(refuse(&metadata.name, format!("run_in_transaction is true or false, not {other}")));
            }
            _ => {}
        }
    }
    Ok(false)
}

/// What Diesel sorts the migration of this file by: its version as text.
pub(super) fn sorts_by(file: &str) -> String {
    let top = file.split('/').next().unwrap_or(file);
    parse(Format::Diesel, top).map(|(digits, _)| digits).unwrap_or_default()
}

fn misnamed(format: Format, top: &str) -> Error {
    let what = format!("the subfolder looks like a migration and is none: the format {} wants {}", format.name(), format.wants());
    refuse(top, format!("{what}, N a whole number; rename it, or {}", name::IGNORE))
}

/// `up.SQL`, `Down.sql`, `up.sql~` and the like.
fn refuse_near_miss(top: &str, entry: &Entry) -> Result<()> {
    let lower = entry.base().to_ascii_lowercase();
    let (stem, _) = lower.split_at(lower.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(lower.len()));
    let is_deeper = entry.name[top.len() + 1..].contains('/');
    if is_deeper || (stem != "up" && stem != "down") {
        return Ok(());
    }
    let cure = if name::is_copy(&lower) { "delete it".to_string() } else { format!("rename it to {stem}.sql") };
    Err(refuse(&entry.name, format!("only up.sql and down.sql are read in a migration's subfolder; {cure}, or {}", name::IGNORE)))
}
