//! One authorizer for the life of a connection: it tells what each statement touches, and refuses what a shared connection must not do.
//!
//! Installed once, because installing it again expires every prepared statement. SQLite also calls it inside `step`, when it prepares
//! a statement anew after a schema change; [`Recorder::heard`] tells. <https://sqlite.org/c3ref/set_authorizer.html>

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crate::sync::Mutex;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization, TransactionOperation};

use crate::driver::Permit;
use crate::footprint::Footprint;
use crate::tables::Tables;

/// What the authorizer wrote down while one statement was prepared.
#[derive(Default)]
pub struct Recorder {
    heard: AtomicBool,
    notes: Mutex<Notes>,
}

struct Notes {
    permit: Permit,
    own: bool,
    reads: Tables,
    mentions: Tables,
    writes: Tables,
    select: bool,
    control: bool,
    begins: bool,
    pragma: bool,
    session: bool,
    impure: bool,
    /// Rows of a table, and the schema.
    rows: bool,
    schema: bool,
    reads_last_insert: bool,
    /// Refused on every connection, whatever it is permitted.
    forbidden: bool,
    refused: Option<String>,
}

impl Default for Notes {
    fn default() -> Self {
        Notes {
            permit: Permit::Shared,
            own: false,
            reads: Tables::default(),
            mentions: Tables::default(),
            writes: Tables::default(),
            select: false,
            control: false,
            begins: false,
            pragma: false,
            session: false,
            impure: false,
            rows: false,
            schema: false,
            reads_last_insert: false,
            forbidden: false,
            refused: None,
        }
    }
}

impl Recorder {
    /// Installs the authorizer of a connection.
    pub fn install(connection: &mut rusqlite::Connection) -> rusqlite::Result<Arc<Recorder>> {
        let recorder = Arc::new(Recorder::default());
        let mine = recorder.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| mine.note(&context)))?;
        Ok(recorder)
    }

    /// Starts a new page for a statement of keepwell's own, which may do anything.
    pub fn start_own(&self) {
        *self.notes.lock() = Notes { permit: Permit::Everything, own: true, ..Notes::default() };
    }

    /// Starts a new page: the statement prepared next may do what `permit` says.
    pub fn start(&self, permit: Permit) {
        *self.notes.lock() = Notes { permit, ..Notes::default() };
        self.heard.store(false, Ordering::Relaxed);
    }

    /// Forgets what was heard: it belonged to something else than the statement under way.
    pub fn ignore(&self) {
        *self.notes.lock() = Notes { permit: Permit::Everything, ..Notes::default() };
        self.heard.store(false, Ordering::Relaxed);
    }

    /// Whether SQLite has asked anything since the last [`Recorder::start`] or [`Recorder::finish`].
    #[inline]
    pub fn heard(&self) -> bool {
        self.heard.load(Ordering::Relaxed)
    }

    /// What was refused since [`Recorder::start`], with the cure.
    pub fn refused(&self) -> Option<String> {
        self.notes.lock().refused.take()
    }

    /// The footprint of the statement prepared since [`Recorder::start`]; `read_only` and `explained` are the engine's own word.
    pub fn finish(&self, read_only: bool, explained: bool) -> Footprint {
        // What SQLite asks from inside step (a statement prepared anew, the work of VACUUM) belongs to something permitted already.
        let notes = std::mem::replace(&mut *self.notes.lock(), Notes { permit: Permit::Everything, ..Notes::default() });
        // VACUUM is the one statement that changes the database and asks for nothing while it is prepared.
        let silent = !self.heard.swap(false, Ordering::Relaxed);
        // What writes without naming a table (VACUUM, a virtual table's own ways, a PRAGMA) may have changed anything.
        let unnamed = !read_only && notes.writes.is_empty();
        Footprint {
            reads: notes.reads,
            mentions: notes.mentions,
            writes: if unnamed && !notes.control { Tables::All } else { notes.writes },
            read_only,
            control: notes.control,
            begins: notes.begins,
            counts_rows: notes.rows && !notes.schema,
            reads_last_insert: notes.reads_last_insert,
            outside_transaction: !read_only && silent,
            pragma: notes.pragma,
            session: notes.session,
            pure_functions: !notes.impure,
            select: notes.select && read_only && !explained && !notes.pragma && !notes.control && !notes.session,
        }
    }

    fn note(&self, context: &AuthContext<'_>) -> Authorization {
        self.heard.store(true, Ordering::Relaxed);
        let mut notes = self.notes.lock();
        let verdict = notes.hear(&context.action, context.database_name);
        match verdict {
            Some(reason) if !notes.own && notes.refuses() => {
                notes.refused.get_or_insert(reason);
                Authorization::Deny
            }
            _ => Authorization::Allow,
        }
    }
}

impl Notes {
    /// Whether what was just heard, and is not for everybody, is refused here.
    fn refuses(&self) -> bool {
        match self.permit {
            Permit::Shared => true,
            Permit::NoControl => self.control || self.forbidden,
            Permit::Everything => self.forbidden,
        }
    }

    /// Writes the action down. Returns why a shared connection must refuse it, if it must.
    fn hear(&mut self, action: &AuthAction<'_>, database: Option<&str>) -> Option<String> {
        use AuthAction as A;
        match action {
            A::Read { table_name, column_name: "" } => self.mentions.insert(table_name),
            A::Read { table_name, .. } => self.reads.insert(table_name),
            A::Insert { table_name } | A::Update { table_name, .. } | A::Delete { table_name } => {
                self.write(table_name, database);
            }
            A::Function { function_name } => {
                self.impure |= !is_pure(function_name);
                // FTS4's function rewrites the tables behind its own, in a SELECT.
                if function_name.eq_ignore_ascii_case("optimize") {
                    self.writes = Tables::All;
                }
                self.reads_last_insert |= function_name.eq_ignore_ascii_case("last_insert_rowid");
            }
            A::Select => self.select = true,
            A::Recursive => {}
            A::Transaction { operation } | A::Savepoint { operation, .. } => {
                self.control = true;
                self.begins = matches!(operation, TransactionOperation::Begin);
                return Some(CONTROL.to_string());
            }
            A::Attach { .. } | A::Detach { .. } => {
                self.session = true;
                return Some(format!("ATTACH and DETACH {PIN}"));
            }
            A::Pragma { pragma_name, pragma_value } => return self.pragma(pragma_name, *pragma_value),
            A::CreateTempTable { .. } | A::CreateTempIndex { .. } | A::CreateTempTrigger { .. } | A::CreateTempView { .. } => {
                self.session = true;
                return Some(format!("temporary objects live as long as their connection; creating one {PIN}"));
            }
            // Everything else changes the schema, or is new to this program: it may have touched anything.
            _ => {
                self.writes = Tables::All;
                self.schema = true;
            }
        }
        None
    }

    fn write(&mut self, table: &str, database: Option<&str>) {
        self.rows |= !SCHEMA_TABLES.iter().any(|schema| table.eq_ignore_ascii_case(schema));
        if database == Some("main") && !table.to_ascii_lowercase().starts_with("sqlite_") {
            self.writes.insert(table);
        } else if database != Some("temp") {
            self.writes = Tables::All;
        }
    }

    fn pragma(&mut self, name: &str, value: Option<&str>) -> Option<String> {
        let name = name.to_ascii_lowercase();
        (self.pragma, self.impure) = (true, true);
        if is_data_pragma(&name, value.is_some()) || keeps_wal(&name, value) {
            return None;
        }
        if FORBIDDEN.contains(&name.as_str()) {
            self.forbidden = true;
            return Some(format!("PRAGMA {name} would change the whole store under its other connections: set it in the configuration"));
        }
        self.session = true;
        Some(format!("PRAGMA {name} changes the connection, which is shared: set it in the configuration (options.{name}), or it {PIN}"))
    }
}

const CONTROL: &str = "transactions are begun and ended by keepwell here: use the transaction calls, or a script or pinned connection \
                       for BEGIN, COMMIT and SAVEPOINT by hand";
const PIN: &str = "needs a pinned connection";

/// Changes of the schema are changes of rows of these.
const SCHEMA_TABLES: &[&str] = &["sqlite_master", "sqlite_schema", "sqlite_temp_master", "sqlite_temp_schema"];

/// Settings that the store's other connections rely on.
const FORBIDDEN: &[&str] = &["journal_mode", "locking_mode", "query_only", "wal_autocheckpoint"];

/// `PRAGMA journal_mode = WAL` is the first line of many scripts, and changes nothing.
fn keeps_wal(name: &str, value: Option<&str>) -> bool {
    name == "journal_mode" && value.is_some_and(|value| value.eq_ignore_ascii_case("wal"))
}

/// PRAGMAs that read, or that change the database rather than the connection. <https://sqlite.org/pragma.html>
fn is_data_pragma(name: &str, has_value: bool) -> bool {
    const WITH_VALUE: &[&str] = &[
        "application_id",
        "foreign_key_check",
        "foreign_key_list",
        "incremental_vacuum",
        "index_info",
        "index_list",
        "index_xinfo",
        "integrity_check",
        "optimize",
        "quick_check",
        "table_info",
        "table_list",
        "table_xinfo",
        "user_version",
        "wal_checkpoint",
    ];
    !has_value || WITH_VALUE.contains(&name)
}

/// Functions whose result depends on their arguments alone. An allow-list: SQLite's own DETERMINISTIC flag also covers
/// `datetime('now')`.
fn is_pure(name: &str) -> bool {
    const PURE: &[&str] = &[
        "abs",
        "acos",
        "acosh",
        "asin",
        "asinh",
        "atan",
        "atan2",
        "atanh",
        "avg",
        "ceil",
        "ceiling",
        "char",
        "coalesce",
        "concat",
        "concat_ws",
        "cos",
        "cosh",
        "count",
        "cume_dist",
        "degrees",
        "dense_rank",
        "exp",
        "first_value",
        "floor",
        "format",
        "glob",
        "group_concat",
        "hex",
        "if",
        "ifnull",
        "iif",
        "instr",
        "json",
        "json_array",
        "json_array_insert",
        "json_array_length",
        "json_error_position",
        "json_extract",
        "json_group_array",
        "json_group_object",
        "json_insert",
        "json_object",
        "json_patch",
        "json_pretty",
        "json_quote",
        "json_remove",
        "json_replace",
        "json_set",
        "json_type",
        "json_valid",
        "jsonb",
        "jsonb_array",
        "jsonb_array_insert",
        "jsonb_extract",
        "jsonb_group_array",
        "jsonb_group_object",
        "jsonb_insert",
        "jsonb_object",
        "jsonb_patch",
        "jsonb_remove",
        "jsonb_replace",
        "jsonb_set",
        "lag",
        "last_value",
        "lead",
        "length",
        "like",
        "likelihood",
        "likely",
        "ln",
        "log",
        "log10",
        "log2",
        "lower",
        "ltrim",
        "max",
        "median",
        "min",
        "mod",
        "nth_value",
        "ntile",
        "nullif",
        "octet_length",
        "percent_rank",
        "percentile",
        "percentile_cont",
        "percentile_disc",
        "pi",
        "pow",
        "power",
        "printf",
        "quote",
        "radians",
        "rank",
        "replace",
        "round",
        "row_number",
        "rtrim",
        "sign",
        "sin",
        "sinh",
        "sqrt",
        "string_agg",
        "substr",
        "substring",
        "sum",
        "tan",
        "tanh",
        "total",
        "trim",
        "trunc",
        "typeof",
        "unhex",
        "unicode",
        "unistr",
        "unistr_quote",
        "unlikely",
        "upper",
        "zeroblob",
        "->",
        "->>",
    ];
    PURE.iter().any(|pure| pure.eq_ignore_ascii_case(name))
}
