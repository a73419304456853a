//! Every interleaving of queries with the cache, a commit of the store's own, and one of somebody else. The one row of the database is the
//! number of the last commit, which is its mark as well.

use loom::thread;
use std::sync::Arc;

use super::*;
use crate::clock::{Effects, Known};
use crate::rows::{Batch, Columns};
use crate::sync::checked::{AtomicU64, Ordering};
use crate::tables::Tables;

struct Database(AtomicU64);

impl Marks for Database {
    fn mark(&self) -> Option<Mark> {
        Some([self.0.load(Ordering::Acquire), 0, 0, 0, 0, 0])
    }
}

struct World {
    database: Arc<Database>,
    clock: Arc<Clock>,
    cache: Cache,
    ground: Ground,
    effects: Effects,
}

fn world() -> Arc<World> {
    let (database, clock) = (Arc::new(Database(AtomicU64::new(1))), Arc::new(Clock::default()));
    let mut tables = Tables::default();
    tables.insert("t");
    let (ground, effects) = (clock.ground(&tables), clock.effects(&tables));
    let limits = Limits { entries: 10, bytes: 1 << 20, ttl: None };
    let cache = Cache::new(clock.clone(), Some(database.clone()), limits);
    Arc::new(World { database, clock, cache, ground, effects })
}

impl World {
    /// A query as the store runs it. It must not be older than what was visible before it.
    fn query(&self) -> i64 {
        let visible = self.database.0.load(Ordering::Acquire) as i64;
        let answer = match self.cache.look(b"key", None, None, |whole| whole.batch.get(0, 0).as_i64()) {
            Found::Hit(value) => value,
            Found::Miss(moment) => {
                let value = self.database.0.load(Ordering::Acquire) as i64;
                let mut batch = Batch::new(1);
                batch.push_integer(value);
                batch.end_row();
                let whole = Arc::new(Whole::copy(&Arc::new(Columns::default()), &batch));
                self.cache.keep(b"key", whole, &self.ground, moment, None);
                value
            }
            Found::Bypass(_) => self.database.0.load(Ordering::Acquire) as i64,
            Found::Declined | Found::Closed => panic!("neither declined nor closed"),
        };
        assert!(answer >= visible, "answered {answer} although {visible} was visible before");
        answer
    }

    fn own_commit(&self, value: u64) {
        self.clock.announce(self.database.mark());
        self.database.0.store(value, Ordering::Release);
        let known = |mark: &Mark| if mark[0] == value { Known::Exactly } else { Known::ByTheMark };
        self.clock.confirm(|| self.database.mark(), &self.effects, known);
    }
}

fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

#[test]
fn what_is_kept_is_never_stale_beside_a_commit_of_ones_own() {
    check(|| {
        let world = world();
        world.query();
        let writer = {
            let world = world.clone();
            thread::spawn(move || world.own_commit(2))
        };
        let first = world.query();
        assert!(world.query() >= first, "backwards");
        writer.join().unwrap();
        assert_eq!(world.query(), 2);
    });
}

#[test]
fn what_is_kept_is_never_stale_beside_a_commit_of_somebody_else() {
    check(|| {
        let world = world();
        let other = {
            let world = world.clone();
            thread::spawn(move || world.database.0.store(2, Ordering::Release))
        };
        let reader = {
            let world = world.clone();
            thread::spawn(move || world.query())
        };
        let first = world.query();
        assert!(world.query() >= first, "backwards");
        other.join().unwrap();
        reader.join().unwrap();
        assert_eq!(world.query(), 2);
    });
}
