//! The law of the cache of results, tried at random: with it every query gives exactly what it would give without, whatever route a write
//! took.
//!
//! A seed makes a schema, writes by all roads that there are (the store's own, a second store, SQLite itself, other processes, another
//! version of SQLite, a backup into the file) and queries, each asked again and again with the cache and compared with what SQLite itself
//! says: rows and names of columns.
//!
//! * `KEEPWELL_FUZZ_SEED=n` replays one seed.
//! * `KEEPWELL_FUZZ_COMPARISONS=1000000` goes on until so many answers have been compared: the nightly run. Without LTO it is built sooner:
//!   `CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo test --release --test cache_fuzz -- --nocapture`.
//!
//! A mismatch prints the seed, every statement since the start with its road, the query and both results. That the test would notice is
//! tried by breaking the core by hand: `Effects::add` that forgets, an `announce` or `confirm` that does nothing, a look-up that does not
//! ask the clock. Each is found within the default run.

#[path = "cache_fuzz/answer.rs"]
mod answer;
#[path = "cache_fuzz/catalogue.rs"]
mod catalogue;
#[path = "cache_fuzz/change.rs"]
mod change;
#[path = "cache_fuzz/directed.rs"]
mod directed;
#[path = "cache_fuzz/foreign.rs"]
mod foreign;
#[path = "cache_fuzz/helper.rs"]
mod helper;
#[path = "cache_fuzz/pinned.rs"]
mod pinned;
#[path = "cache_fuzz/query.rs"]
mod query;
#[path = "cache_fuzz/random.rs"]
mod random;
#[path = "cache_fuzz/routes.rs"]
mod routes;
#[path = "cache_fuzz/schema.rs"]
mod schema;
#[path = "cache_fuzz/tally.rs"]
mod tally;
#[path = "cache_fuzz/values.rs"]
mod values;
#[path = "cache_fuzz/world.rs"]
mod world;

use std::time::{Duration, Instant, SystemTime};

use helper::Helper;
use tally::Tally;
use world::{Helpers, World};

/// Comparisons of the default run, and how long it may take at most.
const COMPARISONS: u64 = 5_000;
const LONGEST: Duration = Duration::from_secs(10);
/// Writes of one seed.
const ROUNDS: usize = 60;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

fn run(seed: u64, helpers: &mut Helpers) -> Tally {
    let mut world = World::new(seed, helpers);
    for round in 0..ROUNDS {
        match world.random.below(10) {
            0..=4 => routes::write(&mut world),
            5 => pinned::write(&mut world),
            _ => foreign::write(&mut world),
        }
        if world.look_around() && world.random.chance(40) {
            routes::habits(&mut world);
        }
        // Not after each write: what two commits in a row do has to be seen too.
        let count = if world.random.chance(30) { 0 } else { 3 + world.random.below(8) };
        world.ask_some(count);
        if round % 6 == 5 {
            world.leave_half_read();
            shorten(&mut world);
        }
        if world.random.chance(1) {
            world.store.cache_clear();
        }
    }
    world.end()
}

fn shorten(world: &mut World<'_>) {
    for name in world.too_long() {
        let sql = format!("DELETE FROM {name}");
        let well = world.store.execute(&sql, keepwell::Params::NONE, &Default::default()).is_ok();
        world.note("single", &sql, well);
    }
}

#[test]
fn every_answer_is_what_it_would_be_without_the_cache() {
    let mut helpers = Helpers { own: Helper::own(), python: Helper::python() };
    if helpers.python.is_none() {
        println!("no python3 with another SQLite: that route, and backups into the file, are skipped");
    }
    if let Some(seed) = number("KEEPWELL_FUZZ_SEED") {
        return println!("seed {seed}: {}", run(seed, &mut helpers));
    }
    let wanted = number("KEEPWELL_FUZZ_COMPARISONS");
    let today = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64 / 1000 * 1000;
    println!("seeds 1 to 4, then from {today}");
    let (started, mut all) = (Instant::now(), Tally::default());
    for seed in (1..=4).chain(today..) {
        all.merge(run(seed, &mut helpers));
        let over = wanted.is_none() && started.elapsed() > LONGEST;
        if all.comparisons >= wanted.unwrap_or(COMPARISONS) || over {
            break;
        }
    }
    println!("{all}\n{:.1?}", started.elapsed());
    assert!(all.hit_share() > 0.15, "too few answers came from the cache for this to be a test");
}

#[test]
#[ignore = "it is the other process of the test above"]
fn the_other_process() {
    if std::env::var_os(helper::ROLE).is_some() {
        helper::serve();
    }
}
