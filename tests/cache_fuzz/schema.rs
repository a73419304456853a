//! Statements that change the schema, or the whole file.

use crate::catalogue::{Catalogue, Sort};
use crate::random::Random;

const TABLES: &[&str] = &["t0", "t1", "t2", "t3", "t4", "t5"];
const VIEWS: &[&str] = &["v0", "v1", "v2", "v3"];
const COLUMNS: &[&str] = &["a", "b", "c"];

/// What a database begins with.
pub fn birth(random: &mut Random) -> Vec<String> {
    let mut all = Vec::new();
    for name in TABLES {
        if random.chance(85) {
            all.push(table(random, name));
        }
    }
    (0..3).for_each(|n| all.push(index(random, n)));
    for name in VIEWS {
        if random.chance(60) {
            all.push(view(random, name));
        }
    }
    all.extend((0..1 + random.below(4)).map(|n| trigger(random, n)));
    if random.chance(60) {
        all.extend(text(random, "f0"));
    }
    if random.chance(40) {
        all.push("CREATE VIRTUAL TABLE r0 USING rtree(id, x0, x1)".to_string());
    }
    all
}

/// Statements that belong together and change the schema.
pub fn change(random: &mut Random, catalogue: &Catalogue) -> Vec<String> {
    let table_name = catalogue.one(random, &[Sort::Table]).map_or("t0".to_string(), |object| object.name.clone());
    let n = random.below(5);
    match random.below(31) {
        0 | 1 => vec![table(random, random_name(n, TABLES))],
        2 => vec![format!("DROP TABLE IF EXISTS {table_name}")],
        3 => vec![format!("ALTER TABLE {table_name} ADD COLUMN x{n} DEFAULT {n}")],
        4 => vec![format!("ALTER TABLE {table_name} RENAME TO {}", random.pick(TABLES))],
        5 => vec![format!("ALTER TABLE {table_name} RENAME COLUMN {} TO y{n}", random.pick(COLUMNS))],
        6 => vec![format!("ALTER TABLE {table_name} DROP COLUMN {}", random.pick(COLUMNS))],
        7 | 8 => vec![index(random, n)],
        9 => vec![format!("DROP INDEX IF EXISTS i{n}")],
        10 | 11 => vec![view(random, random_name(n, VIEWS))],
        12 => vec![format!("DROP VIEW IF EXISTS v{n}")],
        13 | 14 => vec![trigger(random, n)],
        15 => vec![format!("DROP TRIGGER IF EXISTS g{n}")],
        16 | 17 => again(random, catalogue),
        18 => vec!["ANALYZE".to_string()],
        19 => vec![format!("ANALYZE {table_name}")],
        20 => vec!["REINDEX".to_string()],
        21 => vec!["VACUUM".to_string()],
        22 => vec![format!("PRAGMA user_version = {n}")],
        23 => vec![random
            .pick(&["PRAGMA optimize", "PRAGMA incremental_vacuum", "PRAGMA wal_checkpoint", "PRAGMA optimize(0x10002)"])
            .to_string()],
        24 => vec![format!("CREATE TABLE IF NOT EXISTS t{n} AS SELECT * FROM {table_name}")],
        25 | 26 => vec!["VACUUM".to_string()],
        27..=29 => vec![format!("DROP TRIGGER IF EXISTS g{n}"), trigger(random, n)],
        _ => text(random, "f0"),
    }
}

fn random_name<'n>(n: usize, names: &[&'n str]) -> &'n str {
    names[n % names.len()]
}

/// The same name for something else.
fn again(random: &mut Random, catalogue: &Catalogue) -> Vec<String> {
    let Some(object) = catalogue.one(random, &[Sort::Table, Sort::View, Sort::Fts, Sort::Rtree]) else { return Vec::new() };
    let name = object.name.as_str();
    let mut all = vec![format!("DROP {} {name}", if object.sort == Sort::View { "VIEW" } else { "TABLE" })];
    match random.below(6) {
        0 | 1 => {
            all.push(table(random, name));
            all.push(format!("INSERT INTO {name} (a, b) VALUES (7, 'ash')"));
        }
        2 => all.push(view(random, name)),
        3 => {
            all.extend([format!("CREATE VIRTUAL TABLE {name} USING fts5(a, b)"), format!("INSERT INTO {name}(a, b) VALUES ('ash', 'elm')")])
        }
        4 => all.push(format!("CREATE VIRTUAL TABLE {name} USING rtree(id, x0, x1)")),
        _ => all.push(format!("CREATE TABLE {name} (a, b)")),
    }
    all
}

fn table(random: &mut Random, name: &str) -> String {
    let parent = random.pick(TABLES);
    let action = random.pick(&["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"]);
    let other = random.pick(&["CASCADE", "SET NULL", "SET DEFAULT", "RESTRICT", "NO ACTION"]);
    let mut columns = Vec::new();
    let shape = random.below(6).saturating_sub(1);
    columns.extend(match shape {
        0 => None,
        1 => Some("id INTEGER PRIMARY KEY".to_string()),
        2 => Some("id INTEGER PRIMARY KEY AUTOINCREMENT".to_string()),
        3 => Some("id INTEGER PRIMARY KEY DESC".to_string()),
        _ => Some("id INT PRIMARY KEY".to_string()),
    });
    columns.push(format!("a{}", random.pick(&["", "", " INT", " UNIQUE", " DEFAULT 5"])));
    columns.push(format!("b{}", random.pick(&["", " TEXT", " TEXT DEFAULT 'oak'", " TEXT COLLATE NOCASE"])));
    columns.push(match random.below(3) {
        0 if shape > 0 => format!(
            "c DEFAULT 3 REFERENCES {parent}(id) ON DELETE {action} ON UPDATE {other}{}",
            random.pick(&["", "", " DEFERRABLE INITIALLY DEFERRED"])
        ),
        1 => "c CHECK (c IS NULL OR typeof(c) <> 'integer' OR c < 17)".to_string(),
        _ => "c".to_string(),
    });
    if random.chance(25) {
        columns.push(format!("g AS (coalesce(a, 0) || b) {}", random.pick(&["VIRTUAL", "STORED"])));
    }
    format!("CREATE TABLE {name} ({}){}", columns.join(", "), if shape == 4 { " WITHOUT ROWID" } else { "" })
}

fn index(random: &mut Random, n: usize) -> String {
    let on = random.pick(TABLES);
    let what = random.pick(&["(a)", "(b, a)", "(lower(b))", "(a) WHERE b IS NOT NULL", "(a || b)", "(c, b DESC)", "(b) WHERE a > 5"]);
    format!("CREATE {}INDEX i{n} ON {on} {what}", if random.chance(20) { "UNIQUE " } else { "" })
}

fn view(random: &mut Random, name: &str) -> String {
    let mut source = || random.pick(&["t0", "t1", "t2", "t3", "t4", "v0", "v1", "v2"]);
    let (one, two) = (source(), source());
    let select = match random.below(9) {
        0 => format!("SELECT * FROM {one}"),
        1 => format!("SELECT quote(a) AS a, count(*) AS b, total(b) AS c FROM {one} GROUP BY quote(a)"),
        2 => format!("SELECT x.a, y.b FROM {one} AS x JOIN {two} AS y ON x.a = y.a"),
        3 => format!("SELECT count(*) AS a, 1 AS b FROM {one}"),
        4 => format!("SELECT a, (SELECT count(*) FROM {one}) AS b FROM {two}"),
        5 => format!("SELECT quote(a) AS a, 1 AS b FROM {one} UNION SELECT quote(b), 2 FROM {two}"),
        6 => format!("WITH q AS (SELECT a, b FROM {one}) SELECT a, b FROM q WHERE a IN (SELECT b FROM {two})"),
        7 => format!("SELECT 1 AS a, 2 AS b FROM {one}"),
        _ => format!("SELECT a, b FROM {one} WHERE a > 4"),
    };
    format!("CREATE VIEW {name} AS {select}")
}

fn trigger(random: &mut Random, n: usize) -> String {
    // A trigger writes tables of higher numbers only, so that no chain of them has no end.
    let from = random.below(TABLES.len() - 1);
    let (on, to) = (TABLES[from], TABLES[from + 1 + random.below(TABLES.len() - from - 1)]);
    let event = random.pick(&["INSERT", "UPDATE", "UPDATE OF a", "DELETE"]);
    let row = if event == "DELETE" { "old" } else { "new" };
    let few = format!("(SELECT count(*) FROM {to}) < 30");
    if random.chance(20) {
        let view = random.pick(VIEWS);
        return format!(
            "CREATE TRIGGER g{n} INSTEAD OF {} ON {view} BEGIN INSERT OR IGNORE INTO {to}(a, b) VALUES (1, 'elm'); END",
            &event[..6]
        );
    }
    if random.chance(12) {
        return format!(
            "CREATE TRIGGER g{n} AFTER INSERT ON {on} WHEN typeof(new.a) = 'integer' AND new.a < 9 AND (SELECT count(*) FROM {on}) < 40 \
             BEGIN INSERT OR IGNORE INTO {on}(a, b) VALUES (new.a + 1, 'again'); END"
        );
    }
    let body = match random.below(8) {
        0 | 1 => format!("INSERT OR IGNORE INTO {to}(a, b) SELECT {row}.a, 'fir' WHERE {few}"),
        2 => format!("UPDATE OR IGNORE {to} SET b = 'cedar' WHERE a = {row}.a"),
        3 => format!("DELETE FROM {to} WHERE a = {row}.a"),
        4 => format!("DELETE FROM {to}"),
        5 => format!("INSERT OR REPLACE INTO {to}(a, b) SELECT {row}.a, {row}.b WHERE {few}"),
        6 => format!("SELECT RAISE({}) WHERE {row}.a = 3", random.pick(&["IGNORE", "ABORT, 'no'", "ROLLBACK, 'no'", "FAIL, 'no'"])),
        _ => format!("SELECT RAISE(FAIL, 'full') WHERE (SELECT count(*) FROM {on}) > 12"),
    };
    let time = random.pick(&["BEFORE", "AFTER"]);
    let when = if random.chance(30) { format!(" WHEN {row}.b IS NOT NULL") } else { String::new() };
    format!("CREATE TRIGGER g{n} {time} {event} ON {on}{when} BEGIN {body}; END")
}

/// Full-text search, alone or over a table.
fn text(random: &mut Random, name: &str) -> Vec<String> {
    if random.chance(50) {
        let module = random.pick(&["fts5(b)", "fts5(a, b, detail=none)", "fts4(b)"]);
        let mut all = vec![format!("CREATE VIRTUAL TABLE {name} USING {module}")];
        if module.starts_with("fts5") {
            all.push(format!("CREATE VIRTUAL TABLE {name}words USING fts5vocab('{name}', 'row')"));
        }
        return all;
    }
    let on = random.pick(TABLES);
    vec![
        format!("CREATE VIRTUAL TABLE {name} USING fts5(b, content='{on}', content_rowid='rowid')"),
        format!("CREATE TRIGGER {name}i AFTER INSERT ON {on} BEGIN INSERT INTO {name}(rowid, b) VALUES (new.rowid, new.b); END"),
        format!("CREATE TRIGGER {name}d AFTER DELETE ON {on} BEGIN INSERT INTO {name}({name}, rowid, b) VALUES ('delete', old.rowid, old.b); END"),
    ]
}
