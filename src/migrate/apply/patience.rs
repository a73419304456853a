//! How long a runner waits for others, and what it says when that was not enough.

use std::time::{Duration, Instant};

use super::Setting;
use crate::cancel::{Bounds, Op};
use crate::error::{Error, Kind};
use crate::migrate::Policy;

/// The operation of one wait for others.
pub fn patience<'o>(setting: &Setting<'_, 'o>) -> Op<'o> {
    const FOREVER: Duration = Duration::from_secs(1 << 30);
    setting.op.within(&Bounds::until(Instant::now() + setting.policy.lock_timeout.unwrap_or(FOREVER)))
}

/// What a wait for the write lock ended with, and the setting that it was bounded by.
pub fn late(error: Error, policy: &Policy) -> Error {
    let error = error.context("migrations: waiting for the database's write lock, which another process or store holds");
    match (error.kind(), policy.lock_timeout) {
        (Kind::Timeout, Some(limit)) => error.followed_by(format!("; lock_timeout is {limit:?}")),
        _ => error,
    }
}
