//! One clock: when each table was last changed. Commits move it, and whoever keeps a result asks it whether the result still holds.
//!
//! ```text
//!            announce (write lock held,              the commit becomes
//!            nothing to be seen yet)                 visible: the mark moves        confirm
//!   settled ──────────────────────────▶ under way ─────────────────────────▶ ambiguous ─────▶ settled
//!      ▲  │                                 a look that meets a moved mark now is told "under way"
//!      └──┘ a look that meets a moved mark: somebody else has committed, everything moves
//! ```
//! Laws. A moment is taken *before* the snapshot that a result is read from. A result holds while nothing that it rests on has moved since
//! its moment. What a commit moves is published before its mark counts as seen, so who sees the mark sees the move. A commit that cannot be
//! told from somebody else's moves everything.

#[cfg(all(test, loom))]
mod models;

use std::collections::HashMap;
use std::sync::Arc;

use crate::sync::checked::{AtomicU64, Mutex, Ordering};
use crate::tables::Tables;

/// What the engine shows of a database's state: equal marks mean that nobody has committed in between.
pub type Mark = [u64; 6];

/// Shows a database's marks.
pub trait Marks: Send + Sync {
    /// The mark now. A commit is in it before its COMMIT returns, in whatever process.
    fn mark(&self) -> Option<Mark>;
}

/// A moment of the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(u64);

/// When one thing was moved last.
type Hand = Arc<AtomicU64>;

/// What a result rests on: it holds as long as none of these moves.
#[derive(Debug, Clone)]
pub struct Ground(Arc<[Hand]>);

/// What a commit moves.
#[derive(Debug, Clone)]
pub enum Effects {
    Tables(Vec<Hand>),
    All,
}

/// Proof that the clock has heard of a commit. Nobody else can make one:
///
/// ```compile_fail
/// let receipt = keepwell::clock::Receipt { _made_by_the_clock: () };
/// ```
#[derive(Debug)]
pub struct Receipt {
    _made_by_the_clock: (),
}

impl Receipt {
    /// For a connection that can not commit, or whose commits nobody asks for.
    pub const fn of_a_reader() -> Receipt {
        Receipt { _made_by_the_clock: () }
    }
}

/// What a look at the clock tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Every commit that was visible before is accounted for.
    At(Moment),
    /// A commit of this store is becoming visible just now, or there is no mark to look at: nobody can tell what holds.
    UnderWay,
}

/// How much of a commit is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// The mark is that of this commit and of no later one.
    Exactly,
    /// Perhaps nothing was committed: everything has moved if the mark has.
    ByTheMark,
}

/// The clock of one store.
pub struct Clock {
    /// Odd while `seen` is being written.
    turn: AtomicU64,
    /// The mark up to which everything is accounted for. Written under `state`'s lock.
    seen: [AtomicU64; 6],
    now: AtomicU64,
    /// Moved by what may have changed anything.
    everything: Hand,
    /// Moved by every commit.
    anything: Hand,
    state: Mutex<State>,
}

struct State {
    /// A commit of this store was announced and not confirmed.
    under_way: bool,
    tables: HashMap<Box<str>, Hand>,
    /// Tables that nobody refers to any more are forgotten when there are so many.
    sweep_at: usize,
}

const SWEEP_AT_LEAST: usize = 256;

impl Default for Clock {
    fn default() -> Self {
        Clock {
            turn: AtomicU64::new(0),
            seen: std::array::from_fn(|_| AtomicU64::new(0)),
            now: AtomicU64::new(1),
            everything: Hand::new(AtomicU64::new(1)),
            anything: Hand::new(AtomicU64::new(1)),
            state: Mutex::new(State { under_way: false, tables: HashMap::new(), sweep_at: SWEEP_AT_LEAST }),
        }
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Clock").field("now", &self.now).finish_non_exhaustive()
    }
}

impl Clock {
    /// What a result rests on that was read from `tables`; from something that is no plain table, `All`: then every commit moves it.
    pub fn ground(&self, tables: &Tables) -> Ground {
        match tables {
            Tables::All => Ground(Arc::new([self.anything.clone()])),
            Tables::Some(names) => {
                let mut state = self.state.lock();
                let hands = names.iter().map(|name| state.hand(name));
                Ground(std::iter::once(self.everything.clone()).chain(hands).collect())
            }
        }
    }

    /// What a commit moves that changes `tables`.
    pub fn effects(&self, tables: &Tables) -> Effects {
        match tables {
            Tables::All => Effects::All,
            Tables::Some(names) => {
                let mut state = self.state.lock();
                Effects::Tables(names.iter().map(|name| state.hand(name)).collect())
            }
        }
    }

    /// The moment, with everything accounted for that was committed before. To be asked before the snapshot is opened that a result is
    /// read from. `mark` reads the engine's mark.
    #[inline]
    pub fn look(&self, mark: impl Fn() -> Option<Mark>) -> Look {
        let Some(shown) = mark() else { return Look::UnderWay };
        let now = self.now.load(Ordering::Acquire);
        if self.has_seen(&shown) {
            return Look::At(Moment(now));
        }
        self.look_closely(mark)
    }

    #[cold]
    fn look_closely(&self, mark: impl Fn() -> Option<Mark>) -> Look {
        let state = self.state.lock();
        // Read again: what was read before may be older than what has been accounted for meanwhile.
        let Some(shown) = mark() else { return Look::UnderWay };
        if !self.has_seen(&shown) {
            if state.under_way {
                return Look::UnderWay;
            }
            self.move_hands(&Effects::All);
            self.see(&shown);
        }
        Look::At(Moment(self.now.load(Ordering::Relaxed)))
    }

    /// Says that a commit of this store will become visible. To be called with the database's write lock held, so that `mark` is that of the
    /// last commit before it: what others have committed meanwhile is accounted for here.
    pub fn announce(&self, mark: Option<Mark>) {
        let mut state = self.state.lock();
        if let Some(mark) = mark.filter(|mark| !self.has_seen(mark)) {
            self.move_hands(&Effects::All);
            self.see(&mark);
        }
        state.under_way = true;
    }

    /// Accounts for the commit that was announced, when it is over: whether it took place or not. An engine whose marks say nothing of this
    /// store's own commits shows none here.
    pub fn confirm(&self, mark: impl Fn() -> Option<Mark>, effects: &Effects, known: impl FnOnce(&Mark) -> Known) -> Receipt {
        let mut state = self.state.lock();
        state.under_way = false;
        match mark() {
            None => self.move_hands(effects),
            Some(mark) => match known(&mark) {
                Known::Exactly => {
                    self.move_hands(effects);
                    self.see(&mark);
                }
                Known::ByTheMark if self.has_seen(&mark) => {}
                Known::ByTheMark => {
                    self.move_hands(&Effects::All);
                    self.see(&mark);
                }
            },
        }
        Receipt { _made_by_the_clock: () }
    }

    /// For an end of a transaction that nothing was announced of: there was nothing to commit, or no commit.
    pub fn nothing(&self) -> Receipt {
        Receipt { _made_by_the_clock: () }
    }

    /// Lets nothing that is kept hold any longer.
    pub fn expire_everything(&self) {
        let _state = self.state.lock();
        self.move_hands(&Effects::All);
    }

    /// Whether everything up to this mark is accounted for.
    #[inline]
    fn has_seen(&self, mark: &Mark) -> bool {
        let turn = self.turn.load(Ordering::Acquire);
        // Acquire on each word: who reads a new one also sees that `turn` had become odd before.
        let equal = self.seen.iter().zip(mark).all(|(seen, mark)| seen.load(Ordering::Acquire) == *mark);
        equal && turn & 1 == 0 && self.turn.load(Ordering::Relaxed) == turn
    }

    /// Under `state`'s lock.
    fn see(&self, mark: &Mark) {
        let turn = self.turn.load(Ordering::Relaxed);
        self.turn.store(turn + 1, Ordering::Relaxed);
        self.seen.iter().zip(mark).for_each(|(seen, mark)| seen.store(*mark, Ordering::Release));
        self.turn.store(turn + 2, Ordering::Release);
    }

    /// Under `state`'s lock.
    fn move_hands(&self, effects: &Effects) {
        let now = self.now.load(Ordering::Relaxed) + 1;
        match effects {
            Effects::All => self.everything.store(now, Ordering::Release),
            Effects::Tables(hands) => hands.iter().for_each(|hand| hand.store(now, Ordering::Release)),
        }
        self.anything.store(now, Ordering::Release);
        self.now.store(now, Ordering::Release);
    }
}

impl State {
    fn hand(&mut self, table: &str) -> Hand {
        if let Some(hand) = self.tables.get(table) {
            return hand.clone();
        }
        if self.tables.len() >= self.sweep_at {
            self.tables.retain(|_, hand| Arc::strong_count(hand) > 1);
            self.sweep_at = (2 * self.tables.len()).max(SWEEP_AT_LEAST);
        }
        self.tables.entry(table.into()).or_insert_with(|| Hand::new(AtomicU64::new(0))).clone()
    }
}

impl Ground {
    /// Whether a result read at `moment` or later still holds.
    #[inline]
    pub fn holds_since(&self, moment: Moment) -> bool {
        self.0.iter().all(|hand| hand.load(Ordering::Acquire) <= moment.0)
    }
}

impl Default for Effects {
    fn default() -> Self {
        Effects::Tables(Vec::new())
    }
}

impl Effects {
    /// Adds what `others` move.
    pub fn add(&mut self, others: &Effects) {
        match (&mut *self, others) {
            (Effects::All, _) => {}
            (_, Effects::All) => *self = Effects::All,
            (Effects::Tables(mine), Effects::Tables(others)) => {
                for other in others {
                    if !mine.iter().any(|hand| Arc::ptr_eq(hand, other)) {
                        mine.push(other.clone());
                    }
                }
            }
        }
    }

    /// Whether there is nothing to move.
    pub fn is_empty(&self) -> bool {
        matches!(self, Effects::Tables(hands) if hands.is_empty())
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        match self {
            Effects::Tables(hands) => hands.clear(),
            Effects::All => *self = Effects::default(),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    fn tables(names: &[&str]) -> Tables {
        let mut tables = Tables::default();
        names.iter().for_each(|name| tables.insert(name));
        tables
    }

    fn at(clock: &Clock, mark: Mark) -> Moment {
        match clock.look(|| Some(mark)) {
            Look::At(moment) => moment,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_commit_of_ones_own_moves_its_tables_and_leaves_others_alone() {
        let clock = Clock::default();
        let (track, album) = (clock.ground(&tables(&["track"])), clock.ground(&tables(&["album"])));
        let before = at(&clock, [1; 6]);
        clock.announce(Some([1; 6]));
        clock.confirm(|| Some([2; 6]), &clock.effects(&tables(&["track"])), |_| Known::Exactly);
        assert!(!track.holds_since(before) && album.holds_since(before));
        assert!(track.holds_since(at(&clock, [2; 6])));
    }

    #[test]
    fn a_commit_of_somebody_else_moves_everything() {
        let clock = Clock::default();
        let track = clock.ground(&tables(&["track"]));
        let before = at(&clock, [1; 6]);
        let after = at(&clock, [2; 6]);
        assert!(!track.holds_since(before) && track.holds_since(after));
    }

    #[test]
    fn a_commit_of_somebody_else_before_ones_own_is_not_lost() {
        let clock = Clock::default();
        let album = clock.ground(&tables(&["album"]));
        let before = at(&clock, [1; 6]);
        clock.announce(Some([2; 6]));
        clock.confirm(|| Some([3; 6]), &clock.effects(&tables(&["track"])), |_| Known::Exactly);
        assert!(!album.holds_since(before));
    }

    #[test]
    fn while_a_commit_is_under_way_a_moved_mark_says_nothing_and_the_old_one_still_holds() {
        let clock = Clock::default();
        at(&clock, [1; 6]);
        clock.announce(Some([1; 6]));
        at(&clock, [1; 6]);
        assert_eq!(clock.look(|| Some([2; 6])), Look::UnderWay);
    }

    #[test]
    fn a_commit_that_did_not_take_place_moves_nothing_and_one_that_may_have_moves_everything() {
        let clock = Clock::default();
        let track = clock.ground(&tables(&["track"]));
        let before = at(&clock, [1; 6]);
        let effects = clock.effects(&tables(&["track"]));
        clock.announce(Some([1; 6]));
        clock.confirm(|| Some([1; 6]), &effects, |_| Known::ByTheMark);
        assert!(track.holds_since(before));
        clock.announce(Some([1; 6]));
        clock.confirm(|| Some([2; 6]), &Effects::default(), |_| Known::ByTheMark);
        assert!(!track.holds_since(before));
    }

    #[test]
    fn what_rests_on_no_plain_table_is_moved_by_every_commit() {
        let clock = Clock::default();
        let schema = clock.ground(&Tables::All);
        let before = at(&clock, [1; 6]);
        clock.announce(Some([1; 6]));
        clock.confirm(|| Some([2; 6]), &clock.effects(&tables(&["track"])), |_| Known::Exactly);
        assert!(!schema.holds_since(before));
    }

    #[test]
    fn tables_that_nobody_refers_to_are_forgotten() {
        let clock = Clock::default();
        let kept = clock.ground(&tables(&["kept"]));
        (0..10_000).for_each(|n| drop(clock.effects(&tables(&[&format!("t{n}")]))));
        assert!(clock.state.lock().tables.len() <= SWEEP_AT_LEAST);
        let before = at(&clock, [1; 6]);
        clock.announce(Some([1; 6]));
        clock.confirm(|| Some([2; 6]), &clock.effects(&tables(&["kept"])), |_| Known::Exactly);
        assert!(!kept.holds_since(before));
    }
}
