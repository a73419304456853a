//! The reference: the table of keys as Markdown.

use super::{Key, KEYS};

/// One row per key, aligned as the source of a page, ending with a line break.
pub(super) fn markdown() -> String {
    let head = "| key | default | allowed | what it does |\n|---|---|---|---|\n";
    KEYS.iter().fold(head.to_owned(), |page, key| page + &row(key))
}

fn row(key: &Key) -> String {
    let default = if key.default().is_empty() { "–".into() } else { format!("`{}`", default(key)) };
    let also = match key.aliases() {
        [] => String::new(),
        names => format!(" Also: {}.", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")),
    };
    format!("| `{}` | {default} | {} | {}{also} |\n", key.name(), key.allowed(), key.doc())
}

/// The default with the unit that a plain number has.
fn default(key: &Key) -> String {
    let plain = key.default().bytes().all(|byte| byte.is_ascii_digit());
    match key.unit() {
        unit if plain && !unit.is_empty() && key.default() != "0" => format!("{} {unit}", key.default()),
        _ => key.default().to_owned(),
    }
}
