//! The sections of a configuration, as plain typed fields.
//!
//! Defaults, limits and units stand in `keys.rs` only. A field that is a number of something says of what; a time is a
//! [`Duration`]; a size is in bytes.

use std::time::Duration;

use super::Config;

/// The value a field holds before the table of keys has given it its default.
trait Blank {
    const BLANK: Self;
}

impl Blank for bool {
    const BLANK: Self = false;
}

impl Blank for u32 {
    const BLANK: Self = 0;
}

impl Blank for u64 {
    const BLANK: Self = 0;
}

impl Blank for String {
    const BLANK: Self = String::new();
}

impl Blank for Duration {
    const BLANK: Self = Duration::ZERO;
}

/// An enum whose variants are words of the configuration: the first word is the name, the others are accepted too.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $variant:ident = $word:literal $(| $also:literal)*,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name { $($(#[$note])* $variant,)+ }

        impl $name {
            /// Every choice, in the order of its number.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];
            pub(super) const WORDS: &'static [&'static [&'static str]] = &[$(&[$word $(, $also)*],)+];

            /// The word for it, as the engine spells it.
            pub fn as_str(self) -> &'static str {
                Self::WORDS[self as usize][0]
            }
        }

        impl Blank for $name {
            const BLANK: Self = $name::ALL[0];
        }
    };
}

/// A struct of settings that can be made without repeating its fields; it has no `Default`, since all zeros is not one.
macro_rules! section {
    ($(#[$doc:meta])* $name:ident { $($(#[$note:meta])* $field:ident: $kind:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name { $($(#[$note])* pub $field: $kind,)+ }

        impl Blank for $name {
            const BLANK: Self = $name { $($field: <$kind as Blank>::BLANK,)+ };
        }
    };
}

/// A configuration of zeros: what [`Config::new`] fills from the table of keys.
pub(super) const BLANK: Config = Config {
    driver: Blank::BLANK,
    datasource: None,
    close_timeout: Blank::BLANK,
    pool: Blank::BLANK,
    writer: Blank::BLANK,
    query: Blank::BLANK,
    cache: Blank::BLANK,
    metrics: Blank::BLANK,
    options: Blank::BLANK,
};

words! {
    /// The engine behind a store.
    Driver {
        /// SQLite, built in.
        Sqlite = "sqlite3" | "sqlite",
    }
}

section! {
    /// The connections of a store: one writer, the rest readers.
    Pool {
        /// Connections open at most, the writer included.
        max_open: u32,
        /// Idle connections kept at most; see [`Pool::idle_limit`].
        max_idle: u32,
        /// Idle readers kept open even when nobody needs them.
        min_idle: u32,
        /// Age at which an idle connection is replaced; zero: never.
        max_lifetime: Duration,
        /// Idle time after which a connection above `min_idle` is closed; zero: never.
        idle_timeout: Duration,
        /// How long a call without a deadline of its own waits for a connection; zero: without end.
        wait_timeout: Duration,
        /// How often connections are cleaned up and long idle ones checked; zero: never.
        health_check_interval: Duration,
        /// How long an idle reader keeps its read snapshot; zero: not at all.
        snapshot_idle: Duration,
        /// How long a transaction, pinned connection or stream may be held before it is taken for forgotten; zero: for ever.
        leak_threshold: Duration,
    }
}

impl Pool {
    /// Idle connections to keep at most: `max_idle`, but never more than `max_open`.
    pub fn idle_limit(&self) -> u32 {
        self.max_idle.min(self.max_open)
    }
}

section! {
    /// How single writes go through the one connection that writes.
    Writer {
        /// Whether single writes that wait share a transaction.
        group_commit: bool,
        /// Writes in one such transaction at most.
        group_max: u32,
        /// How long a transaction that could be committed waits for more writes.
        group_delay: Duration,
    }
}

section! {
    /// What a call does where it does not say otherwise.
    Query {
        /// Deadline of a call, its waits included; zero: none.
        timeout: Duration,
        /// Whether calls may only read.
        read_only: bool,
        /// Whether statements stay prepared on their connection.
        use_prepared: bool,
        /// Whether results may come from the cache, and go into it, while the cache is enabled.
        use_cache: bool,
        /// Age at which a cached result of such a call expires; zero: as `cache.ttl` says.
        cache_ttl: Duration,
        /// Prepared statements kept on each connection; zero: none.
        statement_cache: u32,
        /// Rows in a batch of a result that is streamed.
        batch_rows: u32,
    }
}

section! {
    /// The cache of results.
    Cache {
        /// Which queries use it.
        enabled: CacheEnabled,
        /// Age at which a result expires; zero: never (it is still dropped when its tables change).
        ttl: Duration,
        /// Results kept at most.
        size: u32,
        /// Bytes kept at most.
        max_bytes: u64,
    }
}

section! {
    /// The metrics.
    Metrics {
        /// Whether they are kept.
        enabled: bool,
        /// How often values that must be sampled (file sizes, free pages) are; zero: never.
        collect_interval: Duration,
        /// The value of the label `store`; empty: the path of the database.
        label: String,
        /// The address at which they are served by HTTP; empty: they are not.
        listen: String,
        /// Whether that address may be other than loopback.
        listen_anywhere: bool,
        /// The file that they are written to; empty: none.
        file: String,
        /// How long a call takes that is logged as slow; zero: none is.
        slow_query: Duration,
        /// Whether that log shows the values of parameters.
        slow_query_params: bool,
        /// Statements whose cost is kept, at most; zero: none.
        statements: u32,
    }
}

section! {
    /// The engine's own knobs: for SQLite the [pragmas](https://sqlite.org/pragma.html) set on every connection.
    Options {
        /// How changes are made atomic.
        journal_mode: JournalMode,
        /// How often the disk is waited for.
        synchronous: Synchronous,
        /// How long to wait for the lock of another process; zero: not at all.
        busy_timeout: Duration,
        /// Whether foreign keys are enforced.
        foreign_keys: bool,
        /// Page cache of each connection, in bytes; the engine takes whole KiB.
        cache_size: u64,
        /// Part of the file that is read through memory mapping, in bytes; zero: none.
        mmap_size: u64,
        /// Where temporary tables live.
        temp_store: TempStore,
        /// Pages in the write-ahead log that trigger a checkpoint; zero: never.
        wal_autocheckpoint: u32,
        /// Size that a journal or write-ahead log is cut down to, in bytes; zero: it is not.
        journal_size_limit: u64,
        /// Page size of a database that is created, in bytes; zero: the engine's default.
        page_size: u64,
        /// How free pages go back to the file system.
        auto_vacuum: AutoVacuum,
        /// Whether deleted content is overwritten.
        secure_delete: SecureDelete,
        /// Whether functions without a safety mark may run from views, triggers and the schema.
        trusted_schema: bool,
        /// Whether a trigger may fire itself.
        recursive_triggers: bool,
        /// Whether pages are checked more carefully when they are read.
        cell_size_check: bool,
        /// What happens when a second SQLite library of the process has the file open.
        second_sqlite: SecondSqlite,
    }
}

words! {
    /// How changes are made atomic: [PRAGMA journal_mode](https://sqlite.org/pragma.html#pragma_journal_mode).
    /// The modes `memory` and `off` are left out: a crash in them corrupts the file.
    JournalMode {
        /// A write-ahead log: readers and the writer do not block each other.
        Wal = "wal",
        /// A rollback journal, deleted after each transaction.
        Delete = "delete",
        /// A rollback journal, emptied after each transaction.
        Truncate = "truncate",
        /// A rollback journal, voided after each transaction.
        Persist = "persist",
    }
}

words! {
    /// How often the disk is waited for; the number of a choice is the engine's.
    Synchronous {
        /// Never: a power failure can corrupt the file.
        Off = "off" | "0",
        /// At checkpoints: with a write-ahead log a power failure can take the last commits, but not corrupt.
        Normal = "normal" | "1",
        /// At every commit.
        Full = "full" | "2",
        /// At every commit, and the folder after a journal was deleted.
        Extra = "extra" | "3",
    }
}

words! {
    /// Where temporary tables live; the number of a choice is the engine's.
    TempStore {
        /// As the engine was built.
        Default = "default" | "0",
        /// In a file.
        File = "file" | "1",
        /// In memory.
        Memory = "memory" | "2",
    }
}

words! {
    /// Which queries use the cache of results.
    CacheEnabled {
        /// Those that ask for it.
        Request = "request",
        /// All that do not refuse it.
        True = "true",
        /// None, whatever they ask for.
        False = "false",
    }
}

words! {
    /// How free pages go back to the file system; the number of a choice is the engine's, save for `Keep`.
    AutoVacuum {
        /// Not at all.
        None = "none" | "0",
        /// At every commit.
        Full = "full" | "1",
        /// When asked.
        Incremental = "incremental" | "2",
        /// As the file has it; a new file has none.
        Keep = "keep",
    }
}

words! {
    /// Whether deleted content is overwritten; the number of a choice is the engine's.
    SecureDelete {
        /// No.
        Off = "off" | "false" | "no" | "0",
        /// With zeros.
        On = "on" | "true" | "yes" | "1",
        /// With zeros, where that costs no more I/O.
        Fast = "fast" | "2",
    }
}

words! {
    /// What happens when a second SQLite library of the process has the file open, which takes this one's locks away when it closes it.
    SecondSqlite {
        /// Nobody looks.
        Off = "off" | "false" | "no" | "0",
        /// The store gives a warning.
        Warn = "warn",
        /// The store does not open, and fails every call once it notices.
        Refuse = "refuse",
    }
}
