//! The maintenance of one store: a thread that lets idle snapshots go, keeps the log short, and closes what is idle for long or old.
//!
//! It sleeps until the next look is due; only while some reader keeps a snapshot, or the log is long, does it wake every few
//! milliseconds. It holds nothing that would keep the store or the process alive, and it does not exist after a fork.

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

/// How often the maintenance looks at idle connections, and how often at snapshots and the log. A snapshot may be idle for between one and
/// two times that.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    pub look: Duration,
    pub short: Duration,
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
}

struct Rounds {
    pool: Weak<Pool>,
    bell: Arc<Bell>,
    rhythm: Rhythm,
}

impl Rounds {
    fn walk(&self) {
        let Rhythm { look, short } = self.rhythm;
        let mut next_look = Instant::now() + look;
        while !self.bell.sleep(short, next_look.saturating_duration_since(Instant::now())) {
            let Some(pool) = self.pool.upgrade() else { return };
            self.bell.set_attentive(false);
            let kept = pool.rest_idle(false);
            if pool.keep_log() || kept {
                self.bell.set_attentive(true);
            }
            if Instant::now() >= next_look {
                pool.clean_up();
                next_look = Instant::now() + look;
            }
        }
    }
}
