//! Queries with the cache of results: look, run, keep. Whatever is in doubt is run and not kept.

use std::sync::Arc;
use std::time::Duration;

use super::Store;
use crate::cache::{Bypass, Cache, CacheStats, Found, Key, Leading};
use crate::cancel::Op;
use crate::clock::{Ground, Mark, Moment};
use crate::driver::{Connection, Cursor, Fetch, Limit, Permit, Plan};
use crate::error::{Error, Kind, Result};
use crate::exec;
use crate::options::{CacheUse, QueryOptions};
use crate::pool::{Lease, Pool};
use crate::results::Rest;
use crate::rows::{Batch, Columns, First, Whole};
use crate::value::Params;

/// What holds for queries that say nothing of the cache.
#[derive(Debug, Clone, Copy)]
pub struct Caching {
    /// They use it.
    pub always: bool,
    /// How long their results may serve; `None`: as long as the cache says.
    pub ttl: Option<Duration>,
}

/// What a query wants of the cache.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// Run the query in any case, and replace what is kept.
    refresh: bool,
    ttl: Option<Duration>,
}

/// The wish to keep the result of a query that is being run.
pub(super) struct Wish<'a> {
    key: &'a Key,
    wanted: Wanted,
    /// When the look-up was, or why nothing is kept; `None` before it.
    found: Option<std::result::Result<Moment, Bypass>>,
}

/// What the shortest way led to.
pub(crate) enum Shortcut<R> {
    Hit(R),
    /// There is nothing: whoever runs the query need not look again.
    Miss,
    /// Nobody has looked, or what was found has to be taken the usual way.
    Nothing,
}

/// What a look-up on the connection came to.
enum Looked<'a> {
    Hit(Arc<Whole>),
    Run(Wish<'a>),
}

/// What one cell of a kept result takes.
const CELL: usize = 16;

impl Store {
    /// What the call wants of the cache; `None`: nothing.
    #[inline]
    pub(super) fn wanted(&self, options: &QueryOptions<'_>) -> Option<Wanted> {
        self.wanted_by(options.cache, options.cache_ttl)
    }

    #[inline]
    fn wanted_by(&self, cache: CacheUse, ttl: Option<Duration>) -> Option<Wanted> {
        let caching = &self.inner.defaults.caching;
        let refresh = match cache {
            CacheUse::Default if !caching.always => return None,
            CacheUse::Skip => return None,
            CacheUse::Default | CacheUse::Use => false,
            CacheUse::Refresh => true,
        };
        Some(Wanted { refresh, ttl: ttl.or(caching.ttl) })
    }

    /// Counts a query that has succeeded inside a transaction or on a pinned connection, where the cache is neither read nor filled.
    #[inline]
    pub(super) fn count_bypass(&self, options: &QueryOptions<'_>) {
        if self.wanted(options).is_some() {
            self.count(Bypass::Transaction);
        }
    }

    fn count(&self, bypass: Bypass) {
        match &self.inner.cache {
            Some(cache) => cache.count(bypass),
            None => self.inner.insight.cacheless.one(),
        }
    }

    #[inline]
    pub(super) fn query_cached<R>(
        &self,
        sql: &str,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        op: &Op<'_>,
        wanted: Wanted,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Rest>)> {
        let Some(cache) = &self.inner.cache else {
            let result = self.run_query(sql, params, options, op, None, receive);
            return result.inspect(|_| self.count(Bypass::Disabled));
        };
        let key = Key::new(sql, params);
        let mut wish = Wish { key: &key, wanted, found: None };
        if !cache.needs_connection() {
            let mut found = look(cache, &wish, None);
            while matches!(found, Found::Miss(_)) && !wanted.refresh && cache.follow(key.bytes(), op)? {
                found = look(cache, &wish, None);
            }
            wish.found = Some(match found {
                Found::Hit(whole) => return Ok((receive(&whole.columns, First::Kept(&whole)), None)),
                Found::Miss(moment) => Ok(moment),
                Found::Bypass(bypass) => Err(bypass),
                Found::Declined => unreachable!("a share in a result is always taken"),
                Found::Closed => return Err(Error::new(Kind::Closed, format!("{}: the store is closed", self.database()))),
            });
        }
        self.run_query(sql, params, options, op, Some(wish), receive)
    }

    /// Runs one statement where readers have no connections of their own.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn run_on_the_only_one<R>(
        &self,
        mut lease: Lease<&Pool>,
        sql: &str,
        params: Params<'_>,
        options: &QueryOptions<'_>,
        op: &Op<'_>,
        wish: Option<Wish<'_>>,
        receive: impl FnOnce(&Arc<Columns>, First<'_>) -> R,
    ) -> Result<(R, Option<Rest>)> {
        let wish = match wish.and_then(|wish| self.look_on(&mut lease, wish)) {
            Some(Looked::Hit(whole)) => return Ok((receive(&whole.columns, First::Kept(&whole)), None)),
            Some(Looked::Run(wish)) => Some(wish),
            None => None,
        };
        if self.read_only(options) {
            lease.connection().set_read_only(true)?;
        }
        let cursor = lease.connection().prepare(sql, Permit::Shared, self.keeps(options))?;
        self.run_first(lease, cursor, params, options, op, wish, receive)
    }

    /// The look-up where a mark takes a connection. `None`: run it and keep nothing.
    fn look_on<'w>(&self, lease: &mut Lease<&Pool>, wish: Wish<'w>) -> Option<Looked<'w>> {
        let cache = self.inner.cache.as_ref()?;
        let mark = lease.connection().mark();
        let found = match look(cache, &wish, mark) {
            Found::Hit(whole) => return Some(Looked::Hit(whole)),
            Found::Miss(moment) => Ok(moment),
            Found::Bypass(bypass) => Err(bypass),
            Found::Declined | Found::Closed => return None,
        };
        Some(Looked::Run(Wish { found: Some(found), ..wish }))
    }

    /// The first batch of a query, whose result is kept if it can be.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn run_to_keep(
        &self,
        wish: Wish<'_>,
        connection: &mut dyn Connection,
        cursor: Cursor,
        params: Params<'_>,
        limit: Limit,
        options: &QueryOptions<'_>,
        op: &Op<'_>,
        batch: &mut Batch,
    ) -> Result<Fetch> {
        let _leading = self.lead(&wish);
        let footprint = &connection.plan(cursor)?.footprint;
        let worth_it = matches!(wish.found, Some(Ok(_))) && footprint.select && footprint.pure_functions;
        if worth_it {
            connection.find_ground(cursor)?;
        }
        let whole = self.limit_of_the_kept(&wish, connection.plan(cursor)?, limit, options);
        let fetch = exec::first_batch(connection, cursor, params, whole, op, batch)?;
        if worth_it {
            // SQLite may have prepared it anew for this run.
            connection.find_ground(cursor)?;
        }
        self.grant(wish, connection.plan(cursor)?, batch, fetch);
        Ok(fetch)
    }

    /// Lets others who want the same result wait for it.
    #[inline]
    fn lead<'a>(&'a self, wish: &Wish<'a>) -> Option<Leading<'a>> {
        match wish.found {
            Some(Ok(_)) => Some(self.inner.cache.as_ref()?.lead(wish.key.bytes())),
            _ => None,
        }
    }

    /// How much the first batch of a result may hold that is to be kept: all that would be.
    fn limit_of_the_kept(&self, wish: &Wish<'_>, plan: &Plan, limit: Limit, options: &QueryOptions<'_>) -> Limit {
        match &self.inner.cache {
            Some(cache) if options.batch_rows == 0 && matches!(wish.found, Some(Ok(_))) && ground(plan).is_ok() => {
                let share = cache.share();
                let rows = share / (CELL * plan.columns.len().max(1)) + 1;
                Limit { rows: rows.max(limit.rows), bytes: share.max(limit.bytes) }
            }
            _ => limit,
        }
    }

    /// Keeps a result that has just been read, if it can be kept, and counts the query. `plan` is what is known of the statement now: SQLite may
    /// have prepared it anew for this run.
    fn grant(&self, wish: Wish<'_>, plan: &Plan, batch: &Batch, fetch: Fetch) {
        let (Some(cache), Some(found)) = (&self.inner.cache, wish.found) else { return };
        match found.and_then(|moment| Ok((moment, ground(plan)?))) {
            Err(bypass) => cache.count(bypass),
            Ok(_) if fetch == Fetch::More => cache.count(Bypass::Size),
            Ok((moment, ground)) => {
                let whole = Arc::new(Whole::copy(&plan.columns, batch));
                cache.keep(wish.key.bytes(), whole, ground, moment, wish.wanted.ttl);
            }
        }
    }

    /// Counts a write that asked for the cache and has succeeded.
    pub(super) fn count_write(&self, wish: &Option<Wish<'_>>) {
        if wish.is_some() {
            self.count(Bypass::Statement);
        }
    }

    /// The shortest way to a result that is kept, for a call that asks for no more than that. `key` is made when there may be one; `take`
    /// copies what it wants.
    #[inline]
    pub(crate) fn shortcut<R>(
        &self,
        cache: CacheUse,
        ttl: Option<Duration>,
        key: impl FnOnce() -> Option<Key>,
        take: impl FnOnce(&Arc<Whole>) -> Option<R>,
    ) -> Result<Shortcut<R>> {
        let (Some(wanted), Some(cache)) = (self.wanted_by(cache, ttl), &self.inner.cache) else { return Ok(Shortcut::Nothing) };
        if wanted.refresh || cache.needs_connection() {
            return Ok(Shortcut::Nothing);
        }
        self.inner.pool.check_process()?;
        self.check_alone()?;
        let Some(key) = key() else { return Ok(Shortcut::Nothing) };
        Ok(match cache.look(key.bytes(), wanted.ttl, None, take) {
            Found::Hit(taken) => Shortcut::Hit(taken),
            Found::Miss(_) if !cache.has_slow() => Shortcut::Miss,
            Found::Miss(_) | Found::Declined | Found::Bypass(_) | Found::Closed => Shortcut::Nothing,
        })
    }

    /// Forgets all results. Who holds one keeps it.
    pub fn cache_clear(&self) {
        if let Some(cache) = &self.inner.cache {
            cache.clear();
        }
    }

    /// The cache of results in numbers; all zero where there is none, but for the queries that asked for it.
    pub fn cache_stats(&self) -> CacheStats {
        self.inner.insight.cache_stats()
    }

    /// Counts memory that a binding keeps with a result: the form of its own that it has given it.
    pub(crate) fn cache_charge(&self, sql: &str, params: Params<'_>, whole: &Arc<Whole>, bytes: usize) {
        if let Some(cache) = &self.inner.cache {
            cache.charge(Key::new(sql, params).bytes(), whole, bytes);
        }
    }
}

#[inline]
fn look(cache: &Cache, wish: &Wish<'_>, mark: Option<Mark>) -> Found<Arc<Whole>> {
    if wish.wanted.refresh {
        cache.look_away(mark)
    } else {
        cache.look(wish.key.bytes(), wish.wanted.ttl, mark, |whole| Some(whole.clone()))
    }
}

/// What a result of the statement rests on, or why it is not kept.
fn ground(plan: &Plan) -> std::result::Result<&Ground, Bypass> {
    let footprint = &plan.footprint;
    if !footprint.select {
        return Err(Bypass::Statement);
    }
    if !footprint.pure_functions {
        return Err(Bypass::Function);
    }
    plan.ground.get().ok_or(Bypass::Schema)?.as_ref().ok_or(Bypass::Table)
}
