//! What the runs of statements cost: measured while they go on, counted when they are over.

use std::sync::Arc;

use super::raw::Statement;
use crate::cancel::Op;
use crate::driver::{End, KeptTally, Part, Plan, Scans, Tally};
use crate::metrics::meter::{Meter, Spent};
use crate::metrics::report::Cells;
use crate::metrics::sheet::Sheet;

/// What the statements of one connection are measured with.
pub struct Gauge {
    meter: Arc<Meter>,
    sheet: Arc<Sheet>,
    /// What is to be counted of the run that ended last, where it shares a transaction.
    tally: Option<KeptTally>,
}

/// What one statement costs.
#[derive(Default)]
pub struct Cost {
    /// What the run under way has spent that is not counted yet: it goes on, or it was slow.
    spent: Option<Spent>,
    /// It is a write that shares a transaction with others.
    shared: bool,
    /// The engine's counts when the run before ended, and whether they are looked at.
    scans: Scans,
    pub calm: Calm,
    /// Where its numbers are counted.
    cells: Option<Arc<Cells>>,
}

/// A run of a statement.
pub struct Run<'e> {
    pub cost: &'e mut Cost,
    pub statement: &'e Statement,
    pub plan: &'e Plan,
}

/// What there is to do when a run was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Fine,
    /// It was slow.
    Slow,
    /// Somebody has to look at the statement's plan.
    CalmIsDue,
}

/// Whether a statement has to be asked after each run what it did to its tables, which costs as much as the rest of the measuring. One that
/// has done nothing worth counting for [`Calm::LONG`] runs may be one that never does: its plan tells.
///
/// ```text
///   Trying(n) ── LONG runs without ──▶ due ── plan without scans, sorts, indexes ──▶ Settled
///       ▲────────── a run with ───────┘ └──────────── any other ───────────────────▶ Restless
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calm {
    Trying(u8),
    Settled,
    Restless,
}

impl Default for Calm {
    fn default() -> Self {
        Calm::Trying(0)
    }
}

impl Calm {
    const LONG: u8 = 50;

    /// Whether it is time to look at the plan.
    #[inline]
    pub fn is_due(self) -> bool {
        self == Calm::Trying(Calm::LONG)
    }
}

impl Cost {
    /// Whether something of the run is not counted yet.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.spent.is_some()
    }

    /// What the run under way has spent.
    pub fn spent(&self) -> Option<Spent> {
        self.spent
    }

    /// What the engine has counted since the run before.
    pub fn scans(&self, statement: &Statement) -> Scans {
        statement.scans().since(self.scans)
    }

    /// Adds one part of a run, and says how long all of it has taken.
    fn add(&mut self, op: &Op<'_>, nanos: u64, part: Part) -> u64 {
        self.shared = op.is_shared();
        let (queue, busy) = op.waits();
        let all = self.spent.get_or_insert_default();
        all.nanos += nanos;
        all.queue_nanos += queue;
        all.busy_nanos += busy;
        all.returned += part.returned;
        all.changed += part.changed;
        all.failed |= part.end == End::Failed;
        all.nanos
    }

    fn take_scans(&mut self, statement: &Statement) -> Scans {
        let ran = self.scans(statement);
        self.scans = self.scans.plus(ran);
        if let Calm::Trying(runs) = self.calm {
            let calm = ran == Scans::default();
            self.calm = Calm::Trying(if calm { (runs + 1).min(Calm::LONG) } else { 0 });
        }
        ran
    }
}

impl Gauge {
    /// A gauge for a new connection.
    pub fn new(meter: Arc<Meter>) -> Self {
        let sheet = meter.sheets.register();
        Gauge { meter, sheet, tally: None }
    }

    /// What all connections of the store are measured with.
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Where this connection's numbers are counted.
    #[inline]
    pub fn sheet(&self) -> &Arc<Sheet> {
        &self.sheet
    }

    /// Adds what an operation has spent on a run. One that is over is counted, unless it is slow: then it is counted when the use of the
    /// statement ends, so that it can be looked at until then. One that shares a transaction is set aside: see [`Gauge::take_tally`].
    #[inline]
    pub fn spend(&mut self, run: Run<'_>, op: &Op<'_>, part: Part) -> Verdict {
        let Some(nanos) = op.elapsed_nanos() else { return Verdict::Fine };
        if part.end == End::More || nanos >= self.meter.slow_nanos || run.cost.is_open() {
            let all = run.cost.add(op, nanos, part);
            return if part.end != End::More && all >= self.meter.slow_nanos { Verdict::Slow } else { Verdict::Fine };
        }
        let Run { cost, statement, plan } = run;
        let run = Run { cost: &mut *cost, statement, plan };
        if op.is_shared() {
            self.tally = Some(self.set_aside(run, part));
        } else {
            self.tally(run, part).count(&self.sheet, nanos);
        }
        if cost.calm.is_due() {
            Verdict::CalmIsDue
        } else {
            Verdict::Fine
        }
    }

    /// Counts what is not counted yet when the use of the statement ends: a run that was slow, or whose rows were fetched in several calls.
    #[cold]
    pub fn close(&mut self, run: Run<'_>) {
        let Some(spent) = run.cost.spent.take() else { return };
        self.sheet.slow.add_alone((spent.nanos >= self.meter.slow_nanos).into());
        let end = if spent.failed { End::Failed } else { End::Done };
        let part = Part { end, returned: spent.returned, changed: spent.changed };
        if run.cost.shared {
            self.tally = Some(self.set_aside(run, part));
        } else {
            self.tally(run, part).count(&self.sheet, spent.nanos);
        }
    }

    /// Takes what is to be counted of the run that ended last, where it shares a transaction.
    pub fn take_tally(&mut self) -> Option<KeptTally> {
        self.tally.take()
    }

    /// What there is to count of a run that is over.
    #[inline]
    fn tally<'e>(&self, run: Run<'e>, part: Part) -> Tally<&'e Cells> {
        let Run { cost, statement, plan } = run;
        let reads_only = plan.footprint.read_only;
        if cost.cells.as_ref().is_none_or(|cells| cells.is_forgotten()) {
            cost.cells = self.meter.statements.register(&plan.sql, !reads_only);
        }
        let scans = if cost.calm == Calm::Settled { Scans::default() } else { cost.take_scans(statement) };
        Tally { part, scans, reads_only, cells: cost.cells.as_deref() }
    }

    /// What there is to count later of a run that shares a transaction.
    fn set_aside(&self, run: Run<'_>, part: Part) -> KeptTally {
        let Run { cost, statement, plan } = run;
        let Tally { scans, reads_only, .. } = self.tally(Run { cost: &mut *cost, statement, plan }, part);
        Tally { part, scans, reads_only, cells: cost.cells.clone() }
    }
}
