//! The builtin that reads on in a stream.

use super::api::PyObject;
use super::arguments::Call;
use super::cells;
use super::entry;
use super::gil::Gil;
use super::object::{Outcome, Owned, Python, Raised};
use super::page::{Page, ROOM_BYTES};
use super::state::Interpreter;

/// `fetch_rows(handle) -> (handle, rows)`: the next rows of a stream; the handle is 0 at its end.
pub unsafe extern "C" fn fetch(_: *mut PyObject, first: *const *mut PyObject, positions: isize, keywords: *mut PyObject) -> *mut PyObject {
    entry(|interpreter, python| {
        // SAFETY: what the interpreter passed to this function.
        let [handle] = unsafe { Call::new(python, first, positions, keywords) }.exactly()?;
        let page = next(interpreter, python, handle.as_u64()?)?;
        let rows = (0..page.rows()).map(|row| cells::tuple(interpreter, python, page.row(row)));
        let list = python.list(page.rows(), rows)?;
        let more = page.more();
        page.close();
        pair(python, more, list)
    })
}

/// The next page that has rows, or the last one.
fn next(interpreter: &Interpreter, python: Python<'_>, handle: u64) -> Outcome<Page> {
    let mut page = Page::empty();
    let mut limit = ROOM_BYTES;
    loop {
        let gil = Gil::held(interpreter.api);
        gil.give_up();
        let fetched = page.fetch(handle, limit);
        gil.take();
        if python.is_raised() {
            return Err(Raised);
        }
        fetched.map_err(|error| interpreter.raise_struct(python, &error))?;
        if page.rows() > 0 || page.more() == 0 {
            return Ok(page);
        }
        limit = page.needed().next_multiple_of(8);
    }
}

fn pair<'py>(python: Python<'py>, more: u64, list: Owned<'py>) -> Outcome<Owned<'py>> {
    python.tuple(2, [python.unsigned(more), Ok(list)].into_iter())
}
