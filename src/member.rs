//! One write that waits in line, with everything that another thread needs to run it in its place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::cancel::{Bounds, Caller, Op};
use crate::driver::Changes;
use crate::error::{Error, Kind, Result};
use crate::rows::{Batch, Columns};
use crate::sync::Mutex;
use crate::value::{Params, Value, ValueRef};

/// What a caller wants to hear of its write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// What it changed.
    Changes,
    /// The rows of its RETURNING.
    Rows,
}

/// What a write gave.
#[derive(Debug)]
pub enum Done {
    Changes(Changes),
    Rows(Arc<Columns>, Batch),
}

/// A write with its own copy of everything the caller said, as the caller's memory is not this thread's to read.
#[derive(Debug)]
pub struct Member {
    pub sql: String,
    pub keep: bool,
    pub wants: Wants,
    values: Vec<Value>,
    names: Option<Vec<String>>,
    bounds: Bounds,
    /// When the caller's operation began, in ticks.
    began: u64,
    /// The caller would rather have the write undone than go on waiting.
    given_up: AtomicBool,
    /// It shared a transaction before and could not stay in it.
    alone: AtomicBool,
    result: Mutex<Option<Result<Done>>>,
}

/// A write whose parameters have more bytes than this is not copied: it waits for the writer itself.
const LARGE: usize = 64 * 1024;

impl Member {
    /// A copy of a write, unless it is a large one.
    pub fn copy(sql: &str, params: Params<'_>, keep: bool, wants: Wants, op: &Op<'_>) -> Option<Arc<Member>> {
        let bytes: usize = params.values().iter().map(|value| value.as_bytes().map_or(0, <[u8]>::len)).sum();
        (bytes + sql.len() <= LARGE).then(|| Arc::new(Member::new(sql, params, keep, wants, op)))
    }

    /// A copy of a write, however large.
    pub fn new(sql: &str, params: Params<'_>, keep: bool, wants: Wants, op: &Op<'_>) -> Member {
        Member {
            sql: sql.to_string(),
            keep,
            wants,
            values: params.values().iter().map(ValueRef::to_owned).collect(),
            names: params.names().map(|names| names.iter().map(ToString::to_string).collect()),
            bounds: op.bounds(),
            began: op.began(),
            given_up: AtomicBool::new(false),
            alone: AtomicBool::new(false),
            result: Mutex::new(None),
        }
    }

    /// Lets `work` see the parameters.
    pub fn with_params<R>(&self, work: impl FnOnce(Params<'_>) -> R) -> R {
        let values: Vec<ValueRef<'_>> = self.values.iter().map(Value::as_ref).collect();
        match &self.names {
            None => work(Params::positional(&values)),
            Some(names) => {
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                work(Params::named(&names, &values))
            }
        }
    }

    /// The caller's operation, for the thread that runs the write.
    pub fn op(&self) -> Op<'_> {
        Op::bounded(self.bounds, self).begun(self.began)
    }

    /// Says that the caller would rather have the write undone than go on waiting.
    pub fn give_up(&self) {
        self.given_up.store(true, Ordering::Relaxed);
    }

    /// Says that the write must not share a transaction any more.
    pub fn keep_alone(&self) {
        self.alone.store(true, Ordering::Relaxed);
    }

    /// Whether the write must have a transaction of its own.
    pub fn is_alone(&self) -> bool {
        self.alone.load(Ordering::Relaxed)
    }

    /// Keeps what became of the write; a later answer replaces an earlier one.
    pub fn answer(&self, result: Result<Done>) {
        *self.result.lock() = Some(result);
    }

    /// What became of the write.
    pub fn result(&self) -> Result<Done> {
        let result = self.result.lock().take();
        result.unwrap_or_else(|| {
            Err(Error::new(
                Kind::Panic,
                "a panic in the thread that ran this write with its own; look whether it took effect before you repeat it",
            ))
        })
    }
}

impl Caller for Member {
    fn tick(&self) -> bool {
        self.given_up.load(Ordering::Relaxed)
    }
}
