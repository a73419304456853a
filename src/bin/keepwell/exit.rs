//! Exit codes that scripts can use. `HELP` and the README say them.

use keepwell::migrate::Report;
use keepwell::{Error, Kind};

/// Done, or nothing to do.
pub const DONE: u8 = 0;
/// Something is pending, where that was asked for.
pub const PENDING: u8 = 3;
/// What was looked at is not as it should be.
pub const PROBLEMS: u8 = 4;

/// The table of codes, for `--help`.
pub const HELP: &str = "Exit codes:
  0  done, or nothing to do
  1  an error
  2  wrong usage: arguments, policies or configuration
  3  something is pending (status --check, plan --check)
  4  verify, rehearse or a check of stats found problems
  5  the migrations or their history refuse (KW_MIGRATION)
  6  the database is newer than the migrations (KW_SCHEMA_NEWER)
  7  out of time, locked by others, or cancelled";

/// The code of an error.
pub fn of(error: &Error) -> u8 {
    match error.kind() {
        Kind::Config => 2,
        Kind::Migration => 5,
        Kind::SchemaNewer => 6,
        Kind::Timeout | Kind::Busy | Kind::Cancelled | Kind::Exhausted | Kind::Conflict => 7,
        _ => 1,
    }
}

/// The code of an operation whose outcome is its list of problems.
pub fn of_findings(report: &Report) -> u8 {
    if report.problems.iter().all(|problem| problem.kind == "note") {
        DONE
    } else {
        PROBLEMS
    }
}

/// The code of checks that found these problems.
pub fn of_problems(problems: &[String]) -> u8 {
    if problems.is_empty() {
        DONE
    } else {
        PROBLEMS
    }
}

/// The code of a look at what is pending.
pub fn of_pending(check: bool, pending: usize) -> u8 {
    if check && pending > 0 {
        PENDING
    } else {
        DONE
    }
}
