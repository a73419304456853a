use std::collections::HashSet;

use super::kind::ValueKind;
use super::*;

const SEED: &str = "\
database:
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

fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn loaded(text: &str) -> Config {
    let mut config = Config::new();
    config.load_yaml(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    config
}

/// The message of the error that loading gives; the configuration must be untouched then.
fn refused(text: &str) -> String {
    let mut config = Config::new();
    let error = config.load_yaml(text).expect_err(text);
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(config, Config::new(), "{text}");
    error.message().to_owned()
}

fn refusal(key: &str, value: &str) -> String {
    let mut config = Config::new();
    let error = config.set(key, value).expect_err(&format!("{key} = {value:?}"));
    assert_eq!(error.kind(), Kind::Config);
    assert_eq!(config, Config::new());
    error.message().to_owned()
}

/// A value that is allowed and not the default.
fn another(key: &Key) -> String {
    let config = Config::new();
    match &key.kind {
        ValueKind::Flag(at) => (!(at.get)(&config)).to_string(),
        ValueKind::Count { max, .. } => max.to_string(),
        ValueKind::Time { unit, max, .. } => (max / unit.1).to_string(),
        ValueKind::Size { max, .. } => format!("{max}B"),
        ValueKind::Word { at, words } => words[((at.get)(&config) + 1) % words.len()][0].to_owned(),
        ValueKind::Text { .. } if key.name() == "metrics.listen" => "127.0.0.1:9187".to_owned(),
        ValueKind::Text { .. } => "another text".to_owned(),
        ValueKind::Source => "other.db".to_owned(),
    }
}

/// Values that are just outside of what is allowed, or nonsense.
fn outside(key: &Key) -> Vec<String> {
    let nonsense = |mut values: Vec<String>| {
        values.extend(["", " ", "nonsense", "1.5.2", "[]"].map(String::from));
        values
    };
    match &key.kind {
        ValueKind::Flag(_) => nonsense(vec!["2".into(), "-1".into(), "y".into()]),
        ValueKind::Count { min, max, .. } => {
            nonsense(vec![(i64::from(*min) - 1).to_string(), (i64::from(*max) + 1).to_string(), "1.5".into(), "9".repeat(50)])
        }
        ValueKind::Time { max, .. } => {
            nonsense(vec!["-1".into(), "-1s".into(), format!("{}ns", max + 1), "5 parsecs".into(), "9".repeat(50)])
        }
        ValueKind::Size { min, max, .. } => {
            let below = if *min == 0 { "-2".to_owned() } else { format!("{}B", min - 1) };
            nonsense(vec![below, format!("{}B", max + 1), "5M".into(), "9".repeat(50)])
        }
        ValueKind::Word { .. } => nonsense(vec!["9".into()]),
        ValueKind::Text { .. } => vec!["a\nb".into(), "\0".into()],
        ValueKind::Source => vec!["".into(), " ".into(), "postgres://host/db".into()],
    }
}

// The table of keys.

#[test]
fn every_default_is_a_value_its_key_accepts_and_gives_back() {
    let fresh = Config::new();
    for key in KEYS.iter().filter(|key| key.name() != "datasource") {
        let mut config = fresh.clone();
        config.set(key.name(), key.default()).unwrap();
        assert_eq!(config, fresh, "{}", key.name());
        let text = fresh.get(key.name()).unwrap();
        config.set(key.name(), &text).unwrap();
        assert_eq!(config, fresh, "{} = {text}", key.name());
    }
    assert_eq!(fresh.get("datasource"), None);
}

#[test]
fn every_key_sets_itself_and_nothing_else() {
    let fresh = Config::new();
    for key in KEYS.iter().filter(|key| key.name() != "driver") {
        let mut config = fresh.clone();
        config.set(key.name(), &another(key)).unwrap();
        let changed: Vec<_> = KEYS.iter().filter(|other| other.take(&config) != other.take(&fresh)).collect();
        assert_eq!(changed.iter().map(|key| key.name()).collect::<Vec<_>>(), [key.name()]);
        let mut copy = fresh.clone();
        copy.set(key.name(), &config.get(key.name()).unwrap()).unwrap();
        assert_eq!(copy, config, "{} is not read back", key.name());
    }
}

#[test]
fn every_key_refuses_what_is_outside_its_limits_and_says_key_value_and_limits() {
    for key in KEYS {
        for value in outside(key) {
            let message = refusal(key.name(), &value);
            let start = format!("{}: {} ", key.name(), keys::quoted(&value));
            let end = format!("; allowed: {}", key.allowed());
            assert!(message.starts_with(&start) && message.ends_with(&end), "{message}");
        }
    }
}

#[test]
fn every_limit_itself_is_allowed() {
    for key in KEYS {
        let limits = match &key.kind {
            ValueKind::Count { min, max, .. } => vec![min.to_string(), max.to_string()],
            ValueKind::Time { max, .. } => vec!["0".into(), format!("{max}ns")],
            ValueKind::Size { min, max, only: [], .. } => vec![format!("{min}B"), format!("{max}B")],
            ValueKind::Size { only, .. } => only.iter().map(u64::to_string).collect(),
            ValueKind::Word { words, .. } => words.concat().iter().map(|word| word.to_ascii_uppercase()).collect(),
            ValueKind::Flag(_) => ["true", "off", "Yes", "NO", "1", "0"].map(String::from).to_vec(),
            ValueKind::Text { .. } => vec!["".into(), "ä b".into()],
            ValueKind::Source => vec![":memory:".into()],
        };
        for value in limits {
            Config::new().set(key.name(), &value).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

#[test]
fn every_key_is_found_again_when_a_letter_is_wrong() {
    for key in KEYS {
        let (head, last) = key.name().split_at(key.name().rfind('.').map_or(0, |dot| dot + 1));
        let swapped = format!("{head}{}{}{}", &last[..1], &last[2..3], &last[1..2]) + &last[3..];
        let missing = format!("{head}{}", &last[..last.len() - 1]);
        let doubled = format!("{}{}", key.name(), &last[last.len() - 1..]);
        for wrong in [swapped, missing, doubled] {
            let expected = format!("unknown key {wrong:?}; did you mean {:?}?", key.name());
            assert_eq!(refusal(&wrong, "1"), expected);
            assert_eq!(Config::new().get(&wrong), None);
        }
    }
}

#[test]
fn every_key_has_many_spellings_and_no_two_keys_share_one() {
    let mut seen = HashSet::new();
    for key in KEYS {
        for name in key.aliases().iter().copied().chain([key.name()]) {
            assert!(seen.insert(spell::fold(name)), "{name}");
            let spellings = [
                name.to_owned(),
                name.to_uppercase(),
                name.replace('_', ""),
                name.replace('_', "-"),
                format!("database.{name}"),
                name.replace("options.", "sqlite."),
                name.replace("options.", "Database.SQLite."),
            ];
            for spelling in spellings {
                let found = keys::find(&spelling).unwrap_or_else(|| panic!("{spelling}"));
                assert_eq!(found.name(), key.name());
            }
        }
    }
}

#[test]
fn every_section_of_a_key_is_a_known_section() {
    for key in KEYS {
        if let Some((home, _)) = key.name().split_once('.') {
            assert_eq!(keys::section(home), Some(home));
        }
    }
}

#[test]
fn the_reference_has_one_row_of_four_cells_per_key() {
    let reference = Config::reference();
    let rows: Vec<_> = reference.lines().collect();
    assert_eq!(rows.len(), KEYS.len() + 2);
    for (row, key) in rows[2..].iter().zip(KEYS) {
        assert!(row.starts_with(&format!("| `{}` | ", key.name())), "{row}");
        assert_eq!(row.matches('|').count(), 5, "{row}");
        assert!(key.doc().ends_with('.'), "{row}");
    }
    assert!(reference.contains("\n| `pool.max_open` | `25` | 1 to 1024 | "), "{reference}");
    assert!(reference.contains("\n| `options.busy_timeout` | `5000 ms` | 0 to 86400000 ms | "), "{reference}");
    assert!(reference.contains(" Also: `ConnMaxLifetime`. |\n"), "{reference}");
}

// Values.

#[test]
fn numbers_take_the_unit_of_their_key_or_carry_one() {
    let mut config = Config::new();
    for (key, value) in [
        ("pool.max_lifetime", "300"),
        ("pool.idle_timeout", "2m"),
        ("pool.wait_timeout", "1m30s"),
        ("pool.snapshot_idle", "7"),
        ("query.timeout", "0.25"),
        ("options.busy_timeout", "2500"),
        ("options.cache_size", "-4096"),
        ("options.mmap_size", "64MiB"),
        ("options.journal_size_limit", "-1"),
        ("cache.max_bytes", "64 mb"),
    ] {
        config.set(key, value).unwrap();
    }
    assert_eq!(config.pool.max_lifetime, seconds(300));
    assert_eq!(config.pool.idle_timeout, seconds(120));
    assert_eq!(config.pool.wait_timeout, seconds(90));
    assert_eq!(config.pool.snapshot_idle, Duration::from_millis(7));
    assert_eq!(config.query.timeout, Duration::from_millis(250));
    assert_eq!(config.options.busy_timeout, Duration::from_millis(2500));
    assert_eq!(config.options.cache_size, 4096 << 10);
    assert_eq!(config.options.mmap_size, 64 << 20);
    assert_eq!(config.options.journal_size_limit, 0);
    assert_eq!(config.cache.max_bytes, 64_000_000);
    assert_eq!(config.get("query.timeout").as_deref(), Some("0.25"));
    assert_eq!(config.get("options.cache_size").as_deref(), Some("4096"));
}

#[test]
fn words_of_the_engine_are_known_by_its_numbers_too() {
    let mut config = Config::new();
    config.set("sqlite.synchronous", "2").unwrap();
    config.set("options.TempStore", "MEMORY").unwrap();
    config.set("options.secure_delete", "on").unwrap();
    assert_eq!(config.options.synchronous, Synchronous::Full);
    assert_eq!(config.options.temp_store, TempStore::Memory);
    assert_eq!(config.options.secure_delete, SecureDelete::On);
    for (index, choice) in Synchronous::ALL.iter().enumerate() {
        assert_eq!(*choice as usize, index);
    }
}

#[test]
fn messages_say_what_is_wrong_and_what_would_be_right() {
    let cases = [
        ("pool.max_open", "0", r#"pool.max_open: "0" is out of range; allowed: 1 to 1024"#),
        ("MaxOpenConns", "many", r#"pool.max_open: "many" is not a whole number; allowed: 1 to 1024"#),
        ("cache.enabled", "maybe", r#"cache.enabled: "maybe" is not a choice; allowed: request, true, false"#),
        ("metrics.enabled", "maybe", r#"metrics.enabled: "maybe" is neither true nor false; allowed: true, false"#),
        (
            "sqlite.journal_mode",
            "wall",
            r#"options.journal_mode: "wall" is not a choice; did you mean "wal"?; allowed: wal, delete, truncate, persist"#,
        ),
        ("driver", "postgres", r#"driver: "postgres" is not a choice; allowed: sqlite3"#),
        (
            "query.timeout",
            "soon",
            r#"query.timeout: "soon" is not a time (a number of s, or with a unit: 250ms, 5s, 2m, 1h); allowed: 0 to 86400 s"#,
        ),
        (
            "options.page_size",
            "5000",
            r#"options.page_size: "5000" is out of range; allowed: 0, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536"#,
        ),
        ("max_opne", "1", r#"unknown key "max_opne"; did you mean "pool.max_open"?"#),
        ("cache.max_idle", "1", r#"unknown key "cache.max_idle"; did you mean "pool.max_idle"?"#),
        ("cache.colour", "1", r#"unknown key "cache.colour"; cache has: enabled, ttl, size, max_bytes"#),
        (
            "colour",
            "1",
            r#"unknown key "colour"; there are: driver, datasource, close_timeout, pool, writer, query, cache, metrics, options"#,
        ),
        ("pool", "1", r#"pool is a section; set one of its keys, such as "pool.max_open""#),
    ];
    for (key, value, message) in cases {
        assert_eq!(refusal(key, value), message);
    }
}

#[test]
fn a_message_stays_short_and_printable_whatever_it_is_about() {
    let long = "é\n".repeat(100_000);
    for message in [refusal(&long, "1"), refusal("pool.max_open", &long), refusal("datasource", &format!("x://{long}"))] {
        assert!(message.len() < 500 && !message.contains('\n'), "{message}");
    }
}

// YAML.

#[test]
fn the_seed_example_loads_as_it_is() {
    let config = loaded(SEED);
    config.validate().unwrap();
    assert_eq!(config.driver, Driver::Sqlite);
    assert_eq!(config.source().unwrap().path(), Some(Path::new("app.db")));
    assert_eq!((config.pool.max_open, config.pool.max_idle), (25, 5));
    assert_eq!(config.pool.max_lifetime, seconds(300));
    assert!(config.cache.enabled == CacheEnabled::True && config.metrics.enabled);
    assert_eq!((config.cache.ttl, config.cache.size), (seconds(300), 1000));
    assert_eq!(config.metrics.collect_interval, seconds(10));
    assert_eq!(config.warnings().len(), 1, "{:?}", config.warnings());
    assert!(config.warnings()[0].starts_with("datasource: cache=shared is ignored"));
}

#[test]
fn the_top_key_may_be_left_out() {
    let bare: String = SEED.lines().skip(1).map(|line| format!("{}\n", &line[2..])).collect();
    assert_eq!(loaded(&bare), loaded(SEED));
    assert_eq!(loaded(&format!("server:\n  port: [80, {{a: b}}]\n{SEED}")), loaded(SEED));
}

#[test]
fn the_fields_of_the_go_structs_are_keys() {
    let config = loaded(
        "Driver: sqlite\nDataSource: app.db\nMaxOpenConns: 9\nMaxIdleConns: 4\nConnMaxLifetime: 60\n\
         Options: {journal_mode: truncate, Synchronous: FULL, foreign_keys: off}\n\
         Query: {Timeout: 3, ReadOnly: true, UsePrepared: false, UseCache: no, CacheTTL: 5}\n\
         Cache: {Enabled: yes, TTL: 5m0s, Size: 7}\n",
    );
    assert_eq!((config.pool.max_open, config.pool.max_idle, config.pool.max_lifetime), (9, 4, seconds(60)));
    assert_eq!(config.options.journal_mode, JournalMode::Truncate);
    assert_eq!(config.options.synchronous, Synchronous::Full);
    assert!(!config.options.foreign_keys);
    assert_eq!((config.query.timeout, config.query.cache_ttl), (seconds(3), seconds(5)));
    assert!(config.query.read_only && !config.query.use_prepared && !config.query.use_cache);
    assert_eq!((config.cache.enabled, config.cache.ttl, config.cache.size), (CacheEnabled::True, seconds(300), 7));
}

#[test]
fn what_comes_later_wins_key_by_key() {
    let mut config = loaded(SEED);
    config.load_yaml("pool.max_open: 7").unwrap();
    config.load_uri("other.db").unwrap();
    config.set("pool.max_idle", "3").unwrap();
    assert_eq!((config.pool.max_open, config.pool.max_idle), (7, 3));
    assert_eq!(config.pool.max_lifetime, seconds(300));
    assert_eq!(config.warnings(), [""; 0], "the warning went with the old data source");
}

#[test]
fn an_empty_section_keeps_its_defaults() {
    assert_eq!(loaded("pool:\noptions: {}\ncache: ~\n"), Config::new());
    assert_eq!(loaded("database:\n"), Config::new());
    assert_eq!(loaded("{}"), Config::new());
}

#[test]
fn a_wrong_file_is_refused_as_a_whole_with_line_and_cure() {
    let cases = [
        ("", "the configuration is empty"),
        ("- a", "line 1: a map of keys is expected here, such as \"datasource: app.db\""),
        ("pool: 5", "line 1: pool takes a map of keys, not \"5\""),
        ("pool: [5]", "line 1: pool takes a map of keys, not a list"),
        ("database: [5]", "line 1: database takes a map of keys, not a list"),
        ("pool:\n  max_open: [5]", "line 2: pool.max_open takes one value, not a list"),
        ("pool:\n  max_open: {a: 5}", "line 2: pool.max_open takes one value, not a map"),
        ("pool:\n  max_open:", "line 2: pool.max_open takes one value, not nothing; leave the key out for its default"),
        ("pool:\n  min_idle: &x 5\n  max_open: *x", "line 3: pool.max_open takes one value, not an alias; write the value out"),
        ("pool:\n  max_idle: 1\n  max_open: 0", "line 3: pool.max_open: \"0\" is out of range; allowed: 1 to 1024"),
        ("pool:\n  max_idle: 1\n  max_opne: 5", "line 3: unknown key \"pool.max_opne\"; did you mean \"pool.max_open\"?"),
        ("databse:\n  driver: sqlite3", "line 1: unknown key \"databse\"; did you mean \"database\"?"),
        ("driver: sqlite3\ndriver: sqlite3", "line 2: driver is given twice; the first time on line 1"),
        ("pool:\n  max_open: 5\nMaxOpenConns: 6", "line 3: pool.max_open is given twice; the first time on line 2"),
        ("pool: {max_idle: 1}\npool: {max_open: 5}", "line 2: pool is given twice; the first time on line 1"),
        ("database: {}\nDatabase: {}", "line 2: database is given twice; the first time on line 1"),
        ("database:\ncache: {ttl: 5}", "line 2: cache stands beside \"database:\"; indent it to stand under it"),
        ("driver: sqlite3\n---\ndriver: sqlite3", "line 3: a second document starts here; one is expected"),
    ];
    for (text, message) in cases {
        assert_eq!(refused(text), message, "{text}");
    }
}

// The whole.

#[test]
fn a_new_configuration_lacks_only_the_data_source() {
    let mut config = Config::new();
    let message = "datasource is not set; name a file (file:app.db), or :memory: for a database in memory";
    assert_eq!(config.validate().unwrap_err().message(), message);
    assert_eq!(config.source().unwrap_err().message(), message);
    config.load_uri(":memory:").unwrap();
    config.validate().unwrap();
    assert_eq!(config.source().unwrap(), &Source::Memory);
    assert_eq!(config.warnings(), [""; 0]);
}

#[test]
fn values_set_as_fields_are_held_to_the_same_limits() {
    type Change = fn(&mut Config);
    let change: [(Change, &str); 5] = [
        (|c| c.pool.max_open = 0, r#"pool.max_open: "0" is out of range; allowed: 1 to 1024"#),
        (|c| c.query.timeout = seconds(100_000), r#"query.timeout: "100000" is out of range; allowed: 0 to 86400 s"#),
        (|c| c.options.cache_size = 1, r#"options.cache_size: "1B" is out of range; allowed: 64 KiB to 1024 GiB"#),
        (|c| c.pool.min_idle = 6, "pool.min_idle: 6 is more than pool.max_idle = 5; lower the one or raise the other"),
        (
            |c| (c.pool.max_open, c.pool.min_idle) = (4, 4),
            "pool.min_idle: 4 is more than the 3 readers that pool.max_open = 4 leaves beside the writer; \
             lower the one or raise the other",
        ),
    ];
    for (change, message) in change {
        let mut config = Config::new();
        config.load_uri(":memory:").unwrap();
        change(&mut config);
        assert_eq!(config.validate().unwrap_err().message(), message);
    }
}

#[test]
fn fewer_connections_than_idle_ones_is_no_error() {
    let mut config = Config::new();
    config.load_uri("app.db").unwrap();
    config.set("pool.max_open", "1").unwrap();
    config.validate().unwrap();
    assert_eq!(config.pool.idle_limit(), 1);
}

#[test]
fn what_is_probably_not_meant_is_a_warning() {
    let cases = [
        ("synchronous", "off", "options.synchronous = off: a power failure can corrupt the database"),
        ("journal_mode", "delete", "options.journal_mode = delete: readers and the writer block each other; wal avoids it"),
    ];
    for (key, value, warning) in cases {
        let mut config = Config::new();
        config.set(&format!("options.{key}"), value).unwrap();
        config.load_uri("app.db").unwrap();
        config.validate().unwrap();
        assert_eq!(config.warnings(), [warning]);
        config.load_uri(":memory:").unwrap();
        assert_eq!(config.warnings(), [""; 0]);
    }
    let mut config = Config::new();
    config.set("pool.health_check_interval", "0").unwrap();
    let warning = "pool.idle_timeout has no effect while pool.health_check_interval is 0";
    assert_eq!(config.warnings(), [warning]);
}
