//! The maintenance of one store: a thread that lets idle snapshots go, keeps the log short, closes what is idle for long or old, and lets the
//! sentry look.
//!
//! It sleeps until the next look is due; while the store is used it wakes every second, and while some reader keeps a snapshot or the log is
//! long, every few milliseconds. It holds nothing that would keep the store or the process alive, and it does not exist after a fork.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sync::Mutex;

use crate::bell::Bell;
use crate::pool::Pool;
use crate::sentry::Sentry;

/// How often the sentry looks while the store is used; less often where a look takes more than a thousandth of it.
const WATCH: Duration = Duration::from_secs(1);

/// A running maintenance. Stops when told, and by itself when the pool is gone.
pub struct Caretaker {
    bell: Arc<Bell>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How often the maintenance looks at idle connections, and how often at snapshots and the log. A snapshot may be idle for between one and
/// two times that.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    pub look: Duration,
    pub short: Duration,
    /// How often the chores are done; `None`: never.
    pub chores: Option<Duration>,
}

/// What else has to be done now and then.
pub trait Chores: Send + Sync {
    /// Called as often as [`Rhythm::chores`] says.
    fn run(&self);

    /// Called with every look.
    fn look(&self);
}

impl Caretaker {
    /// Starts the maintenance of `pool`, which rings the same bell as `sentry`.
    pub fn start<C: Chores + 'static>(pool: &Arc<Pool>, sentry: &Arc<Sentry>, chores: &Arc<C>, rhythm: Rhythm) -> Self {
        let bell = pool.bell().clone();
        let chores: Weak<dyn Chores> = Arc::<C>::downgrade(chores);
        let rounds = Rounds { pool: Arc::downgrade(pool), sentry: Arc::downgrade(sentry), chores, bell: bell.clone(), rhythm };
        let thread = std::thread::Builder::new().name("keepwell".to_string()).spawn(move || rounds.walk()).ok();
        Caretaker { bell, thread: Mutex::new(thread) }
    }

    /// Ends the maintenance and waits for the round under way.
    pub fn stop(&self) {
        let thread = self.thread.lock().take();
        self.bell.stop();
        if let Some(thread) = thread.filter(|t| t.thread().id() != std::thread::current().id()) {
            let _ = thread.join();
        }
    }

    /// To be called in a forked child before the caretaker is dropped: the thread is the parent's, and what has its identity here may be
    /// another one.
    pub fn forget(&mut self) {
        std::mem::forget(std::mem::take(&mut self.thread));
    }
}

struct Rounds {
    pool: Weak<Pool>,
    sentry: Weak<Sentry>,
    chores: Weak<dyn Chores>,
    bell: Arc<Bell>,
    rhythm: Rhythm,
}

impl Rounds {
    fn walk(&self) {
        let Rhythm { look, short, chores } = self.rhythm;
        let (mut next_look, mut next_watch) = (Instant::now() + look, Instant::now() + WATCH);
        let mut next_chores = chores.map(|every| Instant::now() + every);
        let mut wake = next_chores.map_or(next_look, |chores| next_look.min(chores));
        while !self.bell.sleep(short.min(WATCH), wake.saturating_duration_since(Instant::now())) {
            let (Some(pool), Some(sentry)) = (self.pool.upgrade(), self.sentry.upgrade()) else { return };
            self.bell.set_attentive(false);
            let kept = pool.rest_idle(false);
            if pool.keep_log() || kept {
                self.bell.set_attentive(true);
            }
            let now = Instant::now();
            if now >= next_look || (now >= next_watch && sentry.was_used()) {
                sentry.look();
                next_watch = Instant::now() + WATCH.max(now.elapsed() * 1000);
            }
            if now >= next_look {
                pool.clean_up();
                self.chores.upgrade().into_iter().for_each(|chores| chores.look());
                next_look = Instant::now() + look;
            }
            if let (Some(every), Some(due)) = (chores, next_chores) {
                if now >= due {
                    self.chores.upgrade().into_iter().for_each(|chores| chores.run());
                    next_chores = Some(Instant::now() + every);
                }
            }
            wake = if sentry.was_used() { next_look.min(next_watch) } else { next_look };
            wake = next_chores.map_or(wake, |chores| wake.min(chores));
        }
    }
}
