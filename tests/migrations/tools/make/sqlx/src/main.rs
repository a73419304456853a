//! Applies all migrations of a folder with sqlx: FOLDER DATABASE.

use std::path::Path;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::SqlitePool;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let options = SqliteConnectOptions::new().filename(&arguments[2]).create_if_missing(true);
    let pool = SqlitePool::connect_with(options).await.unwrap();
    Migrator::new(Path::new(&arguments[1])).await.unwrap().run(&pool).await.unwrap();
    pool.close().await;
}
