//! What a runner tells while it works.

use crate::migrate::report::{Direction, Line};
use crate::migrate::script;

/// Something that a runner does.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    pub phase: Phase,
    pub version: i64,
    pub description: &'a str,
    pub file: &'a str,
    pub direction: Direction,
    /// Which migration of this run it is, from 1, and how many the run will have as far as can be told.
    pub index: u64,
    pub total: u64,
    /// The number of the statement that has just run, from 1; 0 in other phases.
    pub statement: u64,
    /// How much of the text is done, in bytes, and how long it is.
    pub offset: u64,
    pub length: u64,
    /// Rows changed by the statement, or by all.
    pub rows_changed: i64,
    /// The statement's text; empty in other phases.
    pub sql: &'a str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// A migration begins.
    Begin,
    /// One of its statements has run.
    Statement,
    /// It is applied, or undone.
    Done,
}

impl<'a> Event<'a> {
    pub(super) fn new(phase: Phase, line: &'a Line, index: u64, total: u64) -> Event<'a> {
        Event {
            phase,
            version: line.version,
            description: &line.description,
            file: &line.file,
            direction: line.direction,
            index,
            total: total.max(index),
            statement: 0,
            offset: 0,
            length: 0,
            rows_changed: 0,
            sql: "",
        }
    }

    pub(super) fn statement(line: &'a Line, index: u64, total: u64, at: &'a script::Progress<'_>) -> Event<'a> {
        Event {
            statement: at.statement,
            offset: at.offset as u64,
            length: at.length as u64,
            rows_changed: at.rows_changed,
            sql: at.sql,
            ..Event::new(Phase::Statement, line, index, total)
        }
    }
}
