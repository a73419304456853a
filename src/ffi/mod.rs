//! The border: the exported C functions. Each one reads its arguments, calls the core, writes its outputs.

// The names are those of the C header.
#![allow(non_camel_case_types)]
#![allow(unsafe_code)]
#![deny(unsafe_op_in_unsafe_fn)]
// What each exported function asks of its caller is said once, at the head of the header.
#![allow(clippy::missing_safety_doc)]

pub mod insight_types;
pub mod migration_types;
pub mod types;

mod fill;
mod guard;
mod handle;
mod text;

mod about;
mod cache;
mod call;
mod cancel;
mod config;
mod group;
mod log;
mod metrics;
mod migrations;
mod python;
mod query;
mod report;
mod rows;
mod run;
mod shortcut;
mod statement;
mod store;
mod target;
mod tx;

pub use about::{kw_abi_describe, kw_status_name, kw_version};
pub use guard::error_flags;
