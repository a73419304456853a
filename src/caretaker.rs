//! The maintenance of one store: a thread that lets idle snapshots go, and closes what is idle for long or old.
//!
//! It sleeps until the next look is due; only while some reader keeps a snapshot does it wake every few milliseconds. It holds nothing
//! that would keep the store or the process alive, and it does not exist after a fork.

use std::sync::{Arc, Weak};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::sync::Mutex;

use crate::bell::Bell;
use crate::pool::Pool;

/// A running maintenance. Stops when told, and by itself when the pool is gone.
pub struct Caretaker {
    bell: Arc<Bell>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// How often the maintenance looks at idle connections, and how long a snapshot may be idle (between one and two times this).
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    pub look: Duration,
    pub snapshot_idle: Duration,
}

impl Caretaker {
    /// Starts the maintenance of `pool`.
    pub fn start(pool: &Arc<Pool>, rhythm: Rhythm) -> Self {
        let bell = pool.bell().clone();
        let rounds = Rounds { pool: Arc::downgrade(pool), bell: bell.clone(), rhythm };
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
    bell: Arc<Bell>,
    rhythm: Rhythm,
}

impl Rounds {
    fn walk(&self) {
        let Rhythm { look, snapshot_idle } = self.rhythm;
        let mut next_look = Instant::now() + look;
        while !self.bell.sleep(snapshot_idle, next_look.saturating_duration_since(Instant::now())) {
            let Some(pool) = self.pool.upgrade() else { return };
            self.bell.set_attentive(false);
            if pool.rest_idle(false) {
                self.bell.set_attentive(true);
            }
            if Instant::now() >= next_look {
                pool.clean_up();
                next_look = Instant::now() + look;
            }
        }
    }
}
