//! SQLite as an engine of keepwell: how a database is opened and set up.

mod advise;
mod bind;
mod connection;
mod control;
mod convert;
mod copy;
mod fork;
mod gauge;
mod kinds;
mod ledger;
mod plan;
mod raw;
mod second;
mod sentinel;
mod snapshot;
mod statements;
mod watch;

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Arc;
use std::time::Duration;

use crate::sync::Mutex;
use rusqlite::{Connection as Sqlite, OpenFlags};

use self::connection::{Shared, SqliteConnection};
use self::raw::Raw;
use self::second::Sight;
use self::sentinel::Sentinel;
use crate::cancel::Op;
use crate::clock::{Clock, Marks};
use crate::driver::{Backlog, Connection, Driver, Obstacles, Role};
use crate::error::{Error, Kind, Result};
use crate::metrics::meter::Meter;

/// Where the database is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    File {
        path: PathBuf,
        access: Access,
        /// The file cannot change while it is open: no locks are taken. <https://sqlite.org/uri.html#uriimmutable>
        immutable: bool,
    },
    /// In memory, gone when the store closes; all connections of the store share it.
    Memory,
}

impl Place {
    /// What the database is called.
    pub fn name(&self) -> String {
        match self {
            Place::File { path, .. } => path.display().to_string(),
            Place::Memory => ":memory:".to_string(),
        }
    }
}

/// What may be done with a database file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    ReadOnly,
    ReadWrite,
    ReadWriteCreate,
}

/// One setting of a connection: the PRAGMA, the value to set, and the value that reading it back must give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pragma {
    pub name: &'static str,
    pub value: String,
    pub expect: String,
}

/// Everything that the driver needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    pub place: Place,
    /// In SQLite's own words, lower case: `wal`, `delete`, ….
    pub journal_mode: String,
    /// Settings that must be made before the database has its first page: `page_size`, `auto_vacuum`.
    pub at_birth: Vec<Pragma>,
    /// Settings of every connection, verified.
    pub pragmas: Vec<Pragma>,
    /// How many statements a connection keeps prepared.
    pub statement_cache: usize,
    /// How long a call without a deadline waits for a lock of another process.
    pub busy_timeout: Duration,
    /// Whether idle readers keep their snapshot.
    pub keep_snapshots: bool,
    /// Hears of every commit. `None`: nobody keeps results.
    pub clock: Option<Arc<Clock>>,
    /// What statements are measured with. `None`: nobody measures.
    pub meter: Option<Arc<Meter>>,
    pub obstacles: Arc<Obstacles>,
}

/// One SQLite database.
pub struct SqliteDriver {
    settings: Settings,
    name: String,
    /// The path or memory name that SQLite opens.
    target: String,
    wal: bool,
    abort: Arc<AtomicBool>,
    /// Device and inode of the file when it was opened.
    identity: Option<(u64, u64)>,
    /// `None` once closed.
    shared: Mutex<Option<Arc<Shared>>>,
}

impl SqliteDriver {
    /// Opens the database, creates it where that is allowed, and sets its journal mode. Waits for other processes as long as `op` allows.
    /// `abort` ends every running statement when it is set.
    ///
    /// # Errors
    /// [`Kind::CantOpen`], [`Kind::Corrupt`] (also: not a database), [`Kind::ReadOnly`], [`Kind::Io`], [`Kind::Config`] when a setting
    /// does not take, [`Kind::Timeout`].
    pub fn open(settings: Settings, abort: Arc<AtomicBool>, op: &Op<'_>) -> Result<Self> {
        fork::prepare();
        let name = settings.place.name();
        let mut driver =
            SqliteDriver { target: String::new(), name, settings, wal: false, abort, identity: None, shared: Mutex::new(None) };
        driver.target = driver.choose_target()?;
        let (anchor, mode) = driver.open_anchor(op).map_err(|error| driver.explain(error))?;
        let immutable = matches!(driver.settings.place, Place::File { immutable: true, .. });
        driver.wal = mode == "wal" && !immutable;
        driver.identity = driver.file_identity();
        let keep_snapshots = driver.settings.keep_snapshots && driver.wal;
        *driver.shared.lock() = Some(Arc::new(Shared {
            sentinel: Arc::new(Sentinel::new(anchor, driver.wal)),
            abort: driver.abort.clone(),
            ids: AtomicU64::new(1),
            keep_snapshots,
            statement_cache: driver.settings.statement_cache,
            clock: driver.settings.clock.clone(),
            meter: driver.settings.meter.clone(),
            obstacles: driver.settings.obstacles.clone(),
        }));
        Ok(driver)
    }

    /// What [`Driver::second_library`] would say of a database that this library need not have open: opening it and closing it again
    /// would do to the other library what is feared of it.
    pub fn second_library_on(place: &Place) -> Option<String> {
        match place {
            Place::File { path, immutable: false, .. } => Some(said(&path.display().to_string(), second::before_opening(path)?)),
            _ => None,
        }
    }

    /// A memory database is SQLite's `memdb` under a name of its own: the address of the abort flag is unique while the driver lives.
    fn choose_target(&self) -> Result<String> {
        match &self.settings.place {
            Place::Memory => Ok(format!("/keepwell-{}-{:p}", std::process::id(), Arc::as_ptr(&self.abort))),
            Place::File { path, immutable: false, .. } => path_text(path),
            Place::File { path, immutable: true, .. } => {
                let escaped = path_text(path)?.replace('%', "%25").replace('?', "%3f").replace('#', "%23");
                Ok(format!("file:{escaped}?immutable=1"))
            }
        }
    }

    fn open_raw(&self) -> Result<Sqlite> {
        let mut flags = OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_EXRESCODE;
        let what = format!("opening {}", self.name);
        let result = match &self.settings.place {
            Place::Memory => {
                flags |= OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
                Sqlite::open_with_flags_and_vfs(&self.target, flags, c"memdb")
            }
            Place::File { access, immutable, .. } => {
                flags |= match access {
                    Access::ReadOnly => OpenFlags::SQLITE_OPEN_READ_ONLY,
                    Access::ReadWrite => OpenFlags::SQLITE_OPEN_READ_WRITE,
                    Access::ReadWriteCreate => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
                };
                if *immutable {
                    flags |= OpenFlags::SQLITE_OPEN_URI;
                }
                Sqlite::open_with_flags(&self.target, flags)
            }
        };
        result.map_err(|e| convert::from_rusqlite(e, &what))
    }

    fn open_anchor(&self, op: &Op<'_>) -> Result<(Raw, String)> {
        let mut raw = Raw::new(self.open_raw()?, self.abort.clone(), self.settings.busy_timeout, self.settings.obstacles.clone());
        let mode = loop {
            match raw.watched(op, |raw| self.settle(raw.connection())) {
                // Switching to WAL does not always call the busy handler, so programs that start together meet here.
                Err(error) if error.kind() == Kind::Busy && op.poll().is_none() => {
                    op.before_wait();
                    std::thread::sleep(op.slice(Duration::from_millis(1)));
                }
                other => break other?,
            }
        };
        Ok((raw, mode))
    }

    /// Sets the database itself up and reads from it, so that whatever is wrong with the file shows now.
    fn settle(&self, connection: &Sqlite) -> Result<String> {
        let mut mode = read(connection, "journal_mode")?;
        let wanted = self.settings.journal_mode.as_str();
        if self.is_writable() {
            self.give_birth(connection)?;
            if mode != wanted {
                mode = query(connection, &format!("PRAGMA journal_mode = {wanted}"), |row| row.get::<_, String>(0))?;
            }
        }
        if self.is_writable() && mode != wanted {
            return Err(Error::new(
                Kind::Config,
                format!("options.journal_mode: asked for {wanted}, SQLite stays in {mode} (the file system may lack shared memory)"),
            ));
        }
        query(connection, "SELECT count(*) FROM sqlite_schema", |_| Ok(()))?;
        Ok(mode)
    }

    /// Makes the settings that only a database without content takes, and writes them down.
    fn give_birth(&self, connection: &Sqlite) -> Result<()> {
        let objects: i64 = query(connection, "SELECT count(*) FROM sqlite_schema", |row| row.get(0))?;
        if objects > 0 || self.settings.at_birth.is_empty() {
            return Ok(());
        }
        self.settings.at_birth.iter().try_for_each(|pragma| set(connection, pragma))?;
        batch(connection, "VACUUM")
    }

    /// Memory databases know no journal mode to set, read-only files keep theirs.
    fn is_writable(&self) -> bool {
        matches!(&self.settings.place, Place::File { access, immutable: false, .. } if *access != Access::ReadOnly)
    }

    #[cfg(unix)]
    fn file_identity(&self) -> Option<(u64, u64)> {
        use std::os::unix::fs::MetadataExt;
        match &self.settings.place {
            Place::File { path, .. } => std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino())),
            Place::Memory => None,
        }
    }

    #[cfg(not(unix))]
    fn file_identity(&self) -> Option<(u64, u64)> {
        None
    }

    /// Fails when the path no longer leads to the file that the store has open.
    fn check_identity(&self) -> Result<()> {
        if self.file_identity() == self.identity {
            return Ok(());
        }
        let message = format!(
            "{}: the file was removed, moved or replaced while the store has it open; close the store and open it again",
            self.name
        );
        Err(Error::new(Kind::Io, message).with_retry(crate::error::Retry::No))
    }

    /// Adds what people most often overlook to an error of opening.
    fn explain(&self, error: Error) -> Error {
        let Place::File { path, access, .. } = &self.settings.place else { return error };
        let note = match (error.kind(), path.parent()) {
            _ if path.is_dir() => "it is a directory".to_string(),
            (Kind::CantOpen, Some(parent)) if !parent.as_os_str().is_empty() && !parent.exists() => {
                format!("the folder {} does not exist", parent.display())
            }
            (Kind::CantOpen, _) if *access != Access::ReadWriteCreate && !path.exists() => {
                "the file does not exist and mode=rwc was not asked for".to_string()
            }
            (Kind::ReadOnly, _) => "the file or its folder may not be written: open it with mode=ro, or change the permissions".to_string(),
            _ => return error.context(&self.name),
        };
        error.context(format!("{} ({note})", self.name))
    }

    fn connection(&self, role: Role, op: &Op<'_>) -> Result<SqliteConnection> {
        let shared = self.shared.lock().clone();
        let shared = shared.ok_or_else(|| Error::new(Kind::Closed, format!("{}: the store is closed", self.name)))?;
        self.check_identity()?;
        let mut raw = Raw::new(self.open_raw()?, self.abort.clone(), self.settings.busy_timeout, self.settings.obstacles.clone());
        raw.watched(op, |raw| {
            let connection = raw.connection();
            self.settings.pragmas.iter().try_for_each(|pragma| set(connection, pragma))?;
            batch(connection, "PRAGMA wal_autocheckpoint = 0")?;
            if role == Role::Reader {
                batch(connection, "PRAGMA query_only = ON")?;
            }
            query(connection, "SELECT count(*) FROM sqlite_schema", |_| Ok(()))
        })?;
        SqliteConnection::new(raw, role, shared)
    }
}

impl Driver for SqliteDriver {
    fn connect(&self, role: Role, op: &Op<'_>) -> Result<Box<dyn Connection>> {
        Ok(Box::new(self.connection(role, op)?))
    }

    fn connect_apart(&self, op: &Op<'_>) -> Result<Box<dyn Connection>> {
        let mut connection = self.connection(Role::Writer, op)?;
        connection.forget_kinds();
        Ok(Box::new(connection))
    }

    fn concurrent_readers(&self) -> bool {
        self.wal
    }

    fn marks(&self) -> Option<Arc<dyn Marks>> {
        let sentinel = self.shared.lock().as_ref()?.sentinel.clone();
        sentinel.header().map(|_| sentinel as Arc<dyn Marks>)
    }

    fn backlog(&self) -> Backlog {
        self.shared.lock().as_ref().map_or(Backlog::default(), |shared| shared.sentinel.backlog())
    }

    fn second_library(&self) -> Option<String> {
        let own = self.shared.lock().as_ref()?.sentinel.address()?;
        Some(said(&self.name, second::beside(own)?))
    }

    fn obstacles(&self) -> &Obstacles {
        &self.settings.obstacles
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn close(&self) {
        self.abort.store(true, Ordering::Relaxed);
        self.shared.lock().take();
    }
}

/// The engine's version, such as `3.54.1`.
pub fn version() -> &'static str {
    rusqlite::version()
}

/// What was seen of a second library, as a sentence without its full stop.
fn said(name: &str, sight: Sight) -> String {
    match sight {
        Sight::Beside => format!(
            "{name}: a second SQLite library in this process has the file open (its -shm is mapped twice); \
             when it closes the file, keepwell's locks are gone and commits can be lost"
        ),
        Sight::Removed => format!(
            "{name}: its -shm was removed while in use, as by a second SQLite library in this process that closed the file; \
             commits can be lost: close the store and open it anew"
        ),
    }
}

fn path_text(path: &std::path::Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| Error::new(Kind::Encoding, format!("datasource: the path {} is not UTF-8", path.display())))?;
    // A leading "file:" would be taken for a URI by nobody here, but a lone ":memory:" or "" would not be a file.
    Ok(if text.starts_with(':') || text.starts_with("file:") { format!("./{text}") } else { text.to_string() })
}

/// Sets one PRAGMA and verifies that it took.
fn set(connection: &Sqlite, pragma: &Pragma) -> Result<()> {
    batch(connection, &format!("PRAGMA {} = {}", pragma.name, pragma.value))?;
    let now = read(connection, pragma.name)?;
    if now == pragma.expect {
        return Ok(());
    }
    let message = format!("options.{}: set to {}, but SQLite says {now} instead of {}", pragma.name, pragma.value, pragma.expect);
    Err(Error::new(Kind::Config, message))
}

fn read(connection: &Sqlite, name: &str) -> Result<String> {
    query(connection, &format!("PRAGMA {name}"), |row| {
        let value: rusqlite::types::Value = row.get(0)?;
        Ok(match value {
            rusqlite::types::Value::Integer(i) => i.to_string(),
            rusqlite::types::Value::Text(text) => text.to_ascii_lowercase(),
            other => format!("{other:?}"),
        })
    })
}

fn query<T>(connection: &Sqlite, sql: &str, read: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>) -> Result<T> {
    connection.query_row(sql, [], read).map_err(|e| convert::from_rusqlite(e, sql))
}

fn batch(connection: &Sqlite, sql: &str) -> Result<()> {
    connection.execute_batch(sql).map_err(|e| convert::from_rusqlite(e, sql))
}

/// The beginning of a statement for messages, on one line. The text may end in a NUL.
fn brief(sql: &str) -> String {
    const LONGEST: usize = 80;
    let mut text = String::new();
    for word in sql.trim_end_matches('\0').split_whitespace() {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(word);
        if let Some((cut, _)) = text.char_indices().nth(LONGEST) {
            text.truncate(cut);
            text.push('…');
            break;
        }
    }
    text
}
