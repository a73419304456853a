//! The roads that a write takes through the store itself.

use keepwell::driver::Mode as Begin;
use keepwell::store::{Wants, Write};
use keepwell::{Matrix, Params, QueryOptions, Scope, TxMode, Value, ValueRef};

use crate::change::{change, insert_of_many};
use crate::schema;
use crate::values::value;
use crate::world::World;

const PLAIN: QueryOptions<'static> = QueryOptions {
    timeout: keepwell::options::Timeout::Default,
    cancel: None,
    read_only: false,
    unprepared: false,
    no_writer: false,
    unbound: false,
    only_cached: false,
    whole: false,
    batch_rows: 0,
    cache: keepwell::options::CacheUse::Use,
    cache_ttl: None,
    caller: None,
};

/// Changes that are made again and again, so that they meet a statement that is prepared already.
const HABITS: usize = 8;

/// What is to be written: a few changes of rows, sometimes of the schema.
pub fn statements(world: &mut World<'_>, most: usize) -> Vec<String> {
    if world.random.chance(12) {
        return schema::change(&mut world.random, &world.catalogue);
    }
    (0..1 + world.random.below(most)).map(|_| one_change(world)).collect()
}

fn one_change(world: &mut World<'_>) -> String {
    let habit = world.random.below(2 * HABITS);
    if let Some(sql) = world.habits.get(habit) {
        return sql.clone();
    }
    let sql = change(&mut world.random, &world.catalogue);
    if world.habits.len() < HABITS {
        world.habits.push(sql.clone());
    } else if world.random.chance(15) {
        world.habits[habit % HABITS] = sql.clone();
    }
    sql
}

/// One write by one of the roads.
pub fn write(world: &mut World<'_>) {
    match world.random.below(12) {
        0..=4 => single(world),
        5 => many(world),
        6 | 7 => transaction(world),
        8 | 9 => script(world),
        _ => together(world),
    }
}

fn single(world: &mut World<'_>) {
    let all = statements(world, 2);
    run_singly(world, all);
}

/// The habits, where the schema has changed since they were prepared.
pub fn habits(world: &mut World<'_>) {
    let all = world.habits.clone();
    let from = world.random.below(all.len() + 1);
    for sql in all.into_iter().skip(from).take(3) {
        world.ask_some(3);
        run_singly(world, vec![sql]);
    }
}

fn run_singly(world: &mut World<'_>, all: Vec<String>) {
    for sql in all {
        // A statement with RETURNING goes by the road of queries too.
        let well = if sql.contains("RETURNING") && world.random.chance(60) {
            world.store.query(&sql, Params::NONE, &PLAIN).map(drop).is_ok()
        } else {
            world.store.execute(&sql, Params::NONE, &PLAIN).is_ok()
        };
        world.note("single", &sql, well);
        world.tally.wrote("single", well);
    }
}

fn many(world: &mut World<'_>) {
    let Some((sql, columns)) = insert_of_many(&mut world.random, &world.catalogue) else { return };
    let rows = 1 + world.random.below(4);
    let values: Vec<Value> = (0..rows * columns).map(|_| value(&mut world.random)).collect();
    let borrowed: Vec<ValueRef<'_>> = values.iter().map(Value::as_ref).collect();
    let well = world.store.execute_many(&sql, Matrix::new(&borrowed, columns, rows).unwrap(), &PLAIN).is_ok();
    world.note("many", &format!("{sql} {values:?}"), well);
    world.tally.wrote("many", well);
}

fn run_in(world: &mut World<'_>, scope: &Scope, route: &str, sql: &str) {
    let well = if world.random.chance(10) {
        scope.execute_script(sql, &PLAIN).is_ok()
    } else if sql.contains("RETURNING") || sql.starts_with("SELECT") {
        scope.query(sql, Params::NONE, &PLAIN).and_then(|rows| rows.collect()).is_ok()
    } else {
        scope.execute(sql, Params::NONE, &PLAIN).is_ok()
    };
    world.note(route, sql, well);
}

fn transaction(world: &mut World<'_>) {
    let begin = if world.random.chance(70) { Begin::Immediate } else { Begin::Deferred };
    let Ok(outer) = world.store.begin(TxMode::Write(begin), &PLAIN) else { return };
    world.note("transaction", "BEGIN", true);
    for sql in statements(world, 4) {
        run_in(world, &outer, "transaction", &sql);
        world.ask_beside();
        if world.random.chance(30) {
            savepoint(world, &outer);
        }
        same_inside(world, &outer);
    }
    let commits = world.random.chance(65);
    let well = if commits { outer.commit().is_ok() } else { outer.rollback().is_ok() };
    world.note("transaction", if commits { "COMMIT" } else { "ROLLBACK" }, well);
    world.tally.wrote(if commits { "transaction" } else { "rollback" }, well);
}

fn savepoint(world: &mut World<'_>, outer: &Scope) {
    let Ok(inner) = outer.begin(TxMode::Write(Begin::Deferred), &PLAIN) else { return };
    world.note("savepoint", "SAVEPOINT", true);
    for sql in statements(world, 2) {
        run_in(world, &inner, "savepoint", &sql);
    }
    let commits = world.random.chance(50);
    let well = if commits { inner.commit().is_ok() } else { inner.rollback().is_ok() };
    world.note("savepoint", if commits { "RELEASE" } else { "ROLLBACK TO" }, well);
    world.tally.wrote("savepoint", well);
}

/// Inside a transaction nothing comes from the cache.
fn same_inside(world: &mut World<'_>, scope: &Scope) {
    if let Ok(rows) = scope.query("SELECT count(*) FROM sqlite_schema", Params::NONE, &PLAIN) {
        assert!(!rows.is_from_cache(), "seed {}", world.seed);
    }
}

fn script(world: &mut World<'_>) {
    let mut all = statements(world, 4);
    let half = world.random.below(all.len() + 1);
    match world.random.below(10) {
        0 => all.insert(half, "INSERT INTO nowhere VALUES (1)".to_string()),
        1 | 2 => {
            all.insert(0, world.random.pick(&["BEGIN", "BEGIN IMMEDIATE", "SAVEPOINT s"]).to_string());
            let by = if all[0].starts_with('S') { ["RELEASE s", "ROLLBACK TO s; RELEASE s"] } else { ["COMMIT", "ROLLBACK"] };
            all.push(by[world.random.below(2)].to_string());
        }
        // Left open, which rolls it back.
        3 => all.insert(half, "BEGIN".to_string()),
        4 => all.insert(half, "PRAGMA user_version = 9".to_string()),
        5 => all.insert(half, "CREATE TEMP TABLE t0 (a, b); INSERT INTO t0 VALUES (1, 2)".to_string()),
        6 => all.insert(half, "VACUUM".to_string()),
        _ => {}
    }
    let sql = all.join(";\n");
    let well = world.store.execute_script(&sql, &PLAIN).is_ok();
    world.note("script", &sql, well);
    world.tally.wrote("script", well);
}

fn together(world: &mut World<'_>) {
    let all: Vec<String> = (0..2).flat_map(|_| statements(world, 3)).collect();
    let writes: Vec<Write<'_>> = all
        .iter()
        .map(|sql| {
            let wants = if sql.contains("RETURNING") { Wants::Rows } else { Wants::Changes };
            Write { sql, params: Params::NONE, wants, options: PLAIN }
        })
        .collect();
    let results: Vec<bool> = world.store.execute_together(&writes).iter().map(Result::is_ok).collect();
    for (sql, well) in all.iter().zip(results) {
        world.note("together", sql, well);
        world.tally.wrote("together", well);
    }
}
