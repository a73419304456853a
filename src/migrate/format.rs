//! How a folder's files become migrations: one layout for each tool.

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
}
