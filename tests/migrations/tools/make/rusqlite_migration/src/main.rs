//! Applies the first migrations of the folder with rusqlite_migration: DATABASE HOW_MANY.

use include_dir::{include_dir, Dir};
use rusqlite::Connection;
use rusqlite_migration::Migrations;

static FOLDER: Dir = include_dir!("$MIGRATIONS");

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mut connection = Connection::open(&arguments[1]).unwrap();
    let migrations = Migrations::from_directory(&FOLDER).unwrap();
    migrations.to_version(&mut connection, arguments[2].parse().unwrap()).unwrap();
}
