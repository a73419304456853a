//! Migrations: numbered changes of a schema, each applied once, whoever opens the database, in whatever language.

pub mod adopt;
pub mod apply;
pub(crate) mod ask;
pub mod file;
pub mod format;
pub mod history;
mod keys;
mod lock;
pub mod look;
pub mod mark;
pub mod plan;
pub mod policy;
pub mod rebuild;
pub mod report;
pub mod schema;
pub mod script;
pub mod source;
pub mod text;

pub use self::format::Format;
pub use self::policy::Policy;
pub use self::report::Report;
pub use self::source::Source;

/// One migration: what it does, and how it is undone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    /// Orders the migrations and names them in the history; 0 or more, unique in a source. Gaps are normal.
    pub version: i64,
    /// For people; its spelling may change.
    pub description: String,
    pub up: Script,
    /// `None`: it cannot be undone.
    pub down: Option<Script>,
}

impl Migration {
    /// A migration given by the program itself.
    pub fn new(version: i64, description: impl Into<String>, up: impl Into<String>, down: Option<String>) -> Self {
        Migration { version, description: description.into(), up: Script::inline(up), down: down.map(Script::inline) }
    }

    /// Adds what undoes it.
    pub fn with_down(self, down: impl Into<String>) -> Self {
        Migration { down: Some(Script::inline(down)), ..self }
    }
}

/// The SQL of one direction of a migration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// The statements, without a byte order mark. Line ends and comments are as they were written.
    pub sql: String,
    /// The file's path below its folder, with `/`; empty for a migration given by the program.
    pub file: String,
    /// All bytes of that file as they are, for the checksums of other tools; empty for a migration given by the program.
    pub raw: std::sync::Arc<[u8]>,
    /// The line of the file, from 1, that `sql` begins in.
    pub line: usize,
    /// Its first line or its tool's marker says that it cannot run inside a transaction.
    pub outside_transaction: bool,
    /// Its first line says that foreign keys are to be enforced while it runs.
    pub enforces_foreign_keys: bool,
    /// Its identity, once somebody has asked for it; see [`text::checksum`].
    pub(crate) checksum: String,
}

impl Script {
    fn inline(sql: impl Into<String>) -> Self {
        let sql = text::without_mark(sql.into());
        let marks = text::Marks::of(&sql);
        Script {
            sql,
            line: 1,
            outside_transaction: marks.outside_transaction,
            enforces_foreign_keys: marks.enforces_foreign_keys,
            ..Script::default()
        }
    }
}
