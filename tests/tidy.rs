//! The house rules that the compiler does not hold: who imports whom, where `unsafe` and statics may be, what the map names.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Which modules of the crate a module may name. A folder's files share the row of the folder.
const IMPORTS: &[(&str, &[&str])] = &[
    // Nouns import each other only.
    ("error", &[]),
    ("value", &[]),
    ("rows", &["value"]),
    ("coarse", &[]),
    ("tables", &[]),
    ("text", &[]),
    ("footprint", &["tables"]),
    ("lead", &[]),
    ("config", &["error"]),
    ("process", &["error"]),
    ("ticks", &[]),
    ("warnings", &[]),
    // Mechanisms know nouns only.
    ("sync", &[]),
    ("slots", &["sync"]),
    ("bell", &["sync"]),
    ("cancel", &["sync", "error", "ticks"]),
    ("metrics", &["sync", "error", "text"]),
    ("errors", &["sync", "error", "metrics", "process"]),
    ("listener", &["sync", "error"]),
    ("clock", &["sync", "tables"]),
    ("driver", &["sync", "cancel", "clock", "error", "footprint", "lead", "metrics", "process", "rows", "tables", "value"]),
    // Siblings stand on those and never on each other, but for the pool that leases come from.
    ("holders", &["sync", "driver"]),
    ("member", &["sync", "cancel", "driver", "error", "rows", "value"]),
    ("pool", &["bell", "cancel", "driver", "error", "holders", "member", "metrics", "process", "rows", "slots", "sync"]),
    ("sentry", &["bell", "config", "driver", "error", "metrics", "warnings"]),
    ("caretaker", &["sync", "bell", "pool", "sentry"]),
    ("tx", &["cancel", "driver", "error"]),
    ("cache", &["cancel", "clock", "coarse", "error", "metrics", "rows", "sync", "tables", "value"]),
    ("exec", &["cancel", "driver", "error", "metrics", "rows", "text", "value"]),
    ("group", &["cancel", "driver", "error", "exec", "member", "pool"]),
    ("session", &["sync", "cancel", "driver", "error", "exec", "pool", "process", "rows", "tx", "value"]),
    ("migrate", &["cancel", "clock", "config", "driver", "error", "exec", "lead", "rows", "tables", "value"]),
    ("options", &["cancel"]),
    ("results", &["cancel", "driver", "error", "errors", "rows", "session", "value"]),
    // The store is where the parts meet; the instance and the border stand on it.
    ("settings", &["cache", "caretaker", "clock", "config", "driver", "error", "group", "metrics", "pool", "store"]),
    (
        "store",
        &[
            "sync",
            "cache",
            "cancel",
            "caretaker",
            "clock",
            "config",
            "driver",
            "error",
            "errors",
            "exec",
            "group",
            "holders",
            "listener",
            "member",
            "metrics",
            "migrate",
            "options",
            "pool",
            "process",
            "results",
            "rows",
            "sentry",
            "session",
            "settings",
            "slots",
            "ticks",
            "tx",
            "value",
            "warnings",
        ],
    ),
    // The command line is a program of its own: its modules are its own, and the library is `keepwell::`.
    ("bin", &[]),
    ("instance", &["sync", "config", "error", "process", "store"]),
    (
        "ffi",
        &[
            "sync", "cancel", "config", "driver", "error", "exec", "instance", "metrics", "migrate", "options", "process", "results",
            "rows", "slots", "store", "text", "value",
        ],
    ),
];

/// Where `unsafe` may be, and where a `static` may be.
const UNSAFE: &[&str] =
    &["src/ffi/", "src/coarse.rs", "src/ticks.rs", "src/driver/sqlite/raw.rs", "src/driver/sqlite/raw/", "src/driver/sqlite/fork.rs"];
const STATICS: &[&str] = &[
    "src/ffi/",
    "src/instance.rs",
    "src/process.rs",
    "src/cancel.rs",
    "src/ticks.rs",
    "src/config/",
    "src/driver/sqlite/fork.rs",
    "src/driver/sqlite/second.rs",
];
/// Lines of a file without its tests.
const LONGEST: usize = 500;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every source file with its path from the root and its text without unit tests.
fn sources() -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    walk(&root().join("src"), &mut found);
    assert!(found.len() > 20, "the sources were found");
    found
}

fn walk(folder: &Path, found: &mut BTreeMap<String, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && path.file_name().is_some_and(|n| n != "tests.rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).unwrap();
            let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
            found.insert(name, code.split("\n#[cfg(all(test").next().unwrap().to_string());
        }
    }
}

fn module(path: &str) -> &str {
    let inside = path.trim_start_matches("src/");
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The crate modules that a text names in `crate::…`, also in nested lists.
fn named(code: &str) -> Vec<String> {
    let code: String = code.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
    let mut names = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with("$") {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(list) => names.extend(list.split('}').next().unwrap().split(',').map(|n| first_word(n.trim()))),
            None => names.push(first_word(rest)),
        }
    }
    names
}

fn first_word(text: &str) -> String {
    text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn modules_import_what_the_plan_allows() {
    let allowed: BTreeMap<_, _> = IMPORTS.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, code) in sources() {
        let module = module(&path).to_string();
        if module == "lib" {
            continue;
        }
        let Some(allowed) = allowed.get(module.as_str()) else {
            wrong.push(format!("{path}: the module {module} has no row in the plan"));
            continue;
        };
        for name in named(&code) {
            if name != module && !name.is_empty() && !allowed.contains(&name.as_str()) {
                wrong.push(format!("{path}: {module} must not import {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_driver_names_the_engine() {
    for (path, code) in sources() {
        let names_engine =
            code.lines().any(|l| !l.trim_start().starts_with("//") && l.replace("rusqlite_migration", "").contains("rusqlite"));
        assert!(!names_engine || path.starts_with("src/driver/"), "{path} names rusqlite");
    }
}

#[test]
fn locks_survive_a_fork() {
    for (path, code) in sources() {
        let foreign = code.lines().any(|l| !l.trim_start().starts_with("//") && l.contains("parking_lot::"));
        assert!(!foreign, "{path}: parking_lot's locks share a table that a forked child inherits broken; use crate::sync");
    }
}

#[test]
fn nothing_waits_for_a_first_use_that_a_fork_cut_in_two() {
    const WAITING: [&str; 7] = ["Once::", "OnceLock", "LazyLock", "sync::Lazy", "sync::OnceCell", "sync::{Lazy", "sync::{OnceCell"];
    for (path, code) in sources() {
        let waits = code.lines().any(|l| !l.trim_start().starts_with("//") && WAITING.iter().any(|name| l.contains(name)));
        assert!(!waits, "{path}: a child forked during the first use would wait for ever; use once_cell::race");
    }
}

#[test]
fn unsafe_is_where_it_may_be_and_answers_its_contract() {
    for (path, code) in sources() {
        let lines: Vec<&str> = code.lines().collect();
        for (number, line) in lines.iter().enumerate() {
            let trimmed = line.trim_start();
            let is_code = !trimmed.starts_with("//") && !trimmed.starts_with("#!");
            if !is_code || !line.contains("unsafe") || line.contains("unsafe_code") || line.contains("unsafe_op_in_unsafe_fn") {
                continue;
            }
            assert!(UNSAFE.iter().any(|place| path.starts_with(place)), "{path}:{}: unsafe is not allowed here", number + 1);
            let block = line.contains("unsafe {") || line.contains("unsafe impl");
            let answered = lines[number.saturating_sub(6)..=number].iter().any(|l| l.contains("SAFETY:"));
            assert!(!block || answered || path.contains("/python"), "{path}:{}: unsafe without its SAFETY line", number + 1);
        }
    }
}

#[test]
fn state_is_static_only_where_the_map_says_so() {
    for (path, code) in sources() {
        let has = code.lines().any(|l| l.trim_start().starts_with("static ") || l.trim_start().starts_with("pub static "));
        assert!(!has || STATICS.iter().any(|place| path.starts_with(place)), "{path}: a static is not allowed here");
    }
}

#[test]
fn every_export_passes_the_guard() {
    for (path, code) in sources() {
        if !path.starts_with("src/ffi/") || path.ends_with("about.rs") || path.contains("python") {
            continue;
        }
        for export in code.split("#[no_mangle]").skip(1) {
            let body = &export[..export.find("\n}").unwrap_or(export.len())];
            let name = body.split("fn ").nth(1).and_then(|s| s.split('(').next()).unwrap_or("?");
            assert!(body.contains("guard("), "{path}: {name} does not pass the guard");
        }
    }
}

#[test]
fn files_are_of_one_sitting() {
    for (path, code) in sources() {
        let lines = code.lines().count();
        assert!(lines <= LONGEST, "{path} has {lines} lines; split it");
        assert!(code.starts_with("//!"), "{path} does not begin with what it is");
    }
}

#[test]
fn the_map_names_every_source_file() {
    let map = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for path in sources().keys() {
        let parent = path.rsplit_once('/').map(|(folder, _)| format!("{folder}/")).unwrap_or_default();
        let named = map.contains(path.as_str()) || (parent != "src/" && map.contains(&format!("`{parent}*`")));
        assert!(named, "ARCHITECTURE.md does not name {path}");
    }
}

#[test]
fn the_committed_header_is_the_generated_one() {
    let generated = fs::read_to_string(env!("KEEPWELL_GENERATED_HEADER")).unwrap();
    let committed = fs::read_to_string(root().join("include/keepwell.h")).unwrap();
    assert!(generated == committed, "include/keepwell.h is out of date: run `make header`");
}
