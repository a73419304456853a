//! Writes by chance, through this store and past it, and after each the same questions: every answer is that of the query without the cache.

use keepwell::driver::Mode;
use keepwell::{Params, TxMode};

use crate::bench::{everywhere, plain, Bench};

const TABLES: &str = "
    CREATE TABLE a(n INTEGER PRIMARY KEY, v INTEGER UNIQUE, s TEXT);
    CREATE TABLE b(n INTEGER PRIMARY KEY, a REFERENCES a(n) ON DELETE CASCADE ON UPDATE CASCADE);
    CREATE TABLE c(k TEXT PRIMARY KEY, b REFERENCES b(n) ON DELETE SET NULL) WITHOUT ROWID;
    CREATE TABLE log(what); CREATE VIEW v AS SELECT a.n, b.n AS bn FROM a LEFT JOIN b ON b.a = a.n;
    CREATE VIRTUAL TABLE f USING fts5(s);
    CREATE TRIGGER indexed AFTER INSERT ON a BEGIN INSERT INTO f VALUES (new.s); INSERT INTO log VALUES (new.n); END;
    CREATE TRIGGER thinned AFTER DELETE ON b BEGIN UPDATE log SET what = -what WHERE what = old.a; END;";

const QUESTIONS: &[&str] = &[
    "SELECT * FROM a ORDER BY n",
    "SELECT count(*) FROM a",
    "SELECT n, a FROM b ORDER BY n",
    "SELECT k, b FROM c ORDER BY k",
    "SELECT * FROM v ORDER BY n, bn",
    "SELECT sum(what), count(*) FROM log",
    "SELECT count(*) FROM f WHERE f MATCH 'word'",
    "SELECT count(*) FROM f_content",
    "SELECT EXISTS (SELECT 1 FROM c WHERE b IS NULL)",
    "SELECT type, name FROM sqlite_schema ORDER BY name",
];

/// Small numbers that are not in any order.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// One statement; it may find nothing, and it may fail.
    fn statement(&mut self) -> String {
        let (n, m) = (self.below(12), self.below(12));
        match self.below(20) {
            0 | 1 => format!("INSERT INTO a VALUES (NULL, {n}, 'word {m}')"),
            2 => format!("REPLACE INTO a VALUES ({n}, {m}, 'other word')"),
            3 => format!("INSERT OR FAIL INTO a VALUES (NULL, {n} + 100, 'x'), (NULL, {m}, 'y'), (NULL, {m}, 'z')"),
            4 => format!("INSERT INTO a VALUES ({n}, {m}, 'new') ON CONFLICT DO UPDATE SET s = 'old'"),
            5 => format!("UPDATE a SET n = {m} WHERE n = {n}"),
            6 => format!("DELETE FROM a WHERE n = {n}"),
            7 | 8 => format!("INSERT INTO b SELECT NULL, n FROM a WHERE n < {n}"),
            9 => format!("DELETE FROM b WHERE n % 7 = {}", n % 7),
            10 | 11 => format!("INSERT OR IGNORE INTO c VALUES ('{n}', {m})"),
            12 => format!("UPDATE c SET k = k || '{n}' WHERE k = '{m}'"),
            13 => "DELETE FROM log".to_string(),
            14 => format!("INSERT INTO f SELECT 'word ' || value FROM json_each('[{n},{m}]')"),
            15 => "DELETE FROM a".to_string(),
            16 => format!("UPDATE OR REPLACE a SET v = {n} WHERE n > {m}"),
            17 => "INSERT INTO log SELECT n FROM v RETURNING what".to_string(),
            _ => self.change_of_the_schema(),
        }
    }

    fn change_of_the_schema(&mut self) -> String {
        let all = [
            "CREATE INDEX IF NOT EXISTS i ON a(s)",
            "DROP INDEX IF EXISTS i",
            "CREATE TRIGGER IF NOT EXISTS more AFTER UPDATE ON a BEGIN INSERT INTO log VALUES (1000); END",
            "DROP TRIGGER IF EXISTS more",
            "ANALYZE",
            "INSERT INTO f(f) VALUES ('optimize')",
        ];
        all[self.below(all.len() as u64) as usize].to_string()
    }
}

/// Runs it by one of the routes of this store, or as a stranger. What fails fails; the questions are asked all the same.
fn write(bench: &Bench, stranger: Option<&rusqlite::Connection>, chance: &mut Chance) {
    let sql = chance.statement();
    match chance.below(8) {
        0 | 1 => drop(bench.store.execute(&sql, Params::NONE, &plain())),
        2 => drop(bench.store.query(&sql, Params::NONE, &crate::bench::cached())),
        3 => drop(bench.store.execute_script(&sql, &plain())),
        route @ 4..=5 => {
            let tx = bench.store.begin(TxMode::Write(if route == 4 { Mode::Immediate } else { Mode::Deferred }), &plain()).unwrap();
            for sql in [sql, chance.statement(), chance.statement()] {
                let _ = tx.execute(&sql, Params::NONE, &plain());
            }
            drop(if chance.below(4) == 0 { tx.rollback() } else { tx.commit() });
        }
        6 if chance.below(20) == 0 => bench.run("VACUUM"),
        _ => match stranger {
            Some(stranger) => drop(stranger.execute_batch(&sql)),
            None => drop(bench.store.execute(&sql, Params::NONE, &plain())),
        },
    }
}

#[test]
fn whatever_is_written_by_whatever_route_every_answer_is_that_without_the_cache() {
    everywhere(|bench| {
        bench.script(TABLES);
        let stranger = (bench.name() != ":memory:").then(|| bench.stranger());
        for seed in 1..=4 {
            let mut chance = Chance(seed);
            for _ in 0..150 {
                write(bench, stranger.as_ref(), &mut chance);
                for sql in QUESTIONS {
                    bench.ask(sql);
                }
            }
        }
        assert!(bench.stats().hits > 500, "{}: {:?}", bench.name(), bench.stats());
    });
}
