//! Makes the C header from `src/ffi` and the list of exported functions from the header, and gives the shared library its name.
//!
//! The committed `include/keepwell.h` is never written by a plain build: `make header` does that (`KEEPWELL_UPDATE_HEADER=1`), and a test
//! compares the two.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src/ffi");
    println!("cargo:rerun-if-env-changed=KEEPWELL_UPDATE_HEADER");
    println!("cargo:rustc-check-cfg=cfg(loom)");
    let root = PathBuf::from(env::var("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    let header = header(&root);
    fs::write(out.join("functions.rs"), functions(&header)).expect("OUT_DIR is writable");
    fs::write(out.join("keepwell.h"), &header).expect("OUT_DIR is writable");
    println!("cargo:rustc-env=KEEPWELL_GENERATED_HEADER={}", out.join("keepwell.h").display());
    if env::var_os("KEEPWELL_UPDATE_HEADER").is_some() {
        fs::write(root.join("include/keepwell.h"), &header).expect("include/keepwell.h is writable");
    }
    link_arguments();
}

/// The header's text.
fn header(root: &Path) -> String {
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).expect("cbindgen.toml is valid");
    let mut builder = cbindgen::Builder::new().with_config(config);
    for file in sources(&root.join("src/ffi")) {
        builder = builder.with_src(file);
    }
    let mut text = Vec::new();
    builder.generate().expect("src/ffi can be read by cbindgen").write(&mut text);
    String::from_utf8(text).expect("the header is UTF-8")
}

/// The files of the border in a fixed order: the types first. The Python road has no functions for C programs.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let order = [
        "types",
        "about",
        "config",
        "store",
        "cache",
        "query",
        "group",
        "rows",
        "statement",
        "tx",
        "run",
        "cancel",
        "migration_types",
        "migrations",
        "report",
        "insight_types",
        "metrics",
        "log",
    ];
    order.iter().map(|name| folder.join(name).with_extension("rs")).collect()
}

/// A Rust table of the functions that the header declares.
fn functions(header: &str) -> String {
    let mut names: Vec<&str> = header
        .lines()
        .filter(|line| !line.starts_with([' ', '*', '/', '#']) && !line.starts_with("typedef"))
        .filter_map(|line| line.split_once('('))
        .filter_map(|(before, _)| before.rsplit([' ', '*']).next())
        .filter(|name| name.starts_with("kw_"))
        .collect();
    names.sort_unstable();
    format!("const FUNCTIONS: &[&str] = &{names:?};\n")
}

/// A shared library has a name that programs record, and is never unloaded: thread-locals of Rust would dangle.
fn link_arguments() {
    let os = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "linux" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libkeepwell.so.0");
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
        link_soname();
    }
}

/// Programs that link the library in this checkout look for it by its SONAME: a link beside it saves everybody from making one.
#[cfg(unix)]
fn link_soname() {
    let out = PathBuf::from(env::var("OUT_DIR").expect("cargo sets it"));
    // OUT_DIR is <profile folder>/build/<package>/out.
    if let Some(profile) = out.ancestors().nth(3) {
        let _ = std::os::unix::fs::symlink("libkeepwell.so", profile.join("libkeepwell.so.0"));
    }
}

#[cfg(not(unix))]
fn link_soname() {}
