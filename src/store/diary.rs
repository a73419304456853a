//! What the log hears of a store's life.

use super::Store;
use crate::error::Error;
use crate::migrate::Report;

/// The target of these events in the log.
const TARGET: &str = "keepwell::store";

impl Store {
    fn label(&self) -> &str {
        &self.inner.insight.label
    }

    /// The store is open; each warning of its configuration is an event too. What is noticed later tells of itself.
    pub(super) fn say_opened(&self) {
        log::info!(target: TARGET, store = self.label(), max_open = self.inner.config.pool.max_open; "opened {}", self.database());
        if log::log_enabled!(target: TARGET, log::Level::Warn) {
            let warnings = self.inner.config.warnings();
            warnings.iter().for_each(|warning| log::warn!(target: TARGET, store = self.label(); "{warning}"));
        }
    }

    /// The store is closed, with what had to be ended.
    pub(super) fn say_closed(&self, late: Option<&Error>) {
        match late {
            None => log::info!(target: TARGET, store = self.label(); "closed {}", self.database()),
            Some(error) => log::warn!(target: TARGET, store = self.label(); "{}", error.message()),
        }
    }

    /// Migrations were applied or undone.
    pub(super) fn say_migrated(&self, report: &Report) {
        if report.migrations.is_empty() {
            return;
        }
        log::info!(
            target: "keepwell::migrate",
            store = self.label(),
            operation = report.operation.as_str(),
            migrations = report.migrations.len(),
            version = report.version.unwrap_or_default(),
            duration_seconds = report.duration_us as f64 / 1e6;
            "{}: {} migrations, now at version {}", report.operation, report.migrations.len(), report.version.unwrap_or_default(),
        );
    }

    /// A transaction is run again from its start.
    pub(super) fn say_again(&self, error: &Error) {
        log::debug!(target: "keepwell::tx", store = self.label(), code = error.kind().name(); "run again: {}", error.message());
    }
}
