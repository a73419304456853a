//! The cache of results: with it every query gives exactly what it would give without, whatever route a write took, and a repeat is a hit
//! wherever it may be. Each module is one way in which a result may come to an end, or not be kept at all.

#[path = "cache/bench.rs"]
mod bench;
#[path = "cache/chance.rs"]
mod chance;
#[path = "cache/foreign.rs"]
mod foreign;
#[path = "cache/limits.rs"]
mod limits;
#[path = "cache/never.rs"]
mod never;
#[path = "cache/processes.rs"]
mod processes;
#[path = "cache/schema.rs"]
mod schema;
#[path = "cache/uses.rs"]
mod uses;
#[path = "cache/writes.rs"]
mod writes;
