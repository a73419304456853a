//! What is remembered of sets of column names, by their identity in this process. (Their ids mean something within one store only.)

use std::sync::Arc;

use crate::sync::Mutex;

use crate::rows::Columns;

/// How many sets are remembered; a newer one may take the place of an older.
const PLACES: usize = 256;

/// A thing per set of columns. Entries keep their columns alive, so that an address never means two sets.
pub struct Memo<T> {
    entries: Mutex<Vec<Option<Entry<T>>>>,
}

type Entry<T> = (Arc<Columns>, T);

impl<T: Copy> Memo<T> {
    /// Nothing remembered yet.
    pub const fn new() -> Self {
        Memo { entries: Mutex::new(Vec::new()) }
    }

    /// What is remembered of these columns. Never waits: somebody may have been forked away while holding the lock.
    #[inline]
    pub fn find(&self, columns: &Arc<Columns>) -> Option<T> {
        let entries = self.entries.try_lock()?;
        let entry = entries.get(place(columns))?.as_ref()?;
        Arc::ptr_eq(&entry.0, columns).then_some(entry.1)
    }

    /// Remembers something; gives back what had the place before, or the thing itself when nothing can be remembered now.
    pub fn keep(&self, columns: &Arc<Columns>, thing: T) -> Option<T> {
        let Some(mut entries) = self.entries.try_lock() else { return Some(thing) };
        if entries.is_empty() {
            entries.resize_with(PLACES, || None);
        }
        entries[place(columns)].replace((columns.clone(), thing)).map(|old| old.1)
    }
}

fn place(columns: &Arc<Columns>) -> usize {
    let address = Arc::as_ptr(columns) as u64;
    (address.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % PLACES
}
