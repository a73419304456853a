//! A source of migrations: a sorted set, from a folder, from files in memory, or from the program.

use crate::error::Result;
use crate::migrate::file::File;
use crate::migrate::{Format, Migration};

/// Migrations in the order of their versions, each version once.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub migrations: Vec<Migration>,
    /// The layout of the folder; `None` for migrations given by the program.
    pub format: Option<Format>,
    /// Files that are no migrations, for reports.
    pub ignored: Vec<String>,
}

impl Source {
    /// Migrations given by the program, in any order.
    ///
    /// # Errors
    /// [`crate::error::Kind::Migration`] for a version that is there twice or negative, naming both.
    pub fn list(mut migrations: Vec<Migration>) -> Result<Source> {
        migrations.sort_by_key(|m| m.version);
        for m in &mut migrations { m.up.checksum = super::text::checksum(&m.up.sql); }
        Ok(Source { migrations, ..Source::default() })
    }

    /// The migrations of a folder. `format`: the folder's layout; `None` where it shows.
    /// `ignore`: names of files to leave alone.
    pub fn folder(_path: &std::path::Path, _format: Option<Format>, _ignore: &[String]) -> Result<Source> {
        todo!()
    }

    /// The migrations in files that the program has in memory.
    pub fn files(_files: Vec<File>, _format: Option<Format>, _ignore: &[String]) -> Result<Source> {
        todo!()
    }
}
