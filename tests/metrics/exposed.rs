//! The exposition: names, both formats, the listener, the file, sampling.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use keepwell::metrics::catalog::{Kind, CATALOG};
use keepwell::metrics::text::Format;
use keepwell::{Config, Params, QueryOptions, Store};
use temp_dir::TempDir;

use super::bench::{open, read, series, Bench};

#[test]
fn names_are_as_prometheus_wants_them() {
    let names: BTreeSet<&str> = CATALOG.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), CATALOG.len(), "no name twice");
    for metric in CATALOG {
        let name = metric.name;
        assert!(name.starts_with("keepwell_") && name.bytes().all(|c| c.is_ascii_lowercase() || c == b'_'), "{name}");
        assert!(metric.unit.is_empty() || name.ends_with(metric.unit), "{name}: the unit is its end");
        assert!(!name.ends_with("_total") && !name.ends_with("_count") || name == "keepwell_pool_wait_count", "{name}");
        assert!(metric.help.ends_with('.') || metric.help.contains(';'), "{name}: {}", metric.help);
        assert_eq!(metric.full_name().ends_with("_total"), metric.kind == Kind::Counter, "{name}");
    }
}

#[test]
fn every_metric_has_a_value_once_the_store_has_worked() {
    let bench = Bench::new();
    bench.rows("SELECT * FROM t");
    bench.store.query("SELEKT", Params::NONE, &QueryOptions::default()).err().unwrap();
    let text = bench.store.metrics_text(Format::Prometheus).unwrap();
    for metric in CATALOG.iter().filter(|metric| metric.name != "keepwell_migrations_version") {
        assert!(text.contains(&format!("# TYPE {} ", metric.full_name())), "{}", metric.name);
    }
    let label = format!("{{store=\"{}\"}}", bench.store.database());
    assert!(text.contains(&format!("keepwell_pool_max_open_connections{label} 25\n")), "{text}");
    assert!(bench.store.metrics_text(Format::OpenMetrics).unwrap().ends_with("# EOF\n"));
    // Histograms: cumulative, and the last bucket is the count.
    let buckets: Vec<f64> = text
        .lines()
        .filter(|line| line.starts_with("keepwell_query_duration_seconds_bucket") && line.contains("statement=\"read\""))
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    assert_eq!(buckets.len(), 23);
    assert!(buckets.windows(2).all(|pair| pair[0] <= pair[1]));
    assert_eq!(*buckets.last().unwrap(), read(&text).get("keepwell_query_duration_seconds_count{statement=\"read\"}"));
}

#[test]
fn a_label_with_quotes_and_line_ends_stays_one_label() {
    let mut config = Config::new();
    config.set("datasource", ":memory:").unwrap();
    config.metrics.label = "a\"b\\c".to_string();
    let store = Store::open(&config).unwrap();
    for format in [Format::Prometheus, Format::OpenMetrics] {
        let text = store.metrics_text(format).unwrap();
        assert!(text.contains("keepwell_pool_max_open_connections{store=\"a\\\"b\\\\c\"} 1\n"), "{text}");
    }
}

#[test]
fn the_database_is_looked_at() {
    let bench = Bench::with(&[("metrics.collect_interval", "1ms")]);
    let before = bench.series();
    bench.execute("CREATE TABLE filler AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5000) SELECT x, hex(randomblob(50)) FROM c");
    bench.execute("DROP TABLE filler");
    std::thread::sleep(Duration::from_millis(2));
    let after = bench.series();
    assert!(after.get("keepwell_database_bytes") > before.get("keepwell_database_bytes") + 100_000.0);
    assert!(after.get("keepwell_database_free_pages") > 50.0);
    assert_eq!(after.get("keepwell_database_page_bytes"), 4096.0);
    assert!(after.get("keepwell_database_schema_version") > before.get("keepwell_database_schema_version"));
    assert!(after.get("keepwell_wal_bytes") > 0.0 && after.get("keepwell_page_cache_hits_total") > 0.0);
    assert!(!after.has("keepwell_migrations_version"));

    use keepwell::migrate::{Migration, Source};
    let two = vec![Migration::new(3, "a", "CREATE TABLE a(x)", None), Migration::new(9, "b", "CREATE TABLE b(x)", None)];
    bench.store.migrations(Source::list(two).unwrap()).up(None, None).unwrap();
    std::thread::sleep(Duration::from_millis(2));
    let after = bench.series();
    assert_eq!((after.get("keepwell_migrations_version"), after.get("keepwell_migrations_applied_total")), (9.0, 2.0));

    let bench = Bench::with(&[("metrics.collect_interval", "0")]);
    assert!(!bench.series().has("keepwell_database_bytes"), "nobody looks");
}

fn get(store: &Store, path: &str, accept: &str) -> (String, String) {
    let mut stream = TcpStream::connect(store.metrics_address().unwrap()).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: {accept}\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_string(), body.to_string())
}

#[test]
fn metrics_and_health_are_served_until_the_store_closes() {
    let bench = Bench::with(&[("metrics.listen", "127.0.0.1:0")]);
    let (head, body) = get(&bench.store, "/metrics", "*/*");
    assert!(head.starts_with("HTTP/1.1 200 OK") && head.contains("text/plain; version=0.0.4"), "{head}");
    assert_eq!(read(&body).get("keepwell_query_duration_seconds_count{statement=\"write\"}"), 1.0);
    let (head, body) = get(&bench.store, "/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5");
    assert!(head.contains("application/openmetrics-text; version=1.0.0") && body.ends_with("# EOF\n"), "{head}");
    let (head, body) = get(&bench.store, "/health", "*/*");
    assert!(head.starts_with("HTTP/1.1 200 OK") && body.contains("\"healthy\":true"), "{head} {body}");

    // Two stores cannot have one address, and the second says so instead of being silent.
    let address = bench.store.metrics_address().unwrap();
    let taken = open(&bench.folder, &[("metrics.listen", &address.to_string())]).map(drop).unwrap_err();
    assert!(taken.message().contains(&format!("metrics.listen: {address}")), "{taken}");

    bench.store.close(None).unwrap();
    assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
}

#[test]
fn the_world_is_not_served_by_mistake() {
    let folder = TempDir::new().unwrap();
    let error = open(&folder, &[("metrics.listen", "0.0.0.0:0")]).map(drop).unwrap_err();
    assert!(error.message().contains("metrics.listen_anywhere"), "{error}");
    let store = open(&folder, &[("metrics.listen", "0.0.0.0:0"), ("metrics.listen_anywhere", "true")]).unwrap();
    assert!(store.metrics_address().is_some());
    store.close(None).unwrap();
    let silent = open(&folder, &[("metrics.listen", "127.0.0.1:0"), ("metrics.enabled", "false")]).unwrap();
    assert_eq!(silent.metrics_address(), None);
    assert!(silent.warnings().any(|warning| warning.starts_with("metrics.listen: ")));
}

#[test]
fn the_file_is_there_from_the_start_and_always_whole() {
    let folder = TempDir::new().unwrap();
    let file = folder.child("keepwell.prom");
    let settings = [("metrics.file", file.to_str().unwrap()), ("metrics.collect_interval", "1ms")];
    let store = open(&folder, &settings).unwrap();
    let whole = |text: &str| text.ends_with('\n') && text.contains("keepwell_second_sqlite_total");
    assert!(whole(&std::fs::read_to_string(&file).unwrap()));
    let end = Instant::now() + Duration::from_secs(20);
    let options = QueryOptions::default();
    store.execute("CREATE TABLE t(x)", Params::NONE, &options).unwrap();
    loop {
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(whole(&text), "{text}");
        if read(&text).get("keepwell_query_duration_seconds_count{statement=\"write\"}") == 1.0 {
            break;
        }
        assert!(Instant::now() < end, "the file is not written again");
        std::thread::yield_now();
    }
    store.close(None).unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().starts_with('.')), "{left:?}");

    for (wrong, why) in [(folder.child("t.db"), "belongs to the database"), (folder.child("no/such/folder.prom"), "metrics.file: ")] {
        let error = open(&folder, &[("metrics.file", wrong.to_str().unwrap())]).map(drop).unwrap_err();
        assert!(error.message().contains(why), "{error}");
    }
    let store = open(&folder, &[]).unwrap();
    assert_eq!(store.query("SELECT * FROM t", Params::NONE, &options).unwrap().collect().unwrap().len(), 0, "the database is whole");
}

#[cfg(unix)]
#[test]
fn the_file_goes_where_it_was_meant_to_go_and_nowhere_else() {
    let folder = TempDir::new().unwrap();
    let (file, victim) = (folder.child("keepwell.prom"), folder.child("victim"));
    std::fs::write(&victim, "as it was").unwrap();
    // Somebody who may write in the folder too has guessed how the draft is called.
    std::os::unix::fs::symlink(&victim, folder.child(format!(".keepwell.prom.{}", std::process::id()))).unwrap();
    let store = open(&folder, &[("metrics.file", file.to_str().unwrap())]).unwrap();
    assert!(std::fs::symlink_metadata(&file).unwrap().is_file());
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "as it was");
    store.close(None).unwrap();

    // The journal is not there now, and the folder has another name here.
    let other = folder.child("other");
    std::os::unix::fs::symlink(folder.path(), &other).unwrap();
    let journal = other.join("t.db-journal");
    let error = open(&folder, &[("metrics.file", journal.to_str().unwrap())]).map(drop).unwrap_err();
    assert!(error.message().contains("belongs to the database"), "{error}");
}

#[test]
fn a_memory_database_is_measured_too() {
    let mut config = Config::new();
    config.set("datasource", ":memory:").unwrap();
    let store = Store::open(&config).unwrap();
    store.query("SELECT 1", Params::NONE, &QueryOptions::default()).unwrap();
    let series = series(&store);
    assert_eq!(series.get("keepwell_query_duration_seconds_count{statement=\"read\"}"), 1.0);
    assert!(series.names().all(|name| !name.starts_with("keepwell_wal_bytes")));
}
