//! The files that a new migration begins as, in each layout that is written here.

use keepwell::migrate::Format;
use keepwell::{Error, Kind, Result};

const UP: &str = "-- What this migration does.\n";
const DOWN: &str = "-- What undoes it. Without this file the migration cannot be undone.\n";
const GOOSE: &str = "-- +goose Up\n-- What this migration does.\n\n-- +goose Down\n-- What undoes it.\n";
const DBMATE: &str = "-- migrate:up\n-- What this migration does.\n\n-- migrate:down\n-- What undoes it.\n";

/// Names and texts of the files of a migration called `stem`, which is its number, `_` and its name.
///
/// # Errors
/// [`Kind::Unsupported`] for a layout whose files its own tool makes, with how.
pub fn files(format: Format, stem: &str) -> Result<Vec<(String, &'static str)>> {
    let cure = match format {
        Format::Keepwell | Format::GolangMigrate => return Ok(vec![(format!("{stem}.up.sql"), UP), (format!("{stem}.down.sql"), DOWN)]),
        Format::Goose => return Ok(vec![(format!("{stem}.sql"), GOOSE)]),
        Format::Dbmate => return Ok(vec![(format!("{stem}.sql"), DBMATE)]),
        Format::Sqlx => "run `sqlx migrate add NAME`, or write N_name.sql by hand",
        Format::Refinery => "write VN__name.sql by hand",
        Format::Flyway => "write VN__name.sql by hand, and UN__name.sql to undo it",
        Format::Diesel => "run `diesel migration generate NAME`, or write N_name/up.sql and N_name/down.sql by hand",
        Format::RusqliteMigration => "write N-name/up.sql and N-name/down.sql by hand",
    };
    Err(Error::new(Kind::Unsupported, format!("new: files of a folder of {} are not made here: {cure}", format.name())))
}
