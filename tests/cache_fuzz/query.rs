//! Queries about whatever there is.

use keepwell::Value;

use crate::answer::Query;
use crate::catalogue::{Catalogue, Object, Sort};
use crate::random::Random;
use crate::values::{literal, value, WORDS};

const READABLE: &[Sort] = &[Sort::Table, Sort::Table, Sort::View, Sort::Fts, Sort::Rtree, Sort::Shadow, Sort::Vocabulary];

/// A query, with a table that is not there when there is none.
pub fn query(random: &mut Random, catalogue: &Catalogue) -> Query {
    let special = random.below(100);
    match special {
        0..=6 => about_the_engine(random, catalogue),
        7..=9 => impure(random, catalogue),
        10..=17 => of_a_virtual_table(random, catalogue),
        18..=20 => of_nothing(random),
        21..=49 => of_two(random, catalogue),
        _ => of_one(random, catalogue),
    }
}

/// A name and two columns of something.
struct Part {
    name: String,
    c: String,
    d: String,
    key: String,
    rowid: &'static str,
}

fn part(random: &mut Random, catalogue: &Catalogue) -> Part {
    let plain = random.chance(80);
    let found = catalogue.one(random, if plain { &[Sort::Table, Sort::View] } else { READABLE });
    match found {
        Some(object) => Part {
            name: spelled(random, &object.name),
            c: column(random, object),
            d: column(random, object),
            key: object.key.clone(),
            rowid: if object.has_rowid { "rowid" } else { "1" },
        },
        None => Part { name: "t0".into(), c: "a".into(), d: "b".into(), key: "rowid".into(), rowid: "rowid" },
    }
}

fn column(random: &mut Random, object: &Object) -> String {
    let fallback = "a".to_string();
    format!("\"{}\"", random.one_of(&object.columns).unwrap_or(&fallback))
}

/// The same name in the ways that people write it.
fn spelled(random: &mut Random, name: &str) -> String {
    match random.below(12) {
        0 => name.to_ascii_uppercase(),
        1 => format!("main.{name}"),
        2 => format!("\"{name}\""),
        3 => format!("[{name}]"),
        _ => name.to_string(),
    }
}

fn of_one(random: &mut Random, catalogue: &Catalogue) -> Query {
    let Part { name, c, d, key, rowid } = part(random, catalogue);
    let (v, w) = (value(random), value(random));
    match random.below(28) {
        0 => Query::plain(format!("SELECT * FROM {name}")),
        1 => Query::with(format!("SELECT {c}, {d} FROM {name} WHERE {c} = ?1"), vec![v]),
        2 => Query::plain(format!("SELECT count(*) FROM {name}")),
        3 => named(format!("SELECT EXISTS (SELECT 1 FROM {name} WHERE {c} = :x), :x"), &["x"], vec![v]),
        4 => Query::plain(format!("SELECT quote({c}), count(*), total({d}) FROM {name} GROUP BY quote({c})")),
        5 => Query::plain(format!("SELECT DISTINCT quote({c}) FROM {name}")),
        6 | 25 | 26 => Query::plain(format!("SELECT {rowid}, * FROM {name}")),
        7 => Query::plain(format!("SELECT max({rowid}), count({c}), min(quote({d})) FROM {name}")),
        8 => Query::with(format!("SELECT {c} FROM {name} WHERE {c} BETWEEN ?1 AND ?2"), vec![v, w]),
        9 => Query::with(format!("SELECT {c} FROM {name} WHERE {c} LIKE ?1"), vec![Value::Text(b"%i%".to_vec())]),
        10 => Query::plain(format!("SELECT quote({c}), row_number() OVER (ORDER BY quote({c})) FROM {name}")),
        11 => Query::plain(format!("SELECT quote({c}), count(*) OVER (PARTITION BY quote({d})) FROM {name}")),
        12 => Query::plain(format!("SELECT count(*) FILTER (WHERE {c} > 3) AS n FROM {name}")),
        13 => Query::plain(format!("WITH q(k) AS (SELECT {c} FROM {name}) SELECT count(*), max(quote(k)) FROM q")),
        14 => Query::plain(format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < (SELECT count(*) FROM {name})) SELECT sum(i) FROM n"
        )),
        15 => Query::plain(format!("SELECT x FROM (SELECT 1 AS x FROM {name})")),
        16 => Query::plain(format!("SELECT {c} FROM {name} WHERE 0")),
        17 => Query::plain(format!("SELECT 1 WHERE EXISTS (SELECT * FROM {name})")),
        18 => Query::plain(format!("SELECT json_group_array(quote({c}) ORDER BY quote({c})) FROM {name}")),
        19 => Query::plain(format!("SELECT t.{c}, j.value FROM {name} AS t, json_each(json_array(t.{c}, 1)) AS j")),
        20 if !key.is_empty() => {
            let limit = vec![Value::Integer(random.below(6) as i64), Value::Integer(random.below(4) as i64)];
            let sql = format!("SELECT {c}, {d} FROM {name} ORDER BY {key} LIMIT ?1 OFFSET ?2");
            Query { ordered: true, ..Query::with(sql, limit) }
        }
        21 => Query::plain(format!("SELECT {c} FROM {name} WHERE {c} = {} OR {d} IS NULL", literal(random))),
        22 => Query::plain(format!("SELECT (SELECT count(*) FROM {name}) AS n, typeof({c}) FROM {name}")),
        23 => named(format!("SELECT {c} FROM {name} WHERE {c} > :low AND {c} < :high"), &["high", "low"], vec![v, w]),
        24 => Query::plain(format!("SELECT group_concat(quote({c}), ',' ORDER BY quote({c})) FROM {name} WHERE {d} IS NOT NULL")),
        _ => Query::plain(format!("SELECT {c} AS \"{}\" FROM {name}", random.pick(WORDS))),
    }
}

fn of_two(random: &mut Random, catalogue: &Catalogue) -> Query {
    let (one, two) = (part(random, catalogue), part(random, catalogue));
    let (t, c, d) = (one.name, one.c, one.d);
    let (u, e, f) = (two.name, two.c, two.d);
    let operator = random.pick(&["UNION", "EXCEPT", "INTERSECT", "UNION ALL"]);
    match random.below(17) {
        0 => Query::plain(format!("SELECT x.{c}, y.{f} FROM {t} AS x JOIN {u} AS y ON x.{d} = y.{e}")),
        1 => Query::plain(format!("SELECT x.{c}, y.{f} FROM {t} AS x LEFT JOIN {u} AS y ON x.{d} = y.{e}")),
        2 => Query::plain(format!("SELECT x.{c}, (SELECT count(*) FROM {u} AS y WHERE y.{e} = x.{d}) FROM {t} AS x")),
        3 => Query::plain(format!("SELECT {c} FROM {t} WHERE {d} IN (SELECT {e} FROM {u})")),
        4 => Query::plain(format!("SELECT {c} FROM {t} WHERE {d} IN {u}")),
        5 => Query::plain(format!("SELECT quote({c}) FROM {t} {operator} SELECT quote({e}) FROM {u}")),
        6 => Query::plain(format!("SELECT (SELECT count(*) FROM {t}) + (SELECT count(*) FROM {u}) AS n")),
        7 => Query::plain(format!("SELECT count(*) FROM {t} AS x, {u} AS y")),
        8 => Query::plain(format!("SELECT x.{c} FROM {t} AS x WHERE NOT EXISTS (SELECT 1 FROM {u} AS y WHERE y.{e} = x.{c})")),
        9 => Query::plain(format!("WITH q AS MATERIALIZED (SELECT {e} AS k FROM {u}) SELECT count(*) FROM {t}, q WHERE {c} = k")),
        // A common table expression that has the name of a table.
        10 => Query::plain(format!("WITH t1 AS (SELECT count(*) AS n FROM {t}) SELECT n, (SELECT count(*) FROM {u}) FROM t1")),
        11 => Query::plain(format!("SELECT x.{c} FROM {t} AS x FULL JOIN {u} AS y ON x.{d} = y.{e} WHERE y.{f} IS NULL")),
        12 => Query::plain(format!("SELECT CASE WHEN EXISTS (SELECT 1 FROM {t}) THEN (SELECT count(*) FROM {u}) ELSE -1 END AS n")),
        // A table that joins by its columns alone, of which the authorizer is told nothing.
        13 => Query::plain(format!("SELECT count(*) FROM {t} NATURAL JOIN {u}")),
        14 => Query::plain(format!("SELECT 1 FROM {t} AS x LEFT JOIN {u} AS y USING ({c})")),
        15 => Query::plain(format!("SELECT x.{d} FROM {t} AS x JOIN (SELECT {e} AS {c} FROM {u}) USING ({c})")),
        _ => Query::with(format!("SELECT count(*) FROM {t} WHERE {c} > (SELECT min({e}) FROM {u} WHERE {f} <> ?1)"), vec![value(random)]),
    }
}

fn of_a_virtual_table(random: &mut Random, catalogue: &Catalogue) -> Query {
    let Some(object) = catalogue.one(random, &[Sort::Fts, Sort::Rtree, Sort::Shadow, Sort::Vocabulary]) else {
        return of_one(random, catalogue);
    };
    let (name, c) = (&object.name, column(random, object));
    match (object.sort, random.below(4)) {
        (Sort::Fts, 0) => Query::with(
            format!("SELECT rowid, * FROM {name} WHERE {name} MATCH ?1"),
            vec![Value::Text(random.pick(WORDS).as_bytes().to_vec())],
        ),
        (Sort::Fts, 1) => Query::plain(format!("SELECT rowid FROM {name}('elm OR fir')")),
        (Sort::Rtree, 0 | 1) => {
            Query::with(format!("SELECT * FROM {name} WHERE x0 < ?1 AND x1 > 2"), vec![Value::Integer(random.below(20) as i64)])
        }
        (_, 2) => Query::plain(format!("SELECT count(*), max(quote({c})) FROM {name}")),
        _ => Query::plain(format!("SELECT * FROM {name}")),
    }
}

fn about_the_engine(random: &mut Random, catalogue: &Catalogue) -> Query {
    let Part { name, .. } = part(random, catalogue);
    match random.below(12) {
        0 => Query { ordered: true, ..Query::plain("SELECT name, type, rootpage, sql FROM sqlite_schema ORDER BY name, type") },
        1 => Query::plain("SELECT * FROM sqlite_sequence"),
        2 => Query::plain("SELECT count(*) FROM sqlite_master"),
        3 => Query::plain("SELECT tbl, idx, stat FROM sqlite_stat1"),
        4 => Query::plain("SELECT count(*) FROM sqlite_stat4"),
        5 => Query::plain("SELECT * FROM pragma_user_version"),
        6 => Query::plain(format!("SELECT name, type FROM pragma_table_info('{name}')")),
        7 => Query::plain("SELECT name, pageno FROM dbstat"),
        8 => Query::plain(format!("SELECT s.name, (SELECT count(*) FROM {name}) FROM sqlite_schema AS s")),
        9 => Query::plain("SELECT max(rootpage) FROM Sqlite_Master"),
        10 => Query::plain("SELECT coalesce(max(seq), 0) FROM sqlite_sequence"),
        _ => Query::plain("SELECT schema_version FROM pragma_schema_version"),
    }
}

fn impure(random: &mut Random, catalogue: &Catalogue) -> Query {
    let Part { name, c, .. } = part(random, catalogue);
    let call = random.pick(&[
        "random()",
        "hex(randomblob(4))",
        "datetime('now')",
        "strftime('%s', 'now')",
        "changes()",
        "total_changes()",
        "last_insert_rowid()",
        "CURRENT_TIMESTAMP",
        "julianday('now')",
        "sqlite_source_id()",
    ]);
    let sql = match random.below(3) {
        0 => format!("SELECT {call}"),
        1 => format!("SELECT {c}, {call} FROM {name}"),
        _ => format!("SELECT count(*) FROM {name} WHERE {call} IS NOT NULL"),
    };
    Query { impure: true, ..Query::plain(sql) }
}

/// Values that print alike, and names that change places.
fn of_nothing(random: &mut Random) -> Query {
    let alike = [Value::Integer(1), Value::Real(1.0), Value::Text(b"1".to_vec()), Value::Blob(b"1".to_vec()), Value::Null];
    let mut one = || alike[random.below(alike.len())].clone();
    let (v, w) = (one(), one());
    match random.below(8) {
        0 | 1 => Query::with("SELECT ?1, typeof(?1), quote(?2)", vec![v, w]),
        2 => Query::plain("VALUES (1, 'a'), (2, NULL)"),
        3 => Query::with("SELECT value, type FROM json_each(?1)", vec![Value::Text(b"[1, \"b\", null, 2.5]".to_vec())]),
        4..=6 => {
            let names: &[&str] = if random.chance(50) { &["a", "b"] } else { &["b", "a"] };
            named("SELECT :a AS a, :b AS b".to_string(), names, vec![Value::Integer(1), Value::Integer(2)])
        }
        _ => Query::with("SELECT abs(?1)", vec![Value::Integer(-3)]),
    }
}

fn named(sql: String, names: &[&str], values: Vec<Value>) -> Query {
    Query { names: Some(names.iter().map(|name| name.to_string()).collect()), ..Query::with(sql, values) }
}
