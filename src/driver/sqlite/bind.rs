//! Parameters of a statement: counted, matched by name, bound.

use rusqlite::ffi;

use super::convert;
use super::raw::Raw;
use super::statements::Entry;
use crate::driver::Plan;
use crate::error::{Error, Kind, Result};
use crate::value::{Params, ValueRef};

/// Binds all parameters of a statement that is at its start.
#[inline]
pub fn bind(raw: &Raw, entry: &mut Entry, params: Params<'_>, borrow: bool) -> Result<()> {
    let values = params.values();
    if params.names().is_none() && values.len() == entry.plan.parameters.len() {
        return values.iter().enumerate().try_for_each(|(index, value)| one(raw, entry, index, *value, borrow));
    }
    let Some(names) = params.names() else { return Err(wrong_count(&entry.plan, values.len())) };
    let order = order(&entry.plan, names)?;
    order.iter().enumerate().try_for_each(|(index, &from)| one(raw, entry, index, values[from], borrow))
}

#[inline]
fn one(raw: &Raw, entry: &mut Entry, index: usize, value: ValueRef<'_>, borrow: bool) -> Result<()> {
    let code = entry.statement.bind(index + 1, value, borrow);
    entry.borrowed |= borrow && value.as_bytes().is_some();
    if code == ffi::SQLITE_OK {
        return Ok(());
    }
    Err(convert::error(raw.failure(code), &format!("parameter {}", describe(&entry.plan, index))))
}

/// For each parameter of the statement, where its value is in the list given by name.
fn order(plan: &Plan, names: &[&str]) -> Result<Vec<usize>> {
    let mut used = vec![false; names.len()];
    let order = plan.parameters.iter().enumerate().map(|(index, wanted)| {
        let Some(wanted) = wanted else {
            return Err(bad(plan, format!("parameter {} has no name; give the values in order instead", index + 1)));
        };
        let found = names.iter().position(|name| names_it(name, wanted));
        let found = found.ok_or_else(|| bad(plan, format!("no value for {wanted}; given: {}", list(names))))?;
        used[found] = true;
        Ok(found)
    });
    let order = order.collect::<Result<Vec<_>>>()?;
    match used.iter().position(|used| !used) {
        Some(extra) => Err(bad(plan, format!("the statement has no parameter called {}; it has: {}", names[extra], expected(plan)))),
        None => Ok(order),
    }
}

/// A name with a prefix means exactly that parameter, one without means it whatever its prefix.
fn names_it(name: &str, wanted: &str) -> bool {
    name == wanted || (!name.starts_with(PREFIXES) && wanted.strip_prefix(PREFIXES) == Some(name))
}

const PREFIXES: [char; 4] = [':', '@', '$', '?'];

fn wrong_count(plan: &Plan, given: usize) -> Error {
    let wanted = plan.parameters.len();
    let plural = if wanted == 1 { "" } else { "s" };
    let which = if plan.parameters.iter().any(Option::is_some) { format!(" ({})", expected(plan)) } else { String::new() };
    bad(plan, format!("the statement takes {wanted} parameter{plural}{which}, {given} given"))
}

fn bad(plan: &Plan, what: String) -> Error {
    Error::new(Kind::Parameter, format!("{}: {what}", super::brief(&plan.sql)))
}

fn describe(plan: &Plan, index: usize) -> String {
    plan.parameters[index].clone().unwrap_or_else(|| (index + 1).to_string())
}

fn expected(plan: &Plan) -> String {
    let names: Vec<String> = (0..plan.parameters.len()).map(|index| describe(plan, index)).collect();
    names.join(", ")
}

fn list(names: &[&str]) -> String {
    if names.is_empty() {
        return "none".to_string();
    }
    names.join(", ")
}
