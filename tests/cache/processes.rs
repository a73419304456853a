//! Commits of real other processes, with another build of SQLite: Python's. Skipped, with a word, where there is no Python.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::bench::{in_files, Bench, T, U};

/// A Python process with `path`, `sqlite3` and a connection `db` in its hands.
struct Python {
    child: Child,
    tell: ChildStdin,
    hear: Box<dyn BufRead>,
}

const SET_UP: &str = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
while True:
    lines = []
    for line in iter(sys.stdin.readline, 'go\\n'):
        if not line: sys.exit()
        lines.append(line)
    exec(''.join(lines))
    print('done', flush=True)
";

impl Python {
    /// `None` where there is no Python with SQLite.
    fn start(bench: &Bench) -> Option<Python> {
        let works = Command::new("python3").args(["-c", "import sqlite3"]).output().is_ok_and(|output| output.status.success());
        if !works {
            println!("skipped: there is no python3 with sqlite3");
            return None;
        }
        let mut python = Command::new("python3");
        python.args(["-c", SET_UP]).arg(bench.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = python.spawn().unwrap();
        let (tell, hear) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Some(Python { child, tell, hear: Box::new(BufReader::new(hear)) })
    }

    /// Runs `code` and waits for its end.
    fn does(&mut self, code: &str) {
        writeln!(self.tell, "{code}\ngo").unwrap();
        let mut answer = String::new();
        self.hear.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "{code}");
    }

    fn executes(&mut self, sql: &str) {
        self.does(&format!("db.execute({sql:?})"));
    }

    /// Kills it where it stands.
    fn dies(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

#[test]
fn a_commit_of_another_process_moves_everything() {
    in_files(|bench| {
        let Some(mut python) = Python::start(bench) else { return };
        for n in 10..13 {
            bench.warm();
            python.executes(&format!("INSERT INTO t VALUES ({n}, 'theirs')"));
            bench.moved(T);
            bench.moved(U);
            python.executes("DELETE FROM u");
            bench.run("INSERT INTO u VALUES (1)");
            bench.moved(T);
            bench.moved(U);
        }
        python.dies();
    });
}

#[test]
fn a_trigger_of_another_process_is_followed_from_its_first_run_on() {
    in_files(|bench| {
        let Some(mut python) = Python::start(bench) else { return };
        let insert = "INSERT INTO t VALUES (NULL, 'again')";
        bench.run(insert);
        python.executes("CREATE TRIGGER also AFTER INSERT ON t BEGIN INSERT INTO u VALUES (new.n); END");
        for _ in 0..3 {
            bench.warm();
            bench.run(insert);
            bench.moved(T);
            bench.moved(U);
        }
        python.executes("DROP TABLE u");
        python.executes("CREATE TABLE u(n, more)");
        bench.settles("SELECT * FROM u");
        python.dies();
    });
}

/// So large that it is written to the log, or to the file beside a hot journal, before it is committed.
const UNCOMMITTED: &str = "
db.execute('PRAGMA cache_size = 5')
db.execute('BEGIN IMMEDIATE')
for n in range(200): db.execute('INSERT INTO t VALUES (?, ?)', (1000 + n, 'x' * 2000))
db.execute('UPDATE t SET s = 1')";

#[test]
fn what_a_killed_process_did_not_commit_is_never_seen() {
    in_files(|bench| {
        for _ in 0..3 {
            let Some(mut python) = Python::start(bench) else { return };
            bench.warm();
            python.does(UNCOMMITTED);
            python.dies();
            bench.settles(T);
            bench.run("INSERT INTO t VALUES (NULL, 'after')");
            bench.moved(T);
            bench.stranger().execute("INSERT INTO t VALUES (NULL, 'theirs')", []).unwrap();
            bench.moved(T);
        }
    });
}

#[test]
fn a_database_that_is_restored_over_this_one_is_noticed() {
    in_files(|bench| {
        let Some(mut python) = Python::start(bench) else { return };
        python.does("old = sqlite3.connect(':memory:'); db.backup(old)");
        for _ in 0..3 {
            bench.run("INSERT INTO t VALUES (NULL, 'too much')");
            bench.script("CREATE TABLE IF NOT EXISTS late(n)");
            bench.warm();
            python.does("old.backup(db)");
            bench.settles(T);
            bench.settles(U);
            assert_eq!(bench.truth(T, &[]).len(), 2);
            bench.run("INSERT INTO u VALUES (1)");
            bench.settles(U);
        }
        python.dies();
    });
}

#[test]
fn a_log_that_another_process_cuts_leaves_results_right() {
    let bench = &Bench::new();
    let Some(mut python) = Python::start(bench) else { return };
    for _ in 0..3 {
        bench.warm();
        python.does("db.execute('PRAGMA wal_checkpoint(TRUNCATE)').fetchall()");
        bench.settles(T);
        python.executes("INSERT INTO t VALUES (NULL, 'theirs')");
        bench.moved(T);
        bench.run("INSERT INTO t VALUES (NULL, 'mine')");
        bench.moved(T);
    }
    python.dies();
}
