//! Queries with the cache of results: look, run, keep. Whatever is in doubt is run and not kept.

use std::sync::Arc;
use std::time::Duration;

use super::Store;
use crate::cache::{Bypass, Cache, CacheStats, Found, Key};
use crate::cancel::Op;
use crate::clock::{Ground, Moment};
use crate::driver::{Fetch, Limit, Plan};
use crate::error::{Error, Kind, Result};
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
    /// When the look-up was; `None` before it, and where nothing can be kept.
    moment: Option<Moment>,
}

/// What a look-up on the connection came to.
pub(super) enum Looked<'a> {
    Hit(Arc<Whole>),
    Run(Wish<'a>),
}

/// What one cell of a kept result takes.
const CELL: usize = 16;

impl Store {
    /// What the call wants of the cache; `None`: nothing.
    #[inline]
    pub(super) fn wanted(&self, options: &QueryOptions<'_>) -> Option<Wanted> {
        let caching = &self.inner.defaults.caching;
        let refresh = match options.cache {
            CacheUse::Default if !caching.always => return None,
            CacheUse::Skip => return None,
            CacheUse::Default | CacheUse::Use => false,
            CacheUse::Refresh => true,
        };
        Some(Wanted { refresh, ttl: options.cache_ttl.or(caching.ttl) })
    }

    /// Counts a query inside a transaction or on a pinned connection, where the cache is neither read nor filled.
    #[inline]
    pub(super) fn count_bypass(&self, options: &QueryOptions<'_>) {
        if self.wanted(options).is_some() {
            self.count(Bypass::Transaction);
        }
    }

    fn count(&self, bypass: Bypass) {
        match &self.inner.cache {
            Some(cache) => cache.count(bypass),
            None => self.inner.cacheless.one(),
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
            self.count(Bypass::Disabled);
            return self.run_query(sql, params, options, op, None, receive);
        };
        let key = Key::new(sql, params);
        let mut wish = Wish { key: &key, wanted, moment: None };
        if !cache.needs_connection() {
            match look(cache, &wish, None) {
                Found::Hit(whole) => return Ok((receive(&whole.columns, First::Kept(&whole)), None)),
                Found::Miss(moment) => wish.moment = Some(moment),
                Found::Bypass(bypass) => cache.count(bypass),
                Found::Closed => return Err(Error::new(Kind::Closed, format!("{}: the store is closed", self.database()))),
            }
            if wish.moment.is_none() {
                return self.run_query(sql, params, options, op, None, receive);
            }
        }
        self.run_query(sql, params, options, op, Some(wish), receive)
    }

    /// The look-up where a mark takes a connection. `None`: run it and keep nothing.
    pub(super) fn look_on<'w>(&self, lease: &mut Lease<&Pool>, wish: Wish<'w>) -> Result<Option<Looked<'w>>> {
        let Some(cache) = &self.inner.cache else { return Ok(None) };
        let mark = lease.connection().mark()?;
        Ok(match look(cache, &wish, Some(mark)) {
            Found::Hit(whole) => Some(Looked::Hit(whole)),
            Found::Miss(moment) => Some(Looked::Run(Wish { moment: Some(moment), ..wish })),
            Found::Bypass(bypass) => {
                cache.count(bypass);
                None
            }
            Found::Closed => None,
        })
    }

    /// How much the first batch of a result may hold that is to be kept: all that would be.
    pub(super) fn limit_of_the_kept(&self, plan: &Plan, limit: Limit, options: &QueryOptions<'_>) -> Limit {
        match &self.inner.cache {
            Some(cache) if options.batch_rows == 0 && ground(plan).is_ok() => {
                let share = cache.share();
                let rows = share / (CELL * plan.columns.len().max(1)) + 1;
                Limit { rows: rows.max(limit.rows), bytes: share.max(limit.bytes) }
            }
            _ => limit,
        }
    }

    /// Keeps a result that has just been read, if it can be kept: `before` is what was known of the statement before it ran, `after` what is
    /// known now.
    pub(super) fn grant(&self, wish: Wish<'_>, before: &Arc<Plan>, after: &Arc<Plan>, batch: &Batch, fetch: Fetch) {
        let (Some(cache), Some(moment)) = (&self.inner.cache, wish.moment) else { return };
        // SQLite also prepares a statement anew because the value of a parameter has changed (`LIKE ?`, and with statistics `> ?`).
        let same = Arc::ptr_eq(before, after) || before.footprint == after.footprint;
        match ground(after) {
            Err(bypass) => cache.count(bypass),
            Ok(_) if !same => cache.count(Bypass::Schema),
            Ok(_) if fetch == Fetch::More => cache.count(Bypass::Size),
            Ok(ground) => {
                let whole = Arc::new(Whole::copy(&after.columns, batch));
                cache.keep(wish.key.bytes(), whole, ground, moment, wish.wanted.ttl);
            }
        }
    }

    /// Counts a query that went past the cache although nothing was in its way at look-up.
    pub(super) fn went_past(&self, wish: &Option<Wish<'_>>, bypass: Bypass) {
        if wish.as_ref().is_some_and(|wish| wish.moment.is_some()) {
            self.count(bypass);
        }
    }

    /// Forgets all results. Who holds one keeps it.
    pub fn cache_clear(&self) {
        if let Some(cache) = &self.inner.cache {
            cache.clear();
        }
    }

    /// The cache of results in numbers; all zero where there is none, but for the queries that asked for it.
    pub fn cache_stats(&self) -> CacheStats {
        let mut stats = self.inner.cache.as_ref().map(Cache::stats).unwrap_or_default();
        stats.bypasses[Bypass::Disabled as usize] += self.inner.cacheless.get();
        stats
    }

    /// Counts memory that a binding keeps with a result: the form of its own that it has given it.
    pub(crate) fn cache_charge(&self, sql: &str, params: Params<'_>, whole: &Arc<Whole>, bytes: usize) {
        if let Some(cache) = &self.inner.cache {
            cache.charge(Key::new(sql, params).bytes(), whole, bytes);
        }
    }
}

#[inline]
fn look(cache: &Cache, wish: &Wish<'_>, mark: Option<crate::clock::Mark>) -> Found {
    if wish.wanted.refresh {
        cache.look_away(mark)
    } else {
        cache.look(wish.key.bytes(), wish.wanted.ttl, mark)
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
    let bearings = plan.bearings.get().ok_or(Bypass::Schema)?;
    bearings.ground.as_ref().ok_or(Bypass::Table)
}
