//! keepwell: one embedded data layer that C, C++, Python, Go and Rust programs share.
//!
//! The modules in reading order. ARCHITECTURE.md draws how they depend on each other.

// The nouns: plain data that everything else shares.
pub mod config;
pub mod error;
mod errors;
pub mod footprint;
mod lead;
pub mod rows;
pub mod tables;
mod text;
pub mod value;
mod warnings;

// The engine behind its seam.
pub mod driver;

// Mechanisms that know nothing of databases.
mod bell;
pub mod cache;
pub mod cancel;
pub mod clock;
mod coarse;
pub mod metrics;
pub mod process;
pub mod slots;
pub mod sync;
mod ticks;

// Connections, and what is done with them.
mod caretaker;
mod exec;
mod group;
mod holders;
mod listener;
mod member;
pub mod migrate;
mod pool;
mod sentry;
mod session;
mod tx;

// The store, where the parts meet.
pub mod instance;
pub mod options;
pub mod results;
mod settings;
pub mod store;

// The border to C.
pub mod ffi;

pub use config::Config;
pub use error::{Error, Kind, Result};
pub use exec::Matrix;
pub use options::QueryOptions;
pub use results::Rows;
pub use store::{Scope, Store, TxMode};
pub use value::{Params, Value, ValueRef};
