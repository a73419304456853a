//! What was found in a database file: one form for people and as JSON.

use serde::Serialize;

use super::check::Check;
use super::settings::Settings;
use super::space::Object;

/// Sizes are in bytes.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    pub operation: &'static str,
    pub database: String,
    pub file_bytes: u64,
    pub wal_bytes: u64,
    #[serde(flatten)]
    pub settings: Settings,
    /// The newest migration that is applied; `None`: there is no history, or nothing is applied.
    pub migration_version: Option<i64>,
    /// Tables and indexes, the largest first; `None`: the pages could not be read.
    pub objects: Option<Vec<Object>>,
    /// Pages that belong to no table, no index and not to the free ones: the file's own book-keeping.
    pub other_pages: u64,
    /// Those that were asked for.
    pub checks: Vec<Check>,
    /// What could not be looked at.
    pub notes: Vec<String>,
}

impl Report {
    pub fn of(database: &str) -> Report {
        Report { operation: "stats", database: database.to_string(), ..Report::default() }
    }

    /// Takes the objects in, and knows then which pages are left.
    pub fn take(&mut self, objects: Vec<Object>) {
        let used: u64 = objects.iter().map(|object| object.pages).sum();
        self.other_pages = self.settings.pages.saturating_sub(self.settings.free_pages + used);
        self.objects = Some(objects);
    }

    /// What is wrong with the database, a line each.
    pub fn problems(&self) -> Vec<String> {
        let corrupt = self.objects.iter().flatten().filter(|object| object.corrupt_pages > 0);
        let corrupt = corrupt.map(|object| format!("corrupt: {} of the {} pages of {}", object.corrupt_pages, object.pages, object.name));
        let checked = self.checks.iter().flat_map(|check| check.problems.iter().map(move |problem| format!("{}: {problem}", check.name)));
        corrupt.chain(checked).collect()
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are names and numbers are finite")
    }
}
