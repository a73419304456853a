//! A folder with migrations and a database, and the program run in it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use serde_json::Value;
use temp_dir::TempDir;

/// The program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_keepwell");

/// Two migrations that can be undone.
pub const PEOPLE: [(&str, &str); 4] = [
    ("1_people.up.sql", "CREATE TABLE person(id INTEGER PRIMARY KEY, name TEXT);\nINSERT INTO person(name) VALUES ('Ada'), ('Grace');"),
    ("1_people.down.sql", "DROP TABLE person;"),
    ("2_age.up.sql", "ALTER TABLE person ADD COLUMN age INTEGER;"),
    ("2_age.down.sql", "ALTER TABLE person DROP COLUMN age;"),
];

pub struct Stage {
    folder: TempDir,
}

/// What a run of the program came to.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Stage {
    pub fn new() -> Stage {
        Stage { folder: TempDir::new().unwrap() }
    }

    /// With files in `migrations`.
    pub fn with(files: &[(&str, &str)]) -> Stage {
        let stage = Stage::new();
        files.iter().for_each(|(name, text)| stage.write(&format!("migrations/{name}"), text));
        stage
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// The names in `migrations`, sorted.
    pub fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("migrations")).unwrap();
        let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// `keepwell migrate` with these arguments, on `app.db` of the folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(arguments);
        command.env("KEEPWELL_DATABASE", "app.db");
        command
    }

    /// The same without a database.
    pub fn bare(&self, arguments: &[&str]) -> Command {
        self.program(&[&["migrate"], arguments].concat())
    }

    /// `keepwell` with these arguments, in the folder.
    pub fn program(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).current_dir(self.folder.path());
        command.env_remove("KEEPWELL_DATABASE").env_remove("KEEPWELL_CONFIG");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    /// Runs it and expects this code.
    pub fn expect(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        assert_eq!(ran.code, code, "{arguments:?}: {ran:?}");
        ran
    }

    pub fn done(&self, arguments: &[&str]) -> Ran {
        self.expect(0, arguments)
    }

    /// Runs it with `--json` and gives the object.
    pub fn json(&self, code: i32, arguments: &[&str]) -> Value {
        let ran = self.expect(code, &[arguments, &["--json"]].concat());
        serde_json::from_str(&ran.out).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
    }

    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Ran {
        let mut child = self.command(arguments).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        Ran::of(child.wait_with_output().unwrap())
    }
}

impl Ran {
    pub fn of(output: Output) -> Ran {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ran { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }
}
