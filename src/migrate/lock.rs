//! The lock of a migration outside a transaction: a file beside the database that its runner holds, so that another one can tell a runner
//! that works from one that died. The operating system lets it go with the process.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cancel::Op;
use crate::error::{Error, Kind, Result};

/// How often to look whether it is free.
const POLL: Duration = Duration::from_millis(10);

/// Held until it is dropped; the file goes with it.
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the lock of the database at `path`, waiting as long as `op` allows. A database without a file has one process only.
    ///
    /// # Errors
    /// [`Kind::Timeout`] or [`Kind::Cancelled`] while another process has it; [`Kind::Io`].
    pub fn take(database: &Path, op: &Op<'_>) -> Result<Lock> {
        let mut path = database.as_os_str().to_owned();
        path.push("-migrating");
        let path = PathBuf::from(path);
        loop {
            let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|error| failed(&path, error))?;
            match file.try_lock() {
                // Whoever had it before has removed the file that was locked just now: that lock is nobody's.
                Ok(()) if is_at(&file, &path) => return Ok(Lock { path, _file: file }),
                Ok(()) => continue,
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return Err(failed(&path, error)),
            }
            if let Some(stop) = op.poll() {
                let what = "migrations: another process runs a migration outside a transaction";
                return Err(op.stop_error(stop, what));
            }
            op.before_wait();
            std::thread::sleep(op.slice(POLL));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let (Ok(mine), Ok(there)) = (file.metadata(), path.metadata()) else { return false };
    (mine.dev(), mine.ino()) == (there.dev(), there.ino())
}

#[cfg(not(unix))]
fn is_at(_file: &File, path: &Path) -> bool {
    path.exists()
}

fn failed(path: &Path, error: std::io::Error) -> Error {
    Error::new(Kind::Io, format!("migrations: the lock file {}: {error}", path.display())).with_source(error)
}
