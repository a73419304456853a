//! What there is in the database at the moment, read from its schema: the generators take their names from here.

use keepwell::Value;

use crate::answer::Answer;
use crate::random::Random;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sort {
    Table,
    View,
    /// Full-text search, its vocabulary, and the rectangle index.
    Fts,
    Vocabulary,
    Rtree,
    /// A table that belongs to a virtual one: to be read only.
    Shadow,
}

#[derive(Debug, Clone)]
pub struct Object {
    pub name: String,
    pub sort: Sort,
    /// All columns, and those that can be written.
    pub columns: Vec<String>,
    pub writable: Vec<String>,
    /// What orders the rows totally; empty where nothing does.
    pub key: String,
    pub has_rowid: bool,
}

#[derive(Debug, Clone, Default)]
pub struct Catalogue {
    pub objects: Vec<Object>,
    pub indexes: Vec<String>,
    pub triggers: Vec<String>,
}

impl Catalogue {
    /// Reads the schema. Names that cannot be read (a view of what is gone) stay without columns.
    pub fn read(mut ask: impl FnMut(&str) -> Answer) -> Catalogue {
        let mut found = Catalogue::default();
        let schema = ask("SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY rowid").into_rows();
        // The tables behind a virtual one stand before it.
        let is_virtual = |row: &&Vec<Value>| text(&row[2]).to_ascii_lowercase().starts_with("create virtual");
        let owners: Vec<String> = schema.iter().filter(is_virtual).map(|row| format!("{}_", text(&row[1]))).collect();
        for row in &schema {
            let (sort, name, sql) = (text(&row[0]), text(&row[1]), text(&row[2]).to_ascii_lowercase());
            if name.starts_with("sqlite_") {
                continue;
            }
            match sort.as_str() {
                "index" => found.indexes.push(name),
                "trigger" => found.triggers.push(name),
                _ => {
                    let sort = sort_of(&sort, &name, &sql, &owners);
                    let columns = ask(&format!("SELECT name, hidden, pk FROM pragma_table_xinfo('{name}') ORDER BY cid")).into_rows();
                    found.objects.push(object(name, sort, &sql, &columns));
                }
            }
        }
        found
    }

    /// One of a sort, with columns.
    pub fn one(&self, random: &mut Random, sorts: &[Sort]) -> Option<&Object> {
        let fit: Vec<&Object> = self.objects.iter().filter(|object| sorts.contains(&object.sort) && !object.columns.is_empty()).collect();
        random.one_of(&fit).copied()
    }
}

fn object(name: String, sort: Sort, sql: &str, columns: &[Vec<Value>]) -> Object {
    let visible = |row: &&Vec<Value>| !matches!(row[1], Value::Integer(1));
    let names = |rows: Vec<&Vec<Value>>| rows.into_iter().map(|row| text(&row[0])).collect::<Vec<_>>();
    let keys = names(columns.iter().filter(|row| !matches!(row[2], Value::Integer(0))).collect());
    let has_rowid = sort == Sort::Fts || (sort == Sort::Table && !sql.contains("without rowid"));
    Object {
        sort,
        writable: names(columns.iter().filter(|row| row[1] == Value::Integer(0)).collect()),
        columns: names(columns.iter().filter(visible).collect()),
        key: if has_rowid { "rowid".to_string() } else { keys.join(", ") },
        has_rowid,
        name,
    }
}

fn sort_of(sort: &str, name: &str, sql: &str, owners: &[String]) -> Sort {
    match sort {
        "view" => Sort::View,
        _ if sql.contains("using fts5vocab") => Sort::Vocabulary,
        _ if sql.contains("using fts") => Sort::Fts,
        _ if sql.contains("using rtree") => Sort::Rtree,
        _ if owners.iter().any(|owner| name.starts_with(owner.as_str())) => Sort::Shadow,
        _ => Sort::Table,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(bytes) => String::from_utf8_lossy(bytes).into_owned(),
        other => format!("{other:?}"),
    }
}
