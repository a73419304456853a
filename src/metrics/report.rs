//! What each statement of a store has cost: a table by the statement's text, of bounded size.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use super::cell::Counter;
use crate::sync::Mutex;
use crate::text::head;

/// The numbers of one statement on one connection. Written by the thread that uses the connection, read by anybody.
#[derive(Debug, Default)]
pub struct Cells {
    pub calls: Counter,
    pub errors: Counter,
    pub nanos: Counter,
    pub worst_nanos: Counter,
    pub rows: Counter,
    pub full_scans: Counter,
    pub scanned_rows: Counter,
    pub automatic_indexes: Counter,
    pub sorts: Counter,
    /// The table does not know these numbers any more: others are to be asked for.
    forgotten: AtomicBool,
}

impl Cells {
    fn add_to(&self, sum: &Cells) {
        for (mine, all) in self.counters().into_iter().zip(sum.counters()) {
            all.add(mine.get());
        }
        sum.worst_nanos.raise_alone(self.worst_nanos.get());
    }

    fn counters(&self) -> [&Counter; 8] {
        let Cells { calls, errors, nanos, rows, full_scans, scanned_rows, automatic_indexes, sorts, .. } = self;
        [calls, errors, nanos, rows, full_scans, scanned_rows, automatic_indexes, sorts]
    }

    /// Whether nobody reads these numbers any more.
    #[inline]
    pub fn is_forgotten(&self) -> bool {
        self.forgotten.load(Ordering::Relaxed)
    }
}

/// The statements of a store.
#[derive(Debug)]
pub struct Table {
    capacity: usize,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_text: HashMap<Arc<str>, Line>,
    /// What was dropped for want of room, in numbers and, as long as a connection may be counting there, in cells.
    others: Line,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Line {
    writes: bool,
    /// Of connections that may count on.
    open: Vec<Arc<Cells>>,
    /// Of those that are closed, or have dropped the statement.
    closed: Cells,
}

/// One statement of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Cost {
    /// The statement as it was given, its first 2,000 bytes; `None`: those that were dropped for want of room.
    pub sql: Option<Arc<str>>,
    /// Whether it may change something.
    pub writes: bool,
    /// How often it was run; one call that runs it for many rows of parameters counts once.
    pub calls: u64,
    /// Calls of these that failed.
    pub errors: u64,
    /// All calls together, from the call to the end of the statement, waits included.
    pub nanos: u64,
    pub worst_nanos: u64,
    /// Rows that it returned, or changed where it returned none.
    pub rows: u64,
    /// Calls that read a whole table, and the rows that they went through.
    pub full_scans: u64,
    pub scanned_rows: u64,
    /// Calls for which the engine made an index of its own, and calls that sorted.
    pub automatic_indexes: u64,
    pub sorts: u64,
}

/// What the statements of a report are sorted by, most first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Order {
    #[default]
    Total,
    Calls,
    Mean,
    Worst,
    Rows,
    Scanned,
}

/// A longer text is known by its beginning, its length and a hash.
const LONGEST_TEXT: usize = 2_000;

impl Table {
    /// A table of at most `capacity` statements; 0: none.
    pub fn new(capacity: usize) -> Self {
        Table { capacity, known: Mutex::default() }
    }

    /// Numbers for a statement on one connection; `None` where no report is kept.
    pub fn register(&self, sql: &Arc<str>, writes: bool) -> Option<Arc<Cells>> {
        if self.capacity == 0 {
            return None;
        }
        let mut known = self.known.lock();
        let text = key(sql);
        if !known.by_text.contains_key(&text) && known.by_text.len() >= self.capacity {
            known.make_room(self.capacity);
        }
        let line = known.by_text.entry(text).or_default();
        line.writes |= writes;
        line.settle();
        let cells = Arc::new(Cells::default());
        line.open.push(cells.clone());
        Some(cells)
    }

    /// The statements, most of what `order` says first. Where some were dropped, their sum is the last one.
    pub fn read(&self, order: Order) -> Vec<Cost> {
        let known = self.known.lock();
        let mut costs: Vec<Cost> = known.by_text.iter().map(|(text, line)| line.cost(Some(text.clone()))).collect();
        let weight = |cost: &Cost| match order {
            Order::Total => cost.nanos,
            Order::Calls => cost.calls,
            Order::Mean => cost.mean_nanos(),
            Order::Worst => cost.worst_nanos,
            Order::Rows => cost.rows,
            Order::Scanned => cost.scanned_rows,
        };
        costs.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.sql.cmp(&b.sql)));
        if known.dropped > 0 {
            costs.push(known.others.cost(None));
        }
        costs
    }

    /// Begins anew.
    pub fn reset(&self) {
        let mut known = self.known.lock();
        known.by_text.values().for_each(Line::forget);
        *known = Known::default();
    }
}

impl Known {
    /// Drops the tenth that has cost least.
    fn make_room(&mut self, capacity: usize) {
        let mut costs: Vec<(u64, Arc<str>)> = self.by_text.iter().map(|(text, line)| (line.cost(None).nanos, text.clone())).collect();
        costs.sort();
        for (_, text) in costs.into_iter().take(capacity / 10 + 1) {
            let Some(line) = self.by_text.remove(&text) else { continue };
            line.forget();
            line.closed.add_to(&self.others.closed);
            self.others.open.extend(line.open);
            self.dropped += 1;
        }
        self.others.settle();
    }
}

impl Line {
    fn settle(&mut self) {
        let closed = &self.closed;
        self.open.retain_mut(|cells| match Arc::get_mut(cells) {
            None => true,
            // Whoever counted there has let go of it, and all that was counted can be seen here.
            Some(cells) => {
                cells.add_to(closed);
                false
            }
        });
    }

    fn forget(&self) {
        self.open.iter().for_each(|cells| cells.forgotten.store(true, Ordering::Relaxed));
    }

    fn cost(&self, sql: Option<Arc<str>>) -> Cost {
        let sum = Cells::default();
        self.closed.add_to(&sum);
        self.open.iter().for_each(|cells| cells.add_to(&sum));
        cost(sql, self.writes, &sum)
    }
}

fn cost(sql: Option<Arc<str>>, writes: bool, sum: &Cells) -> Cost {
    Cost {
        sql,
        writes,
        calls: sum.calls.get(),
        errors: sum.errors.get(),
        nanos: sum.nanos.get(),
        worst_nanos: sum.worst_nanos.get(),
        rows: sum.rows.get(),
        full_scans: sum.full_scans.get(),
        scanned_rows: sum.scanned_rows.get(),
        automatic_indexes: sum.automatic_indexes.get(),
        sorts: sum.sorts.get(),
    }
}

impl Cost {
    /// Time for each call.
    pub fn mean_nanos(&self) -> u64 {
        self.nanos / self.calls.max(1)
    }
}

/// What a statement is known by.
fn key(sql: &Arc<str>) -> Arc<str> {
    if sql.len() <= LONGEST_TEXT {
        return sql.clone();
    }
    let hash = std::hash::BuildHasher::hash_one(&std::hash::BuildHasherDefault::<siphasher::sip::SipHasher13>::default(), &**sql);
    format!("{}… ({} bytes, {hash:016x})", head(sql, LONGEST_TEXT), sql.len()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(table: &Table, sql: &str, nanos: u64) -> Arc<Cells> {
        let cells = table.register(&sql.into(), false).unwrap();
        count(&cells, nanos);
        cells
    }

    fn count(cells: &Cells, nanos: u64) {
        cells.calls.add_alone(1);
        cells.nanos.add_alone(nanos);
        cells.worst_nanos.raise_alone(nanos);
    }

    fn texts(costs: &[Cost]) -> Vec<&str> {
        costs.iter().map(|cost| cost.sql.as_deref().unwrap_or("others")).collect()
    }

    #[test]
    fn a_statement_is_one_line_whatever_connections_run_it() {
        let table = Table::new(10);
        let (one, _two) = (run(&table, "a", 5), run(&table, "a", 7));
        drop(one);
        run(&table, "b", 100);
        run(&table, "b", 1);
        let costs = table.read(Order::Total);
        assert_eq!(texts(&costs), ["b", "a"]);
        assert_eq!((costs[1].calls, costs[1].nanos, costs[1].worst_nanos, costs[1].mean_nanos()), (2, 12, 7, 6));
        assert_eq!((costs[0].calls, costs[0].nanos, costs[0].worst_nanos), (2, 101, 100));
        assert_eq!(table.known.lock().by_text["b"].open.len(), 1, "what a closed connection counted was added up");
        assert_eq!(texts(&table.read(Order::Calls)), ["a", "b"]);
    }

    #[test]
    fn the_table_is_bounded_the_cheapest_go_first_and_their_sum_stays() {
        let table = Table::new(20);
        let held = run(&table, "cheap but held", 1);
        for n in 0..200 {
            run(&table, &format!("statement {n}"), 1_000 + n);
        }
        let costs = table.read(Order::Total);
        assert!(costs.len() <= 21, "{}", costs.len());
        assert_eq!(costs.iter().map(|cost| cost.calls).sum::<u64>(), 201);
        assert_eq!(costs.last().unwrap().sql, None);
        assert!(held.is_forgotten(), "whoever counts there asks for others");
        assert!(texts(&costs).contains(&"statement 199"));
    }

    #[test]
    fn a_long_text_is_kept_in_part_and_still_told_from_others() {
        let table = Table::new(10);
        let (one, two) = (format!("{}1", "ä".repeat(5_000)), format!("{}2", "ä".repeat(5_000)));
        run(&table, &one, 1);
        run(&table, &two, 1);
        run(&table, &two, 1);
        let costs = table.read(Order::Calls);
        assert_eq!(costs.iter().map(|cost| cost.calls).collect::<Vec<_>>(), [2, 1]);
        assert!(costs.iter().all(|cost| cost.sql.as_ref().unwrap().len() < 2_100));
    }

    #[test]
    fn a_reset_forgets_all_and_counting_goes_on() {
        let table = Table::new(10);
        let cells = run(&table, "a", 5);
        table.reset();
        assert!(cells.is_forgotten());
        count(&cells, 9);
        assert_eq!(table.read(Order::Total), []);
        run(&table, "a", 3);
        assert_eq!(table.read(Order::Total)[0].nanos, 3);
        assert!(Table::new(0).register(&"a".into(), true).is_none());
    }
}
