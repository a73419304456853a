//! Preparing statements, and finding out what they rest on and move.

use super::SqliteConnection;
use crate::driver::sqlite::plan::{plan_of, prepare_error, several};
use crate::driver::{Cursor, Permit, Role};
use crate::error::Result;

impl SqliteConnection {
    /// Prepares the first statement of `sql`; the offset is where the rest begins.
    pub(super) fn prepare_raw(&mut self, sql: &str, permit: Permit, keep: bool) -> Result<(Option<Cursor>, usize)> {
        self.recorder.start(permit);
        let prepared = self.raw.prepare(sql, keep);
        let refused = self.recorder.refused();
        match prepared {
            Ok((Some(statement), end)) => {
                let plan = plan_of(&statement, sql[..end].into(), &self.recorder, &self.shared);
                self.spoilt |= plan.footprint.session;
                // What not everybody may run is not kept where everybody finds it.
                let keep = keep && !plan.footprint.session && !plan.footprint.control;
                let cursor = self.statements.insert(statement, plan, keep);
                self.find_effects(cursor)?;
                Ok((Some(cursor), end))
            }
            Ok((None, end)) => {
                self.recorder.ignore();
                Ok((None, end))
            }
            Err(failure) => {
                self.recorder.ignore();
                Err(prepare_error(failure, refused, sql))
            }
        }
    }

    /// Finds out what a statement moves, where that is not known and somebody asks for it. To be asked after it was prepared: when the schema
    /// changes after that, SQLite prepares the statement anew before it runs, and then it is taken to move everything.
    #[inline]
    pub(super) fn find_effects(&mut self, cursor: Cursor) -> Result<()> {
        let plan = &self.statements.peek(cursor)?.plan;
        if self.role == Role::Reader || !plan.footprint.may_write() || plan.effects.get().is_some() {
            return Ok(());
        }
        if !self.raw.autocommit() && !self.raw.has_snapshot() {
            // Looking would open the snapshot of a deferred transaction, and a commit of somebody else before its first write would be a conflict.
            return Ok(());
        }
        if let (Some(kinds), Some(clock)) = (&mut self.kinds, &self.shared.clock) {
            if let Some(effects) = kinds.effects(&self.raw, &self.recorder, clock, &plan.footprint) {
                let _ = plan.effects.set(Box::new(effects));
            }
        }
        Ok(())
    }

    /// One statement is expected: says where a second one begins.
    pub(super) fn only_blanks_after(&mut self, sql: &str, mut end: usize, permit: Permit) -> Result<()> {
        while end < sql.len() {
            if sql[end..].bytes().all(|b| b.is_ascii_whitespace()) {
                return Ok(());
            }
            match self.prepare_raw(&sql[end..], permit, false) {
                Ok((None, consumed)) => end += consumed.max(1),
                Ok((Some(second), _)) => {
                    self.statements.finish(&self.raw, second);
                    return Err(several(sql, end));
                }
                Err(_) => return Err(several(sql, end)),
            }
        }
        Ok(())
    }

    /// Finds out what the statement's result rests on, unless that is known.
    pub(super) fn look_for_ground(&mut self, cursor: Cursor) -> Result<()> {
        let plan = &self.statements.peek(cursor)?.plan;
        if let (Some(kinds), Some(clock), None) = (&mut self.kinds, &self.shared.clock, plan.ground.get()) {
            if let Some(ground) = kinds.ground(&mut self.raw, &self.recorder, clock, plan) {
                let _ = plan.ground.set(Box::new(ground));
            }
        }
        Ok(())
    }
}
