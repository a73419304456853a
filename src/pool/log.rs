//! Keeping the write-ahead log short. The maintenance copies it into the database beside the traffic, and has it begun anew when it is long.
//!
//! With *d* frames as `options.wal_autocheckpoint`: a copy is due when *d* frames are not in the database yet. A log of 4 *d* frames is begun
//! anew: with the writer held, and everything copied, SQLite needs no more than the end of the reads that still use the log; reads that
//! begin meanwhile use the database alone. So where reads are shorter than the writer may be held (20 ms, and up to 80 ms once that was too
//! short), the log stays below 4 *d* frames (2,000 where *d* is less than 500, see `snapshot.rs`) plus what is written during a round of the
//! maintenance and a few tries. Longer reads that overlap without end let it grow, and are named. When the copies fall behind by 8 *d*
//! frames, the writers make them themselves. While little is written, a log of *d* frames is begun anew too, unless somebody reads from
//! it: a commit that writes over what the file has already is cheaper than one that makes it grow.
//! <https://sqlite.org/wal.html#avoiding_excessively_large_wal_files>

use std::time::{Duration, Instant};

use super::{Item, Lease, Pool};
use crate::cancel::Op;
use crate::driver::{Connection, Role};
use crate::holders::Purpose;
use crate::sync::Mutex;

/// A log of so many times the frames that make a copy due is begun anew.
const LONG: u32 = 4;
/// A log that is only due is begun anew when that was last tried so long ago.
const EARLY: Duration = Duration::from_millis(100);
/// Writers that are so many times as far ahead of the copies wait for them.
const FAR_AHEAD: u32 = 8;
/// How long the writer is held at first for readers to leave a long log.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long it is held at most, where reads last longer but come and go.
const MOST_PATIENCE: Duration = Duration::from_millis(80);
/// So long of that is waited for readers before it is looked for snapshots that are kept by readers which became idle.
const SLICE: Duration = Duration::from_millis(10);
/// How long the maintenance waits for the writer before it tries again in its next round.
const TURN: Duration = Duration::from_millis(500);
/// How long a log is left alone after a try in vain: so many times as long as the writer was held while readers come and go,
const PAUSES: u32 = 4;
/// and this long while one of them stays.
const PAUSE: Duration = Duration::from_millis(500);

/// What the maintenance needs for the log. Used by it alone, but for its end.
pub struct Keeper {
    /// A connection beside the pool's, so that copying holds up nobody. Opened with the first copy.
    connection: Mutex<Option<Box<dyn Connection>>>,
    tries: Mutex<Tries>,
}

/// What the tries to begin a log anew have taught.
struct Tries {
    held_up: Option<HeldUp>,
    /// How long the next one may hold the writer.
    patience: Duration,
    /// When the last one was.
    last: Instant,
}

/// A long log that could not be begun anew.
struct HeldUp {
    since: Instant,
    /// When the next try is due.
    again: Instant,
    /// How far the log was copied: no further than the oldest reader has to read from it.
    done: u32,
    /// Who was reading, for people.
    readers: String,
}

impl Default for Keeper {
    fn default() -> Self {
        let tries = Tries { held_up: None, patience: PATIENCE, last: Instant::now() };
        Keeper { connection: Mutex::default(), tries: Mutex::new(tries) }
    }
}

impl Keeper {
    /// Closes the keeper's connection.
    pub fn close(&self) {
        self.connection.lock().take();
    }

    /// Whether it is time to try to begin the log anew.
    fn may_try(&self) -> bool {
        self.tries.lock().held_up.as_ref().is_none_or(|held_up| Instant::now() >= held_up.again)
    }

    /// A try has failed with the log copied as far as `done`. Where readers come and go, one that waits for longer may succeed; where one
    /// has stayed since the try before, holding the writer for long would only hurt.
    fn failed(&self, done: u32, readers: String) {
        let (mut tries, now) = (self.tries.lock(), Instant::now());
        let before = tries.held_up.take();
        let stays = before.as_ref().is_some_and(|before| before.done == done);
        let pause = if stays { PAUSE } else { tries.patience * PAUSES };
        tries.patience = if stays { PATIENCE } else { (tries.patience * 2).min(MOST_PATIENCE) };
        tries.held_up = Some(HeldUp { since: before.map_or(now, |before| before.since), again: now + pause, done, readers });
    }
}

impl Pool {
    /// Called with the writer after its work: calls the maintenance when there is something to do for it.
    #[inline]
    pub(super) fn mind_log(&self, item: &mut Item) {
        let due = self.limits.checkpoint_frames;
        let log = self.driver.backlog();
        let pending = log.frames.saturating_sub(log.done);
        if due == 0 || (pending < due && log.frames < due.saturating_mul(LONG)) {
            return;
        }
        self.bell.ring();
        if pending >= due.saturating_mul(FAR_AHEAD) {
            self.copy_log(&mut *item.connection);
        }
    }

    /// Copies the log if that is due, and has a long one begun anew. Says whether there is more to do soon. For the maintenance.
    pub fn keep_log(&self) -> bool {
        let due = self.limits.checkpoint_frames;
        if due == 0 {
            return false;
        }
        let log = self.driver.backlog();
        let long = self.is_longer(LONG);
        let copies = log.frames.saturating_sub(log.done) >= due;
        if copies {
            self.copy_beside();
        }
        if !long {
            self.keeper.tries.lock().held_up = None;
            if copies && self.keeper.tries.lock().last.elapsed() >= EARLY {
                self.begin_early();
            }
        } else if self.keeper.may_try() {
            // What was written during the copy, which the writer would have to wait for.
            self.copy_beside();
            self.begin_anew();
        }
        long
    }

    /// Whether the log has so many times the frames that make a copy due.
    fn is_longer(&self, times: u32) -> bool {
        self.driver.backlog().frames >= self.limits.checkpoint_frames.saturating_mul(times)
    }

    fn copy_beside(&self) {
        let mut place = self.keeper.connection.lock();
        if place.is_none() {
            *place = self.driver.connect(Role::Writer, &Op::unbounded()).ok();
        }
        if let Some(connection) = &mut *place {
            self.copy_log(&mut **connection);
        }
    }

    fn copy_log(&self, connection: &mut dyn Connection) {
        let began = Instant::now();
        if connection.checkpoint().is_ok() {
            self.counters.checkpoints.time(began.elapsed());
        }
    }

    /// Has the log begun anew, if it still is long when it is the maintenance's turn to write: a write may have done so by itself.
    fn begin_anew(&self) {
        let Some(mut writer) = self.writer_to_begin_anew() else { return };
        let patience = self.keeper.tries.lock().patience;
        if !self.is_longer(LONG) || self.restart(writer.connection(), patience) {
            self.keeper.tries.lock().held_up = None;
            return;
        }
        self.keeper.failed(self.driver.backlog().done, self.holders.readers());
    }

    fn begin_early(&self) {
        let Some(mut writer) = self.writer_to_begin_anew() else { return };
        if self.is_longer(1) {
            self.restart(writer.connection(), Duration::ZERO);
        }
    }

    fn writer_to_begin_anew(&self) -> Option<Lease<&Pool>> {
        self.keeper.tries.lock().last = Instant::now();
        self.writer(&Op::own(TURN), Purpose::Maintenance, false).ok()
    }

    /// Idle readers give their snapshots up, also those that become idle meanwhile; those that are reading get a moment to end.
    fn restart(&self, writer: &mut dyn Connection, patience: Duration) -> bool {
        let began = Instant::now();
        let end = began + patience;
        let done = loop {
            self.rest_idle(true);
            let left = end.saturating_duration_since(Instant::now());
            if writer.restart_log(&Op::own(left.min(SLICE))).is_ok() {
                break true;
            }
            if left <= SLICE {
                break false;
            }
        };
        self.counters.checkpoints.time(began.elapsed());
        done
    }

    /// Why the log is longer than it should be, and who is reading; `None` while it is not.
    pub fn log_problem(&self) -> Option<String> {
        let tries = self.keeper.tries.lock();
        let HeldUp { since, readers, .. } = tries.held_up.as_ref()?;
        let frames = self.driver.backlog().frames;
        let seconds = since.elapsed().as_secs_f32();
        let readers = if readers == "nobody" { "of another process" } else { readers };
        Some(format!("the log has {frames} frames and could not be begun anew for {seconds:.1} s, because of readers: {readers}"))
    }
}
