//! The command `top`: what the stores of a running process do, as its metrics tell it.

mod address;
mod exposition;
mod histogram;
mod http;
mod live;
mod page;
mod plain;
mod scrape;
mod screen;
mod show;
mod view;
mod watch;

use std::io::{self, IsTerminal};

use keepwell::Result;

pub use self::address::Address;
use self::watch::Watch;
use super::arguments::Top;
use super::exit;
use super::output::Output;

/// Watches the process on the terminal, or writes samples where there is none or some are asked for.
///
/// # Errors
/// Those of [`plain::run`] and [`live::run`].
pub fn act(top: &Top, output: &Output) -> Result<u8> {
    let once = top.once || (top.json && top.batch.is_none());
    let samples = if once { Some(1) } else { top.batch };
    let watch = Watch::of(top);
    if samples.is_some() || !io::stdout().is_terminal() {
        plain::run(watch, samples, once, output)?;
    } else {
        live::run(watch, top)?;
    }
    Ok(exit::DONE)
}
