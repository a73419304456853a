//! The interpreter's lock around one call: kept while the call is short, given up when it waits, taken back for signals.

use std::cell::Cell;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::api::{Api, ThreadState};
use super::state::{current, main_thread};
use crate::cancel::Caller;

/// Threads that are about to take the lock back; [`leave`] waits for them.
static RETURNING: AtomicUsize = AtomicUsize::new(0);
/// Set when the interpreter starts to end: from then on only the thread that ends it may take the lock.
static ENDING: AtomicBool = AtomicBool::new(false);

/// The lock during one call of the core. Dropping it makes sure that the lock is held again.
pub struct Gil {
    api: &'static Api,
    /// The thread state while the lock is given up, else null.
    suspended: Cell<*mut ThreadState>,
    /// Whether this is the thread that Python runs signal handlers in.
    handles_signals: bool,
    /// Whether a signal handler raised; the exception is set in the thread state.
    raised: Cell<bool>,
    /// While a long result is read: when the lock was taken last.
    taken: Cell<Option<Instant>>,
}

/// How long a thread that reads a long result keeps the lock before it lets others have it: the interpreter's own switch interval.
/// Handing it over at every batch would cost such a wait each time.
const TURN: Duration = Duration::from_millis(5);

impl Gil {
    /// The lock is held now.
    #[inline]
    pub fn held(api: &'static Api) -> Self {
        // SAFETY: asks the operating system for a number.
        let thread = unsafe { (api.PyThread_get_thread_ident)() };
        Gil {
            api,
            suspended: Cell::new(null_mut()),
            handles_signals: thread as u64 == main_thread(),
            raised: Cell::new(false),
            taken: Cell::new(None),
        }
    }

    /// Gives the lock up, unless that has happened already.
    #[inline]
    pub fn give_up(&self) {
        if self.suspended.get().is_null() {
            // SAFETY: this thread holds the lock: `suspended` is null only then.
            self.suspended.set(unsafe { (self.api.PyEval_SaveThread)() });
        }
    }

    /// Takes the lock back, unless it is held.
    #[inline]
    pub fn take(&self) {
        let state = self.suspended.replace(null_mut());
        if !state.is_null() {
            restore(self.api, state, self.handles_signals);
            if self.taken.get().is_some() {
                self.read_on();
            }
        }
    }

    /// From here on nothing is waited for, so the lock is given up only when its turn is over.
    pub fn read_on(&self) {
        self.taken.set(Some(Instant::now()));
    }

    /// Whether a signal handler raised during the call.
    pub fn has_raised(&self) -> bool {
        self.raised.get()
    }
}

/// An interpreter that ends kills threads that want its lock by unwinding them, which must not go through Rust frames. So from
/// [`leave`] on they wait here, where nothing can wake them, until the process ends.
fn restore(api: &Api, state: *mut ThreadState, ends_the_interpreter: bool) {
    RETURNING.fetch_add(1, Ordering::SeqCst);
    if ENDING.load(Ordering::SeqCst) && !ends_the_interpreter {
        RETURNING.fetch_sub(1, Ordering::SeqCst);
        loop {
            std::thread::park();
        }
    }
    // SAFETY: `state` came from PyEval_SaveThread in this thread and has not been restored since.
    unsafe { (api.PyEval_RestoreThread)(state) };
    RETURNING.fetch_sub(1, Ordering::SeqCst);
}

/// Called by the main thread when the interpreter starts to end: lets threads that already wait for the lock have it once more.
/// Not for ever: in a forked child the count may speak of threads that do not exist there.
pub fn leave(api: &Api) {
    ENDING.store(true, Ordering::SeqCst);
    // SAFETY: the caller holds the lock.
    let state = unsafe { (api.PyEval_SaveThread)() };
    let patience = Instant::now() + Duration::from_secs(1);
    while RETURNING.load(Ordering::SeqCst) != 0 && Instant::now() < patience {
        std::thread::yield_now();
    }
    // SAFETY: `state` came from PyEval_SaveThread just now.
    unsafe { (api.PyEval_RestoreThread)(state) };
}

/// The tick of streams, whose fetches run without the lock: signal handlers run, and an exception of theirs stays set.
pub unsafe extern "C" fn tick(_: *mut c_void) -> i32 {
    let Some(interpreter) = current() else { return 0 };
    let api = interpreter.api;
    // SAFETY: asks the operating system for a number.
    if unsafe { (api.PyThread_get_thread_ident)() } as u64 != main_thread() {
        return 0;
    }
    // SAFETY: this is the main thread inside a fetch, which gave the lock up and takes it back afterwards; the state goes back to it.
    unsafe {
        let state = (api.PyGILState_Ensure)();
        let raised = (api.PyErr_CheckSignals)();
        (api.PyGILState_Release)(state);
        i32::from(raised != 0)
    }
}

impl Caller for Gil {
    /// Lets Python's signal handlers run; an exception from them (`KeyboardInterrupt`) ends the operation.
    fn tick(&self) -> bool {
        if !self.handles_signals || self.raised.get() {
            return self.raised.get();
        }
        let was_given_up = !self.suspended.get().is_null();
        self.take();
        // SAFETY: the lock is held.
        self.raised.set(unsafe { (self.api.PyErr_CheckSignals)() } != 0);
        if was_given_up {
            self.give_up();
        }
        self.raised.get()
    }

    fn before_wait(&self) {
        if self.taken.get().is_none_or(|taken| taken.elapsed() >= TURN) {
            self.give_up();
        }
    }
}

impl Drop for Gil {
    fn drop(&mut self) {
        self.take();
    }
}
