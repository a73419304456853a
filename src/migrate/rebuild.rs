//! x
use crate::cancel::Op;
use crate::driver::Connection;
use crate::error::Result;
use crate::migrate::Report;
/// A
pub struct Rebuild<'a> { pub table: &'a str }
pub fn run(_c: &dyn Fn() -> Result<Box<dyn Connection>>, _r: &Rebuild<'_>, _e: bool, _op: &Op<'_>) -> Result<Report> { todo!() }
