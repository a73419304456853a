//! Writes on a pinned connection, where everything is allowed: transactions by hand, settings, temporary objects, other files.

use keepwell::{Params, QueryOptions, Scope};

use crate::routes::statements;
use crate::world::World;

pub fn write(world: &mut World<'_>) {
    let Ok(scope) = world.store.pin(&QueryOptions::default()) else { return };
    world.note("pinned", "PIN", true);
    for _ in 0..1 + world.random.below(3) {
        let lines = lines(world);
        for sql in lines {
            run(world, &scope, &sql);
            world.ask_beside();
        }
    }
    let well = scope.release().is_ok();
    world.note("pinned", "RELEASE", well);
}

fn run(world: &mut World<'_>, scope: &Scope, sql: &str) {
    let options = QueryOptions::default();
    let well = match world.random.below(4) {
        0 => scope.execute_script(sql, &options).is_ok(),
        // A statement with rows is left as it is: what is half-read stays so until the connection goes back.
        1 => match scope.query(sql, Params::NONE, &QueryOptions { batch_rows: 1, ..options }) {
            Ok(rows) => {
                world.note("pinned", "(half-read)", true);
                std::mem::forget(rows);
                true
            }
            Err(_) => false,
        },
        _ => scope.execute(sql, Params::NONE, &options).is_ok(),
    };
    world.note("pinned", sql, well);
    world.tally.wrote("pinned", well);
}

fn lines(world: &mut World<'_>) -> Vec<String> {
    let mut all = statements(world, 3);
    let other = world.place.with_extension("other").display().to_string();
    let same = world.place.display().to_string();
    let begin = world.random.pick(&["BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"]).to_string();
    let end = world.random.pick(&["COMMIT", "COMMIT", "ROLLBACK"]).to_string();
    let table = world.random.pick(&["t0", "t1", "t2", "t3"]);
    match world.random.below(12) {
        0 | 1 => around(&mut all, begin, &[&end]),
        2 => around(&mut all, "SAVEPOINT s".to_string(), &["RELEASE s"]),
        3 => around(&mut all, "SAVEPOINT s".to_string(), &["ROLLBACK TO s", "RELEASE s"]),
        4 => around(&mut all, format!("CREATE TEMP TABLE {table} (a, b, c)"), &[&format!("DROP TABLE temp.{table}")]),
        5 => around(
            &mut all,
            format!("CREATE TEMP TRIGGER gt AFTER INSERT ON main.{table} BEGIN DELETE FROM t4; UPDATE t5 SET a = 1; END"),
            &[&format!("INSERT INTO main.{table} (a, b) VALUES (4, 'ash')")],
        ),
        6 => {
            all.insert(0, format!("ATTACH '{other}' AS o"));
            all.extend([
                "CREATE TABLE IF NOT EXISTS o.x (a, b)".to_string(),
                begin,
                "INSERT INTO o.x VALUES (1, 'elm')".to_string(),
                format!("INSERT OR IGNORE INTO main.{table} (a, b) SELECT a, b FROM o.x LIMIT 2"),
                end,
            ]);
        }
        7 => all.extend([
            format!("ATTACH '{same}' AS itself"),
            format!("INSERT OR IGNORE INTO itself.{table} (a, b) VALUES (3, 'fir')"),
            begin,
            format!("SELECT count(*) FROM main.{table}"),
            format!("DELETE FROM itself.{table} WHERE a < 4"),
            end,
        ]),
        8 => all.insert(0, settings(world)),
        9 => around(&mut all, format!("CREATE TEMP VIEW {table} AS SELECT 1 AS a, 2 AS b"), &[&format!("DROP VIEW temp.{table}")]),
        10 => all.insert(0, "SELECT * FROM sqlite_schema".to_string()),
        _ => {}
    }
    all
}

fn around(all: &mut Vec<String>, first: String, last: &[&str]) {
    all.insert(0, first);
    all.extend(last.iter().map(|sql| sql.to_string()));
}

fn settings(world: &mut World<'_>) -> String {
    let all = [
        "foreign_keys = off",
        "recursive_triggers = on",
        "case_sensitive_like = on",
        "defer_foreign_keys = on",
        "ignore_check_constraints = on",
        "legacy_alter_table = on",
        "reverse_unordered_selects = on",
        "cache_size = 1",
        "secure_delete = on",
        "wal_checkpoint(truncate)",
        "count_changes = on",
    ];
    format!("PRAGMA {}", world.random.pick(&all))
}
