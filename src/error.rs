//! One error type for every door of keepwell: a kind with a stable number, the engine's own numbers, and a sentence with the cure.

use std::fmt;

/// What went wrong, by class. The numbers are the C status numbers (`KW_*`) and are never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Kind {
    /// An engine error that has no class of its own.
    Engine = 1,
    /// Wrong use of keepwell: a NULL argument, a second thread on one handle, calls in the wrong order, a second SQLite library beside it
    /// on one file where that is refused.
    Misuse = 2,
    /// A handle that is 0, stale, of another kind, or already closed.
    InvalidHandle = 3,
    /// A handle that this process inherited through `fork()`.
    Forked = 4,
    /// A panic inside keepwell, stopped at the border.
    Panic = 5,
    /// A configuration key or value that is wrong.
    Config = 6,
    /// SQL the engine does not accept: syntax, unknown names, several statements where one is expected.
    Sql = 7,
    /// Too few, too many or misnamed parameters, or a parameter of a wrong type.
    Parameter = 8,
    /// A constraint was violated; the extended code says which.
    Constraint = 9,
    /// Another process holds the database's lock.
    Busy = 10,
    /// The deadline of the call passed.
    Timeout = 11,
    /// The call was cancelled by its token or tick.
    Cancelled = 12,
    /// No connection became free in time.
    Exhausted = 13,
    /// The calling thread would have waited for a connection that it holds itself.
    SelfDeadlock = 14,
    /// The store is closing or closed.
    Closed = 15,
    /// A write through something that may only read.
    ReadOnly = 16,
    /// The operating system reported an I/O error.
    Io = 17,
    /// The disk or the database is full.
    Full = 18,
    /// The file is corrupt, or no database.
    Corrupt = 19,
    /// The file could not be opened.
    CantOpen = 20,
    /// Memory ran out.
    NoMemory = 21,
    /// A value, row or statement is over a limit.
    TooBig = 22,
    /// Another process committed first; the transaction must be run again from its start.
    Conflict = 23,
    /// The transaction has already ended.
    TxEnded = 24,
    /// Text that is not UTF-8, or a NUL inside SQL.
    Encoding = 25,
    /// The operating system or keepwell's policy does not permit it.
    Permission = 26,
    /// The statement writes and the caller asked not to wait for the writer.
    NeedsWriter = 27,
    /// The engine or this build cannot do it.
    Unsupported = 28,
    /// The process-wide store was not initialized.
    NotInitialized = 29,
    /// The process-wide store was initialized already.
    AlreadyInitialized = 30,
    /// A struct size or layout that this library does not know.
    Abi = 31,
    /// A cell is not of the type that was asked for, or does not fit.
    Type = 32,
    /// A migration that cannot be applied as things are: its set, its history or its text; the message names files, versions and the cure.
    Migration = 33,
    /// The database has migrations that this program does not know: it was migrated by a newer program.
    SchemaNewer = 34,
}

impl Kind {
    /// Every kind, in the order of its numbers: the one table that names, numbers and docs are made from.
    pub const ALL: [(Kind, &'static str); 34] = [
        (Kind::Engine, "KW_ERROR"),
        (Kind::Misuse, "KW_MISUSE"),
        (Kind::InvalidHandle, "KW_INVALID_HANDLE"),
        (Kind::Forked, "KW_FORKED"),
        (Kind::Panic, "KW_PANIC"),
        (Kind::Config, "KW_CONFIG"),
        (Kind::Sql, "KW_SQL"),
        (Kind::Parameter, "KW_PARAMETER"),
        (Kind::Constraint, "KW_CONSTRAINT"),
        (Kind::Busy, "KW_BUSY"),
        (Kind::Timeout, "KW_TIMEOUT"),
        (Kind::Cancelled, "KW_CANCELLED"),
        (Kind::Exhausted, "KW_EXHAUSTED"),
        (Kind::SelfDeadlock, "KW_SELF_DEADLOCK"),
        (Kind::Closed, "KW_CLOSED"),
        (Kind::ReadOnly, "KW_READ_ONLY"),
        (Kind::Io, "KW_IO"),
        (Kind::Full, "KW_FULL"),
        (Kind::Corrupt, "KW_CORRUPT"),
        (Kind::CantOpen, "KW_CANT_OPEN"),
        (Kind::NoMemory, "KW_NO_MEMORY"),
        (Kind::TooBig, "KW_TOO_BIG"),
        (Kind::Conflict, "KW_CONFLICT"),
        (Kind::TxEnded, "KW_TX_ENDED"),
        (Kind::Encoding, "KW_ENCODING"),
        (Kind::Permission, "KW_PERMISSION"),
        (Kind::NeedsWriter, "KW_NEEDS_WRITER"),
        (Kind::Unsupported, "KW_UNSUPPORTED"),
        (Kind::NotInitialized, "KW_NOT_INITIALIZED"),
        (Kind::AlreadyInitialized, "KW_ALREADY_INITIALIZED"),
        (Kind::Abi, "KW_ABI"),
        (Kind::Type, "KW_TYPE"),
        (Kind::Migration, "KW_MIGRATION"),
        (Kind::SchemaNewer, "KW_SCHEMA_NEWER"),
    ];

    /// The stable number, equal to the C status.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The kind with this number, if there is one.
    pub fn from_number(number: i32) -> Option<Kind> {
        usize::try_from(number).ok().and_then(|number| Kind::ALL.get(number.checked_sub(1)?)).map(|(kind, _)| *kind)
    }

    /// The name of the C constant.
    pub fn name(self) -> &'static str {
        Kind::ALL[self as usize - 1].1
    }
}

/// What to do after an error, said by the engine's driver and never guessed from text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retry {
    /// Doing the same again gives the same error.
    #[default]
    No,
    /// The statement alone may be run again.
    Statement,
    /// The whole transaction must be run again from its start.
    Transaction,
    /// A new connection is needed first.
    Connection,
}

/// What is known about the transaction that the failed call belonged to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Outcome {
    /// The call changed nothing about it.
    #[default]
    Unchanged,
    /// The engine rolled the whole transaction back.
    RolledBack,
    /// The commit is durable although an error is reported.
    Committed,
}

/// The engine's own numbers: for SQLite the primary and the [extended result code](https://sqlite.org/rescode.html).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineCode {
    pub primary: i32,
    pub extended: i32,
}

/// An error: what class, what the engine said, where in the SQL, and a sentence that names operation, object, numbers and cure.
#[derive(Debug)]
pub struct Error(Box<Detail>);

#[derive(Debug)]
struct Detail {
    kind: Kind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
    engine: Option<EngineCode>,
    offset: Option<u32>,
    retry: Retry,
    outcome: Outcome,
}

/// The result of nearly everything in keepwell.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind` with a message for people.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Error(Box::new(Detail {
            kind,
            message: message.into(),
            source: None,
            engine: None,
            offset: None,
            retry: Retry::No,
            outcome: Outcome::Unchanged,
        }))
    }

    /// Adds the error that this one came from.
    pub fn with_source(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds the engine's own numbers.
    pub fn with_engine(mut self, primary: i32, extended: i32) -> Self {
        self.0.engine = Some(EngineCode { primary, extended });
        self
    }

    /// Adds the byte offset in the SQL that the error is about.
    pub fn at(mut self, offset: Option<u32>) -> Self {
        self.0.offset = offset;
        self
    }

    /// Says what may be retried.
    pub fn with_retry(mut self, retry: Retry) -> Self {
        self.0.retry = retry;
        self
    }

    /// Says what became of the transaction.
    pub fn with_outcome(mut self, outcome: Outcome) -> Self {
        self.0.outcome = outcome;
        self
    }

    /// Puts `context` and a colon before the message: the operation or object that was at work.
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.0.message = format!("{context}: {}", self.0.message);
        self
    }

    /// Adds `more` at the end of the message: the numbers that explain it.
    pub fn followed_by(mut self, more: impl fmt::Display) -> Self {
        self.0.message = format!("{}{more}", self.0.message);
        self
    }

    /// The class of the error.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The sentence for people.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The engine's own numbers, where the engine was asked at all.
    pub fn engine(&self) -> Option<EngineCode> {
        self.0.engine
    }

    /// The byte offset in the SQL, where the engine knows it.
    pub fn offset(&self) -> Option<u32> {
        self.0.offset
    }

    /// What may be run again with hope of success.
    pub fn retry(&self) -> Retry {
        self.0.retry
    }

    /// What became of the transaction.
    pub fn outcome(&self) -> Outcome {
        self.0.outcome
    }

    /// Whether running something again (see [`Error::retry`]) may succeed.
    pub fn is_retryable(&self) -> bool {
        self.0.retry != Retry::No
    }

    /// The five-character SQLSTATE class of ISO 9075 that fits best, for layers that speak it (ODBC, ADBC).
    pub fn sqlstate(&self) -> &'static str {
        match self.0.kind {
            Kind::Constraint => "23000",
            Kind::Sql => "42000",
            Kind::Parameter => "07001",
            Kind::Type => "22018",
            Kind::Migration | Kind::SchemaNewer => "55000",
            Kind::Encoding => "22021",
            Kind::Busy | Kind::Conflict | Kind::SelfDeadlock => "40001",
            Kind::TxEnded => "25000",
            Kind::ReadOnly => "25006",
            Kind::Timeout | Kind::Exhausted => "HYT00",
            Kind::Cancelled => "57014",
            Kind::Closed | Kind::NotInitialized | Kind::CantOpen | Kind::Forked => "08003",
            Kind::Full => "53100",
            Kind::NoMemory => "53200",
            Kind::TooBig => "54000",
            Kind::Permission => "42501",
            Kind::Unsupported | Kind::NeedsWriter => "0A000",
            Kind::Io | Kind::Corrupt => "58030",
            Kind::Engine | Kind::Misuse | Kind::InvalidHandle | Kind::Panic | Kind::Config | Kind::AlreadyInitialized | Kind::Abi => {
                "HY000"
            }
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_kinds_is_in_the_order_of_the_numbers() {
        for (index, (kind, name)) in Kind::ALL.iter().enumerate() {
            assert_eq!(kind.number(), index as i32 + 1, "{name}");
            assert_eq!(kind.name(), *name);
            assert_eq!(Kind::from_number(kind.number()), Some(*kind));
        }
    }
}
