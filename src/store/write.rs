//! A single write: by itself while the writer is free, with others in one transaction while it is contended.

use super::Store;
use crate::cancel::Op;
use crate::driver::{Changes, Permit};
use crate::error::Result;
use crate::exec;
use crate::group;
use crate::holders::Purpose;
use crate::member::{Done, Member, Wants};
use crate::options::QueryOptions;
use crate::pool::{Door, Lease, Pool};
use crate::value::Params;

/// How a single write goes on once it was its turn.
pub(super) enum Written<'a> {
    /// Here, on a connection of its own.
    Alone(Lease<&'a Pool>),
    /// It has been run in a group, and is durable.
    Done(Done),
}

impl Store {
    /// Waits until a write can run, or has been run. A read-only call and a large one never share.
    pub(super) fn write(
        &self,
        sql: &str,
        params: Params<'_>,
        wants: Wants,
        options: &QueryOptions<'_>,
        op: &Op<'_>,
    ) -> Result<Written<'_>> {
        let pool = &self.inner.pool;
        let bound = !options.unbound;
        let Some(rules) = self.inner.defaults.group.filter(|_| !self.read_only(options)) else {
            return self.writer(options, op, Purpose::Statement).map(Written::Alone);
        };
        let member = || Member::copy(sql, params, self.keeps(options), wants, op);
        match pool.door(op, bound, member)? {
            Door::Open(lease) => Ok(Written::Alone(lease)),
            Door::Turn(lease, member) if member.is_alone() => Ok(Written::Alone(lease)),
            Door::Turn(lease, _) if rules.delay.is_zero() && !lease.has_follower() => Ok(Written::Alone(lease)),
            Door::Turn(mut lease, member) => {
                group::lead(&mut lease, [(&*member, op)], rules);
                drop(lease);
                member.result().map(Written::Done)
            }
            Door::Served(member) => member.result().map(Written::Done),
        }
    }

    /// Runs one statement to its end on the writer and says what it changed. Durable, to the degree configured, when it returns.
    ///
    /// While other threads write too, several single writes share a transaction (`writer.group_commit`); each has a result and an error
    /// of its own, and none is answered before all of it is durable.
    pub fn execute<'a>(&self, sql: &str, params: impl Into<Params<'a>>, options: &QueryOptions<'_>) -> Result<Changes> {
        let params = params.into();
        self.call(options, |op| self.execute_one(sql, params, options, op))
    }

    fn execute_one(&self, sql: &str, params: Params<'_>, options: &QueryOptions<'_>, op: &Op<'_>) -> Result<Changes> {
        match self.write(sql, params, Wants::Changes, options, op)? {
            Written::Done(Done::Changes(changes)) => Ok(changes),
            Written::Done(Done::Rows(..)) => unreachable!("changes were asked for"),
            Written::Alone(mut lease) => {
                let cursor = lease.connection().prepare(sql, Permit::Shared, self.keeps(options))?;
                lease.note(cursor)?;
                let (connection, batch) = lease.parts();
                exec::execute(connection, cursor, params, op, batch)
            }
        }
    }
}
