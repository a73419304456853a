//! How a statement begins, read without the engine: some PRAGMAs act while they are prepared, so they have to be known before.

/// The first word of a statement, in upper case, and for a PRAGMA its name and whether it sets something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lead {
    pub word: String,
    /// The name in lower case.
    pub pragma: Option<String>,
    /// What a PRAGMA is set to, or called with; of a ROLLBACK the word TO.
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
            } else if rest.starts_with("/*") {
                rest[2..].find("*/").map_or(rest.len(), |at| at + 4)
            } else if rest.starts_with([' ', '\t', '\n', '\r', '\x0c']) || (semicolons && rest.starts_with(';')) {
                1
            } else {
                return;
            };
            self.at += length;
        }
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
    fn a_rollback_to_a_savepoint_is_told_from_one_of_everything() {
        for (sql, to) in [("ROLLBACK", false), ("rollback transaction;", false), ("ROLLBACK TO a", true), ("ROLLBACK TRANSACTION to a", true)] {
            assert_eq!(lead(sql).2.is_some(), to, "{sql}");
        }
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
