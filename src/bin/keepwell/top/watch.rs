//! A watch over a process: a look at it in equal intervals.

use std::thread;
use std::time::{Duration, Instant};

use keepwell::Result;

use super::super::arguments::Top;
use super::address::Address;
use super::page::Page;
use super::scrape::Scrape;

/// How long an answer may take, however short the interval is.
const PATIENCE: Duration = Duration::from_secs(2);

pub struct Watch {
    address: Address,
    interval: Duration,
    /// The label of the one store that is wanted.
    only: Option<String>,
    /// The look before; `None` after one that failed, so that no rate spans a gap.
    last: Option<Scrape>,
    due: Instant,
}

impl Watch {
    pub fn of(top: &Top) -> Watch {
        Watch { address: top.address.clone(), interval: top.interval, only: top.store.clone(), last: None, due: Instant::now() }
    }

    /// Waits until the next look is due, takes it, and gives what lies between it and the one before. `None`: there is none before.
    ///
    /// # Errors
    /// Those of [`Scrape::take`] and [`Page::between`]. The watch goes on after them.
    pub fn next(&mut self) -> Result<Option<Page>> {
        thread::sleep(self.due.saturating_duration_since(Instant::now()));
        self.due = Instant::now() + self.interval;
        let before = self.last.take();
        let now = Scrape::take(&self.address, self.interval.max(PATIENCE))?;
        let page = before.map(|before| Page::between(self.address.to_string(), &before, &now, self.only.as_deref())).transpose()?;
        self.last = Some(now);
        Ok(page)
    }
}
