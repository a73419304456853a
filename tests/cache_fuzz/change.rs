//! Statements that change rows, as text.

use crate::catalogue::{Catalogue, Object, Sort};
use crate::random::Random;
use crate::values::{literal, WORDS};

/// One statement; now and then one that fails.
pub fn change(random: &mut Random, catalogue: &Catalogue) -> String {
    let sorts: &[Sort] = match random.below(100) {
        0..=7 => &[Sort::View],
        8..=14 => &[Sort::Fts],
        15..=18 => &[Sort::Rtree],
        _ => &[Sort::Table],
    };
    let Some(object) = catalogue.one(random, sorts).or_else(|| catalogue.one(random, &[Sort::Table])) else {
        return "INSERT INTO t0 VALUES (1, 2, 3, 4)".to_string();
    };
    match object.sort {
        Sort::Fts => of_text(random, object),
        Sort::Rtree => of_rectangles(random, object),
        _ => of_rows(random, catalogue, object),
    }
}

fn of_rows(random: &mut Random, catalogue: &Catalogue, object: &Object) -> String {
    let name = &object.name;
    match random.below(100) {
        0..=44 => insert(random, object),
        45..=49 => insert_from(random, catalogue, object),
        50..=74 => {
            let set = assignment(random, object);
            format!("UPDATE {}{name} SET {set} {}{}", or(random), filter(random, object), returning(random))
        }
        75..=92 => format!("DELETE FROM {name} {}{}", filter(random, object), returning(random)),
        93..=95 => format!("DELETE FROM {name}"),
        96 => format!("UPDATE {name} SET {}", assignment(random, object)),
        _ => update_from(random, catalogue, object),
    }
}

/// A statement that takes one parameter per column, for many rows at once, and its columns.
pub fn insert_of_many(random: &mut Random, catalogue: &Catalogue) -> Option<(String, usize)> {
    let object = catalogue.one(random, &[Sort::Table])?;
    let columns = some_columns(random, object);
    let marks = vec!["?"; columns.len()].join(", ");
    Some((format!("INSERT {}INTO {} ({}) VALUES ({marks})", or(random), object.name, columns.join(", ")), columns.len()))
}

fn insert(random: &mut Random, object: &Object) -> String {
    let columns = some_columns(random, object);
    let rows: Vec<String> =
        (0..1 + random.below(3)).map(|_| format!("({})", columns.iter().map(|_| literal(random)).collect::<Vec<_>>().join(", "))).collect();
    let verb = if random.chance(8) { "REPLACE ".to_string() } else { format!("INSERT {}", or(random)) };
    let conflict = match random.below(12) {
        0 => " ON CONFLICT DO NOTHING".to_string(),
        1 | 2 => format!(" ON CONFLICT DO UPDATE SET {}", assignment(random, object)),
        _ => String::new(),
    };
    format!("{verb}INTO {} ({}) VALUES {}{conflict}{}", object.name, columns.join(", "), rows.join(", "), returning(random))
}

fn insert_from(random: &mut Random, catalogue: &Catalogue, object: &Object) -> String {
    let Some(source) = catalogue.one(random, &[Sort::Table, Sort::View]) else { return insert(random, object) };
    let to = some_columns(random, object);
    let picked: Vec<&str> = to.iter().map(|_| source.columns[random.below(source.columns.len())].as_str()).collect();
    format!("INSERT OR IGNORE INTO {} ({}) SELECT {} FROM {} LIMIT 4", object.name, to.join(", "), picked.join(", "), source.name)
}

fn update_from(random: &mut Random, catalogue: &Catalogue, object: &Object) -> String {
    let Some(source) = catalogue.one(random, &[Sort::Table]) else { return insert(random, object) };
    let (to, from) = (one_column(random, object), source.columns[random.below(source.columns.len())].clone());
    format!("UPDATE OR IGNORE {} SET {to} = s.k FROM (SELECT max(quote(\"{from}\")) AS k FROM {}) AS s", object.name, source.name)
}

fn assignment(random: &mut Random, object: &Object) -> String {
    let column = one_column(random, object);
    if random.chance(30) {
        format!("{column} = (coalesce(CAST({column} AS INTEGER), 0) + 1) % 20")
    } else {
        format!("{column} = {}", literal(random))
    }
}

fn filter(random: &mut Random, object: &Object) -> String {
    let column = object.columns[random.below(object.columns.len())].clone();
    match random.below(8) {
        0 => format!("WHERE {column} IN ({}, {})", literal(random), literal(random)),
        1 => format!("WHERE {column} > {}", literal(random)),
        2 => format!("WHERE {column} IS NULL"),
        3 if object.has_rowid => format!("WHERE rowid = {}", random.below(20)),
        _ => format!("WHERE {column} = {}", literal(random)),
    }
}

fn some_columns(random: &mut Random, object: &Object) -> Vec<String> {
    let all = &object.writable;
    let some: Vec<String> = all.iter().filter(|_| random.chance(75)).cloned().collect();
    if some.is_empty() {
        all.iter().take(1).cloned().collect()
    } else {
        some
    }
}

fn one_column(random: &mut Random, object: &Object) -> String {
    random.one_of(&object.writable).cloned().unwrap_or_else(|| "a".to_string())
}

fn or(random: &mut Random) -> &'static str {
    random.pick(&["", "", "", "", "OR IGNORE ", "OR REPLACE ", "OR REPLACE ", "OR FAIL ", "OR ROLLBACK ", "OR ABORT "])
}

fn returning(random: &mut Random) -> &'static str {
    if random.chance(12) {
        " RETURNING *"
    } else {
        ""
    }
}

fn of_text(random: &mut Random, object: &Object) -> String {
    let name = &object.name;
    let column = one_column(random, object);
    let words = format!("{} {}", random.pick(WORDS), random.pick(WORDS));
    match random.below(12) {
        0 => format!("INSERT INTO {name}({name}) VALUES ('rebuild')"),
        1 => format!("INSERT INTO {name}({name}) VALUES ('optimize')"),
        2 => format!("INSERT INTO {name}({name}) VALUES ('delete-all')"),
        3 => format!("DELETE FROM {name}"),
        4 => format!("DELETE FROM {name} WHERE rowid = {}", random.below(20)),
        5 | 6 => format!("UPDATE {name} SET {column} = '{words}' WHERE rowid = {}", random.below(20)),
        _ => format!("INSERT INTO {name}({column}) VALUES ('{words}')"),
    }
}

fn of_rectangles(random: &mut Random, object: &Object) -> String {
    let (name, from) = (&object.name, random.below(20));
    match random.below(6) {
        0 => format!("DELETE FROM {name} WHERE id = {from}"),
        1 => format!("UPDATE {name} SET x1 = x1 + 1 WHERE id < {from}"),
        2 => format!("DELETE FROM {name}"),
        _ => format!("INSERT OR REPLACE INTO {name} VALUES ({}, {from}, {})", random.below(20), from + random.below(5)),
    }
}
