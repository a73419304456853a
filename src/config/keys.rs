//! The table of keys: the one place where a setting has its name, default, limits and meaning.

use std::time::Duration;

use super::kind::{flag as flag_of, list, Place, ValueKind};
use super::quantity::{Unit, KIB, MILLISECOND, SECOND};
use super::sections::{AutoVacuum, CacheEnabled, Driver, JournalMode, SecondSqlite, SecureDelete, Synchronous, TempStore};
use super::{spell, Config};

/// One setting.
pub struct Key {
    name: &'static str,
    aliases: &'static [&'static str],
    default: &'static str,
    pub(super) kind: ValueKind,
    doc: &'static str,
    translate: fn(&str) -> &str,
}

const S: Unit = ("s", SECOND);
const MS: Unit = ("ms", MILLISECOND);
const BYTES: Unit = ("B", 1);
const KIBS: Unit = ("KiB", KIB);
const DAY: u128 = 86_400 * SECOND;
const YEAR: u128 = 365 * DAY;
const GIB: u64 = 1 << 30;

/// The most that SQLite maps, as it is built here ([limits](https://sqlite.org/mmap.html)).
const MAX_MMAP: u64 = 0x7fff_0000;
/// Zero for the engine's choice, and the page sizes that SQLite has.
const PAGE_SIZES: &[u64] = &[0, 512, 1024, 2048, 4096, 8192, 16384, 32768, 65536];

/// The place of a field.
macro_rules! at {
    ($($field:tt)+) => { Place { get: |c: &Config| c.$($field)+.clone(), set: |c: &mut Config, v| c.$($field)+ = v } };
}

/// The place and the words of a field whose type was made by `words!`.
macro_rules! word {
    ($kind:ident, $($field:tt)+) => {
        ValueKind::Word {
            at: Place { get: |c: &Config| c.$($field)+ as usize, set: |c: &mut Config, v| c.$($field)+ = $kind::ALL[v] },
            words: $kind::WORDS,
        }
    };
}

const fn flag(at: Place<bool>) -> ValueKind {
    ValueKind::Flag(at)
}

const fn count(at: Place<u32>, min: u32, max: u32) -> ValueKind {
    ValueKind::Count { at, min, max }
}

const fn time(at: Place<Duration>, unit: Unit, max: u128) -> ValueKind {
    ValueKind::Time { at, unit, max }
}

const fn size(at: Place<u64>, unit: Unit, min: u64, max: u64) -> ValueKind {
    ValueKind::Size { at, unit, min, max, only: &[] }
}

const fn text(at: Place<String>, allowed: &'static str) -> ValueKind {
    ValueKind::Text { at, allowed }
}

const fn key(name: &'static str, default: &'static str, kind: ValueKind, doc: &'static str) -> Key {
    Key { name, aliases: &[], default, kind, doc, translate: |text| text }
}

/// Every key, in the order of the reference.
#[rustfmt::skip]
pub static KEYS: &[Key] = &[
    key("driver", "sqlite3", word!(Driver, driver),
        "The engine; `sqlite` is accepted too."),
    key("datasource", "", ValueKind::Source,
        "What to open: a path (`app.db`), a URI (`file:app.db?mode=ro`), or `:memory:` for a database that lives as long as the store. Must be set."),
    key("close_timeout", "10", time(at!(close_timeout), S, DAY),
        "How long closing waits for running calls before it cancels them. 0: not at all."),

    key("pool.max_open", "25", count(at!(pool.max_open), 1, 1024),
        "Connections open at most: one writer, the rest readers. They are opened on demand.").also(&["MaxOpenConns"]),
    key("pool.max_idle", "5", count(at!(pool.max_idle), 0, 1024),
        "Idle connections kept at most; more than `pool.max_open` means as many as that.").also(&["MaxIdleConns"]),
    key("pool.min_idle", "0", count(at!(pool.min_idle), 0, 1023),
        "Idle readers kept open although nobody needs them; at most `pool.max_idle`, and less than `pool.max_open`."),
    key("pool.max_lifetime", "0", time(at!(pool.max_lifetime), S, YEAR),
        "Age at which a connection is replaced. 0: never.").also(&["ConnMaxLifetime"]),
    key("pool.idle_timeout", "300", time(at!(pool.idle_timeout), S, YEAR),
        "Idle time after which a connection is closed, down to `pool.min_idle`. 0: never.").also(&["ConnMaxIdleTime"]),
    key("pool.wait_timeout", "30", time(at!(pool.wait_timeout), S, DAY),
        "How long a call without a deadline of its own waits for a connection. 0: without end."),
    key("pool.health_check_interval", "30", time(at!(pool.health_check_interval), S, DAY),
        "How often idle and old connections are cleaned up and long idle ones checked. 0: never."),
    key("pool.snapshot_idle", "5", time(at!(pool.snapshot_idle), MS, 1000 * MILLISECOND),
        "How long an idle reader keeps its read snapshot, which makes the next read cheap while nothing was written. 0: not at all."),
    key("pool.leak_threshold", "60", time(at!(pool.leak_threshold), S, DAY),
        "A transaction, pinned connection or result that is held for longer is counted and logged as probably forgotten. 0: none."),

    key("writer.group_commit", "true", flag(at!(writer.group_commit)),
        "Whether single writes of several callers that wait for the writer share one transaction, and one wait for the disk."),
    key("writer.group_max", "64", count(at!(writer.group_max), 1, 10_000),
        "Writes in such a transaction at most."),
    key("writer.group_delay", "0", time(at!(writer.group_delay), MS, SECOND),
        "How long such a transaction waits for more writes before it is committed. 0: it does not wait."),

    key("query.timeout", "0", time(at!(query.timeout), S, DAY),
        "Deadline of a call, its waits included. 0: none."),
    key("query.read_only", "false", flag(at!(query.read_only)),
        "Whether calls may only read."),
    key("query.use_prepared", "true", flag(at!(query.use_prepared)),
        "Whether statements stay prepared on their connection."),
    key("query.use_cache", "true", flag(at!(query.use_cache)),
        "Whether calls that say nothing of it use the cache of results, while `cache.enabled` is true."),
    key("query.cache_ttl", "0", time(at!(query.cache_ttl), S, YEAR),
        "Age at which a cached result of a call expires. 0: as `cache.ttl` says."),
    key("query.statement_cache", "128", count(at!(query.statement_cache), 0, 10_000),
        "Prepared statements kept on each connection. 0: none."),
    key("query.batch_rows", "256", count(at!(query.batch_rows), 1, 65_536),
        "Rows in a batch of a large result."),

    key("cache.enabled", "request", word!(CacheEnabled, cache.enabled),
        "Which queries use the cache of results. `true`: all that do not refuse it. `request`: those that ask for it. `false`: none, whatever they ask for.").reads(truth),
    key("cache.ttl", "300", time(at!(cache.ttl), S, YEAR),
        "Age at which a cached result expires. 0: never; results still go when their tables change."),
    key("cache.size", "1000", count(at!(cache.size), 1, 10_000_000),
        "Cached results at most."),
    key("cache.max_bytes", "64MiB", size(at!(cache.max_bytes), BYTES, 1 << 10, 1024 * GIB),
        "Memory for cached results at most; a sixteenth of it for one result."),

    key("metrics.enabled", "true", flag(at!(metrics.enabled)),
        "Whether metrics are kept."),
    key("metrics.collect_interval", "10", time(at!(metrics.collect_interval), S, DAY),
        "How often metrics that must be sampled are: file sizes, free pages; and how often `metrics.file` is written. 0: never."),
    key("metrics.label", "", text(at!(metrics.label), "any text"),
        "Value of the label `store`. Empty: the path of the database."),
    key("metrics.listen", "", text(at!(metrics.listen), "an address and a port"),
        "Where metrics and health are served by HTTP (`/metrics`, `/health`): `127.0.0.1:9187`, `[::1]:9187`, `localhost:0`; port 0 takes a free one. Empty: nowhere."),
    key("metrics.listen_anywhere", "false", flag(at!(metrics.listen_anywhere)),
        "Whether `metrics.listen` may be an address that other machines reach. There is no encryption and no password: everybody there can read."),
    key("metrics.file", "", text(at!(metrics.file), "a path"),
        "File that metrics are written to as a whole, for node_exporter's textfile collector (`*.prom`). Empty: none."),
    key("metrics.slow_query", "1000", time(at!(metrics.slow_query), MS, DAY),
        "Calls that take as long are logged, with the plan of the statement. 0: none."),
    key("metrics.slow_query_params", "false", flag(at!(metrics.slow_query_params)),
        "Whether that log shows the values of parameters. Otherwise it shows their types and lengths."),
    key("metrics.statements", "500", count(at!(metrics.statements), 0, 100_000),
        "Statements in the report of what each has cost, at most; those that cost least go first. 0: no report."),

    key("options.journal_mode", "wal", word!(JournalMode, options.journal_mode),
        "How changes are made atomic. Databases in memory have a mode of their own."),
    key("options.synchronous", "normal", word!(Synchronous, options.synchronous),
        "How often the disk is waited for. With `wal`, `normal` can lose the last commits in a power failure; `full` cannot."),
    key("options.busy_timeout", "5000", time(at!(options.busy_timeout), MS, DAY),
        "How long to wait for the lock of another process. 0: not at all."),
    key("options.foreign_keys", "on", flag(at!(options.foreign_keys)),
        "Whether foreign keys are enforced."),
    key("options.cache_size", "2048", size(at!(options.cache_size), KIBS, 64 << 10, 1024 * GIB),
        "Page cache of each connection. A plain number is in KiB, as SQLite's negative ones (`-2048`), which are accepted too; never in pages.").reads(kibs),
    key("options.mmap_size", "0", size(at!(options.mmap_size), BYTES, 0, MAX_MMAP),
        "Part of the file that is read through memory mapping. 0: none."),
    key("options.temp_store", "default", word!(TempStore, options.temp_store),
        "Where temporary tables live."),
    key("options.wal_autocheckpoint", "1000", count(at!(options.wal_autocheckpoint), 0, 10_000_000),
        "Pages in the write-ahead log that trigger a checkpoint. 0: never."),
    key("options.journal_size_limit", "64MiB", size(at!(options.journal_size_limit), BYTES, 0, 1024 * GIB),
        "Size that the journal or write-ahead log is cut down to when it is done with. 0, and SQLite's `-1`: it is not cut.").reads(no_limit),
    key("options.page_size", "0", pages(at!(options.page_size)),
        "Page size of a database that is created. 0: the engine's (4096). An existing file keeps its own."),
    key("options.auto_vacuum", "keep", word!(AutoVacuum, options.auto_vacuum),
        "How free pages go back to the file system. `keep`: as the file has it, and `none` in a new one."),
    key("options.secure_delete", "off", word!(SecureDelete, options.secure_delete),
        "Whether deleted content is overwritten with zeros. `fast`: where it costs no more I/O."),
    key("options.trusted_schema", "off", flag(at!(options.trusted_schema)),
        "Whether functions without a safety mark may run from views, triggers and the schema. `off` guards against prepared files."),
    key("options.recursive_triggers", "off", flag(at!(options.recursive_triggers)),
        "Whether a trigger may fire itself."),
    key("options.cell_size_check", "off", flag(at!(options.cell_size_check)),
        "Whether pages are checked more carefully when they are read, which finds corruption earlier."),
    key("options.second_sqlite", "warn", word!(SecondSqlite, options.second_sqlite),
        "What to do about a second SQLite library on the file in this process, such as Python's `sqlite3`: closing the file there drops the locks here, and commits can be lost. `refuse`: opening fails, and every further call once it is noticed. Looked for on opening and each second of use; on Linux, in WAL mode."),
];

/// Names of the sections: what stands before the dot, and what else may stand there.
const SECTIONS: &[(&str, &[&str])] =
    &[("pool", &[]), ("writer", &[]), ("query", &[]), ("cache", &[]), ("metrics", &[]), ("options", &["sqlite"])];

/// The key that everything may be put under.
pub(super) const ROOT: &str = "database";

const fn pages(at: Place<u64>) -> ValueKind {
    ValueKind::Size { at, unit: BYTES, min: 0, max: 65_536, only: PAGE_SIZES }
}

/// SQLite's negative cache sizes are in KiB.
fn kibs(text: &str) -> &str {
    text.strip_prefix('-').filter(|rest| rest.bytes().all(|c| c.is_ascii_digit())).unwrap_or(text)
}

/// The other ways to write true and false.
fn truth(text: &str) -> &str {
    match flag_of(text) {
        Some(true) => "true",
        Some(false) => "false",
        None => text,
    }
}

/// SQLite's -1 is no limit.
fn no_limit(text: &str) -> &str {
    if text == "-1" {
        "0"
    } else {
        text
    }
}

impl Key {
    /// Adds names under which the key is accepted at the top, or directly under `database`.
    const fn also(self, aliases: &'static [&'static str]) -> Key {
        Key { aliases, ..self }
    }

    /// Adds a translation of the engine's own way to write a value.
    const fn reads(self, translate: fn(&str) -> &str) -> Key {
        Key { translate, ..self }
    }

    /// The dotted path.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Other names: the fields of the Go struct.
    pub fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    /// The default as text that [`Config::set`] accepts; empty for the data source, which has none.
    pub fn default(&self) -> &'static str {
        self.default
    }

    /// The unit of a plain number: `s`, `ms`, `B`, `KiB`; empty where there is none.
    pub fn unit(&self) -> &'static str {
        self.kind.unit()
    }

    /// The kind of value: `number`, `time`, `size`, `boolean`, `word`, `text`.
    pub fn kind(&self) -> &'static str {
        self.kind.name()
    }

    /// What is allowed, as a phrase.
    pub fn allowed(&self) -> String {
        self.kind.allowed()
    }

    /// What the setting does, as one or two sentences.
    pub fn doc(&self) -> &'static str {
        self.doc
    }

    /// Reads `text` into `config`; the error names key, value and what is allowed, and nothing is changed then.
    pub(super) fn put(&self, config: &mut Config, text: &str) -> Result<(), String> {
        let value = match self.kind {
            ValueKind::Source => text,
            _ => (self.translate)(text.trim()),
        };
        self.kind.put(config, value).map_err(|refusal| format!("{}: {} {refusal}; allowed: {}", self.name, quoted(text), self.allowed()))
    }

    /// The value in `config` as text.
    pub(super) fn take(&self, config: &Config) -> Option<String> {
        self.kind.take(config)
    }
}

/// The key that `path` names, in any of the accepted spellings.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    let path = canonical(path);
    KEYS.iter().find(|key| spell::fold(key.name) == path || key.aliases.iter().any(|alias| spell::fold(alias) == path))
}

/// The section that `path` names, in any of the accepted spellings.
pub(super) fn section(path: &str) -> Option<&'static str> {
    let path = canonical(path);
    SECTIONS.iter().map(|(name, _)| *name).find(|name| *name == path)
}

/// Why there is no such key, with the nearest one, or what the section has.
pub(super) fn unknown(path: &str) -> String {
    let wrong = format!("unknown key {}", quoted(path));
    let folded = canonical(path);
    if let Some(example) = example(&folded) {
        return format!("{folded} is a section; set one of its keys, such as \"{example}\"");
    }
    if let Some(near) = spell::nearest_path(&folded, candidates()) {
        return format!("{wrong}{}", spell::hint(Some(near)));
    }
    let home = folded.split_once('.').and_then(|(first, _)| section(first));
    let siblings = KEYS.iter().map(|key| key.name);
    match home {
        Some(home) => {
            let names = siblings.filter_map(|name| name.strip_prefix(home)?.strip_prefix('.'));
            format!("{wrong}; {home} has: {}", list(names))
        }
        None => {
            let tops = siblings.filter(|name| !name.contains('.'));
            format!("{wrong}; there are: {}", list(tops.chain(SECTIONS.iter().map(|(name, _)| *name))))
        }
    }
}

/// The first key of the section that `folded` names.
fn example(folded: &str) -> Option<&'static str> {
    let home = section(folded)?;
    KEYS.iter().map(|key| key.name).find(|name| name.split_once('.').is_some_and(|(first, _)| first == home))
}

/// A value as it stands in a message: escaped, and cut where it is long.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// Every spelling a person may have meant, with the key or section it leads to.
fn candidates() -> impl Iterator<Item = (&'static str, &'static str)> {
    let names = KEYS.iter().map(|key| (key.name, key.name));
    let aliases = KEYS.iter().flat_map(|key| key.aliases.iter().map(|alias| (*alias, key.name)));
    let sections = SECTIONS.iter().flat_map(|(name, also)| also.iter().chain([name]).map(|word| (*word, *word)));
    names.chain(aliases).chain(sections).chain([(ROOT, ROOT)])
}

/// The path in its one folded spelling, without `database.`, and with `options` for its other names.
fn canonical(path: &str) -> String {
    let folded = spell::fold(path);
    let path = folded.strip_prefix(ROOT).and_then(|rest| rest.strip_prefix('.')).unwrap_or(&folded);
    let (first, rest) = path.split_at(path.find('.').unwrap_or(path.len()));
    let first = SECTIONS.iter().find(|(_, also)| also.contains(&first)).map_or(first, |(name, _)| name);
    format!("{first}{rest}")
}
