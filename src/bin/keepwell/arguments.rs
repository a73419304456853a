//! The arguments of the command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

#[derive(Parser)]
#[command(name = "keepwell", version, about = "keepwell: one embedded data layer", disable_help_subcommand = true)]
pub struct Arguments {
    #[command(subcommand)]
    pub command: Top,
}

#[derive(Subcommand)]
pub enum Top {
    /// Migrations of a database: apply, undo, look, rehearse, take over
    Migrate(Migrate),
}

const CODES: &str = "Exit codes:
  0  done, or nothing to do          4  verify or rehearse found problems
  1  an error                        5  refused by a policy or the history (KW_MIGRATION)
  2  wrong usage                     6  the database is newer than the migrations (KW_SCHEMA_NEWER)
  3  something is pending (--check)  7  a timeout, a lock, or Ctrl-C";

#[derive(Args)]
#[command(after_help = CODES)]
pub struct Migrate {
    #[command(flatten)]
    pub common: Common,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Args)]
pub struct Common {
    /// The folder of the migrations
    #[arg(long, global = true, default_value = "migrations")]
    pub dir: PathBuf,
    /// Its layout, where it does not show: keepwell, golang-migrate, goose, dbmate, sqlx, refinery, flyway, diesel, rusqlite_migration
    #[arg(long, global = true)]
    pub format: Option<String>,
    /// The database: a path, or a file: URI
    #[arg(long, global = true, env = "KEEPWELL_DATABASE")]
    pub database: Option<String>,
    /// keepwell's YAML configuration, which names the database
    #[arg(long, global = true, env = "KEEPWELL_CONFIG")]
    pub config: Option<PathBuf>,
    /// A policy: out_of_order, changed, missing, newer, gaps, interrupted, transactions, lock_timeout, snapshot, ignore, who, program
    #[arg(long = "set", global = true, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Ends what runs, and undoes the migration that it is in, after this time (30s, 5m)
    #[arg(long, global = true)]
    pub timeout: Option<String>,
    /// The report as JSON on the standard output
    #[arg(long, global = true)]
    pub json: bool,
    /// Only errors
    #[arg(long, short, global = true)]
    pub quiet: bool,
    /// Each statement too
    #[arg(long, short, global = true)]
    pub verbose: bool,
}

/// How far to go.
#[derive(Args, Clone, Copy)]
pub struct Reach {
    /// Up to this version
    #[arg(long)]
    pub to: Option<i64>,
    /// No more than so many
    #[arg(long)]
    pub steps: Option<usize>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Apply what is pending
    Up(Reach),
    /// Undo the newest one, or down to a version
    Down {
        /// Undo what is above this version
        #[arg(long, conflicts_with = "all")]
        to: Option<i64>,
        /// So many
        #[arg(long, conflicts_with = "all")]
        steps: Option<usize>,
        /// Undo everything
        #[arg(long)]
        all: bool,
    },
    /// Apply or undo until this version is the newest one
    To { version: i64 },
    /// Undo the newest one and apply it again
    Redo,
    /// How each migration stands
    Status {
        /// Exit with 3 when something is pending
        #[arg(long)]
        check: bool,
    },
    /// What `up` would do
    Plan {
        #[command(flatten)]
        reach: Reach,
        /// Exit with 3 when something is pending
        #[arg(long)]
        check: bool,
    },
    /// Do what `up` would do in one transaction, and roll it back
    DryRun(Reach),
    /// Up, down and up again on a copy of the database
    Rehearse(Reach),
    /// Take everything up to a version for applied
    Baseline { version: i64 },
    /// Take one version for applied
    Mark { version: i64 },
    /// Take over the history of another tool
    Adopt,
    /// Checksums, order, changes of the schema by other means, foreign keys
    Verify,
    /// Write the files of a new migration
    New {
        /// What it does, such as add_people
        name: String,
        /// The number after the newest one, whatever the folder's habit is
        #[arg(long, conflicts_with = "timestamp")]
        sequential: bool,
        /// The time (UTC), whatever the folder's habit is
        #[arg(long)]
        timestamp: bool,
    },
    /// The schema as SQL
    Dump {
        /// Write it there
        #[arg(long, short)]
        output: Option<PathBuf>,
    },
    /// Make a table anew with another definition, in SQLite's twelve steps
    Rebuild {
        table: String,
        /// A file with the CREATE TABLE statement; - is the standard input
        #[arg(long)]
        definition: PathBuf,
        /// What fills a column: an SQL expression over the old table
        #[arg(long = "column", value_name = "NAME=EXPRESSION")]
        columns: Vec<String>,
    },
}
