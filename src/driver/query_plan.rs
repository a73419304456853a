//! How an engine would run a statement, and which index would help it.

/// One line of a query plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    pub id: i64,
    /// The line that this one is under; 0 for none.
    pub parent: i64,
    pub detail: String,
}

/// An index that would help a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    pub table: String,
    /// The statement that makes it.
    pub index_sql: String,
    /// The plan without it and with it, as [`tree`] writes them.
    pub before: String,
    pub after: String,
}

/// A plan as lines, indented by what they are under.
pub fn tree(nodes: &[Node]) -> String {
    let mut depths = std::collections::HashMap::from([(0, 0)]);
    let lines = nodes.iter().map(|node| {
        let depth = depths.get(&node.parent).copied().unwrap_or_default();
        depths.insert(node.id, depth + 1);
        format!("{}{}", "  ".repeat(depth), node.detail)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_indented_as_it_is_nested() {
        let node = |id, parent, detail: &str| Node { id, parent, detail: detail.to_string() };
        let nodes = [node(3, 0, "a"), node(5, 3, "b"), node(9, 5, "c"), node(12, 0, "d")];
        assert_eq!(tree(&nodes), "a\n  b\n    c\nd");
    }
}
