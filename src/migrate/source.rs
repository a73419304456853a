//! A source of migrations: a sorted set, from a folder, from files in memory, or from the program.

use std::path::Path;

use crate::error::{Error, Kind, Result};
use crate::migrate::file::File;
use crate::migrate::format::folder::Folder;
use crate::migrate::format::Depth;
use crate::migrate::{Format, Migration};

/// Migrations in the order of their versions, each version once.
#[derive(Debug, Clone, Default)]
pub struct Source {
    pub migrations: Vec<Migration>,
    /// The layout of the folder; `None` for migrations given by the program, and for a folder without any.
    pub format: Option<Format>,
    /// Files that are no migrations, for reports; a subfolder ends with `/`.
    pub ignored: Vec<String>,
}

impl Source {
    /// Migrations given by the program, in any order.
    ///
    /// # Errors
    /// [`Kind::Migration`] for a version that is there twice or negative, naming both; [`Kind::Encoding`] for SQL with a NUL in it.
    pub fn list(mut migrations: Vec<Migration>) -> Result<Source> {
        migrations.sort_by_key(|migration| migration.version);
        for migration in &migrations {
            check(migration)?;
        }
        if let Some(pair) = migrations.windows(2).find(|pair| pair[0].version == pair[1].version) {
            let (one, other) = (&pair[0].description, &pair[1].description);
            let what = format!("version {} is there twice: {one:?} and {other:?}; give one of them another number", pair[0].version);
            return Err(Error::new(Kind::Migration, what));
        }
        Ok(Source { migrations, ..Source::default() }.identified())
    }

    /// The migrations of a folder. `format`: the folder's layout; `None` where it shows.
    /// `ignore`: names of files to leave alone: a file's name, its path below the folder, or a subfolder.
    ///
    /// Names that begin with a dot are left alone without a word. Each file is read once; links to folders are not followed.
    ///
    /// # Errors
    /// [`Kind::CantOpen`] for a folder that cannot be read; [`Kind::Io`] for such a file; [`Kind::Encoding`] for text that is not UTF-8;
    /// [`Kind::Migration`] for what is or seems a migration but cannot be taken for one, for a version that is there twice, and for a
    /// format that does not show. Each names the files and the cure.
    pub fn folder(path: &Path, format: Option<Format>, ignore: &[String]) -> Result<Source> {
        let folder = Folder::open(path, ignore)?;
        Source::read(folder, format).map_err(|e| match e.kind() {
            Kind::CantOpen | Kind::Io => e,
            _ => e.context(format!("migrations in {}", path.display())),
        })
    }

    /// The migrations in files that the program has in memory; `format` and `ignore` as in [`Source::folder`].
    ///
    /// # Errors
    /// As [`Source::folder`], without those of opening and reading.
    pub fn files(files: Vec<File>, format: Option<Format>, ignore: &[String]) -> Result<Source> {
        Source::read(Folder::of(files, ignore), format)
    }

    fn read(mut folder: Folder, format: Option<Format>) -> Result<Source> {
        if format.map(Format::depth) != Some(Depth::Flat) {
            folder.deepen()?;
        }
        let format = match format {
            Some(format) => Some(format),
            None => Format::detect(&folder)?,
        };
        if format.map(Format::depth) == Some(Depth::Tree) {
            while folder.deepen()? {}
        }
        let (migrations, mut ignored) = match format {
            Some(format) => format.read(&folder)?,
            None => (Vec::new(), folder.names()),
        };
        ignored.append(&mut folder.take_left_alone());
        ignored.sort();
        Ok(Source { migrations, format, ignored }.identified())
    }

    /// Computes the identity of each text once: plans compare them often.
    fn identified(mut self) -> Source {
        for migration in &mut self.migrations {
            migration.up.checksum = migration.up.checksum();
        }
        self
    }
}

fn check(migration: &Migration) -> Result<()> {
    let Migration { version, description, up, down } = migration;
    if *version < 0 {
        let what = format!("version {version} of {description:?} is negative; versions are 0 or more: give it another number");
        return Err(Error::new(Kind::Migration, what));
    }
    if [Some(up), down.as_ref()].into_iter().flatten().any(|script| script.sql.contains('\0')) {
        let what = format!("the SQL of version {version} ({description:?}) holds a NUL, at which SQL ends; take it out");
        return Err(Error::new(Kind::Encoding, what));
    }
    Ok(())
}
