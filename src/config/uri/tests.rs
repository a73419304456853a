use super::*;
use Mode::{ReadOnly, ReadWrite, ReadWriteCreate};

fn file(path: &str, mode: Mode) -> Source {
    Source::File { path: path.into(), mode, immutable: false, nolock: false, vfs: None }
}

#[test]
fn a_data_source_is_a_path_a_uri_or_memory() {
    let cases = [
        ("app.db", file("app.db", ReadWriteCreate)),
        ("/srv/my data/app#1.db", file("/srv/my data/app#1.db", ReadWriteCreate)),
        ("100%.db", file("100%.db", ReadWriteCreate)),
        ("c:app.db", file("c:app.db", ReadWriteCreate)),
        ("file:app.db", file("app.db", ReadWriteCreate)),
        ("FILE:app.db", file("app.db", ReadWriteCreate)),
        ("file:app.db?", file("app.db", ReadWriteCreate)),
        ("file:app.db?cache=shared&mode=rwc", file("app.db", ReadWriteCreate)),
        ("file:app.db?mode=ro&cache=private", file("app.db", ReadOnly)),
        ("file:app.db?&mode=rw&", file("app.db", ReadWrite)),
        ("file:app.db?m%6Fde=r%6f", file("app.db", ReadOnly)),
        ("file:/srv/app.db", file("/srv/app.db", ReadWriteCreate)),
        ("file:///srv/app.db", file("/srv/app.db", ReadWriteCreate)),
        ("file://localhost/srv/app.db?mode=rw", file("/srv/app.db", ReadWrite)),
        ("file:a%20b%3f%23%25.db", file("a b?#%.db", ReadWriteCreate)),
        ("file:a+b.db", file("a+b.db", ReadWriteCreate)),
        ("file:caf%C3%A9.db", file("café.db", ReadWriteCreate)),
        (":memory:", Source::Memory),
        ("file::memory:", Source::Memory),
        ("file::memory:?cache=shared", Source::Memory),
        ("file:%3Amemory%3A", Source::Memory),
        ("file:anything?mode=memory", Source::Memory),
        ("file:?mode=memory", Source::Memory),
    ];
    for (text, expected) in cases {
        let found = DataSource::parse(text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((found.source(), found.as_str()), (&expected, text), "{text}");
        assert_eq!(found.warnings().len(), usize::from(text.contains("shared")), "{text}");
    }
}

#[test]
fn a_file_that_is_not_locked_is_only_read() {
    for parameters in ["immutable=1", "immutable=yes&mode=ro"] {
        let found = DataSource::parse(&format!("file:app.db?{parameters}")).unwrap();
        let expected = Source::File { path: "app.db".into(), mode: ReadOnly, immutable: true, nolock: false, vfs: None };
        assert_eq!(found.source(), &expected);
        assert!(!found.source().is_writable());
    }
    let found = DataSource::parse("file:app.db?nolock=1&immutable=0&vfs=unix-none").unwrap();
    let vfs = Some("unix-none".to_owned());
    let expected = Source::File { path: "app.db".into(), mode: ReadOnly, immutable: false, nolock: true, vfs };
    assert_eq!(found.source(), &expected);
}

#[test]
fn a_wrong_data_source_is_refused_with_the_cure() {
    let cases = [
        ("", "is empty; name a file"),
        ("  ", "is blank; name a file"),
        ("a\0b", "holds a NUL byte"),
        ("file:a%00b", "holds a NUL byte"),
        ("file:a?vfs=%00", "holds a NUL byte"),
        ("file:", "names no file; write file:app.db"),
        ("file:?mode=ro", "names no file"),
        ("file:///?mode=ro&mode=rw", "gives the parameter mode twice"),
        ("file://app.db", "names the host \"app.db\"; write file:app.db for a relative path"),
        ("file://host/app.db", "names the host \"host\""),
        ("file:app.db#1", "has a fragment (#…); write %23"),
        ("file:100%.db", "has a % without two hexadecimal digits; write %25"),
        ("file:%4", "has a % without two hexadecimal digits"),
        ("file:app.db?mode=%zz", "has a % without two hexadecimal digits"),
        ("file:app.db?%ff=1", "has a parameter that is not UTF-8"),
        ("app.db?mode=ro", "has a ? but is no URI; put file: before it"),
        ("sqlite:app.db", "has the scheme \"sqlite\"; write file:app.db"),
        ("postgres://host/db", "has the scheme \"postgres\""),
        ("file:app.db?mode", "gives the parameter mode no value"),
        ("file:app.db?mode=", "gives the parameter mode no value"),
        ("file:app.db?mode=rx", "has mode=\"rx\", which is not one of ro, rw, rwc, memory"),
        ("file:app.db?cache=some", "has cache=\"some\", which is not one of shared, private"),
        ("file:app.db?immutable=maybe", "has immutable=\"maybe\", which is not one of 1, 0"),
        ("file:app.db?cahce=shared", "has the unknown parameter \"cahce\"; did you mean \"cache\"?"),
        ("file:app.db?Mode=ro", "has the unknown parameter \"Mode\"; did you mean \"mode\"?"),
        ("file:app.db?colour=1", "has the unknown parameter \"colour\"; there are: mode, cache, immutable, nolock, vfs"),
        ("file:app.db?_busy_timeout=5", "has the unknown parameter \"_busy_timeout\"; set the key options.busy_timeout"),
        ("file:app.db?immutable=1&mode=rw", "would write without locks"),
        ("file:app.db?nolock=1&mode=rwc", "would write without locks"),
        ("file:/x?vfs=memdb", "asks for a database in memory by vfs=memdb; write :memory:"),
        ("file::memory:?mode=ro", "is a database in memory, for which mode=ro"),
        ("file:x?mode=memory&vfs=unix", "is a database in memory, for which mode=ro"),
    ];
    for (text, message) in cases {
        let error = DataSource::parse(text).expect_err(text);
        assert_eq!(error.kind(), Kind::Config);
        let start = format!("datasource: {} {message}", quoted(text));
        assert!(error.message().starts_with(&start), "{error}\n{start}");
    }
}

#[test]
fn the_uri_for_the_engine_means_the_same_again() {
    let cases = [
        ("app.db", "file:app.db?mode=rwc"),
        ("/srv/100%/ä#1.db", "file:///srv/100%25/%C3%A4%231.db?mode=rwc"),
        ("//srv/app.db", "file:////srv/app.db?mode=rwc"),
        ("c:app.db", "file:c%3Aapp.db?mode=rwc"),
        ("file:a%3fb.db?mode=ro&vfs=unix%2Dnone", "file:a%3Fb.db?mode=ro&vfs=unix-none"),
        ("file:app.db?immutable=1&nolock=1", "file:app.db?mode=ro&immutable=1&nolock=1"),
    ];
    for (text, uri) in cases {
        let source = DataSource::parse(text).unwrap().source;
        assert_eq!(source.to_uri().as_deref(), Some(uri));
        assert_eq!(DataSource::parse(uri).unwrap().source, source, "{uri}");
    }
    assert_eq!(Source::Memory.to_uri(), None);
}

#[cfg(unix)]
#[test]
fn a_path_that_is_not_utf8_survives_as_its_bytes() {
    let source = DataSource::parse("file:%ff%80.db").unwrap().source;
    assert_eq!(path_bytes(source.path().unwrap()), b"\xff\x80.db");
    assert_eq!(source.to_uri().as_deref(), Some("file:%FF%80.db?mode=rwc"));
}
