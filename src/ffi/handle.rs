//! Handles: numbers that name objects and can not dangle. Kind, age of the process, generation, slot.
//!
//! ```text
//!   63   60 59   56 55                    24 23  20 19          0
//!  ┌───────┬───────┬────────────────────────┬──────┬─────────────┐
//!  │ kind  │  age  │       generation       │shard │    slot     │
//!  └───────┴───────┴────────────────────────┴──────┴─────────────┘
//! ```
//! A slot's generation grows with each object that it holds, so a handle of an object that is gone finds nothing. The age is looked at
//! before any lock is touched: in a forked child the inherited locks may be taken for ever.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::Arc;

use crate::sync::Mutex;

use super::log::View;
use super::migrations::Draft;
use super::report::Lender;
use super::rows::Reader;
use super::target::Target;
use super::text::Lent;
use crate::cancel::CancelToken;
use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::process::{self, PerProcess};
use crate::store::{Scope, Statement, Store};

/// What a handle can stand for. The numbers are the kind bits; 0 is none, so 0 is never a handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Kinds {
    Store = 1,
    Scope = 2,
    Rows = 3,
    Statement = 4,
    Config = 5,
    Derived = 6,
    Cancel = 7,
    Migrations = 8,
    Report = 9,
    Log = 10,
}

/// An object behind a handle.
#[derive(Clone)]
pub enum Object {
    Store(Store),
    Scope(Arc<Scope>),
    Rows(Arc<Mutex<Reader>>),
    Statement(Arc<(Statement, Lent)>),
    Config(Arc<Mutex<Config>>),
    Derived(Arc<Target>),
    Migrations(Arc<Mutex<Draft>>),
    Report(Arc<Lender>),
    Log(Arc<View>),
}

impl Object {
    fn kind(&self) -> Kinds {
        match self {
            Object::Store(_) => Kinds::Store,
            Object::Scope(_) => Kinds::Scope,
            Object::Rows(_) => Kinds::Rows,
            Object::Statement(_) => Kinds::Statement,
            Object::Config(_) => Kinds::Config,
            Object::Derived(_) => Kinds::Derived,
            Object::Migrations(_) => Kinds::Migrations,
            Object::Report(_) => Kinds::Report,
            Object::Log(_) => Kinds::Log,
        }
    }
}

const SHARDS: usize = 16;
const SLOT_BITS: u32 = 20;
const SLOTS: usize = 1 << SLOT_BITS;

#[derive(Default)]
struct Table {
    shards: [Mutex<Shard>; SHARDS],
    /// Grows when a store handle or the process-wide store goes: what threads remember is stale then.
    changes: AtomicU64,
    /// The same for transactions and pinned connections.
    scope_changes: AtomicU64,
}

#[derive(Default)]
struct Shard {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Slot {
    generation: u32,
    object: Option<Object>,
}

static TABLE: PerProcess<Table> = PerProcess::new();

/// The parts of a handle.
struct Parts {
    kind: u64,
    age: u32,
    generation: u32,
    shard: usize,
    slot: usize,
}

fn parts(handle: u64) -> Parts {
    Parts {
        kind: handle >> 60,
        age: (handle >> 56) as u32 & 0xF,
        generation: (handle >> 24) as u32,
        shard: (handle >> SLOT_BITS) as usize % SHARDS,
        slot: handle as usize % SLOTS,
    }
}

/// Puts an object into the table.
///
/// # Errors
/// [`Kind::TooBig`] when a million handles are open in this thread's share.
pub fn insert(object: Object) -> Result<u64> {
    let kind = object.kind() as u64;
    let index = my_shard();
    let mut shard = TABLE.get()?.shards[index].lock();
    let slot = match shard.free.pop() {
        Some(slot) => slot,
        None if shard.slots.len() < SLOTS => {
            // The age's higher bits are not in the handle; they set generations of distant relatives apart.
            shard.slots.push(Slot { generation: 1 + (process::age() >> 4 << 24), object: None });
            shard.slots.len() as u32 - 1
        }
        None => return Err(Error::new(Kind::TooBig, "a million handles are open: close rows and transactions that are no longer needed")),
    };
    let place = &mut shard.slots[slot as usize];
    place.object = Some(object);
    let age = u64::from(process::age() & 0xF);
    Ok(kind << 60 | age << 56 | u64::from(place.generation) << 24 | (index as u64) << SLOT_BITS | u64::from(slot))
}

/// Looks an object up by its handle.
///
/// # Errors
/// [`Kind::Forked`], [`Kind::InvalidHandle`].
#[inline]
pub fn get<T>(handle: u64, kind: Kinds, pick: impl FnOnce(&Object) -> Option<T>) -> Result<T> {
    let parts = check(handle, kind)?;
    let shard = TABLE.get()?.shards[parts.shard].lock();
    let slot = shard.slots.get(parts.slot).filter(|slot| slot.generation == parts.generation);
    slot.and_then(|slot| slot.object.as_ref()).and_then(pick).ok_or_else(|| invalid(handle, kind, "is stale or was closed"))
}

/// Takes an object out of the table; `None` when it is not there (any more).
///
/// # Errors
/// [`Kind::Forked`]; [`Kind::InvalidHandle`] for a handle of another kind, or none.
pub fn take(handle: u64, kind: Kinds) -> Result<Option<Object>> {
    let parts = check(handle, kind)?;
    let table = TABLE.get()?;
    let mut shard = table.shards[parts.shard].lock();
    let Some(slot) = shard.slots.get_mut(parts.slot).filter(|slot| slot.generation == parts.generation) else { return Ok(None) };
    let object = slot.object.take();
    if object.is_some() {
        slot.generation = slot.generation.wrapping_add(1).max(1);
        shard.free.push(parts.slot as u32);
    }
    match kind {
        Kinds::Store => drop(table.changes.fetch_add(1, Ordering::Release)),
        Kinds::Scope => drop(table.scope_changes.fetch_add(1, Ordering::Release)),
        _ => {}
    }
    Ok(object)
}

#[inline]
fn check(handle: u64, kind: Kinds) -> Result<Parts> {
    let parts = parts(handle);
    if parts.kind != kind as u64 {
        return Err(invalid(handle, kind, if handle == 0 { "is 0" } else { "is of another kind" }));
    }
    if parts.age != process::age() & 0xF {
        let message = format!("handle {handle:#x} was made before fork() and belongs to the parent process; open a store of this process");
        return Err(Error::new(Kind::Forked, message));
    }
    Ok(parts)
}

#[cold]
fn invalid(handle: u64, kind: Kinds, why: &str) -> Error {
    let name = match kind {
        Kinds::Store => "store",
        Kinds::Scope => "transaction or connection",
        Kinds::Rows => "rows",
        Kinds::Statement => "statement",
        Kinds::Config => "config",
        Kinds::Derived => "target",
        Kinds::Cancel => "cancel",
        Kinds::Migrations => "migrations",
        Kinds::Report => "report",
        Kinds::Log => "log",
    };
    Error::new(Kind::InvalidHandle, format!("the {name} handle {handle:#x} {why}"))
}

/// The kind bits of a handle.
#[inline]
pub fn kind_of(handle: u64) -> u64 {
    handle >> 60
}

/// A thread keeps to one shard, so that threads do not meet.
fn my_shard() -> usize {
    thread_local!(static SHARD: Cell<Option<usize>> = const { Cell::new(None) });
    static NEXT: AtomicU64 = AtomicU64::new(0);
    SHARD.with(|shard| match shard.get() {
        Some(index) => index,
        None => {
            let index = NEXT.fetch_add(1, Ordering::Relaxed) as usize % SHARDS;
            shard.set(Some(index));
            index
        }
    })
}

/// What a thread used last, so that threads do not meet at a lock or a reference count. It may keep the memory of something closed for a
/// while, never its connection: closing is always said to the thing itself.
struct Remembered<T> {
    handle: u64,
    changes: u64,
    age: u32,
    thing: T,
}

thread_local! {
    static LAST_STORE: Cell<Option<Remembered<Store>>> = const { Cell::new(None) };
    static LAST_SCOPE: Cell<Option<Remembered<Arc<Scope>>>> = const { Cell::new(None) };
}

/// Runs `work` with the store behind a handle (`KW_INSTANCE` included).
///
/// # Errors
/// [`Kind::Forked`], [`Kind::InvalidHandle`], [`Kind::NotInitialized`]; those of `work`.
#[inline]
pub fn with_store<R>(handle: u64, work: impl FnOnce(&Store) -> Result<R>) -> Result<R> {
    remembering(&LAST_STORE, handle, &TABLE.get()?.changes, find_store, work)
}

/// Runs `work` with the transaction, savepoint or pinned connection behind a handle.
///
/// # Errors
/// [`Kind::Forked`], [`Kind::InvalidHandle`]; those of `work`.
#[inline]
pub fn with_scope<R>(handle: u64, work: impl FnOnce(&Scope) -> Result<R>) -> Result<R> {
    remembering(&LAST_SCOPE, handle, &TABLE.get()?.scope_changes, find_scope, |scope| work(scope))
}

#[inline]
fn remembering<T, R>(
    last: &'static std::thread::LocalKey<Cell<Option<Remembered<T>>>>,
    handle: u64,
    changes: &AtomicU64,
    find: impl FnOnce(u64) -> Result<T>,
    work: impl FnOnce(&T) -> Result<R>,
) -> Result<R> {
    let changes = changes.load(Ordering::Acquire);
    let known = last.take().filter(|last| last.handle == handle && last.changes == changes && last.age == process::age());
    let found = match known {
        Some(found) => found,
        None => Remembered { handle, changes, age: process::age(), thing: find(handle)? },
    };
    let result = work(&found.thing);
    last.set(Some(found));
    result
}

/// The transaction, savepoint or pinned connection behind a handle.
pub fn find_scope(handle: u64) -> Result<Arc<Scope>> {
    get(handle, Kinds::Scope, |object| match object {
        Object::Scope(scope) => Some(scope.clone()),
        _ => None,
    })
}

fn find_store(handle: u64) -> Result<Store> {
    if handle == super::types::KW_INSTANCE {
        return crate::instance::get();
    }
    get(handle, Kinds::Store, |object| match object {
        Object::Store(store) => Some(store.clone()),
        _ => None,
    })
}

/// To be called after the process-wide store was closed or opened.
pub fn instance_changed() {
    if let Ok(table) = TABLE.get() {
        table.changes.fetch_add(1, Ordering::Release);
    }
}

/// A token as a handle, and back.
pub fn cancel_handle(token: CancelToken) -> u64 {
    (Kinds::Cancel as u64) << 60 | u64::from(process::age() & 0xF) << 56 | token.to_raw()
}

/// # Errors
/// [`Kind::Forked`], [`Kind::InvalidHandle`].
#[inline]
pub fn cancel_token(handle: u64) -> Result<CancelToken> {
    check(handle, Kinds::Cancel)?;
    CancelToken::from_raw(handle & ((1 << 56) - 1)).ok_or_else(|| invalid(handle, Kinds::Cancel, "is stale or was freed"))
}

/// Frees a token; one that is freed already is left alone.
///
/// # Errors
/// [`Kind::Forked`]; [`Kind::InvalidHandle`] for a handle of another kind, or none.
pub fn free_cancel(handle: u64) -> Result<()> {
    check(handle, Kinds::Cancel)?;
    if let Some(token) = CancelToken::from_raw(handle & ((1 << 56) - 1)) {
        token.free();
    }
    Ok(())
}
