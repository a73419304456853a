//! The arguments, as clap reads them.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand};
use keepwell::migrate::{policy, Format};

use super::exit;
use super::top::Address;

/// keepwell: an embedded data layer over SQLite.
#[derive(Parser)]
#[command(name = "keepwell", version, arg_required_else_help = true, after_help = exit::HELP)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Command,
}

impl Arguments {
    /// Reads the program's arguments. Ends it with code 2 and the usage where they are wrong.
    pub fn read() -> Arguments {
        let arguments = Arguments::parse();
        let Command::Migrate(migrate) = &arguments.command else { return arguments };
        // clap keeps the innermost command's values alone; a policy must not get lost that way.
        let given = env::args_os().take_while(|argument| argument != "--").filter(is_policy).count();
        if given > migrate.common.policies.len() {
            let message = "--set is given before the command and after it; give all of them after it";
            Arguments::command().error(ErrorKind::ArgumentConflict, message).exit();
        }
        arguments
    }
}

fn is_policy(argument: &OsString) -> bool {
    argument == "--set" || argument.to_string_lossy().starts_with("--set=")
}

#[derive(Subcommand)]
pub enum Command {
    /// Numbered changes of a schema, each applied once.
    Migrate(Migrate),
    /// What is in a database file: its tables and indexes by size, its settings, and whether it is sound.
    Stats(Stats),
    /// What the stores of a running process do, as its metrics tell it (metrics.listen).
    Top(Top),
}

#[derive(Args)]
#[command(after_help = exit::HELP)]
pub struct Stats {
    /// The database: a path or a `file:` URI [env: KEEPWELL_DATABASE]
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// keepwell's YAML configuration; FILE names another file than it does [env: KEEPWELL_CONFIG]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Check every page, row and index (PRAGMA integrity_check), but no CHECK: exit with 4 when something is wrong
    #[arg(long)]
    pub integrity_check: bool,
    /// The same without comparing indexes with their tables, which is faster (PRAGMA quick_check)
    #[arg(long)]
    pub quick: bool,
    /// Look for rows whose foreign keys lead nowhere; exit with 4 when there are any
    #[arg(long)]
    pub foreign_key_check: bool,
    /// How long it may take, such as 30s; else as long as it takes
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Write the report as one JSON object, errors too, and nothing else, to standard output
    #[arg(long)]
    pub json: bool,
    /// Say nothing but errors and what the checks found
    #[arg(short, long)]
    pub quiet: bool,
}

#[derive(Args)]
#[command(after_help = exit::HELP)]
pub struct Top {
    /// Where the process shows its metrics: its metrics.listen
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:9187")]
    pub address: Address,
    /// The time between two looks, such as 500ms; a plain number is in seconds
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub interval: Duration,
    /// This store alone, by its label
    #[arg(long, value_name = "LABEL")]
    pub store: Option<String>,
    /// Write one sample as plain lines, and end
    #[arg(long, conflicts_with = "batch")]
    pub once: bool,
    /// Write so many samples as plain lines, and end
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub batch: Option<u64>,
    /// Write one sample as a JSON object, errors too, or one a line with --batch
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
#[command(after_help = exit::HELP)]
pub struct Migrate {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub action: Action,
}

/// What every command takes.
#[derive(Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Common {
    /// The folder of the migrations
    #[arg(long, global = true, value_name = "DIR", default_value = "migrations")]
    pub dir: PathBuf,
    /// The folder's layout, where it does not show
    #[arg(long, global = true, value_name = "NAME", value_parser = format, long_help = formats())]
    pub format: Option<Format>,
    /// The database: a path, a `file:` URI or `:memory:` [env: KEEPWELL_DATABASE]
    #[arg(long, global = true, value_name = "PATH")]
    pub database: Option<String>,
    /// keepwell's YAML configuration; --database names another file than it does [env: KEEPWELL_CONFIG]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How a doubtful case is decided, such as out_of_order=accept; may be given several times
    #[arg(long = "set", global = true, value_name = "KEY=VALUE", value_parser = pair, long_help = policies())]
    pub policies: Vec<(String, String)>,
    /// How long it may take, such as 30s; else as long as it takes
    #[arg(long, global = true, value_name = "TIME", value_parser = duration)]
    pub timeout: Option<Duration>,
    /// Write the report as one JSON object, errors too, and nothing else, to standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Say nothing but errors and problems
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say each statement
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

/// How far up.
#[derive(Args)]
pub struct Reach {
    /// No further than this version
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(0..))]
    pub to: Option<i64>,
    /// No more than so many migrations
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
}

#[derive(Args)]
pub struct Version {
    #[arg(value_parser = clap::value_parser!(i64).range(0..))]
    pub version: i64,
}

#[derive(Subcommand)]
pub enum Action {
    /// Apply what is pending; makes the database where there is none
    Up(Reach),
    /// Undo the newest migration, or more
    Down {
        #[command(flatten)]
        reach: Reach,
        /// Undo all
        #[arg(long, conflicts_with_all = ["to", "steps"])]
        all: bool,
    },
    /// Apply or undo until VERSION is the newest one applied
    To(Version),
    /// Undo the newest migration and apply it again
    Redo,
    /// Say where every migration stands
    Status {
        /// Exit with 3 when something is pending
        #[arg(long)]
        check: bool,
    },
    /// Say what `up` would do; nothing is written
    Plan {
        #[command(flatten)]
        reach: Reach,
        /// Exit with 3 when there is something to do
        #[arg(long)]
        check: bool,
    },
    /// Do what `up` would do in one transaction and roll it back
    DryRun(Reach),
    /// Do it, undo it and do it again on a copy of the database; exit with 4 when something differs
    Rehearse(Reach),
    /// Take everything up to VERSION for applied, without running it
    Baseline(Version),
    /// Take this one VERSION for applied, without running it
    Mark(Version),
    /// Take over another tool's history, with its checksums verified
    Adopt,
    /// Compare history, files, schema and foreign keys; exit with 4 when something is wrong
    Verify,
    /// Write the files of a new migration
    New {
        /// Letters, digits, `_` and `-`; blanks become `_`
        name: String,
        /// Number it with the next number
        #[arg(long, conflicts_with = "timestamp")]
        sequential: bool,
        /// Number it with the time, UTC
        #[arg(long)]
        timestamp: bool,
    },
    /// Write the schema as SQL that makes it anew
    Dump {
        /// Write it to this file
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Make a table anew with another definition; rows, indexes, triggers, views and references are kept
    Rebuild {
        table: String,
        /// A file with one CREATE TABLE statement for the same name; `-`: standard input
        #[arg(long, value_name = "FILE")]
        definition: PathBuf,
        /// A column and the expression over the old table that fills it; may be given several times
        #[arg(long = "column", value_name = "NAME=EXPRESSION", value_parser = pair)]
        columns: Vec<(String, String)>,
    },
}

fn format(name: &str) -> Result<Format, String> {
    Format::from_name(name).ok_or_else(|| format!("there is no such layout; there are {}", names()))
}

fn names() -> String {
    Format::ALL.map(|(_, name)| name).join(", ")
}

fn formats() -> String {
    format!("The folder's layout, where it does not show: {}", names())
}

fn policies() -> String {
    let keys = policy::KEYS.map(|(name, takes)| format!("\n  {name}: {takes}"));
    format!("How a doubtful case is decided; may be given several times:{}", keys.concat())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a name, `=` and a value are wanted")?;
    Ok((key.trim().to_string(), value.to_string()))
}

fn duration(text: &str) -> Result<Duration, String> {
    keepwell::config::duration(text).ok_or_else(|| "a time is wanted, such as 250ms, 30s, 2m or 1h".to_string())
}

fn interval(text: &str) -> Result<Duration, String> {
    duration(text).and_then(|time| if time.is_zero() { Err("0 is no interval".to_string()) } else { Ok(time) })
}
