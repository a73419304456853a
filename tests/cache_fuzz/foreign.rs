//! Writes that the store hears nothing of: of another store, of SQLite itself, of other processes.

use std::path::PathBuf;

use keepwell::QueryOptions;

use crate::helper::Helper;
use crate::routes::statements;
use crate::world::{Mode, World};

pub fn write(world: &mut World<'_>) {
    if world.mode == Mode::Memory {
        return;
    }
    match world.random.below(20) {
        0..=4 => by_second_store(world),
        5..=11 => by_sqlite(world),
        12..=15 => by_own_process(world),
        16..=18 => by_python(world),
        _ => by_backup(world),
    }
}

fn by_second_store(world: &mut World<'_>) {
    let all = statements(world, 3).join(";\n");
    let Some(second) = &world.second else { return };
    let well = second.execute_script(&all, &QueryOptions::default()).is_ok();
    world.note("second store", &all, well);
    world.tally.wrote("second store", well);
}

/// A raw connection, whose transaction may stay open while the store is asked and writes.
fn by_sqlite(world: &mut World<'_>) {
    let all = statements(world, 3);
    let begin = world.random.pick(&["", "", "", "BEGIN", "BEGIN IMMEDIATE", "PRAGMA foreign_keys = off", "PRAGMA cache_size = 1"]);
    raw(world, begin);
    for sql in &all {
        raw(world, sql);
        world.ask_beside();
    }
    if world.random.chance(20) {
        crate::routes::write(world);
        world.ask_some(2);
    }
    if world.random.chance(3) {
        let mode = world.random.pick(&["PRAGMA journal_mode = wal", "PRAGMA journal_mode = delete"]);
        raw(world, mode);
    }
    let open = world.raw.as_ref().is_some_and(|raw| !raw.is_autocommit());
    if open {
        let end = world.random.pick(&["COMMIT", "COMMIT", "ROLLBACK"]);
        raw(world, end);
        // A COMMIT that found a lock in its way is still to be ended.
        raw(world, "ROLLBACK");
    }
}

fn raw(world: &mut World<'_>, sql: &str) {
    let Some(connection) = world.raw.as_ref().filter(|_| !sql.is_empty()) else { return };
    let well = connection.execute_batch(sql).is_ok();
    if sql != "ROLLBACK" || well {
        world.note("sqlite", sql, well);
        world.tally.wrote("sqlite", well);
    }
}

fn by_own_process(world: &mut World<'_>) {
    let mut all = statements(world, 3);
    if world.random.chance(30) {
        all.insert(0, "BEGIN IMMEDIATE".to_string());
        if world.random.chance(6) {
            return killed(world, &all);
        }
        all.push(world.random.pick(&["COMMIT", "ROLLBACK"]).to_string());
    }
    let verb = world.random.pick(&["run", "run", "store"]);
    let well = world.helpers.own.run(verb, &all);
    world.note("process", &format!("{verb}: {}", all.join("; ")), well);
    world.tally.wrote("process", well);
}

/// The process dies in the middle of a transaction.
fn killed(world: &mut World<'_>, all: &[String]) {
    world.helpers.own.run("run", all);
    world.note("killed", &all.join("; "), true);
    world.tally.wrote("killed", true);
    world.helpers.own.kill();
    world.helpers.own = Helper::own();
    world.helpers.own.open(&world.place);
}

fn by_python(world: &mut World<'_>) {
    let mut all = statements(world, 3);
    if world.random.chance(30) {
        all.insert(0, "BEGIN IMMEDIATE".to_string());
        all.push(world.random.pick(&["COMMIT", "ROLLBACK"]).to_string());
    }
    let Some(python) = &mut world.helpers.python else { return };
    let well = python.run("run", &all);
    world.note("python", &all.join("; "), well);
    world.tally.wrote("python", well);
}

/// A copy of now is kept; a later one, or an earlier, is copied over the database by the other process.
fn by_backup(world: &mut World<'_>) {
    let copy: PathBuf = world.place.with_extension("copy");
    if !copy.exists() || world.random.chance(30) {
        let _ = std::fs::remove_file(&copy);
        raw(world, &format!("VACUUM INTO '{}'", copy.display()));
        return;
    }
    let Some(python) = &mut world.helpers.python else { return };
    let well = python.tell("backup", &copy.display().to_string());
    world.note("backup", "(the copy)", well);
    world.tally.wrote("backup", well);
}
