//! Other processes that write: this program run again, and Python with the SQLite of the system. Fed line by line.
//!
//! `open <path>`, `run <SQL>`, `store <SQL>` (through a keepwell of its own), `backup <path of the source>`, `close`; each is answered by a
//! line that begins with `@`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use keepwell::{QueryOptions, Store};

/// Set for the process that is this program run again.
pub const ROLE: &str = "KEEPWELL_FUZZ_HELPER";

const PYTHON: &str = r#"
import sqlite3, sys
print("@" + sqlite3.sqlite_version, flush=True)
db = None
for line in sys.stdin:
    verb, _, rest = line.rstrip("\n").partition(" ")
    try:
        if verb == "open":
            db = sqlite3.connect(rest, timeout=0, isolation_level=None)
            db.execute("PRAGMA foreign_keys=on")
        elif verb == "run":
            for sql in rest.split("\x1f"):
                db.execute(sql).fetchall()
        elif verb == "backup":
            source = sqlite3.connect(rest)
            source.backup(db)
            source.close()
        elif verb == "close":
            db.close()
            db = None
        print("@ok", flush=True)
    except Exception as error:
        if db is not None and db.in_transaction:
            db.execute("ROLLBACK")
        print("@" + repr(error).replace("\n", " "), flush=True)
"#;

pub struct Helper {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Helper {
    /// This program, run again.
    pub fn own() -> Helper {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.args(["--exact", "the_other_process", "--ignored", "--nocapture"]).env(ROLE, "1");
        Helper::start(command).expect("this program runs again").0
    }

    /// Python, where it is there and its SQLite is another one than ours.
    pub fn python() -> Option<Helper> {
        let mut command = Command::new("python3");
        command.args(["-c", PYTHON]);
        let (helper, version) = Helper::start(command)?;
        let ours = rusqlite::version();
        println!("python's SQLite is {version}, ours is {ours}");
        (version != ours).then_some(helper)
    }

    fn start(mut command: Command) -> Option<(Helper, String)> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().ok()?;
        let (to, from) = (child.stdin.take()?, BufReader::new(child.stdout.take()?));
        let mut helper = Helper { child, to, from };
        let hello = helper.answer()?;
        Some((helper, hello))
    }

    /// Says something and waits for the answer; whether it was done.
    pub fn tell(&mut self, verb: &str, rest: &str) -> bool {
        writeln!(self.to, "{verb} {rest}").expect("the other process listens");
        self.answer().expect("the other process answers") == "ok"
    }

    /// Several statements at once.
    pub fn run(&mut self, verb: &str, statements: &[String]) -> bool {
        self.tell(verb, &statements.join("\x1f"))
    }

    pub fn open(&mut self, place: &Path) {
        assert!(self.tell("open", &place.display().to_string()), "the other process opens the file");
    }

    /// Ends it in the middle of whatever it does.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    fn answer(&mut self) -> Option<String> {
        let mut line = String::new();
        loop {
            line.clear();
            if self.from.read_line(&mut line).ok()? == 0 {
                return None;
            }
            // The harness of the tests writes on the same stream, also in front of the first answer.
            if let Some((_, said)) = line.split_once('@') {
                return Some(said.trim_end().to_string());
            }
        }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The other end, in the process that is this program run again.
pub fn serve() {
    println!("@{}", rusqlite::version());
    let mut database: Option<(rusqlite::Connection, Store)> = None;
    for line in std::io::stdin().lines() {
        let line = line.unwrap();
        let (verb, rest) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        let done = match (verb, &database) {
            ("open", _) => open(rest).map(|opened| database = Some(opened)),
            ("close", _) => {
                database = None;
                Ok(())
            }
            ("run", Some((raw, _))) => raw_batch(raw, rest),
            ("store", Some((_, store))) => store_batch(store, rest),
            _ => Err("unknown".to_string()),
        };
        println!("@{}", done.err().map_or("ok".to_string(), |error| error.replace('\n', " ")));
    }
}

fn open(place: &str) -> Result<(rusqlite::Connection, Store), String> {
    let mut config = keepwell::Config::new();
    // The journal's mode stays as it is.
    let raw = rusqlite::Connection::open(place).map_err(|error| error.to_string())?;
    raw.busy_timeout(std::time::Duration::ZERO).unwrap();
    let mode: String = raw.query_row("PRAGMA journal_mode", [], |row| row.get(0)).map_err(|error| error.to_string())?;
    let settings = [("datasource", place), ("options.journal_mode", mode.as_str()), ("options.busy_timeout", "0")];
    settings.iter().try_for_each(|(key, value)| config.set(key, value)).map_err(|error| error.to_string())?;
    let store = Store::open(&config).map_err(|error| error.to_string())?;
    Ok((raw, store))
}

fn raw_batch(raw: &rusqlite::Connection, statements: &str) -> Result<(), String> {
    let result = statements.split('\x1f').try_for_each(|sql| raw.execute_batch(sql));
    if result.is_err() && !raw.is_autocommit() {
        let _ = raw.execute_batch("ROLLBACK");
    }
    result.map_err(|error| error.to_string())
}

fn store_batch(store: &Store, statements: &str) -> Result<(), String> {
    let script = statements.replace('\x1f', ";\n");
    store.execute_script(&script, &QueryOptions::default()).map(drop).map_err(|error| error.to_string())
}
