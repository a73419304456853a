//! Transactions, savepoints, pinned connections, and targets with default options.

use std::sync::Arc;

use super::call::Call;
use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::target::{find_target, on_target};
use super::text::{give, null};
use super::types::*;
use crate::driver::Mode;
use crate::error::{Error, Kind, Result};
use crate::store::{Scope, TxMode};

/// Begins a transaction on a store or pinned connection, or a savepoint inside a transaction: a handle of its own, and a target.
///
/// The transaction holds its connection until it ends. Blocks while the writer is in use or another process holds the lock, up to the
/// timeout, which covers the beginning alone. Errors: `KW_TIMEOUT`, `KW_EXHAUSTED`, `KW_SELF_DEADLOCK`, `KW_BUSY`, `KW_READ_ONLY`, ….
#[no_mangle]
pub unsafe extern "C" fn kw_tx_begin(
    target: kw_target,
    mode: i32,
    options: *const kw_options,
    out: *mut kw_tx,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(null("out"));
        }
        // SAFETY: the caller keeps the promises of the header.
        let call = unsafe { Call::new(options)? };
        let mode = mode_of(mode)?;
        let scope = on_target(target, &call, |on, call| on.begin(mode, &call.options()?))?;
        // SAFETY: as above.
        unsafe { give(out, insert(scope)?, "out")? };
        Ok(KW_OK)
    })
}

pub(super) fn mode_of(mode: i32) -> Result<TxMode> {
    Ok(match mode {
        KW_TX_DEFAULT | KW_TX_IMMEDIATE => TxMode::Write(Mode::Immediate),
        KW_TX_DEFERRED => TxMode::Write(Mode::Deferred),
        KW_TX_EXCLUSIVE => TxMode::Write(Mode::Exclusive),
        KW_TX_READ_ONLY => TxMode::ReadOnly,
        other => {
            return Err(Error::new(Kind::Misuse, format!("transaction: there is no mode {other}; KW_TX_DEFAULT to KW_TX_READ_ONLY are")))
        }
    })
}

fn insert(scope: Scope) -> Result<u64> {
    handle::insert(Object::Scope(Arc::new(scope)))
}

/// Commits a transaction, or makes a savepoint's changes part of what is around it. Cancellation and timeouts do not reach a commit.
/// On success the handle is gone. On failure the transaction is open still and may be committed again or rolled back, unless the error's
/// flags say `KW_ERROR_ROLLED_BACK`. Errors: `KW_BUSY`, `KW_CONSTRAINT` (deferred foreign keys), `KW_TX_ENDED`, `KW_IO`, `KW_FULL`.
#[no_mangle]
pub unsafe extern "C" fn kw_tx_commit(tx: kw_tx, err: *mut kw_error) -> kw_status {
    guard(err, || {
        handle::find_scope(tx)?.commit()?;
        handle::take(tx, Kinds::Scope)?;
        Ok(KW_OK)
    })
}

/// Rolls a transaction or savepoint back. Rolling back what has ended is harmless. The handle is gone, unless another thread is in a call
/// on the transaction at this moment (`KW_MISUSE`): roll back again when that has returned.
#[no_mangle]
pub unsafe extern "C" fn kw_tx_rollback(tx: kw_tx, err: *mut kw_error) -> kw_status {
    guard(err, || {
        if handle::kind_of(tx) == Kinds::Scope as u64 {
            refuse_pinned(tx)?;
        }
        let result = match handle::find_scope(tx) {
            Ok(scope) => scope.undo(),
            Err(error) if error.kind() == Kind::InvalidHandle => Ok(()),
            Err(error) => return Err(error),
        };
        match result {
            Err(error) if error.kind() == Kind::Misuse => return Err(error),
            Err(error) if error.kind() != Kind::TxEnded => {
                handle::take(tx, Kinds::Scope)?;
                return Err(error);
            }
            _ => {}
        }
        handle::take(tx, Kinds::Scope)?;
        Ok(KW_OK)
    })
}

fn refuse_pinned(tx: kw_tx) -> Result<()> {
    match handle::find_scope(tx) {
        Ok(scope) if scope.is_pinned() => {
            Err(Error::new(Kind::Misuse, "this is a pinned connection, not a transaction: release it with kw_conn_release"))
        }
        _ => Ok(()),
    }
}

/// Pins one connection of a store: the writer, or with `KW_OPTION_READ_ONLY` a reader. On it settings, ATTACH, temporary objects and
/// transactions by hand are allowed. Blocks like `kw_tx_begin`.
#[no_mangle]
pub unsafe extern "C" fn kw_conn_acquire(store: kw_target, options: *const kw_options, out: *mut kw_conn, err: *mut kw_error) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(null("out"));
        }
        // SAFETY: the caller keeps the promises of the header.
        let call = unsafe { Call::new(options)? };
        let scope = on_target(store, &call, |on, call| on.pin(&call.options()?))?;
        // SAFETY: as above.
        unsafe { give(out, insert(scope)?, "out")? };
        Ok(KW_OK)
    })
}

/// Gives a pinned connection back; what is open on it is rolled back, and a connection whose settings were changed is discarded.
/// Harmless for one that went back already. `KW_MISUSE` while another thread is in a call on it: release it again when that has returned.
#[no_mangle]
pub unsafe extern "C" fn kw_conn_release(conn: kw_conn) -> kw_status {
    guard(std::ptr::null_mut(), || {
        if let Ok(scope) = handle::find_scope(conn) {
            if !scope.is_pinned() {
                return Err(Error::new(Kind::Misuse, "this is a transaction: commit it or roll it back"));
            }
        }
        if let Ok(scope) = handle::find_scope(conn) {
            scope.release()?;
        }
        handle::take(conn, Kinds::Scope)?;
        Ok(KW_OK)
    })
}

/// The same target with default options attached: a call's own options go before them. `statement`, `param_names` and `tick` are not kept.
/// It stays usable as long as what it was made from, and does not hold it open.
#[no_mangle]
pub unsafe extern "C" fn kw_target_derive(
    target: kw_target,
    options: *const kw_options,
    out: *mut kw_target,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(null("out"));
        }
        // SAFETY: the caller keeps the promises of the header.
        let call = unsafe { Call::new(options)? };
        call.options()?;
        let derived = find_target(target, &call)?;
        // SAFETY: as above.
        unsafe { give(out, handle::insert(Object::Derived(Arc::new(derived)))?, "out")? };
        Ok(KW_OK)
    })
}

/// Frees a derived target, not what it was made from. Harmless for one that is freed already.
#[no_mangle]
pub unsafe extern "C" fn kw_target_free(target: kw_target) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::take(target, Kinds::Derived)?;
        Ok(KW_OK)
    })
}
