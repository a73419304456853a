//! Applies all migrations of a folder with refinery: FOLDER DATABASE.

use refinery::{load_sql_migrations, Runner};
use refinery_core::rusqlite::Connection;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let mut connection = Connection::open(&arguments[2]).unwrap();
    let migrations = load_sql_migrations(&arguments[1]).unwrap();
    Runner::new(&migrations).run(&mut connection).unwrap();
}
