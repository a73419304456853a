//! A second SQLite library on the same file. Here it is a mapping of the wal-index, which is all that shows of one; the Python suite has
//! a real one.

#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use keepwell::driver::Mode;
use keepwell::{Config, Kind, Params, QueryOptions, Store, TxMode};
use temp_dir::TempDir;

const PAGE: usize = 4096;

/// A mapping of a file's beginning, as SQLite makes one of a wal-index.
struct Mapping {
    address: *mut libc::c_void,
    /// Open as long as the mapping: closing it would drop this process's locks on the file.
    _file: File,
}

impl Mapping {
    fn of(path: &Path) -> Mapping {
        let file = File::open(path).unwrap();
        // SAFETY: a new mapping that is only looked at from outside.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), PAGE, libc::PROT_READ, libc::MAP_SHARED, file.as_raw_fd(), 0) };
        assert_ne!(address, libc::MAP_FAILED);
        Mapping { address, _file: file }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `of` with this length.
        unsafe { libc::munmap(self.address, PAGE) };
    }
}

struct Place {
    _folder: TempDir,
    file: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = TempDir::new().unwrap();
        let file = folder.path().join("my data.db");
        Place { _folder: folder, file }
    }

    fn open(&self, settings: &[(&str, &str)]) -> keepwell::Result<Store> {
        let mut config = Config::new();
        config.set("datasource", self.file.to_str().unwrap())?;
        settings.iter().try_for_each(|(key, value)| config.set(key, value))?;
        Store::open(&config)
    }

    fn index(&self) -> PathBuf {
        self.file.with_extension("db-shm")
    }
}

fn plain() -> QueryOptions<'static> {
    QueryOptions::default()
}

fn execute(store: &Store, sql: &str) -> keepwell::Result<()> {
    store.execute(sql, Params::NONE, &plain()).map(drop)
}

/// The warnings after a look.
fn noticed(store: &Store) -> Vec<String> {
    store.health(&plain());
    store.warnings().map(str::to_string).collect()
}

const REFUSE: (&str, &str) = ("options.second_sqlite", "refuse");

#[test]
fn a_store_alone_with_its_file_has_nothing_to_say() {
    let place = Place::new();
    let store = place.open(&[REFUSE]).unwrap();
    execute(&store, "CREATE TABLE t(n)").unwrap();
    let second = place.open(&[REFUSE]).unwrap();
    execute(&second, "INSERT INTO t VALUES (1)").unwrap();
    assert_eq!((noticed(&store), noticed(&second)), (vec![], vec![]), "two stores are one library");
    second.close(None).unwrap();
    assert_eq!(noticed(&store), [""; 0]);
    let other = Place::new();
    let beside = other.open(&[]).unwrap();
    let _mapping = Mapping::of(&other.index());
    assert_eq!(noticed(&store), [""; 0], "the library is on another file");
    assert_eq!(noticed(&beside).len(), 1);
}

#[test]
fn a_warning_is_given_once_and_the_store_goes_on() {
    let place = Place::new();
    let store = place.open(&[]).unwrap();
    execute(&store, "CREATE TABLE t(n)").unwrap();
    let mapping = Mapping::of(&place.index());
    let found = noticed(&store);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("options.second_sqlite: ") && found[0].contains("my data.db: a second SQLite library"), "{found:?}");
    let health = store.health(&plain());
    assert!(health.can_read && health.can_write);
    assert_eq!(health.problem, found[0]);
    drop(mapping);
    execute(&store, "INSERT INTO t VALUES (1)").unwrap();
    assert_eq!(noticed(&store), found);
    assert_eq!(place.open(&[]).unwrap().warnings().count(), 0, "it has gone");
    let _mapping = Mapping::of(&place.index());
    assert_eq!(place.open(&[]).unwrap().warnings().collect::<Vec<_>>(), found, "seen on open");
}

#[test]
fn a_store_that_refuses_is_shut_until_it_is_closed() {
    let place = Place::new();
    let store = place.open(&[REFUSE]).unwrap();
    execute(&store, "CREATE TABLE t(n)").unwrap();
    let tx = store.begin(TxMode::Write(Mode::Immediate), &plain()).unwrap();
    tx.execute("INSERT INTO t VALUES (1)", Params::NONE, &plain()).unwrap();
    let mapping = Mapping::of(&place.index());
    let health = store.health(&plain());
    assert!(!health.can_read && !health.can_write);
    assert_eq!(health.problem, store.warnings().next().unwrap());
    drop(mapping);
    let refusals = [
        execute(&store, "INSERT INTO t VALUES (2)").unwrap_err(),
        store.query("SELECT * FROM t", Params::NONE, &plain()).map(drop).unwrap_err(),
        tx.execute("INSERT INTO t VALUES (3)", Params::NONE, &plain()).map(drop).unwrap_err(),
        tx.commit().unwrap_err(),
    ];
    for error in refusals {
        assert_eq!((error.kind(), error.message()), (Kind::Misuse, health.problem.as_str()));
    }
    tx.rollback().unwrap();
    store.close(None).unwrap();
    let anew = place.open(&[REFUSE]).unwrap();
    assert_eq!(anew.query("SELECT * FROM t", Params::NONE, &plain()).unwrap().collect().unwrap(), [[]; 0], "nothing was written");
}

#[test]
fn refusing_does_not_touch_the_file() {
    let place = Place::new();
    let first = place.open(&[("options.second_sqlite", "off")]).unwrap();
    execute(&first, "CREATE TABLE t(n)").unwrap();
    let mapping = Mapping::of(&place.index());
    let error = place.open(&[REFUSE]).map(drop).unwrap_err();
    assert_eq!(error.kind(), Kind::Misuse);
    assert!(error.message().contains("my data.db: a second SQLite library"), "{error}");
    assert_eq!(noticed(&first), [""; 0], "off is off");
    drop(mapping);
    place.open(&[REFUSE]).unwrap();
}

#[test]
fn a_wal_index_that_was_removed_shows_that_a_second_library_was_there() {
    let place = Place::new();
    let store = place.open(&[REFUSE]).unwrap();
    std::fs::remove_file(place.index()).unwrap();
    let health = store.health(&plain());
    assert!(!health.can_write && health.problem.contains("-shm was removed"), "{}", health.problem);
}

#[test]
fn the_maintenance_looks_while_the_store_is_used() {
    for settings in [&[][..], &[("pool.snapshot_idle", "0")], &[("pool.health_check_interval", "0")]] {
        let place = Place::new();
        let store = place.open(settings).unwrap();
        let _mapping = Mapping::of(&place.index());
        let end = Instant::now() + Duration::from_secs(20);
        while store.warnings().next().is_none() {
            assert!(Instant::now() < end, "{settings:?}: nothing was noticed");
            store.query("SELECT 1", Params::NONE, &plain()).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn nothing_shows_outside_wal_mode() {
    let memory = Store::open_path(":memory:").unwrap();
    assert_eq!(noticed(&memory), [""; 0]);
    let place = Place::new();
    let store = place.open(&[REFUSE, ("options.journal_mode", "delete")]).unwrap();
    execute(&store, "CREATE TABLE t(n)").unwrap();
    assert!(noticed(&store).iter().all(|text| text.starts_with("options.journal_mode")));
}
