//! Several single writes of one caller: one wait for the writer, shared transactions, and yet each with an outcome of its own.

use super::Store;
use crate::cancel::{Caller, Op};
use crate::error::{Error, Kind, Result};
use crate::group::{self, Rules};
use crate::holders::Purpose;
use crate::member::{Done, Member, Wants};
use crate::options::QueryOptions;
use crate::pool::{Lease, Pool};
use crate::value::Params;

/// One of the writes.
#[derive(Clone, Copy)]
pub struct Write<'a> {
    pub sql: &'a str,
    pub params: Params<'a>,
    pub wants: Wants,
    pub options: QueryOptions<'a>,
}

/// A write that has not been answered, with its operation.
type Waiting<'a> = (Member, Op<'a>);

impl Store {
    /// Runs independent writes in this order, as if as many threads had called [`Store::execute`] at once: each is answered by itself, a
    /// write that fails is undone alone, and those that share a transaction (up to `writer.group_max`) are durable together. Each write's
    /// timeout and cancellation count while it waits and while it runs.
    ///
    /// The writes must be allowed to write: one whose options only read is [`Kind::ReadOnly`].
    pub fn execute_together(&self, writes: &[Write<'_>]) -> Vec<Result<Done>> {
        let ready = writes.iter().map(|write| self.ready(write)).collect::<Vec<_>>();
        let waiting: Vec<&Waiting<'_>> = ready.iter().flatten().collect();
        let bound = writes.iter().all(|write| !write.options.unbound);
        if let Some((mut lease, waiting)) = self.turn_of_all(waiting, bound) {
            let rules = self.inner.defaults.group.unwrap_or(Rules::NONE);
            group::lead(&mut lease, waiting.iter().map(|(member, op)| (member, op)), rules);
        }
        ready.into_iter().map(|ready| self.counted(ready.and_then(|(member, _)| member.result()))).collect()
    }

    fn ready<'a>(&self, write: &Write<'a>) -> Result<Waiting<'a>> {
        let op = self.op(&write.options)?;
        if self.read_only(&write.options) {
            return Err(Error::new(Kind::ReadOnly, "writes together: the call's options allow it to read only"));
        }
        Ok((Member::new(write.sql, write.params, self.keeps(&write.options), write.wants, &op), op))
    }

    /// Waits for the writer on behalf of all. Who has to stop meanwhile is answered and leaves; `None` when nobody is left.
    fn turn_of_all<'w, 'a>(&self, mut all: Vec<&'w Waiting<'a>>, bound: bool) -> Option<(Lease<&Pool>, Vec<&'w Waiting<'a>>)> {
        while !all.is_empty() {
            let error = match self.inner.pool.writer(&Everybody(&all).op(), Purpose::Statement, bound) {
                Ok(lease) => return Some((lease, all)),
                Err(error) => error,
            };
            let before = all.len();
            all.retain(|(member, op)| match op.stopped().or_else(|| op.poll()) {
                Some(stop) => {
                    member.answer(Err(op.stop_error(stop, "waiting for the writer").followed_by(format!("; {}", error.message()))));
                    false
                }
                None => true,
            });
            if all.len() == before {
                all.drain(..).for_each(|(member, _)| member.answer(Err(Error::new(error.kind(), error.message()))));
            }
        }
        None
    }
}

/// Everybody who waits, as one caller: the wait ends when one of them has to stop.
struct Everybody<'w, 'a>(&'w [&'w Waiting<'a>]);

impl Everybody<'_, '_> {
    /// Bounded by the first deadline of all; the tick looks at the rest.
    fn op(&self) -> Op<'_> {
        let first = self.0.iter().filter(|(_, op)| op.deadline().is_some()).min_by_key(|(_, op)| op.deadline());
        Op::bounded(first.map(|(_, op)| op.bounds()).unwrap_or_default(), self)
    }
}

impl Caller for Everybody<'_, '_> {
    fn tick(&self) -> bool {
        self.0.iter().any(|(_, op)| op.poll().is_some())
    }

    fn before_wait(&self) {
        self.0.iter().for_each(|(_, op)| op.before_wait());
    }
}
