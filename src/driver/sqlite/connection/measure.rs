//! What a connection tells of its work: query plans, advice, answers to keepwell's own questions, the page cache.

use std::sync::Arc;

use rusqlite::OptionalExtension;

use super::SqliteConnection;
use crate::driver::sqlite::advise::{self, Schema};
use crate::driver::sqlite::convert;
use crate::driver::{refuse_nul, Advice, Node};
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

    /// The indexes that would help a statement.
    pub(super) fn advise_on(&mut self, sql: &str) -> Result<Vec<Advice>> {
        refuse_nul(sql)?;
        self.recorder.start_own();
        let schema = Schema::read(self.raw.connection());
        self.recorder.ignore();
        let advice = schema.and_then(|schema| advise::advise(&schema, sql));
        advice.map_err(|error| convert::from_rusqlite(error, "advise"))
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
        let Some((_, sheet)) = self.statements.gauge() else { return };
        let pages = &Arc::as_ref(sheet).pages;
        let cells = [&pages.hits, &pages.misses, &pages.writes, &pages.spills, &pages.bytes];
        cells.into_iter().zip(self.raw.page_cache()).for_each(|(cell, now)| cell.set(now));
    }
}
