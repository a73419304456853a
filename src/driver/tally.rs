//! What there is to count of one run of a statement, and where.

use std::ops::Deref;
use std::sync::Arc;

use super::{End, Part, Scans};
use crate::metrics::report::Cells;
use crate::metrics::sheet::Sheet;

/// What there is to count of a run that is over. One that shares a transaction is counted when that is durable: until then another write may undo
/// it, and it may be run again.
#[derive(Debug, Clone)]
pub struct Tally<C> {
    pub part: Part,
    pub scans: Scans,
    pub reads_only: bool,
    /// The numbers of its statement; `None`: no report is kept.
    pub cells: Option<C>,
}

/// One that is kept until its transaction is durable.
pub type KeptTally = Tally<Arc<Cells>>;

impl<C: Deref<Target = Cells>> Tally<C> {
    /// Counts the run of a call that has taken `nanos`. To be called where the connection of `sheet` is held.
    #[inline]
    pub fn count(&self, sheet: &Sheet, nanos: u64) {
        let Tally { part, reads_only, .. } = self;
        if *reads_only { &sheet.reads } else { &sheet.writes }.record_alone(nanos);
        sheet.rows_returned.add_alone(part.returned);
        if !reads_only {
            sheet.rows_changed.add_alone(part.changed);
        }
        if let Some(cells) = &self.cells {
            cells.calls.add_alone(1);
            cells.nanos.add_alone(nanos);
            cells.worst_nanos.raise_alone(nanos);
            cells.rows.add_alone(if part.returned > 0 { part.returned } else { part.changed });
            if part.end == End::Failed {
                cells.errors.add_alone(1);
            }
        }
        if self.scans != Scans::default() {
            self.count_scans(sheet);
        }
    }

    fn count_scans(&self, sheet: &Sheet) {
        let ran = self.scans;
        let (scanned, indexed, sorted) = ((ran.steps > 0).into(), (ran.automatic > 0).into(), (ran.sorts > 0).into());
        sheet.full_scans.add_alone(scanned);
        sheet.scanned_rows.add_alone(ran.steps.into());
        sheet.automatic_indexes.add_alone(indexed);
        sheet.sorts.add_alone(ran.sorts.into());
        if let Some(cells) = &self.cells {
            cells.full_scans.add_alone(scanned);
            cells.scanned_rows.add_alone(ran.steps.into());
            cells.automatic_indexes.add_alone(indexed);
            cells.sorts.add_alone(sorted);
        }
    }
}
