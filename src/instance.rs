//! The process-wide store: set once, get, take on close. The one global of the library proper.

use crate::sync::Mutex;

use crate::config::Config;
use crate::error::{Error, Kind, Result};
use crate::process::PerProcess;
use crate::store::Store;

static INSTANCE: PerProcess<Mutex<Option<Store>>> = PerProcess::new();

/// Opens the process-wide store.
///
/// # Errors
/// [`Kind::AlreadyInitialized`] while it is open; what [`Store::open`] gives.
pub fn initialize(config: &Config) -> Result<Store> {
    let mut place = INSTANCE.get()?.lock();
    if place.as_ref().is_some_and(|store| !store.is_closed()) {
        let message = "the process-wide store is initialized already; close it first, or open a further store";
        return Err(Error::new(Kind::AlreadyInitialized, message));
    }
    Ok(place.insert(Store::open(config)?).clone())
}

/// The process-wide store.
///
/// # Errors
/// [`Kind::NotInitialized`] before [`initialize`] and after the store was closed.
pub fn get() -> Result<Store> {
    let place = INSTANCE.get()?.lock();
    let store = place.as_ref().filter(|store| !store.is_closed());
    store.cloned().ok_or_else(|| Error::new(Kind::NotInitialized, "no process-wide store: initialize it first"))
}
