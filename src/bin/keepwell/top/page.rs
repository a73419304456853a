//! All stores of a process between two looks.

use keepwell::{Error, Kind, Result};
use serde::Serialize;

use super::scrape::Scrape;
use super::show;
use super::view::View;

#[derive(Debug, Serialize)]
pub struct Page {
    pub operation: &'static str,
    pub address: String,
    pub stores: Vec<View>,
}

impl Page {
    /// The stores that both looks saw, or the one with this label.
    ///
    /// # Errors
    /// [`Kind::Config`] when there is no store with the label.
    pub fn between(address: String, before: &Scrape, now: &Scrape, only: Option<&str>) -> Result<Page> {
        if let Some(label) = only.filter(|label| !now.stores.contains_key(*label)) {
            let there: Vec<&str> = now.stores.keys().map(String::as_str).collect();
            return Err(Error::new(Kind::Config, format!("{address} shows no store {label}; it shows {}", there.join(", "))));
        }
        let seconds = now.at.duration_since(before.at).as_secs_f64();
        let both = now.stores.iter().filter_map(|(label, series)| Some((label, before.stores.get(label)?, series)));
        let wanted = both.filter(|(label, ..)| only.is_none_or(|only| only == *label));
        let stores = wanted.map(|(label, before, now)| View::between(label, before, now, seconds)).collect();
        Ok(Page { operation: "top", address, stores })
    }

    /// A block for each store, with a blank line after it.
    pub fn lines(&self) -> Vec<String> {
        self.stores.iter().flat_map(|view| show::lines(view).into_iter().chain([String::new()])).collect()
    }

    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("keys are names")
    }
}
