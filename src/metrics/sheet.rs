//! What each connection counts for itself, so that threads never meet at a counter, and the sum of it.

use std::sync::Arc;

use super::cell::{Counter, Times};
use crate::sync::Mutex;

/// The numbers of one connection. Written by the thread that uses the connection, read by anybody.
#[derive(Debug, Default)]
pub struct Sheet {
    /// Calls that ran a statement: from the call to the end of the statement, its waits included.
    pub reads: Times,
    pub writes: Times,
    pub rows_returned: Counter,
    pub rows_changed: Counter,
    /// Runs of statements that read a whole table, and the rows that they went through.
    pub full_scans: Counter,
    pub scanned_rows: Counter,
    /// Runs for which the engine made an index, and those that sorted.
    pub automatic_indexes: Counter,
    pub sorts: Counter,
    pub slow: Counter,
    /// Statements that were found prepared, and those that had to be prepared.
    pub statements_found: Counter,
    pub statements_made: Counter,
    /// The engine's own numbers of its page cache, as they were when the connection was last looked at.
    pub pages: Pages,
}

/// The numbers of a page cache.
#[derive(Debug, Default)]
pub struct Pages {
    pub hits: Counter,
    pub misses: Counter,
    pub writes: Counter,
    pub spills: Counter,
    pub bytes: Counter,
}

impl Sheet {
    fn add_to(&self, sum: &Sheet) {
        self.reads.add_to(&sum.reads);
        self.writes.add_to(&sum.writes);
        for (mine, all) in self.counters().into_iter().zip(sum.counters()) {
            all.add(mine.get());
        }
    }

    fn counters(&self) -> [&Counter; 13] {
        let Sheet { rows_returned, rows_changed, full_scans, scanned_rows, automatic_indexes, sorts, slow, .. } = self;
        let Sheet { statements_found, statements_made, pages, .. } = self;
        let Pages { hits, misses, writes, spills, .. } = pages;
        [
            rows_returned,
            rows_changed,
            full_scans,
            scanned_rows,
            automatic_indexes,
            sorts,
            slow,
            statements_found,
            statements_made,
            hits,
            misses,
            writes,
            spills,
        ]
    }
}

/// The sheets of all connections of a store.
#[derive(Debug, Default)]
pub struct Sheets {
    open: Mutex<Vec<Arc<Sheet>>>,
    /// What connections that are closed had counted.
    closed: Sheet,
}

impl Sheets {
    /// A sheet for a new connection. It is known to be closed when nobody else holds its sheet any more.
    pub fn register(&self) -> Arc<Sheet> {
        let sheet = Arc::new(Sheet::default());
        let mut open = self.open.lock();
        self.settle(&mut open);
        open.push(sheet.clone());
        sheet
    }

    /// The sum of all that was ever counted; of bytes, what open connections hold now.
    pub fn sum(&self) -> Sheet {
        let sum = Sheet::default();
        let mut open = self.open.lock();
        self.settle(&mut open);
        self.closed.add_to(&sum);
        for sheet in open.iter() {
            sheet.add_to(&sum);
            sum.pages.bytes.add(sheet.pages.bytes.get());
        }
        sum
    }

    fn settle(&self, open: &mut Vec<Arc<Sheet>>) {
        open.retain_mut(|sheet| match Arc::get_mut(sheet) {
            None => true,
            // Whoever counted there has let go of it, and all that was counted can be seen here.
            Some(sheet) => {
                sheet.add_to(&self.closed);
                false
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_closed_connection_counted_is_not_lost_and_not_counted_twice() {
        let sheets = Sheets::default();
        let (one, two) = (sheets.register(), sheets.register());
        one.reads.record_alone(5);
        one.pages.bytes.set(100);
        two.reads.record_alone(7);
        two.slow.add_alone(3);
        two.pages.bytes.set(10);
        for _ in 0..3 {
            assert_eq!((sheets.sum().reads.read().sum, sheets.sum().pages.bytes.get()), (12, 110));
        }
        drop(two);
        for _ in 0..3 {
            let sum = sheets.sum();
            assert_eq!((sum.reads.read().sum, sum.slow.get(), sum.pages.bytes.get()), (12, 3, 100));
        }
        drop(sheets.register());
        assert_eq!(sheets.open.lock().len(), 2);
        assert_eq!(sheets.sum().reads.read().count(), 2);
    }
}
