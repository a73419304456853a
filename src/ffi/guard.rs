//! The one frame of every exported function: panics stop here, errors become a status and the caller's struct.

use std::any::Any;
use std::ffi::c_char;
use std::panic::{catch_unwind, AssertUnwindSafe};

use super::types::*;
use crate::error::{Error, Kind, Outcome, Result, Retry};
use crate::process;
use crate::text::head;

/// Runs the body of an exported function. What it returns is the status; on failure `err`, if given, says why.
#[inline]
pub fn guard(err: *mut kw_error, body: impl FnOnce() -> Result<kw_status>) -> kw_status {
    let error = match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => return status,
        Ok(Err(error)) => error,
        Err(panic) => from_panic(&*panic),
    };
    report(err, &error);
    error.kind().number()
}

/// The error for a panic that was caught, which is counted.
pub fn from_panic(panic: &(dyn Any + Send)) -> Error {
    process::has_panicked();
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::new(Kind::Panic, format!("a panic inside keepwell was stopped: {}; please report it", text.unwrap_or("no message")))
}

/// The `KW_ERROR_…` flags of an error.
pub fn error_flags(error: &Error) -> u32 {
    let retry = match error.retry() {
        Retry::No => 0,
        Retry::Statement => KW_ERROR_RETRY_STATEMENT,
        Retry::Transaction => KW_ERROR_RETRY_TRANSACTION,
        Retry::Connection => KW_ERROR_RECONNECT,
    };
    let outcome = match error.outcome() {
        Outcome::Unchanged => 0,
        Outcome::RolledBack => KW_ERROR_ROLLED_BACK,
        Outcome::Committed => KW_ERROR_COMMITTED,
    };
    let cause = match error.kind() {
        Kind::Timeout | Kind::Exhausted => KW_ERROR_TIMED_OUT,
        Kind::Cancelled => KW_ERROR_CANCELLED,
        _ => 0,
    };
    retry | outcome | cause
}

/// Writes an error into the caller's struct, as far as that goes.
#[cold]
pub fn report(err: *mut kw_error, error: &Error) {
    // SAFETY: the caller passes NULL or a struct whose first field says its size; only so much of it is written.
    let Some(size) = (unsafe { err.cast::<u32>().as_ref() }).copied() else { return };
    let engine = error.engine();
    let mut full = kw_error {
        struct_size: size,
        code: error.kind().number(),
        engine_code: engine.map_or(0, |e| e.primary),
        engine_extended_code: engine.map_or(0, |e| e.extended),
        sql_offset: error.offset().and_then(|o| i32::try_from(o).ok()).unwrap_or(-1),
        flags: error_flags(error),
        sqlstate: [0; 8],
        message: [0; 512],
    };
    copy_text(error.sqlstate(), &mut full.sqlstate);
    copy_text(error.message(), &mut full.message);
    let length = (size as usize).min(size_of::<kw_error>());
    // SAFETY: as above.
    unsafe { std::ptr::copy_nonoverlapping((&raw const full).cast::<u8>(), err.cast::<u8>(), length) };
}

/// Copies text into a fixed array, cut at a character's edge, always with a NUL at its end.
pub fn copy_text(text: &str, into: &mut [c_char]) {
    let text = head(text, into.len() - 1);
    for (place, byte) in into.iter_mut().zip(text.as_bytes().iter().chain([&0])) {
        *place = *byte as c_char;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blank() -> kw_error {
        // SAFETY: zeros are valid for a struct of numbers.
        unsafe { std::mem::zeroed() }
    }

    #[test]
    fn a_panic_becomes_a_status_and_a_sentence() {
        let mut err = kw_error { struct_size: size_of::<kw_error>() as u32, ..blank() };
        let status = guard(&mut err, || panic!("deliberate"));
        assert_eq!((status, err.code), (KW_PANIC, KW_PANIC));
        // SAFETY: the message is NUL-terminated.
        let text = unsafe { std::ffi::CStr::from_ptr(err.message.as_ptr()) }.to_str().unwrap();
        assert!(text.contains("deliberate"), "{text}");
        assert_eq!(guard(std::ptr::null_mut(), || panic!("deliberate")), KW_PANIC);
    }

    #[test]
    fn an_older_callers_error_is_written_only_as_far_as_it_goes() {
        let mut err = kw_error { struct_size: 8, sql_offset: 77, ..blank() };
        let status = guard(&mut err, || Err(Error::new(Kind::Sql, "no").at(Some(3))));
        assert_eq!((status, err.code, err.sql_offset), (KW_SQL, KW_SQL, 77));
    }

    #[test]
    fn a_long_message_is_cut_at_a_characters_edge() {
        let mut into = [1; 8];
        copy_text("aäöüß", &mut into);
        assert_eq!(into.map(|c| c as u8), [b'a', 0xC3, 0xA4, 0xC3, 0xB6, 0xC3, 0xBC, 0]);
        let mut into = [1; 7];
        copy_text("aäöüß", &mut into);
        assert_eq!(into.map(|c| c as u8)[..6], [b'a', 0xC3, 0xA4, 0xC3, 0xB6, 0]);
    }
}
