//! The C ABI as its header declares it: every export survives NULL, stale and wrong-kind handles, and the library exports what the
//! committed list says.

#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::ffi::{c_void, CString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One function of the header: its name and the types of its parameters.
struct Export {
    name: String,
    parameters: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn header() -> Vec<Export> {
    let text = fs::read_to_string(root().join("include/keepwell.h")).unwrap();
    let mut code = String::new();
    let mut rest = text.as_str();
    while let Some(start) = rest.find("/*") {
        code.push_str(&rest[..start]);
        rest = &rest[start + rest[start..].find("*/").unwrap() + 2..];
    }
    code.push_str(rest);
    let code: String = code.lines().filter(|l| !l.starts_with('#')).collect::<Vec<_>>().join(" ");
    code.split(';')
        .filter_map(|statement| {
            let (before, after) = statement.split_once('(')?;
            let name = before.rsplit([' ', '*']).find(|w| !w.is_empty())?;
            let is_function = name.starts_with("kw_") && !statement.contains("typedef");
            let inside = after.rsplit_once(')')?.0;
            let parameters = inside.split(',').map(|p| p.trim().to_string()).filter(|p| p != "void" && !p.is_empty()).collect();
            is_function.then(|| Export { name: name.to_string(), parameters })
        })
        .collect()
}

/// The shared library beside this test: cargo builds it with the tests.
fn library() -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_path_buf();
    let places = [folder.join("libkeepwell.so"), folder.parent().unwrap().join("libkeepwell.so")];
    places.into_iter().find(|p| p.exists()).expect("cargo has built the shared library")
}

/// The functions of the library by name, called with up to ten words: every parameter of this ABI is an integer or a pointer.
struct Library(*mut c_void);

type Call = unsafe extern "C" fn(u64, u64, u64, u64, u64, u64, u64, u64, u64, u64) -> i32;

impl Library {
    fn open() -> Library {
        let path = CString::new(library().to_str().unwrap()).unwrap();
        // SAFETY: a valid path; the library's constructors have no requirements.
        let handle = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW) };
        assert!(!handle.is_null());
        Library(handle)
    }

    fn call(&self, name: &str, words: &[u64]) -> i32 {
        let symbol = CString::new(name).unwrap();
        // SAFETY: the symbol is a C function of at most ten integer or pointer parameters; further registers are ignored by it.
        unsafe {
            let address = libc::dlsym(self.0, symbol.as_ptr());
            assert!(!address.is_null(), "{name} is not exported");
            let function = std::mem::transmute::<*mut c_void, Call>(address);
            let word = |i: usize| words.get(i).copied().unwrap_or(0);
            function(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7), word(8), word(9))
        }
    }
}

fn is_handle(parameter: &str) -> bool {
    ["kw_store", "kw_target", "kw_rows", "kw_tx", "kw_conn", "kw_statement", "kw_cancel", "kw_config"]
        .iter()
        .any(|kind| parameter.split(' ').next() == Some(kind) && !parameter.contains('*'))
}

/// The kinds that a handle parameter of this type must refuse are all but these.
fn accepts(parameter: &str) -> &'static [&'static str] {
    match parameter.split(' ').next().unwrap() {
        "kw_store" => &["store"],
        "kw_target" => &["store", "tx"],
        "kw_tx" | "kw_conn" => &["tx"],
        "kw_rows" => &["rows"],
        "kw_statement" => &["statement"],
        "kw_cancel" => &["cancel"],
        "kw_config" => &["config"],
        other => panic!("{other}"),
    }
}

const OK: i32 = 0;
const MISUSE: i32 = 2;
const INVALID: i32 = 3;

fn statuses() -> impl Iterator<Item = Export> {
    header().into_iter().filter(|e| !["kw_version", "kw_status_name", "kw_abi_describe"].contains(&e.name.as_str()))
}

#[test]
fn every_export_survives_nothing_but_zeros() {
    let library = Library::open();
    for export in statuses() {
        if export.name == "kw_log_set_callback" {
            // Zeros say that nobody is to be called.
            continue;
        }
        let status = library.call(&export.name, &[]);
        assert!(status != OK, "{} succeeded on zeros", export.name);
        assert!(status == MISUSE || status == INVALID, "{} gave {status}", export.name);
    }
}

#[test]
fn every_export_refuses_handles_that_are_stale_or_of_another_kind() {
    let library = Library::open();
    let folder = temp_dir::TempDir::new().unwrap();
    let mut config = 0_u64;
    let out = |place: &mut u64| place as *mut u64 as u64;
    assert_eq!(library.call("kw_config_new", &[out(&mut config)]), OK);
    let path = folder.path().join("t.db").to_str().unwrap().to_string();
    assert_eq!(library.call("kw_config_load_uri", &[config, path.as_ptr() as u64, path.len() as u64]), OK);
    let (mut store, mut tx, mut rows, mut statement, mut cancel) = (0, 0, 0, 0, 0);
    assert_eq!(library.call("kw_open", &[config, out(&mut store)]), OK);
    assert_eq!(library.call("kw_tx_begin", &[store, 0, 0, out(&mut tx)]), OK);
    let sql = "SELECT 1";
    let text = [sql.as_ptr() as u64, sql.len() as u64];
    assert_eq!(library.call("kw_query", &[store, text[0], text[1], 0, 0, 0, out(&mut rows)]), OK);
    assert_eq!(library.call("kw_prepare", &[store, text[0], text[1], 0, out(&mut statement)]), OK);
    assert_eq!(library.call("kw_cancel_new", &[out(&mut cancel)]), OK);
    let live = [("config", config), ("store", store), ("tx", tx), ("rows", rows), ("statement", statement), ("cancel", cancel)];

    // Whatever else is needed is given, so that only the handle is wrong. Room for any output struct of the ABI.
    let mut room = vec![0_u64; 1024];
    for export in statuses().filter(|e| e.parameters.first().is_some_and(|p| is_handle(p))) {
        let parameter = &export.parameters[0];
        let mut words: Vec<u64> = export.parameters.iter().map(|p| argument(p, &text, &mut room)).collect();
        let stale = live.iter().map(|(kind, handle)| (format!("a stale {kind}"), handle ^ (1 << 40)));
        let wrong = live.iter().filter(|(kind, _)| !accepts(parameter).contains(kind)).map(|(k, h)| (format!("a {k}"), *h));
        for (what, handle) in stale.chain(wrong).chain([("nonsense".to_string(), u64::MAX)]) {
            words[0] = handle;
            let status = library.call(&export.name, &words);
            let closes = export.name.ends_with("_close")
                || export.name.ends_with("_free")
                || export.name.ends_with("_release")
                || export.name.ends_with("rollback");
            let fine = status == INVALID || (closes && what.starts_with("a stale") && status == OK) || (what == "nonsense" && status == 4);
            assert!(fine, "{} of {what} gave {status}", export.name);
        }
    }

    for (kind, handle, close) in [
        ("tx", tx, "kw_tx_rollback"),
        ("rows", rows, "kw_rows_close"),
        ("statement", statement, "kw_statement_close"),
        ("cancel", cancel, "kw_cancel_free"),
        ("store", store, "kw_store_close"),
        ("config", config, "kw_config_free"),
    ] {
        assert_eq!(library.call(close, &[handle, u64::MAX]), OK, "{kind}");
        assert_eq!(library.call(close, &[handle, u64::MAX]), OK, "{kind} a second time");
    }
}

/// A body that `kw_tx_run` may call.
extern "C" fn commit_nothing(_tx: u64, _context: *mut c_void, _err: *mut c_void) -> i32 {
    OK
}

/// Something valid for a parameter that is not the handle under test.
fn argument(parameter: &str, text: &[u64; 2], room: &mut [u64]) -> u64 {
    let kind = parameter.rsplit_once([' ', '*']).map_or(parameter, |(kind, _)| kind).trim();
    let name = parameter.rsplit([' ', '*']).next().unwrap();
    match name {
        "sql" | "key" | "value" | "yaml" | "path" | "uri" => text[0],
        "err" | "options" | "params" | "columns" => 0,
        "table" | "definition" | "name" => text[0],
        "body" => commit_nothing as *const () as u64,
        "buffer" => room.as_mut_ptr() as u64 + 4096,
        "buffer_size" => 2048,
        n if n.ends_with("_len") => text[1],
        _ if kind.contains("struct") || parameter.contains("struct ") => {
            room[0] = struct_size(parameter);
            room.as_mut_ptr() as u64
        }
        _ if parameter.contains('*') => room.as_mut_ptr() as u64 + 1024,
        _ => 0,
    }
}

fn struct_size(parameter: &str) -> u64 {
    use keepwell::ffi::{insight_types::*, migration_types::*, types::*};
    let size = match parameter.split("struct ").nth(1).and_then(|s| s.split([' ', '*']).next()) {
        Some("kw_write") => size_of::<kw_write>(),
        Some("kw_result") => size_of::<kw_result>(),
        Some("kw_batch") => size_of::<kw_batch>(),
        Some("kw_fetch") => size_of::<kw_fetch>(),
        Some("kw_statement_info") => size_of::<kw_statement_info>(),
        Some("kw_stats") => size_of::<kw_stats>(),
        Some("kw_cache_stats") => size_of::<kw_cache_stats>(),
        Some("kw_health") => size_of::<kw_health>(),
        Some("kw_log_event") => size_of::<kw_log_event>(),
        Some("kw_migration") => size_of::<kw_migration>(),
        Some("kw_migrate_options") => size_of::<kw_migrate_options>(),
        Some("kw_report_summary") => size_of::<kw_report_summary>(),
        Some("kw_report_migration") => size_of::<kw_report_migration>(),
        Some("kw_report_problem") => size_of::<kw_report_problem>(),
        Some("kw_report_table") => size_of::<kw_report_table>(),
        other => panic!("{other:?}"),
    };
    size as u64
}

#[test]
fn the_library_exports_what_the_list_says_and_nothing_else() {
    let listing = Command::new("nm").args(["-D", "--defined-only"]).arg(library()).output();
    let Ok(listing) = listing else { return eprintln!("skipped: nm is not there") };
    let text = String::from_utf8(listing.stdout).unwrap();
    let exported: BTreeSet<&str> = text.lines().filter_map(|l| l.split_whitespace().last()).collect();
    let list = fs::read_to_string(root().join("tests/abi/exports.txt")).unwrap();
    let listed: BTreeSet<&str> = list.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).collect();
    assert_eq!(exported, listed, "the exports changed: if that is meant, change tests/abi/exports.txt and CHANGELOG.md");
    for export in header() {
        assert!(listed.contains(export.name.as_str()), "{} is declared and not exported", export.name);
    }
}

#[test]
fn the_description_agrees_with_the_header() {
    // SAFETY: the function returns NUL-terminated text that lives for ever.
    let text = unsafe { std::ffi::CStr::from_ptr(keepwell::ffi::kw_abi_describe()) }.to_str().unwrap();
    let description: serde_json::Value = serde_json::from_str(text).unwrap();
    let functions: BTreeSet<&str> = description["functions"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    let declared: Vec<Export> = header();
    assert_eq!(functions, declared.iter().map(|e| e.name.as_str()).collect());
    assert!(declared.len() > 45, "{} functions", declared.len());
    assert_eq!(description["version"], env!("CARGO_PKG_VERSION"));
    let source = fs::read_to_string(root().join("include/keepwell.h")).unwrap();
    for (name, number) in description["statuses"].as_object().unwrap() {
        assert!(source.contains(&format!("#define {name} {number}\n")), "{name} {number}");
    }
    for (name, layout) in description["structs"].as_object().unwrap() {
        assert_eq!(layout["offsets"].as_object().unwrap().len(), fields(&source, name), "{name}");
    }
    assert_eq!(description["structs"]["kw_cell"]["size"], 16);
}

/// How many fields a struct of the header has.
fn fields(header: &str, name: &str) -> usize {
    let start = header.find(&format!("typedef struct {name} {{")).unwrap();
    let body = &header[start..start + header[start..].find(&format!("}} {name};")).unwrap()];
    body.lines().filter(|l| l.ends_with(';') && !l.trim_start().starts_with('*')).count()
}

#[test]
fn the_header_names_no_path_of_a_machine() {
    let text = fs::read_to_string(root().join("include/keepwell.h")).unwrap();
    assert!(!text.contains(root().to_str().unwrap()) && Path::new(env!("KEEPWELL_GENERATED_HEADER")).exists());
}
