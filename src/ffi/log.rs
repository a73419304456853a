//! The log of the library over the border: a callback, and views that are read when their owner likes.
//!
//! Nothing is logged before somebody asks for it: until then an event costs one load.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::{c_void, CString};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use log::kv::{self, VisitSource};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::guard::guard;
use super::handle::{self, Kinds, Object};
use super::insight_types::*;
use super::text::{give, null, Out};
use super::types::*;
use crate::error::{Error, Kind, Result};
use crate::process::PerProcess;
use crate::sync::{wait, Condvar, Mutex};

/// An event with texts of its own.
#[derive(Debug, Clone)]
struct Event {
    level: Level,
    time_us: i64,
    dropped: u64,
    target: CString,
    message: CString,
    fields: CString,
}

/// A bounded line of events. Full, it loses the oldest.
pub struct View {
    level: Level,
    capacity: usize,
    line: Mutex<Line>,
    /// Something has come, or the view is closed.
    news: Condvar,
    /// What was handed out last, whose texts are borrowed.
    lent: Mutex<Option<Event>>,
    /// A thread is in `kw_log_next`.
    read: AtomicBool,
}

#[derive(Default)]
struct Line {
    events: VecDeque<Event>,
    /// Lost since the event before the oldest one here.
    dropped: u64,
    closed: bool,
}

/// Who hears of events in this process.
#[derive(Default)]
struct Listeners {
    /// Taken after `callback` by who needs both.
    views: Mutex<Vec<Arc<View>>>,
    callback: Mutex<Option<Arc<Callback>>>,
    /// A call of the callback has returned.
    returned: Condvar,
    /// The level of the callback; [`LevelFilter::Off`]: there is none. Written under the lock of the callback.
    called_from: AtomicUsize,
    /// What closed views had lent: another thread may just be reading it.
    parted: Mutex<VecDeque<Event>>,
}

/// How long somebody sleeps who is woken.
const LONG: Duration = Duration::from_secs(3600);

/// So many views are closed before the texts go that the first of them had lent.
const PARTED: usize = 64;

struct Callback {
    level: Level,
    function: unsafe extern "C" fn(*const kw_log_event, *mut c_void),
    context: *mut c_void,
    /// The calls under way. Counted under the lock of the callback.
    running: AtomicUsize,
}

// SAFETY: the caller promises that the function may be called from several threads at once with its context.
unsafe impl Send for Callback {}
// SAFETY: as above; nothing else of it changes but a counter.
unsafe impl Sync for Callback {}

static LISTENERS: PerProcess<Listeners> = PerProcess::new();
static LOGGER: Logger = Logger(0);

thread_local! {
    /// This thread is in the callback.
    static CALLED: Cell<bool> = const { Cell::new(false) };
}

/// Not without size: it is known by its address.
struct Logger(#[allow(dead_code)] u8);

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("keepwell")
    }

    fn log(&self, record: &Record<'_>) {
        let Ok(listeners) = LISTENERS.get() else { return };
        if self.enabled(record.metadata()) {
            let event = Event::read(record);
            listeners.views.lock().iter().filter(|view| event.level <= view.level).for_each(|view| view.push(event.clone()));
            call_back(listeners, &event);
        }
    }

    fn flush(&self) {}
}

fn call_back(listeners: &Listeners, event: &Event) {
    if CALLED.get() {
        return;
    }
    let Some(callback) = enter(listeners, event) else { return };
    let lent = event.lend();
    CALLED.set(true);
    // SAFETY: the caller of `kw_log_set_callback` promises a function that may be called until it is replaced, which waits until nobody is in
    // it any more.
    unsafe { (callback.function)(&lent, callback.context) };
    CALLED.set(false);
    let _seat = listeners.callback.lock();
    callback.running.fetch_sub(1, Ordering::Relaxed);
    listeners.returned.notify_all();
}

/// The callback, if it wants this event; from here on nobody replaces it before this call has returned. No lock is held while it runs: it may
/// wait for other threads that have events themselves.
fn enter(listeners: &Listeners, event: &Event) -> Option<Arc<Callback>> {
    let seat = listeners.callback.lock();
    let callback = seat.as_ref().filter(|callback| event.level <= callback.level)?;
    callback.running.fetch_add(1, Ordering::Relaxed);
    Some(callback.clone())
}

impl Event {
    fn read(record: &Record<'_>) -> Event {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut fields = Fields::default();
        let _ = record.key_values().visit(&mut fields);
        Event {
            level: record.level(),
            time_us: time.as_micros() as i64,
            dropped: 0,
            target: text(record.target()),
            message: text(&record.args().to_string()),
            fields: text(&serde_json::Value::Object(fields.0).to_string()),
        }
    }

    fn lend(&self) -> kw_log_event {
        let lend = |text: &CString| (text.as_ptr(), text.as_bytes().len());
        let ((target, target_len), (message, message_len)) = (lend(&self.target), lend(&self.message));
        let (fields, fields_len) = lend(&self.fields);
        kw_log_event {
            struct_size: size_of::<kw_log_event>() as u32,
            level: self.level as u32,
            time_us: self.time_us,
            dropped: self.dropped,
            target,
            target_len,
            message,
            message_len,
            fields,
            fields_len,
        }
    }
}

/// A NUL in a text of the caller's would end it for C.
fn text(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

#[derive(Default)]
struct Fields(serde_json::Map<String, serde_json::Value>);

impl<'k> VisitSource<'k> for Fields {
    fn visit_pair(&mut self, key: kv::Key<'k>, value: kv::Value<'k>) -> std::result::Result<(), kv::Error> {
        let json = value.to_bool().map(serde_json::Value::from);
        let json = json.or_else(|| value.to_u64().map(Into::into)).or_else(|| value.to_i64().map(Into::into));
        let json = json.or_else(|| value.to_f64().map(Into::into));
        self.0.insert(key.to_string(), json.unwrap_or_else(|| value.to_string().into()));
        Ok(())
    }
}

impl View {
    fn new(level: Level, capacity: usize) -> Self {
        let (line, news, lent, read) = (Mutex::default(), Condvar::new(), Mutex::new(None), AtomicBool::new(false));
        View { level, capacity, line, news, lent, read }
    }

    fn push(&self, event: Event) {
        let mut line = self.line.lock();
        if line.closed {
            return;
        }
        if line.events.len() >= self.capacity {
            let lost = line.events.pop_front().map_or(0, |event| event.dropped);
            line.dropped += lost + 1;
        }
        line.events.push_back(event);
        self.news.notify_one();
    }

    /// The next event; `None` when none came in time, or the view is closed.
    fn next(&self, timeout: Option<Duration>) -> Option<Event> {
        let end = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut line = self.line.lock();
        while line.events.is_empty() && !line.closed {
            let left = end.map_or(LONG, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            line = wait(&self.news, line, left);
        }
        let mut event = line.events.pop_front()?;
        event.dropped += std::mem::take(&mut line.dropped);
        Some(event)
    }

    fn close(&self) {
        let mut line = self.line.lock();
        line.closed = true;
        line.events.clear();
        self.news.notify_all();
    }
}

/// Makes the library's log come here, as detailed as anybody wants it. Waits for no callback: one may be who asks.
fn tune(listeners: &Listeners) -> Result<()> {
    // Held to the end: of two that tune at the same time, the later one knows more.
    let views = listeners.views.lock();
    let callback = LevelFilter::iter().nth(listeners.called_from.load(Ordering::Acquire)).unwrap_or(LevelFilter::Off);
    let most = views.iter().map(|view| view.level.to_level_filter()).fold(callback, Ord::max);
    static SET: AtomicBool = AtomicBool::new(false);
    if !SET.load(Ordering::Acquire) && log::set_logger(&LOGGER).is_ok() {
        SET.store(true, Ordering::Release);
    }
    if !std::ptr::addr_eq(log::logger(), &raw const LOGGER) {
        return Err(Error::new(
            Kind::Misuse,
            "log: the Rust program around this library has set a logger of its own, which hears of everything",
        ));
    }
    log::set_max_level(most);
    Ok(())
}

fn level(number: u32) -> Result<Option<Level>> {
    let levels = [None, Some(Level::Error), Some(Level::Warn), Some(Level::Info), Some(Level::Debug), Some(Level::Trace)];
    let wrong = || Error::new(Kind::Misuse, format!("level: {number} is none; there are KW_LOG_OFF to KW_LOG_TRACE"));
    levels.get(number as usize).copied().ok_or_else(wrong)
}

/// Has `callback` called with its `context` for each event of `level` and above, on the thread on which it happens; in place of the one
/// before. `KW_LOG_OFF`, or NULL: for none. Waits for calls under way, so that nothing uses the context of the one before when this returns.
/// Several threads may be in it at once. It may use the library, but its thread waits for it, with what that holds, such as a writer: it must
/// not take long. A view has no such bounds. Nothing is called in a forked child. Errors: `KW_MISUSE` from inside the callback.
#[no_mangle]
pub unsafe extern "C" fn kw_log_set_callback(level: u32, callback: kw_log_callback, context: *mut c_void, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let level = self::level(level)?;
        if CALLED.get() {
            return Err(Error::new(Kind::Misuse, "log: the callback cannot be replaced from inside itself"));
        }
        let listeners = LISTENERS.get()?;
        let mut seat = listeners.callback.lock();
        let made = level.zip(callback).map(|(level, function)| Callback { level, function, context, running: AtomicUsize::new(0) });
        let called_from = made.as_ref().map_or(LevelFilter::Off, |callback| callback.level.to_level_filter());
        let before = std::mem::replace(&mut *seat, made.map(Arc::new));
        listeners.called_from.store(called_from as usize, Ordering::Release);
        let tuned = tune(listeners);
        while before.as_ref().is_some_and(|before| before.running.load(Ordering::Relaxed) > 0) {
            seat = wait(&listeners.returned, seat, LONG);
        }
        tuned?;
        Ok(KW_OK)
    })
}

/// Opens a view of the events of `level` and above that come from now on. It keeps up to `capacity` of them (0: 1024) until they are read; full,
/// it loses the oldest, and says so with the next one. Close it.
#[no_mangle]
pub unsafe extern "C" fn kw_log_open(level: u32, capacity: u32, out: *mut kw_log, err: *mut kw_error) -> kw_status {
    guard(err, || {
        let level = self::level(level)?.ok_or_else(|| Error::new(Kind::Misuse, "level: KW_LOG_OFF gives nothing to see"))?;
        if out.is_null() {
            return Err(null("out"));
        }
        let listeners = LISTENERS.get()?;
        let capacity = if capacity == 0 { 1024 } else { capacity as usize };
        let view = Arc::new(View::new(level, capacity));
        let handle = handle::insert(Object::Log(view.clone()))?;
        listeners.views.lock().push(view);
        if let Err(error) = tune(listeners) {
            close(handle)?;
            return Err(error);
        }
        // SAFETY: the caller keeps the promises of the header.
        unsafe { give(out, handle, "out")? };
        Ok(KW_OK)
    })
}

/// The next event of a view: `KW_ROW` with one in `out`, `KW_DONE` when none came within `timeout_us` microseconds (negative: without end), or
/// the view was closed meanwhile. The texts are borrowed until the next call on the view. Errors: `KW_MISUSE` while another thread waits
/// here; `KW_INVALID_HANDLE` after the closing.
#[no_mangle]
pub unsafe extern "C" fn kw_log_next(log: kw_log, timeout_us: i64, out: *mut kw_log_event, err: *mut kw_error) -> kw_status {
    guard(err, || {
        // SAFETY: the caller keeps the promises of the header.
        let out = unsafe { Out::new(out, "out")? };
        let view = find(log)?;
        if view.read.swap(true, Ordering::Acquire) {
            return Err(Error::new(Kind::Misuse, "log: another thread reads this view; open one for each"));
        }
        let event = view.next(u64::try_from(timeout_us).ok().map(Duration::from_micros));
        let status = if event.is_some() { KW_ROW } else { KW_DONE };
        if let Some(event) = event {
            let mut lent = view.lent.lock();
            out.write(lent.insert(event).lend());
            if view.line.lock().closed {
                part(lent.take())?;
            }
        }
        view.read.store(false, Ordering::Release);
        Ok(status)
    })
}

/// Closes a view, from any thread: who waits for its next event gets `KW_DONE`, and who just reads one may go on to. Harmless for one that
/// is closed already.
#[no_mangle]
pub unsafe extern "C" fn kw_log_close(log: kw_log) -> kw_status {
    guard(std::ptr::null_mut(), || {
        close(log)?;
        Ok(KW_OK)
    })
}

fn close(log: kw_log) -> Result<()> {
    let Some(Object::Log(view)) = handle::take(log, Kinds::Log)? else { return Ok(()) };
    view.close();
    let listeners = LISTENERS.get()?;
    part(view.lent.lock().take())?;
    listeners.views.lock().retain(|other| !Arc::ptr_eq(other, &view));
    tune(listeners)
}

/// Keeps the texts that a view had lent when it was closed.
fn part(lent: Option<Event>) -> Result<()> {
    let mut parted = LISTENERS.get()?.parted.lock();
    parted.extend(lent);
    if parted.len() > PARTED {
        parted.pop_front();
    }
    Ok(())
}

fn find(log: kw_log) -> Result<Arc<View>> {
    handle::get(log, Kinds::Log, |object| match object {
        Object::Log(view) => Some(view.clone()),
        _ => None,
    })
}
