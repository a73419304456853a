//! The configuration as a program uses it: files, several sources, errors that name the file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use keepwell::config::{Config, Driver, Mode, Source, KEYS};
use keepwell::error::{Error, Kind};

const SEED: &str = "database:
  driver: sqlite3
  datasource: file:app.db?cache=shared&mode=rwc
  pool:
    max_open: 25
    max_idle: 5
    max_lifetime: 300
  cache:
    enabled: true
    ttl: 300
    size: 1000
  metrics:
    enabled: true
    collect_interval: 10
";

/// A file that goes away with its owner.
struct Scratch(PathBuf);

impl Scratch {
    fn new(content: impl AsRef<[u8]>) -> Scratch {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("keepwell-config-{}-{}.yml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        Scratch(path)
    }

    fn refused(&self) -> Error {
        refused(&self.0)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The error that loading gives; it must name the file and leave the configuration as it was.
fn refused(path: &Path) -> Error {
    let mut config = Config::new();
    let error = config.load_file(path).unwrap_err();
    assert_eq!(config, Config::new());
    assert!(error.message().starts_with(&path.display().to_string()), "{error}");
    error
}

#[test]
fn a_file_an_address_and_single_keys_make_one_configuration() {
    let file = Scratch::new(SEED);
    let mut config = Config::new();
    config.load_file(&file.0).unwrap();
    config.load_uri("file:///srv/other.db?mode=ro").unwrap();
    config.set("database.pool.max_lifetime", "1h").unwrap();
    config.validate().unwrap();

    let expected = Source::File { path: "/srv/other.db".into(), mode: Mode::ReadOnly, immutable: false, nolock: false, vfs: None };
    assert_eq!(config.source().unwrap(), &expected);
    assert_eq!(config.driver, Driver::Sqlite);
    assert_eq!((config.pool.max_open, config.pool.max_idle), (25, 5));
    assert_eq!(config.pool.max_lifetime, Duration::from_secs(3600));
    assert_eq!(config.get("MaxOpenConns").as_deref(), Some("25"));
}

#[test]
fn an_error_in_a_file_names_file_line_key_value_and_limits() {
    let file = Scratch::new(SEED.replace("max_idle: 5", "max_idle: five"));
    let expected = format!("{}:6: pool.max_idle: \"five\" is not a whole number; allowed: 0 to 1024", file.0.display());
    assert_eq!(file.refused().message(), expected);
    assert_eq!(file.refused().kind(), Kind::Config);
}

#[test]
fn a_file_that_is_missing_a_folder_empty_binary_or_huge_is_refused() {
    assert_eq!(refused(Path::new("/nowhere/at/all.yml")).kind(), Kind::Io);
    assert_eq!(refused(&std::env::temp_dir()).kind(), Kind::Io);

    let empty = Scratch::new("").refused();
    assert_eq!(empty.kind(), Kind::Config);
    assert!(empty.message().ends_with(": the configuration is empty"), "{empty}");

    let binary = Scratch::new(b"driver: sq\xffite3").refused();
    assert_eq!(binary.kind(), Kind::Encoding);
    assert!(binary.message().ends_with(": is not UTF-8 at byte 10"), "{binary}");

    let huge = Scratch::new("# \n".repeat(400_000)).refused();
    assert_eq!(huge.kind(), Kind::Config);
    assert!(huge.message().contains("is larger than 1048576 bytes"), "{huge}");
}

#[test]
fn a_configuration_written_from_its_keys_loads_as_the_same() {
    let mut config = Config::new();
    config.load_yaml(SEED).unwrap();
    let lines = KEYS.iter().map(|key| format!("{}: {:?}\n", key.name(), config.get(key.name()).unwrap()));
    let mut copy = Config::new();
    copy.load_yaml(&lines.collect::<String>()).unwrap();
    assert_eq!(copy, config);
}

#[test]
fn damaged_text_is_read_or_refused_but_never_panics() {
    let full = format!("{SEED}  options: {{journal_mode: wal, cache_size: -2000}}\n  close_timeout: 1m30s\n");
    Config::new().load_yaml(&full).unwrap();
    for at in 0..=full.len() {
        let _ = Config::new().load_yaml(&full[..at]);
        let _ = Config::new().load_yaml(&full[at..]);
        for byte in ["\0", "\t", "\n", ":", " ", "-", "[", "{", "}", "\"", "'", "&", "*", "!", "%", "|", "?", "#", "é", "\u{feff}"] {
            let _ = Config::new().load_yaml(&format!("{}{byte}{}", &full[..at], &full[at..]));
            let _ = Config::new().load_yaml(&format!("{}{byte}{}", &full[..at], full.get(at + 1..).unwrap_or("")));
        }
    }
}

#[test]
fn damaged_addresses_are_read_or_refused_but_never_panic() {
    let full = "file://localhost/a%20b/app.db?cache=shared&mode=rwc&immutable=0&vfs=unix";
    for at in 0..=full.len() {
        for byte in ["", "\0", "%", "%0", "%00", "%ff", "?", "&", "=", "#", "/", ":", "é"] {
            let _ = Config::new().load_uri(&format!("{}{byte}{}", &full[..at], &full[at..]));
        }
    }
}

#[test]
fn the_readme_shows_the_keys_as_they_are() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    let start = readme.find("a test compares -->\n").unwrap() + "a test compares -->\n".len();
    let shown = &readme[start..readme.find("<!-- end of reference -->").unwrap()];
    assert_eq!(shown.trim(), keepwell::Config::reference().trim(), "README.md: the table of keys is out of date");
}
