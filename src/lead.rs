//! How a statement begins, read without the engine: some PRAGMAs act while they are prepared, so they have to be known before.

/// The first word of a statement, in upper case, and for a PRAGMA its name and whether it sets something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lead {
    pub word: String,
    /// The name in lower case.
    pub pragma: Option<String>,
    /// What a PRAGMA is set to, or called with; of a ROLLBACK the word TO; of a CREATE what comes next.
    pub value: Option<String>,
    /// Where the statement begins, after blanks, comments and lone semicolons.
    pub start: usize,
}

impl Lead {
    /// Looks at the beginning of `sql`. The word is empty when it has no statement.
    pub fn of(sql: &str) -> Lead {
        let mut reader = Reader { sql, at: 0 };
        reader.skip(true);
        let start = reader.at;
        let word = reader.word().to_ascii_uppercase();
        if word == "CREATE" {
            let value = Some(reader.next_word());
            return Lead { word, value, start, ..Lead::default() };
        }
        if word == "ROLLBACK" {
            let mut next = reader.name();
            if next.eq_ignore_ascii_case("transaction") {
                next = reader.name();
            }
            let value = next.eq_ignore_ascii_case("to").then_some(next);
            return Lead { word, value, start, ..Lead::default() };
        }
        if word != "PRAGMA" {
            return Lead { word, start, ..Lead::default() };
        }
        let mut name = reader.name();
        if reader.take('.') {
            name = reader.name();
        }
        let value = if reader.take('=') || reader.take('(') { Some(reader.name()) } else { None };
        Lead { word, pragma: Some(name.to_ascii_lowercase()), value, start }
    }
}

/// The name in a `CREATE TABLE`, and where what follows it begins.
pub struct Created {
    pub name: String,
    pub end: usize,
}

impl Lead {
    /// Reads `CREATE TABLE name (…`; `None` for anything else, such as a temporary table or one AS SELECT.
    pub fn created_table(sql: &str) -> Option<Created> {
        let mut reader = Reader { sql, at: 0 };
        reader.skip(true);
        let words = [reader.next_word(), reader.next_word()];
        if words != ["CREATE", "TABLE"] {
            return None;
        }
        let name = reader.name();
        let end = reader.at;
        (!name.is_empty() && reader.take('(')).then_some(Created { name, end })
    }

    /// The name in an `ALTER TABLE … ADD`, which changes that table's definition and no other.
    pub fn extended_table(sql: &str) -> Option<String> {
        let mut reader = Reader { sql, at: 0 };
        reader.skip(true);
        if [reader.next_word(), reader.next_word()] != ["ALTER", "TABLE"] {
            return None;
        }
        let mut name = reader.name();
        if reader.take('.') {
            name = reader.name();
        }
        (reader.next_word() == "ADD").then_some(name)
    }

    /// The name in a `DROP TABLE`.
    pub fn dropped_table(sql: &str) -> Option<String> {
        let mut reader = Reader { sql, at: 0 };
        reader.skip(true);
        if [reader.next_word(), reader.next_word()] != ["DROP", "TABLE"] {
            return None;
        }
        let mut name = reader.name();
        if name.eq_ignore_ascii_case("if") {
            reader.name();
            name = reader.name();
        }
        Some(if reader.take('.') { reader.name() } else { name })
    }

    /// Whether a definition is one of a virtual table.
    pub fn is_virtual_table(&self) -> bool {
        self.value.as_deref() == Some("VIRTUAL")
    }

    /// Whether a word stands in a definition outside of comments, strings and quoted names.
    pub fn has_word(sql: &str, word: &str) -> bool {
        let mut reader = Reader { sql, at: 0 };
        loop {
            reader.skip(true);
            let Some(next) = reader.rest().chars().next() else { return false };
            if matches!(next, '\'' | '"' | '`' | '[') {
                reader.name();
            } else if !next.is_ascii_alphanumeric() && next != '_' {
                reader.at += next.len_utf8();
            } else if reader.word().eq_ignore_ascii_case(word) {
                return true;
            }
        }
    }
}

struct Reader<'a> {
    sql: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn rest(&self) -> &'a str {
        &self.sql[self.at..]
    }

    /// Skips blanks and comments, as SQLite's tokenizer has them; a comment that does not end goes on to the end of the text.
    fn skip(&mut self, semicolons: bool) {
        loop {
            let rest = self.rest();
            let length = if rest.starts_with("--") {
                rest.find('\n').map_or(rest.len(), |at| at + 1)
            } else if let Some(comment) = rest.strip_prefix("/*") {
                comment.find("*/").map_or(rest.len(), |at| at + 4)
            } else if rest.starts_with([' ', '\t', '\n', '\r', '\x0c']) || (semicolons && rest.starts_with(';')) {
                1
            } else {
                return;
            };
            self.at += length;
        }
    }

    fn next_word(&mut self) -> String {
        self.skip(false);
        self.word().to_ascii_uppercase()
    }

    fn word(&mut self) -> &'a str {
        let rest = self.rest();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// A word, a number with its sign, or something in quotes or brackets, without them.
    fn name(&mut self) -> String {
        self.skip(false);
        let rest = self.rest();
        let close = match rest.chars().next() {
            Some(quote @ ('\'' | '"' | '`')) => quote,
            Some('[') => ']',
            Some(sign @ ('+' | '-')) => {
                self.at += 1;
                return format!("{sign}{}", self.word());
            }
            _ => return self.word().to_string(),
        };
        let inside = rest[1..].find(close).map_or(&rest[1..], |end| &rest[1..=end]);
        self.at += (inside.len() + 2).min(rest.len());
        inside.to_string()
    }

    fn take(&mut self, sign: char) -> bool {
        self.skip(false);
        let there = self.rest().starts_with(sign);
        self.at += usize::from(there);
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lead(sql: &str) -> (String, Option<String>, Option<String>) {
        let Lead { word, pragma, value, .. } = Lead::of(sql);
        (word, pragma, value)
    }

    #[test]
    fn blanks_comments_and_semicolons_come_before_a_statement() {
        for sql in ["begin", " \r\n\t\x0cBEGIN", "-- a\n--b\nbegin;", "/* x */ /**/ ;; Begin", ";begin immediate"] {
            assert_eq!(lead(sql).0, "BEGIN", "{sql:?}");
        }
        for sql in ["", "  ", "-- only this", "/* not closed BEGIN", ";;"] {
            assert_eq!(lead(sql).0, "", "{sql:?}");
        }
        assert_eq!(Lead::of("-- a\n ;\nSELECT 1").start, 8);
    }

    #[test]
    fn the_table_of_a_drop_is_found() {
        for sql in ["DROP TABLE a", "drop table if exists \"a\";", "DROP TABLE main.a", "-- x\nDROP TABLE IF EXISTS main . [a]"] {
            assert_eq!(Lead::dropped_table(sql).as_deref(), Some("a"), "{sql}");
        }
        assert_eq!(Lead::dropped_table("DROP INDEX a"), None);
        assert_eq!(Lead::extended_table("alter table main.\"a b\" add column x").as_deref(), Some("a b"));
        assert_eq!(Lead::extended_table("ALTER TABLE a RENAME TO b"), None);
    }

    #[test]
    fn a_rollback_to_a_savepoint_is_told_from_one_of_everything() {
        for (sql, to) in
            [("ROLLBACK", false), ("rollback transaction;", false), ("ROLLBACK TO a", true), ("ROLLBACK TRANSACTION to a", true)]
        {
            assert_eq!(lead(sql).2.is_some(), to, "{sql}");
        }
    }

    #[test]
    fn the_table_of_a_definition_is_found() {
        let name = |sql: &str| Lead::created_table(sql).map(|created| (created.name, sql[created.end..].to_string()));
        let some = |name: &str, rest: &str| Some((name.to_string(), rest.to_string()));
        assert_eq!(name("-- x\ncreate /* y */ table  \"a b\" (x)"), some("a b", " (x)"));
        assert_eq!(name("CREATE TABLE t(x) STRICT;"), some("t", "(x) STRICT;"));
        for sql in [
            "CREATE TEMP TABLE t(x)",
            "CREATE TABLE IF NOT EXISTS t(x)",
            "CREATE TABLE t AS SELECT 1",
            "CREATE TABLE main.t(x)",
            "DROP TABLE t",
        ] {
            assert_eq!(name(sql), None, "{sql}");
        }
        assert!(Lead::has_word("CREATE TABLE t(a INTEGER PRIMARY KEY autoincrement)", "AUTOINCREMENT"));
        assert!(!Lead::has_word(
            "CREATE TABLE t('AUTOINCREMENT' -- AUTOINCREMENT\n, [autoincrement] /* AUTOINCREMENT */)",
            "AUTOINCREMENT"
        ));
    }

    #[test]
    fn a_pragma_has_a_name_and_perhaps_a_value() {
        let some = |text: &str| Some(text.to_string());
        for (sql, name, value) in [
            ("PRAGMA foreign_keys = OFF", "foreign_keys", some("OFF")),
            ("pragma main . Foreign_Keys(0);", "foreign_keys", some("0")),
            ("PRAGMA \"foreign_keys\"='off'", "foreign_keys", some("off")),
            ("PRAGMA [foreign_keys] = -1", "foreign_keys", some("-1")),
            ("PRAGMA /* x */ user_version", "user_version", None),
            ("PRAGMA main.table_info(\"a b\")", "table_info", some("a b")),
        ] {
            assert_eq!(lead(sql), ("PRAGMA".to_string(), some(name), value), "{sql}");
        }
    }
}
