//! Metrics, logs, costs of statements, health: numbers agree exactly with what was done.

#[path = "metrics/bench.rs"]
mod bench;
#[path = "metrics/counts.rs"]
mod counts;
#[path = "metrics/exposed.rs"]
mod exposed;
#[path = "metrics/health.rs"]
mod health;
#[path = "metrics/logs.rs"]
mod logs;
#[path = "metrics/plans.rs"]
mod plans;
#[path = "metrics/waits.rs"]
mod waits;
