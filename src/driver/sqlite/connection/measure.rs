//! What a connection tells of its work: query plans, advice, answers to keepwell's own questions, the page cache.

use rusqlite::OptionalExtension;

use super::SqliteConnection;
use crate::cancel::Op;
use crate::driver::sqlite::advise::{self, Schema};
use crate::driver::sqlite::convert;
use crate::driver::sqlite::gauge::Calm;
use crate::driver::{refuse_nul, Advice, Cursor, Node};
use crate::error::Result;

impl SqliteConnection {
    /// EXPLAIN QUERY PLAN of a statement that was prepared before; parameters count as NULL.
    pub(super) fn query_plan(&mut self, sql: &str) -> Result<Vec<Node>> {
        refuse_nul(sql)?;
        self.recorder.start_own();
        let nodes = advise::query_plan(self.raw.connection(), sql);
        self.recorder.ignore();
        nodes.map_err(|error| convert::from_rusqlite(error, "EXPLAIN QUERY PLAN"))
    }

    /// Finds out, once in the life of a statement that is run often, whether it has to be asked after each run what it did to its tables. A
    /// write is always asked: its triggers are not in its plan.
    #[cold]
    pub(super) fn settle_calm(&mut self, cursor: Cursor) {
        let Ok(plan) = self.statements.peek(cursor).map(|entry| entry.plan.clone()) else { return };
        let quiet = |node: &Node| !["SCAN", "AUTOMATIC", "TEMP B-TREE"].iter().any(|word| node.detail.contains(word));
        let calm = plan.footprint.read_only && self.query_plan(&plan.sql).is_ok_and(|nodes| nodes.iter().all(quiet));
        if let Ok(entry) = self.statements.get(cursor) {
            entry.cost.calm = if calm { Calm::Settled } else { Calm::Restless };
        }
    }

    /// The indexes that would help a statement.
    pub(super) fn advise_on(&mut self, sql: &str, op: &Op<'_>) -> Result<Vec<Advice>> {
        refuse_nul(sql)?;
        self.recorder.start_own();
        let schema = Schema::read(self.raw.connection());
        self.recorder.ignore();
        let advice = schema.and_then(|schema| advise::advise(&schema, sql, &|| op.poll().is_some()));
        advice.map_err(|error| match op.stopped() {
            Some(stop) => op.stop_error(stop, "advise"),
            None => convert::from_rusqlite(error, "advise"),
        })
    }

    /// A question of keepwell's own.
    pub(super) fn own_question(&mut self, sql: &str) -> Result<Option<i64>> {
        self.recorder.start_own();
        let answer = self.raw.connection().query_row(sql, [], |row| row.get::<_, Option<i64>>(0)).optional();
        self.recorder.ignore();
        answer.map(Option::flatten).map_err(|error| convert::from_rusqlite(error, sql))
    }

    /// Notes what the page cache has counted.
    pub(super) fn note_pages(&self) {
        let Some(gauge) = self.statements.gauge() else { return };
        let pages = &gauge.sheet().pages;
        let cells = [&pages.hits, &pages.misses, &pages.writes, &pages.spills, &pages.bytes];
        cells.into_iter().zip(self.raw.page_cache()).for_each(|(cell, now)| cell.set(now));
    }
}
