//! Targets: a store, a transaction, a pinned connection, or one of these with default options attached.

use std::sync::Arc;

use super::call::Call;
use super::handle::{self, Kinds, Object};
use super::types::*;
use crate::driver::Changes;
use crate::error::{Error, Kind, Result};
use crate::exec::Matrix;
use crate::options::QueryOptions;
use crate::results::{Rest, Rows};
use crate::rows::{Columns, First};
use crate::store::{Failure, Scope, Statement, Store, TxMode};
use crate::value::Params;

/// What a target handle stands for.
pub enum Target {
    Store(Store),
    Scope(Arc<Scope>),
    /// A target with default options attached.
    Derived(Box<Target>, kw_options),
}

// SAFETY: the pointers in derived options (names, tick) are cleared when the target is made.
unsafe impl Send for Target {}
// SAFETY: as above.
unsafe impl Sync for Target {}

/// Where a call runs.
#[derive(Clone, Copy)]
pub enum On<'a> {
    Store(&'a Store),
    Scope(&'a Scope),
}

impl<'a> On<'a> {
    pub fn store(self) -> &'a Store {
        match self {
            On::Store(store) => store,
            On::Scope(scope) => scope.store(),
        }
    }

    #[inline]
    pub fn query_first<R>(
        self,
        sql: &str,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Rest>)> {
        match self {
            On::Store(store) => store.query_first(sql, params, options, receive),
            On::Scope(scope) => scope.query_first(sql, params, options, receive),
        }
    }

    pub fn query(self, sql: &str, params: Params<'_>, options: &QueryOptions<'_>) -> Result<Rows> {
        match self {
            On::Store(store) => store.query(sql, params, options),
            On::Scope(scope) => scope.query(sql, params, options),
        }
    }

    pub fn execute(self, sql: &str, params: Params<'_>, options: &QueryOptions<'_>) -> Result<Changes> {
        match self {
            On::Store(store) => store.execute(sql, params, options),
            On::Scope(scope) => scope.execute(sql, params, options),
        }
    }

    pub fn execute_many(self, sql: &str, matrix: Matrix<'_>, options: &QueryOptions<'_>) -> Result<Changes> {
        match self {
            On::Store(store) => store.execute_many(sql, matrix, options),
            On::Scope(scope) => scope.execute_many(sql, matrix, options),
        }
    }

    pub fn execute_script(self, sql: &str, options: &QueryOptions<'_>) -> Result<Changes> {
        match self {
            On::Store(store) => store.execute_script(sql, options),
            On::Scope(scope) => scope.execute_script(sql, options),
        }
    }

    pub fn prepare(self, sql: &str, options: &QueryOptions<'_>) -> Result<Statement> {
        match self {
            On::Store(store) => store.prepare(sql, options),
            On::Scope(scope) => scope.prepare(sql, options),
        }
    }

    /// Pins a connection of a store.
    pub fn pin(self, options: &QueryOptions<'_>) -> Result<Scope> {
        match self {
            On::Store(store) => store.pin(options),
            On::Scope(_) => Err(Error::new(Kind::Misuse, "pin: a connection is pinned from a store, not from a transaction or connection")),
        }
    }

    pub fn begin(self, mode: TxMode, options: &QueryOptions<'_>) -> Result<Scope> {
        match self {
            On::Store(store) => store.begin(mode, options),
            On::Scope(scope) => scope.begin(mode, options),
        }
    }

    /// Runs the body of a transaction, see [`Store::run`].
    pub fn run<E: Failure>(
        self,
        mode: TxMode,
        options: &QueryOptions<'_>,
        body: impl FnMut(&Arc<Scope>) -> Result<(), E>,
    ) -> Result<(), E> {
        match self {
            On::Store(store) => store.run_shared(mode, options, body),
            On::Scope(scope) => scope.run_shared(mode, options, body),
        }
    }
}

/// Runs `work` on what a target handle stands for, with the options that apply there.
#[inline]
pub fn on_target<R>(target: u64, call: &Call, work: impl FnOnce(On<'_>, &Call) -> Result<R>) -> Result<R> {
    const SCOPE: u64 = Kinds::Scope as u64;
    const DERIVED: u64 = Kinds::Derived as u64;
    match handle::kind_of(target) {
        SCOPE => handle::with_scope(target, |scope| work(On::Scope(scope), call)),
        DERIVED => {
            let derived = find_derived(target)?;
            on_derived(&derived, call, work)
        }
        _ => handle::with_store(target, |store| work(On::Store(store), call)),
    }
}

fn on_derived<R>(target: &Target, call: &Call, work: impl FnOnce(On<'_>, &Call) -> Result<R>) -> Result<R> {
    match target {
        Target::Store(store) => work(On::Store(store), call),
        Target::Scope(scope) => work(On::Scope(scope), call),
        Target::Derived(base, defaults) => {
            let call = call.over(defaults);
            match &**base {
                Target::Store(store) => work(On::Store(store), &call),
                Target::Scope(scope) => work(On::Scope(scope), &call),
                Target::Derived(..) => Err(Error::new(Kind::Misuse, "target: derived from a derived target")),
            }
        }
    }
}

fn find_derived(target: u64) -> Result<Arc<Target>> {
    handle::get(target, Kinds::Derived, |object| match object {
        Object::Derived(target) => Some(target.clone()),
        _ => None,
    })
}

/// What a target handle stands for, with the options attached to it.
pub fn find_target(target: u64, call: &Call) -> Result<Target> {
    match handle::kind_of(target) {
        kind if kind == Kinds::Scope as u64 => Ok(Target::Derived(Box::new(Target::Scope(handle::find_scope(target)?)), call.attachable())),
        kind if kind == Kinds::Derived as u64 => match &*find_derived(target)? {
            Target::Derived(base, defaults) => {
                let base = match &**base {
                    Target::Store(store) => Target::Store(store.clone()),
                    Target::Scope(scope) => Target::Scope(scope.clone()),
                    Target::Derived(..) => return Err(Error::new(Kind::Misuse, "target: derived from a derived target")),
                };
                Ok(Target::Derived(Box::new(base), call.over(defaults).attachable()))
            }
            Target::Store(_) | Target::Scope(_) => Err(Error::new(Kind::Misuse, "target: not a derived target")),
        },
        _ => handle::with_store(target, |store| Ok(Target::Derived(Box::new(Target::Store(store.clone())), call.attachable()))),
    }
}
