//! The class `Target` of the native road: the methods that run SQL, for stores, transactions and pinned connections alike.

use std::cell::RefCell;
use std::ffi::CStr;
use std::mem::{offset_of, size_of};
use std::sync::Arc;
use std::time::Instant;

use super::api::{PyObject, FASTCALL_KEYWORDS};
use super::arguments::{Arguments, Call, Command};
use super::cells;
use super::class::{self, slot};
use super::entry;
use super::gil::Gil;
use super::kept::Kept;
use super::kept_rows;
use super::object::{Object, Outcome, Owned, Python, Raised};
use super::parameters::{Matrix, Parameters};
use super::state::{Address, Interpreter};
use crate::cancel::Op;
use crate::driver::Changes;
use crate::error::{Error, Result};
use crate::ffi::call::Call as Options;
use crate::ffi::handle::{self, Kinds};
use crate::ffi::rows::Reader;
use crate::ffi::target::{on_target, On};
use crate::ffi::types::*;
use crate::options::QueryOptions;
use crate::results::{Rest, Rows};
use crate::rows::{Batch, Columns, First, Held, Whole};
use crate::value::Params;

/// An object of the class, or of one derived from it in Python.
#[repr(C)]
struct TargetObject {
    head: PyObject,
    handle: u64,
}

/// The doc strings of the methods, which the package keeps with its portable road.
pub struct Docs<'a> {
    pub class: &'a CStr,
    pub query: &'a CStr,
    pub query_one: &'a CStr,
    pub query_value: &'a CStr,
    pub execute: &'a CStr,
}

/// Makes the class.
pub fn make(python: Python<'_>, docs: &Docs<'_>) -> Outcome<Address> {
    let doc = docs.class.to_owned().into_raw().cast_const();
    let slots = vec![slot(slot::DOC, doc.cast()), slot(slot::NEW, new as *const ())];
    let members = vec![class::writable(c"_handle", class::MEMBER_U64, offset_of!(TargetObject, handle), c"The number of the C handle.")];
    let methods = vec![
        class::method(c"query", query as *const (), FASTCALL_KEYWORDS, docs.query),
        class::method(c"query_one", query_one as *const (), FASTCALL_KEYWORDS, docs.query_one),
        class::method(c"query_value", query_value as *const (), FASTCALL_KEYWORDS, docs.query_value),
        class::method(c"execute", execute as *const (), FASTCALL_KEYWORDS, docs.execute),
        class::method(c"_execute_many", execute_many as *const (), FASTCALL_KEYWORDS, c"(sql, rows, options)"),
        class::method(c"_open_rows", open_rows as *const (), FASTCALL_KEYWORDS, c"(sql, params, batch_rows, options, owner)"),
    ];
    class::make(python, c"keepwell.Target", size_of::<TargetObject>(), class::PLAIN | class::BASE, slots, methods, members)
}

/// `Target(handle, …)`; further arguments are for the `__init__` of a derived class.
unsafe extern "C" fn new(class: *mut PyObject, arguments: *mut PyObject, _keywords: *mut PyObject) -> *mut PyObject {
    entry(|_, python| {
        // SAFETY: the interpreter passes a live tuple.
        let handle = unsafe { python.view(arguments) }.ok_or(Raised)?.tuple_item(0)?.as_u64()?;
        // SAFETY: the class is alive; the new object is of it, zeroed beyond its head, and nobody else has seen it.
        unsafe {
            let object = python.own((python.api.PyType_GenericAlloc)(class, 0))?;
            (*object.pointer().cast::<TargetObject>()).handle = handle;
            Ok(object)
        }
    })
}

/// What a method call is about: the arguments that `interpreter` passes to all of them.
#[derive(Clone, Copy)]
struct Frame {
    this: *mut PyObject,
    first: *const *mut PyObject,
    positions: isize,
    keywords: *mut PyObject,
}

impl Frame {
    /// The target's handle and the raw arguments.
    ///
    /// # Safety
    /// The fields are what the interpreter passed to a method of this class, and the call lasts for `'py`.
    #[inline]
    unsafe fn open<'py>(self, python: Python<'py>) -> (u64, Call<'py>) {
        // SAFETY: by contract; methods are only ever called with an object of their class.
        unsafe { ((*self.this.cast::<TargetObject>()).handle, Call::new(python, self.first, self.positions, self.keywords)) }
    }
}

thread_local! {
    /// A batch that changes places with a lease's, so that rows become objects after the connection went back.
    static SPARE: RefCell<Batch> = RefCell::default();
}

/// What is kept of [`SPARE`] between calls.
const KEPT_CELLS: usize = 64 * 1024;
const KEPT_BYTES: usize = 1024 * 1024;

/// A first batch in this thread's hands, and where the rest is.
struct Fetched {
    columns: Arc<Columns>,
    batch: Held,
    rest: Option<Rest>,
}

impl Fetched {
    /// Keeps the memory of the batch for the next call.
    fn recycle(batch: Held) {
        let Held::Own(mut batch) = batch else { return };
        batch.shrink(KEPT_CELLS, KEPT_BYTES);
        SPARE.with(|spare| drop(spare.replace(batch)));
    }
}

/// One statement with everything that a run of it needs.
struct Run<'a> {
    interpreter: &'a Interpreter,
    target: u64,
    command: Command<'a>,
    options: kw_options,
}

impl Run<'_> {
    /// Runs `work` on the target with the interpreter's lock in `gil`'s hands; it is held again when this returns.
    #[inline]
    fn on<R>(&self, gil: &Gil, work: impl FnOnce(On<'_>, &str, &QueryOptions<'_>) -> Result<R>) -> Result<R> {
        let statement = match self.command {
            Command::Text(_) => None,
            Command::Prepared(handle) => Some(crate::ffi::statement::find(handle)?),
        };
        let sql = match (&statement, self.command) {
            (Some(statement), _) => statement.0.sql(),
            (None, Command::Text(sql)) => sql,
            (None, Command::Prepared(_)) => "",
        };
        // SAFETY: the options are complete and hold no pointers.
        let call = unsafe { Options::new(&self.options)? };
        on_target(self.target, &call, |on, call| {
            let mut options = call.options()?;
            options.caller = Some(gil);
            work(on, sql, &options)
        })
    }

    /// The first batch; then `finish` makes the result of it, with the connection given back when the batch was all there is.
    #[inline]
    fn query<'py>(
        &self,
        python: Python<'py>,
        params: Params<'_>,
        finish: impl FnOnce(&Self, Python<'py>, &Gil, Fetched) -> Outcome<Owned<'py>>,
    ) -> Outcome<Owned<'py>> {
        let gil = Gil::held(self.interpreter.api);
        kept_rows::tidy(self.interpreter, python);
        let fetched = self.on(&gil, |on, sql, options| {
            on.query_first(sql, params, options, |columns, first| match first {
                First::Fresh(full) => (columns.clone(), Held::Own(std::mem::replace(full, SPARE.with(RefCell::take)))),
                First::Kept(whole) => (columns.clone(), Held::Kept(whole.clone())),
            })
        });
        gil.take();
        match fetched {
            Ok(_) if gil.has_raised() => Err(Raised),
            Ok(((columns, batch), rest)) => finish(self, python, &gil, Fetched { columns, batch, rest }),
            Err(error) => Err(self.fail(python, &gil, &error)),
        }
    }

    /// Raises for an error of the core, unless a signal handler raised before.
    #[cold]
    fn fail(&self, python: Python<'_>, gil: &Gil, error: &Error) -> Raised {
        if gil.has_raised() {
            Raised
        } else {
            self.interpreter.raise(python, error)
        }
    }

    /// Counts what the objects of a kept result take.
    #[cold]
    fn charge(&self, gil: &Gil, params: Params<'_>, whole: &Arc<Whole>, bytes: usize) {
        let _ = self.on(gil, |on, sql, _| {
            on.store().cache_charge(sql, params, whole, bytes);
            Ok(())
        });
        gil.take();
    }

    /// All rows as a `list`: those at hand, then the rest batch by batch.
    fn collect<'py>(&self, python: Python<'py>, gil: &Gil, fetched: Fetched, started: Option<Instant>) -> Outcome<Owned<'py>> {
        let Fetched { columns, batch, rest } = fetched;
        let list = cells::rows(self.interpreter, python, batch.batch())?;
        let Some(rest) = rest else {
            Fetched::recycle(batch);
            return Ok(list);
        };
        let mut rows = Rows::partly_read(columns, batch, Some(rest));
        let bounds = self.on(gil, |on, _, options| Ok((on.store().timeout(options), options.cancel)));
        gil.take();
        let (timeout, token) = bounds.map_err(|error| self.fail(python, gil, &error))?;
        let left = timeout.map(|whole| whole.saturating_sub(started.map_or_else(Default::default, |at| at.elapsed())));
        let op = Op::new(left, token, Some(gil));
        gil.read_on();
        loop {
            let more = rows.next_batch(&op).map(|batch| batch.is_some());
            gil.take();
            match more {
                _ if gil.has_raised() => return Err(Raised),
                Err(error) => return Err(self.fail(python, gil, &error)),
                Ok(true) => cells::append(self.interpreter, python, &list, rows.batch())?,
                Ok(false) => return Ok(list),
            }
        }
    }

    fn changed<'py>(&self, python: Python<'py>, gil: &Gil, changes: Result<Changes>) -> Outcome<Owned<'py>> {
        gil.take();
        match changes {
            Ok(_) if gil.has_raised() => Err(Raised),
            Ok(changes) => self.interpreter.result(python, changes),
            Err(error) => Err(self.fail(python, gil, &error)),
        }
    }

    /// Inside a transaction a write waits for nobody and no disk; outside it does, so the interpreter's lock is given up first.
    fn gil_for_writing(&self) -> Gil {
        let gil = Gil::held(self.interpreter.api);
        if handle::kind_of(self.target) != Kinds::Scope as u64 {
            gil.give_up();
        }
        gil
    }
}

/// Reads the arguments that all these methods share, and runs.
#[inline]
fn with_arguments(frame: Frame, run: impl for<'py> FnOnce(Python<'py>, Run<'_>, Params<'_>) -> Outcome<Owned<'py>>) -> *mut PyObject {
    entry(|interpreter, python| {
        // SAFETY: `frame` is what the interpreter passed to the method that calls this.
        let (target, call) = unsafe { frame.open(python) };
        let Arguments { command, params, options } = Arguments::read(interpreter, &call)?;
        let kept = Kept::new(python);
        let params = Parameters::read(interpreter, params, &kept)?;
        run(python, Run { interpreter, target, command, options }, params.as_params())
    })
}

/// The moment that a timeout counts from, when there may be one.
fn start(options: &kw_options) -> Option<Instant> {
    (options.timeout_us >= 0).then(Instant::now)
}

unsafe extern "C" fn query(this: *mut PyObject, first: *const *mut PyObject, positions: isize, keywords: *mut PyObject) -> *mut PyObject {
    with_arguments(Frame { this, first, positions, keywords }, |python, run, params| {
        run.query(python, params, |run, python, gil, fetched| {
            let columns = run.interpreter.columns(python, &fetched.columns)?;
            if let Held::Kept(whole) = &fetched.batch {
                let (rows, made) = kept_rows::of(run.interpreter, python, whole)?;
                if made > 0 {
                    run.charge(gil, params, whole, made);
                }
                return super::rows::create(run.interpreter, rows, columns, true, python);
            }
            let started = fetched.rest.as_ref().and_then(|_| start(&run.options));
            let list = run.collect(python, gil, fetched, started)?;
            super::rows::create(run.interpreter, list, columns, false, python)
        })
    })
}

/// Asks for two rows, so that a result of one has ended, and its connection is back, when it arrives.
const ONE_AND_ITS_END: u32 = 2;

unsafe extern "C" fn query_one(
    this: *mut PyObject,
    first: *const *mut PyObject,
    positions: isize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    with_arguments(Frame { this, first, positions, keywords }, |python, mut run, params| {
        run.options.batch_rows = ONE_AND_ITS_END;
        run.query(python, params, |run, python, _, Fetched { batch, rest, .. }| {
            drop(rest);
            let first = batch.batch();
            let row = if first.rows() == 0 { Ok(python.none()) } else { cells::tuple(run.interpreter, python, first.row(0)) };
            Fetched::recycle(batch);
            row
        })
    })
}

unsafe extern "C" fn query_value(
    this: *mut PyObject,
    first: *const *mut PyObject,
    positions: isize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    with_arguments(Frame { this, first, positions, keywords }, |python, mut run, params| {
        run.options.batch_rows = ONE_AND_ITS_END;
        run.query(python, params, |run, python, _, Fetched { batch, rest, .. }| {
            drop(rest);
            let value = cells::object(run.interpreter, python, batch.batch().get(0, 0), 0);
            Fetched::recycle(batch);
            value
        })
    })
}

unsafe extern "C" fn execute(this: *mut PyObject, first: *const *mut PyObject, positions: isize, keywords: *mut PyObject) -> *mut PyObject {
    with_arguments(Frame { this, first, positions, keywords }, |python, run, params| {
        let gil = run.gil_for_writing();
        let changes = run.on(&gil, |on, sql, options| on.execute(sql, params, options));
        run.changed(python, &gil, changes)
    })
}

/// `(sql, rows, options)`: one crossing's worth of rows.
unsafe extern "C" fn execute_many(
    this: *mut PyObject,
    first: *const *mut PyObject,
    positions: isize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    entry(|interpreter, python| {
        // SAFETY: what the interpreter passed to this method.
        let (target, call) = unsafe { Frame { this, first, positions, keywords }.open(python) };
        let [sql, rows, options] = call.exactly()?;
        let run =
            Run { interpreter, target, command: Command::read(interpreter, sql)?, options: super::arguments::packed_options(options)? };
        let kept = Kept::new(python);
        // A tuple of their own, so that no other thread can take rows away.
        let matrix = Matrix::read(interpreter, kept.hold(rows.to_tuple()?), &kept)?;
        let gil = run.gil_for_writing();
        let changes = run.on(&gil, |on, sql, options| on.execute_many(sql, matrix.as_matrix()?, options));
        run.changed(python, &gil, changes)
    })
}

/// `(sql, params, batch_rows, options, owner) -> (columns, rows, from the cache)`: a result to be read bit by bit. The handle of the rest, or 0, is already in
/// `owner._handle` when this returns, so that no signal can come in between.
unsafe extern "C" fn open_rows(
    this: *mut PyObject,
    first: *const *mut PyObject,
    positions: isize,
    keywords: *mut PyObject,
) -> *mut PyObject {
    entry(|interpreter, python| {
        // SAFETY: what the interpreter passed to this method.
        let (target, call) = unsafe { Frame { this, first, positions, keywords }.open(python) };
        let [sql, params, batch_rows, options, owner] = call.exactly()?;
        let mut run =
            Run { interpreter, target, command: Command::read(interpreter, sql)?, options: super::arguments::packed_options(options)? };
        run.options.batch_rows = u32::try_from(batch_rows.as_u64()?).unwrap_or(u32::MAX);
        let kept = Kept::new(python);
        let params = Parameters::read(interpreter, Some(params), &kept)?;
        run.query(python, params.as_params(), |run, python, gil, fetched| run.open(python, gil, fetched, owner))
    })
}

impl Run<'_> {
    fn open<'py>(&self, python: Python<'py>, gil: &Gil, fetched: Fetched, owner: Object<'_>) -> Outcome<Owned<'py>> {
        let Fetched { columns, batch, rest } = fetched;
        let names = self.interpreter.columns(python, &columns)?;
        let rows = cells::rows(self.interpreter, python, batch.batch())?;
        let from_cache = python.boolean(matches!(batch, Held::Kept(_)));
        let handle = match rest {
            None => {
                Fetched::recycle(batch);
                0
            }
            Some(rest) => self.reader(gil, columns, rest).map_err(|error| self.fail(python, gil, &error))?,
        };
        owner.set_attribute(c"_handle", &python.unsigned(handle)?)?;
        python.tuple(3, [names, rows, from_cache].into_iter().map(Ok))
    }

    /// A handle of the rest. Its fetches run without the interpreter's lock and take it in their tick.
    fn reader(&self, gil: &Gil, columns: Arc<Columns>, rest: Rest) -> Result<u64> {
        let options = kw_options { tick: Some(super::gil::tick), ..self.options };
        // SAFETY: the options are complete; the tick needs no context.
        let call = unsafe { Options::new(&options)? };
        let rows = Rows::partly_read(columns, Held::Own(Batch::default()), Some(rest));
        let reader = on_target(self.target, &call, |on, call| Reader::new(rows, on.store(), call))?.into_handle();
        gil.take();
        reader
    }
}
