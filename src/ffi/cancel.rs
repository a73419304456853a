//! Cancel tokens.

use super::guard::guard;
use super::handle;
use super::text::give;
use super::types::*;
use crate::cancel::CancelToken;

/// A token that ends every call it is given to, once it is triggered. Free it with `kw_cancel_free`.
#[no_mangle]
pub unsafe extern "C" fn kw_cancel_new(out: *mut kw_cancel, err: *mut kw_error) -> kw_status {
    guard(err, || {
        if out.is_null() {
            return Err(super::text::null("out"));
        }
        let token = CancelToken::new()?;
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, handle::cancel_handle(token), "out")? };
        Ok(KW_OK)
    })
}

/// Ends the calls that use the token, now and later, until it is reset: they return `KW_CANCELLED`. A commit that has begun is not ended.
/// From any thread at any time, also from a signal handler, also when the calls are over.
#[no_mangle]
pub unsafe extern "C" fn kw_cancel_trigger(cancel: kw_cancel) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::cancel_token(cancel)?.cancel();
        Ok(KW_OK)
    })
}

/// Makes a triggered token usable again.
#[no_mangle]
pub unsafe extern "C" fn kw_cancel_reset(cancel: kw_cancel) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::cancel_token(cancel)?.reset();
        Ok(KW_OK)
    })
}

/// Frees a token. Harmless for one that is freed already.
#[no_mangle]
pub unsafe extern "C" fn kw_cancel_free(cancel: kw_cancel) -> kw_status {
    guard(std::ptr::null_mut(), || {
        handle::free_cancel(cancel)?;
        Ok(KW_OK)
    })
}
