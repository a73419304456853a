//! Running a transaction's body, given as a function of the caller's, as often as it takes.

use std::ffi::{c_void, CStr};
use std::sync::Arc;

use super::call::Call;
use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::target::on_target;
use super::text::null;
use super::tx::mode_of;
use super::types::*;
use crate::error::{Error, Kind, Outcome, Result, Retry};
use crate::store::{Failure, Scope};

/// Runs `body` in a transaction and commits, and runs the whole of it again when another process's or store's commit was in the way.
///
/// Each run gets a handle of its own, which ends with it. What the body returns decides. `KW_OK` commits. Everything else rolls back and
/// is returned as it is, with the error that the body's `err` holds for it; `err` is not written for numbers that are none of keepwell's,
/// such as negative ones. When that error, or the commit's, has the flag `KW_ERROR_RETRY_STATEMENT` or `KW_ERROR_RETRY_TRANSACTION` (a
/// bare `KW_BUSY` or `KW_CONFLICT` counts as having it) and is no timeout, the connection is given back, so that others get in, and after
/// a random pause of up to 1 ms, later 50 ms, the body is run again from its start: what it does outside of the database has to bear
/// that. A `KW_TX_DEFERRED` transaction is begun immediate then, which rules the conflict out.
///
/// `timeout_us` is for everything: the wait to begin, every call on the transaction, and the pauses; so is `cancel`. `KW_TIMEOUT` and
/// `KW_CANCELLED` of the pauses name the last error. Without a timeout no run begins later than 5 s after the first failure, and the last
/// error is returned. Errors of the beginning are final. A commit is never ended early, and one that is durable never reports a timeout.
///
/// On a transaction the body is a savepoint and runs once: its error has to reach the outermost `kw_tx_run`, which runs all of it again.
/// A body that ended the transaction with `kw_tx_commit` or `kw_tx_rollback` has decided: nothing more is done, and its value is returned.
/// An error by which the engine ended the transaction cannot be ignored: `KW_OK` is `KW_TX_ENDED` then.
///
/// Errors: those of `kw_tx_begin`, the body and `kw_tx_commit`; `KW_MISUSE` without a body.
#[no_mangle]
pub unsafe extern "C" fn kw_tx_run(
    target: kw_target,
    mode: i32,
    options: *const kw_options,
    body: kw_tx_body,
    context: *mut c_void,
    err: *mut kw_error,
) -> kw_status {
    guard(err, || {
        let function = body.ok_or_else(|| null("body"))?;
        // SAFETY: the caller keeps the promises of the header.
        let call = unsafe { Call::new(options)? };
        let mode = mode_of(mode)?;
        let body = Body { function, context };
        match on_target(target, &call, |on, call| Ok(on.run(mode, &call.options()?, |scope| body.run(scope))))? {
            Ok(()) => Ok(KW_OK),
            Err(Stopped::By(error)) => Err(error),
            Err(Stopped::With(number)) => Ok(number),
        }
    })
}

struct Body {
    function: unsafe extern "C" fn(kw_tx, *mut c_void, *mut kw_error) -> i32,
    context: *mut c_void,
}

/// Why a body did not come to its end.
enum Stopped {
    By(Error),
    /// A number that is none of keepwell's.
    With(i32),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Stopped::By(error)
    }
}

impl Failure for Stopped {
    fn error(&self) -> Option<&Error> {
        match self {
            Stopped::By(error) => Some(error),
            Stopped::With(_) => None,
        }
    }
}

impl Body {
    /// One run. The handle is gone afterwards, whatever became of the transaction.
    fn run(&self, scope: &Arc<Scope>) -> Result<(), Stopped> {
        let tx = handle::insert(Object::Scope(scope.clone()))?;
        let mut error = blank();
        // SAFETY: the caller promises a function that may be called with its context, on this thread, while `kw_tx_run` lasts.
        let returned = unsafe { (self.function)(tx, self.context, &mut error) };
        // In a child that the body has forked there is no such handle; the core says so.
        let _ = handle::take(tx, Kinds::Scope);
        match returned {
            KW_OK => Ok(()),
            number => Err(Kind::from_number(number).map_or(Stopped::With(number), |kind| Stopped::By(error_of(kind, &error)))),
        }
    }
}

fn blank() -> kw_error {
    kw_error {
        struct_size: size_of::<kw_error>() as u32,
        code: KW_OK,
        engine_code: 0,
        engine_extended_code: 0,
        sql_offset: -1,
        flags: 0,
        sqlstate: [0; 8],
        message: [0; 512],
    }
}

/// The error that a body ended with: the one that it has left, if that is of the kind it returned.
fn error_of(kind: Kind, left: &kw_error) -> Error {
    if left.code != kind.number() {
        let error = Error::new(kind, format!("the body of the transaction returned {} without the error that explains it", kind.name()));
        return error.with_retry(match kind {
            Kind::Busy | Kind::Conflict => Retry::Transaction,
            _ => Retry::No,
        });
    }
    let retry = match left.flags {
        flags if flags & KW_ERROR_RETRY_TRANSACTION != 0 => Retry::Transaction,
        flags if flags & KW_ERROR_RETRY_STATEMENT != 0 => Retry::Statement,
        flags if flags & KW_ERROR_RECONNECT != 0 => Retry::Connection,
        _ => Retry::No,
    };
    let outcome = match left.flags {
        flags if flags & KW_ERROR_COMMITTED != 0 => Outcome::Committed,
        flags if flags & KW_ERROR_ROLLED_BACK != 0 => Outcome::RolledBack,
        _ => Outcome::Unchanged,
    };
    let error = Error::new(kind, message_of(left)).at(u32::try_from(left.sql_offset).ok()).with_retry(retry).with_outcome(outcome);
    match (left.engine_code, left.engine_extended_code) {
        (0, 0) => error,
        (primary, extended) => error.with_engine(primary, extended),
    }
}

fn message_of(error: &kw_error) -> String {
    let bytes = error.message.map(|c| c as u8);
    CStr::from_bytes_until_nul(&bytes)
        .map_or_else(|_| String::from_utf8_lossy(&bytes).into_owned(), |text| text.to_string_lossy().into_owned())
}
