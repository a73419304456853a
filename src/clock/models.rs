//! Every interleaving of looks, own commits and commits of others. The database is a number that becomes visible together with its mark.

use loom::thread;

use super::*;
use std::sync::Arc as Shared;

/// A database with one row of one table: its mark is the number of the commit, and the row's value as well.
struct Database {
    mark: AtomicU64,
}

impl Database {
    fn new() -> Self {
        Database { mark: AtomicU64::new(1) }
    }

    fn mark(&self) -> Option<Mark> {
        Some([self.mark.load(Ordering::Acquire), 0, 0, 0, 0, 0])
    }

    fn commit(&self, value: u64) {
        self.mark.store(value, Ordering::Release);
    }

    fn read(&self) -> u64 {
        self.mark.load(Ordering::Acquire)
    }
}

struct World {
    clock: Clock,
    database: Database,
    ground: Ground,
    effects: Effects,
    /// The one result that is kept: its value and moment.
    kept: Mutex<Option<(u64, Moment)>>,
}

fn world() -> Shared<World> {
    let clock = Clock::default();
    let mut tables = Tables::default();
    tables.insert("t");
    let (ground, effects) = (clock.ground(&tables), clock.effects(&tables));
    let world = World { clock, database: Database::new(), ground, effects, kept: Mutex::new(None) };
    assert!(matches!(world.clock.look(|| world.database.mark()), Look::At(_)));
    Shared::new(world)
}

impl World {
    /// A query with the cache: never older than what was visible before it began.
    fn query(&self) -> u64 {
        let visible = self.database.read();
        let answer = match self.clock.look(|| self.database.mark()) {
            Look::At(moment) => {
                let kept = *self.kept.lock();
                match kept.filter(|(_, since)| self.ground.holds_since(*since)) {
                    Some((value, _)) => value,
                    None => {
                        let value = self.database.read();
                        *self.kept.lock() = Some((value, moment));
                        value
                    }
                }
            }
            Look::UnderWay => self.database.read(),
        };
        assert!(answer >= visible, "answered {answer} although {visible} was visible before");
        answer
    }

    fn own_commit(&self, value: u64) {
        self.clock.announce(self.database.mark());
        self.database.commit(value);
        let known = |mark: &Mark| if mark[0] == value { Known::Exactly } else { Known::ByTheMark };
        self.clock.confirm(|| self.database.mark(), &self.effects, known);
    }
}

#[test]
fn a_look_during_ones_own_commit_is_never_stale_and_never_goes_backwards() {
    loom::model(|| {
        let world = world();
        let writer = {
            let world = world.clone();
            thread::spawn(move || world.own_commit(2))
        };
        let first = world.query();
        let second = world.query();
        assert!(second >= first, "backwards: {first}, then {second}");
        writer.join().unwrap();
        assert_eq!(world.query(), 2);
    });
}

#[test]
fn two_readers_and_a_commit_of_ones_own() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let world = world();
        let threads: Vec<_> = (0..2)
            .map(|n| {
                let world = world.clone();
                thread::spawn(move || {
                    if n == 0 {
                        world.own_commit(2);
                    } else {
                        world.query();
                    }
                })
            })
            .collect();
        world.query();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(world.query(), 2);
    });
}

#[test]
fn a_commit_of_somebody_else_right_after_ones_own_is_not_taken_for_it() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let world = world();
        let other = {
            let world = world.clone();
            thread::spawn(move || {
                // Waits for the write lock: it commits once the own commit is visible.
                if world.query() == 2 {
                    world.database.commit(3);
                }
            })
        };
        world.own_commit(2);
        other.join().unwrap();
        assert_eq!(world.query(), world.database.read());
    });
}
