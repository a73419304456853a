//! A format: how the files of a folder become migrations, one layout for each tool.

mod dbmate;
mod detect;
pub(super) mod folder;
mod goose;
mod name;
mod piece;
mod sections;
mod sqlx;
mod subfolders;
mod updown;
mod versioned;

#[cfg(test)]
mod tests;

use self::folder::{Entry, Folder};
use self::piece::Piece;
use crate::error::{Error, Kind, Result};
use crate::migrate::Migration;

/// The layout of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// `N_name.up.sql`, `N_name.down.sql`: keepwell's own, which is golang-migrate's.
    Keepwell,
    GolangMigrate,
    Goose,
    Dbmate,
    Sqlx,
    Refinery,
    Flyway,
    Diesel,
    RusqliteMigration,
}

/// How far below the folder a format's files are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// In the folder itself.
    Flat,
    /// In its subfolders.
    Subfolders,
    /// Anywhere below it.
    Tree,
}

/// What a layout makes of one file.
enum Reading {
    /// It is a migration, or a direction of one.
    Pieces(Vec<Piece>),
    /// It belongs to a migration and was read with it.
    Attached,
    /// It is no migration, though its name may look like one.
    Other,
    /// It is no migration, and its name is as it should be.
    Foreign,
}

/// A layout: what it makes of one file of a folder.
type Layout = fn(&Folder, &Entry) -> Result<Reading>;

impl Format {
    /// Every format with the name that configuration and command line use.
    pub const ALL: [(Format, &'static str); 9] = [
        (Format::Keepwell, "keepwell"),
        (Format::GolangMigrate, "golang-migrate"),
        (Format::Goose, "goose"),
        (Format::Dbmate, "dbmate"),
        (Format::Sqlx, "sqlx"),
        (Format::Refinery, "refinery"),
        (Format::Flyway, "flyway"),
        (Format::Diesel, "diesel"),
        (Format::RusqliteMigration, "rusqlite_migration"),
    ];

    pub fn name(self) -> &'static str {
        Format::ALL.iter().find(|(format, _)| *format == self).map_or("", |(_, name)| name)
    }

    /// The format with this name.
    ///
    /// # Errors
    /// [`Kind::Config`] with the names that there are.
    pub fn named(name: &str) -> Result<Format> {
        Format::from_name(name).ok_or_else(|| {
            let names: Vec<&str> = Format::ALL.iter().map(|(_, name)| *name).collect();
            Error::new(Kind::Config, format!("migrations: there is no format {name:?}; there are {}", names.join(", ")))
        })
    }

    /// The format with this name, if there is one.
    pub fn from_name(name: &str) -> Option<Format> {
        Format::ALL.iter().find(|(_, known)| *known == name).map(|(format, _)| *format)
    }

    /// How its files are called, for messages.
    fn wants(self) -> &'static str {
        match self {
            Format::Keepwell | Format::GolangMigrate => "`N_name.up.sql` and `N_name.down.sql`",
            Format::Goose | Format::Dbmate => "`N_name.sql`",
            Format::Sqlx => "`N_name.sql`, or `N_name.up.sql` and `N_name.down.sql`",
            Format::Refinery => "`VN__name.sql` or `UN__name.sql`, the name of letters, digits and `_`",
            Format::Flyway => "`VN__name.sql`, and `UN__name.sql` for undo",
            Format::Diesel => "`N_name/up.sql` and `N_name/down.sql`",
            Format::RusqliteMigration => "`N-name/up.sql` and `N-name/down.sql`, N from 1",
        }
    }

    /// The format that a folder shows; `None` for one without migrations.
    ///
    /// # Errors
    /// As [`Format::read`], and [`crate::error::Kind::Migration`] naming files when the format is in doubt.
    pub(super) fn detect(folder: &Folder) -> Result<Option<Format>> {
        detect::detect(folder)
    }

    pub(super) fn depth(self) -> Depth {
        match self {
            Format::Diesel | Format::RusqliteMigration => Depth::Subfolders,
            Format::Refinery | Format::Flyway => Depth::Tree,
            _ => Depth::Flat,
        }
    }

    /// The migrations of a folder, by version, and the names of the files that are none.
    ///
    /// # Errors
    /// [`crate::error::Kind::Migration`] for names and texts that are not as the format wants, [`crate::error::Kind::Encoding`] for
    /// text that is not UTF-8, [`crate::error::Kind::Io`] for a file that cannot be read.
    pub(super) fn read(self, folder: &Folder) -> Result<(Vec<Migration>, Vec<String>)> {
        let (pieces, ignored) = match self {
            Format::Keepwell | Format::GolangMigrate => self.files(folder, updown::read),
            Format::Goose => self.files(folder, goose::read),
            Format::Dbmate => self.files(folder, dbmate::read),
            Format::Sqlx => self.files(folder, sqlx::read),
            Format::Refinery => self.files(folder, versioned::refinery),
            Format::Flyway => self.files(folder, versioned::flyway),
            Format::Diesel | Format::RusqliteMigration => subfolders::read(self, folder),
        }?;
        let migrations = piece::assemble(pieces)?;
        self.refuse_other_order(&migrations)?;
        Ok((migrations, ignored))
    }

    /// Diesel and dbmate sort versions as text, so that 10 comes before 2. Where that differs from the numbers, neither order is safe.
    fn refuse_other_order(self, migrations: &[Migration]) -> Result<()> {
        let key: fn(&str) -> String = match self {
            Format::Diesel => subfolders::sorts_by,
            Format::Dbmate => |file| name::digits(file).0.to_string(),
            _ => return Ok(()),
        };
        for pair in migrations.windows(2) {
            let (lower, higher) = (&pair[0].up.file, &pair[1].up.file);
            if key(lower) > key(higher) {
                let cure = "give all versions the same number of digits";
                let what =
                    format!("{} runs this before {lower}, because it sorts versions as text, and keepwell after it; {cure}", self.name());
                return Err(piece::refuse(higher, what));
            }
        }
        Ok(())
    }

    /// Reads file by file. A flat format sees its subfolders as one name each.
    fn files(self, folder: &Folder, layout: Layout) -> Result<(Vec<Piece>, Vec<String>)> {
        let (mut pieces, mut ignored) = (Vec::new(), Vec::new());
        for entry in folder.entries() {
            if self.depth() == Depth::Flat && entry.is_below() {
                ignored.push(entry.flat_name());
                continue;
            }
            if entry.is_folder() {
                continue;
            }
            match layout(folder, entry)? {
                Reading::Pieces(read) => pieces.extend(read),
                Reading::Attached => {}
                Reading::Other if name::looks_like_migration(self, entry.base()) => return Err(name::near_miss(Some(self), &entry.name)),
                Reading::Other | Reading::Foreign => ignored.push(entry.name.clone()),
            }
        }
        ignored.dedup();
        Ok((pieces, ignored))
    }
}
