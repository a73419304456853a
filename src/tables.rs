//! Names of tables: a set of them, `All` included, and how one is written.

use std::collections::BTreeSet;

/// A name as SQLite's grammar wants it between double quotes.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Names of tables, compared without case as SQLite does; or all there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tables {
    Some(BTreeSet<Box<str>>),
    All,
}

impl Default for Tables {
    fn default() -> Self {
        Tables::Some(BTreeSet::new())
    }
}

impl Tables {
    /// Adds one table.
    pub fn insert(&mut self, name: &str) {
        if let Tables::Some(names) = self {
            names.insert(name.to_ascii_lowercase().into());
        }
    }

    /// Adds all tables of `other`.
    pub fn union(&mut self, other: &Tables) {
        match (&mut *self, other) {
            (Tables::Some(mine), Tables::Some(theirs)) => mine.extend(theirs.iter().cloned()),
            _ => *self = Tables::All,
        }
    }

    /// Whether no table is in the set.
    pub fn is_empty(&self) -> bool {
        matches!(self, Tables::Some(names) if names.is_empty())
    }

    /// Whether `name` is in the set.
    pub fn contains(&self, name: &str) -> bool {
        match self {
            Tables::All => true,
            Tables::Some(names) => names.contains(name.to_ascii_lowercase().as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_without_case_and_all_contains_everything() {
        let mut set = Tables::default();
        assert!(set.is_empty());
        set.insert("Track");
        assert!(set.contains("TRACK") && !set.contains("album"));
        set.union(&Tables::All);
        assert!(set.contains("album"));
    }
}
