//! What an operation on migrations found and did: one form for all of them, in Rust and as JSON.

use serde::Serialize;

/// The outcome of one operation. Fields that an operation has nothing to say about are empty.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// `up`, `down`, `to`, `redo`, `status`, `plan`, `dry_run`, `rehearse`, `baseline`, `mark`, `adopt`, `verify`, `rebuild`.
    pub operation: String,
    /// The newest version that was applied before; `None`: there was none.
    pub before: Option<i64>,
    /// The newest version that is applied now.
    pub version: Option<i64>,
    /// Migrations that are pending now.
    pub pending: usize,
    /// What was done or would be done, in its order; for `status` and `verify` all that are known, by version.
    pub migrations: Vec<Line>,
    /// What is wrong, or was taken on the policy's word.
    pub problems: Vec<Problem>,
    /// Rows of each table before and after, where that was asked for.
    pub tables: Vec<TableCount>,
    /// Another tool's table that the history was adopted from or that was found.
    pub adopted_from: Option<String>,
    /// Files of the folder that are no migrations.
    pub ignored: Vec<String>,
    /// The hash of the schema now; see ARCHITECTURE.md.
    pub schema_hash: Option<String>,
    /// The copy that was written before the first pending migration.
    pub snapshot: Option<String>,
    pub duration_us: u64,
}

/// One migration in a report.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Line {
    pub version: i64,
    pub description: String,
    /// The file that it is from; empty for a migration given by the program, or one that the source does not have.
    pub file: String,
    pub direction: Direction,
    pub state: State,
    /// Whether it can be undone, by the source or by the text in the history.
    pub reversible: bool,
    /// Whether it runs inside a transaction.
    pub transactional: bool,
    /// Statements run, or that will be.
    pub statements: u64,
    /// Rows that its statements inserted, updated and deleted.
    pub rows_changed: i64,
    pub duration_us: u64,
    /// SHA-256 of the text with line ends made alike.
    pub checksum: String,
    /// When it was applied, UTC, as `2026-01-31T12:00:00.000Z`; empty when it was not.
    pub applied_at: String,
    pub who: String,
    pub host: String,
    pub program: String,
    pub engine: String,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    #[default]
    Up,
    Down,
    /// Marked as applied without running it.
    Baseline,
    /// Taken over from another tool's history.
    Adopt,
}

/// Where a migration stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    #[default]
    Pending,
    Applied,
    /// Applied, and the source has another text.
    Changed,
    /// Applied, and the source does not have it.
    Missing,
    /// Applied, and newer than all that the source has.
    Newer,
    /// Pending below an applied one.
    OutOfOrder,
    /// Only a part of it has run.
    Interrupted,
    /// Undone by this operation.
    Reverted,
    /// Not run by a dry run or rehearsal, which cannot.
    Skipped,
}

/// Something that is wrong.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// `changed`, `missing`, `newer`, `out_of_order`, `gap`, `interrupted`, `drift`, `foreign_key`, `irreversible`, `rows`, `schema`, `note`.
    pub kind: String,
    pub version: Option<i64>,
    pub message: String,
}

/// The rows of a table before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TableCount {
    pub table: String,
    /// `None`: it was not there.
    pub before: Option<i64>,
    /// `None`: it is not there any more.
    pub after: Option<i64>,
}

impl Report {
    /// The JSON form, one object.
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}
