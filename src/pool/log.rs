//! Keeping the write-ahead log short. The maintenance copies it into the database beside the traffic, and has it begun anew when it is long.
//!
//! With *d* frames as `options.wal_autocheckpoint`: a copy is due when *d* frames are not in the database yet. A log of 4 *d* frames is begun
//! anew: with the writer held, and everything copied, SQLite needs no more than the end of the reads that still use the log; reads that
//! begin meanwhile use the database alone. So the log stays below 4 *d* frames plus what is written during one round of the maintenance
//! and the longest read. When the copies fall behind by 8 *d* frames, the writers make them themselves.
//! <https://sqlite.org/wal.html#avoiding_excessively_large_wal_files>

use std::time::{Duration, Instant};

use super::{Item, Pool};
use crate::cancel::Op;
use crate::driver::{Connection, Role};
use crate::holders::Purpose;
use crate::sync::Mutex;

/// A log of so many times the frames that make a copy due is begun anew.
const LONG: u32 = 4;
/// Writers that are so many times as far ahead of the copies wait for them.
const FAR_AHEAD: u32 = 8;
/// How long the writer is held for readers to leave a long log.
const PATIENCE: Duration = Duration::from_millis(20);
/// How long the maintenance waits for the writer before it tries again in its next round.
const TURN: Duration = Duration::from_millis(500);
/// How long a log that readers hold up is left alone.
const PAUSE: Duration = Duration::from_millis(500);

/// What the maintenance needs for the log. Used by it alone, but for its end.
#[derive(Default)]
pub struct Keeper {
    /// A connection beside the pool's, so that copying holds up nobody. Opened with the first copy.
    connection: Mutex<Option<Box<dyn Connection>>>,
    held_up: Mutex<Option<HeldUp>>,
}

/// A long log that could not be begun anew.
struct HeldUp {
    since: Instant,
    tried: Instant,
    /// Who was reading, for people.
    readers: String,
}

impl Keeper {
    /// Closes the keeper's connection.
    pub fn close(&self) {
        self.connection.lock().take();
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
        let long = log.frames >= due.saturating_mul(LONG);
        if log.frames.saturating_sub(log.done) >= due {
            self.copy_beside();
        }
        if !long {
            self.keeper.held_up.lock().take();
        } else if self.may_try() {
            // What was written during the copy, which the writer would have to wait for.
            self.copy_beside();
            self.begin_anew();
        }
        long
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
        if connection.checkpoint().is_ok() {
            self.counters.checkpoints.one();
        }
    }

    fn may_try(&self) -> bool {
        self.keeper.held_up.lock().as_ref().is_none_or(|held_up| held_up.tried.elapsed() >= PAUSE)
    }

    /// Idle readers give their snapshots up; those that are reading get a moment to end.
    fn begin_anew(&self) {
        let Ok(mut writer) = self.writer(&Op::new(Some(TURN), None, None), Purpose::Maintenance, false) else { return };
        self.rest_idle(true);
        let restarted = writer.connection().restart_log(&Op::new(Some(PATIENCE), None, None));
        self.counters.checkpoints.one();
        let now = Instant::now();
        let mut held_up = self.keeper.held_up.lock();
        if restarted.is_ok() {
            return drop(held_up.take());
        }
        let since = held_up.as_ref().map_or(now, |before| before.since);
        *held_up = Some(HeldUp { since, tried: now, readers: self.holders.readers() });
    }

    /// Why the log is longer than it should be, and who is reading; `None` while it is not.
    pub fn log_problem(&self) -> Option<String> {
        let held_up = self.keeper.held_up.lock();
        let HeldUp { since, readers, .. } = held_up.as_ref()?;
        let frames = self.driver.backlog().frames;
        let seconds = since.elapsed().as_secs_f32();
        let readers = if readers == "nobody" { "of another process" } else { readers };
        Some(format!("the log has {frames} frames and could not be begun anew for {seconds:.1} s, because of readers: {readers}"))
    }
}
