//! Applies all migrations of a folder with Diesel: FOLDER DATABASE.

use diesel::{Connection, SqliteConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mut connection = SqliteConnection::establish(&arguments[2]).unwrap();
    let migrations = FileBasedMigrations::from_path(&arguments[1]).unwrap();
    connection.run_pending_migrations(migrations).unwrap();
}
