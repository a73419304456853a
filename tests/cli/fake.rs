//! A process with metrics that says what it is told to: look by look, so that what lies between two looks is known exactly.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread::{self, JoinHandle};

/// Answers so many looks and then goes away.
pub struct Fake {
    pub address: String,
    thread: JoinHandle<()>,
}

impl Fake {
    /// Each look is answered with `page` of its number, from 0 on, as the metrics of that process.
    pub fn showing(looks: usize, page: impl Fn(usize) -> String + Send + 'static) -> Fake {
        Fake::on("127.0.0.1:0", looks, page)
    }

    pub fn on(address: &str, looks: usize, page: impl Fn(usize) -> String + Send + 'static) -> Fake {
        Fake::answering(address, looks, move |look| {
            let page = page(look);
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{page}", page.len())
        })
    }

    /// With these bytes as the whole answer.
    pub fn answering(address: &str, looks: usize, answer: impl Fn(usize) -> String + Send + 'static) -> Fake {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let thread = thread::spawn(move || {
            for look in 0..looks {
                let (mut stream, _) = listener.accept().unwrap();
                expect_get(&stream);
                // Who asked may have ended meanwhile.
                let _ = stream.write_all(answer(look).as_bytes());
            }
        });
        Fake { address, thread }
    }

    /// Waits until it has gone away.
    pub fn gone(self) -> String {
        self.thread.join().unwrap();
        self.address
    }
}

fn expect_get(stream: &TcpStream) {
    let mut lines = BufReader::new(stream).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "GET /metrics HTTP/1.1");
    lines.map(Result::unwrap).take_while(|line| !line.is_empty()).for_each(drop);
}

/// A page of metrics in the making.
#[derive(Default)]
pub struct Page(String);

impl Page {
    /// A sample: what stands between the braces after the store's label, and its value.
    pub fn put(mut self, store: &str, name: &str, labels: &str, value: f64) -> Page {
        let comma = if labels.is_empty() { "" } else { "," };
        writeln!(self.0, "keepwell_{name}{{store=\"{store}\"{comma}{labels}}} {value}").unwrap();
        self
    }

    /// A histogram of observations up to each bound.
    pub fn histogram(mut self, store: &str, name: &str, labels: &str, buckets: &[(&str, f64)], sum: f64) -> Page {
        let comma = if labels.is_empty() { "" } else { "," };
        for (bound, observations) in buckets {
            self = self.put(store, &format!("{name}_bucket"), &format!("{labels}{comma}le=\"{bound}\""), *observations);
        }
        let count = buckets.last().unwrap().1;
        self.put(store, &format!("{name}_sum"), labels, sum).put(store, &format!("{name}_count"), labels, count)
    }

    pub fn text(self) -> String {
        format!("# HELP keepwell_pool_open_connections Open connections\n# TYPE keepwell_pool_open_connections gauge\n{}", self.0)
    }
}

/// A store of which everything is shown. Each look is ahead of the one before by what the names of its values say, times `step`.
pub fn busy_store(page: Page, store: &str, look: usize, step: f64) -> Page {
    let n = look as f64 * step;
    let label = |name: &str, value: &str| format!("{name}=\"{value}\"");
    let read = label("statement", "read");
    // A thousand slow reads lie before the first look, and do not count.
    let reads = [("0.001", 30.0 * n), ("0.01", 40.0 * n), ("10", 1000.0 + 40.0 * n), ("+Inf", 1000.0 + 40.0 * n)];
    let page = page
        .put(store, "build_info", "version=\"9.8.7\",sqlite=\"3.99.0\"", 1.0)
        .histogram(store, "query_duration_seconds", &read, &reads, 5000.0 + n)
        .histogram(store, "query_duration_seconds", &label("statement", "write"), &[("0.01", 0.0), ("+Inf", 20.0 * n)], n)
        .histogram(store, "writer_group_size", "", &[("1", 0.0), ("8", 10.0 * n), ("+Inf", 10.0 * n)], 35.0 * n)
        .histogram(store, "writer_hold_seconds", "", &[("1", 10.0 * n), ("+Inf", 10.0 * n)], n)
        .histogram(store, "wal_checkpoint_seconds", "", &[("1", n), ("+Inf", n)], n)
        .histogram(store, "pool_wait_duration_seconds", &label("role", "reader"), &[("1", 0.0), ("2", 0.0), ("+Inf", 0.0)], 0.0)
        .histogram(store, "pool_wait_duration_seconds", &label("role", "writer"), &[("1", 0.0), ("2", 10.0 * n), ("+Inf", 10.0 * n)], n);
    let counters = [
        ("tx_total", label("outcome", "committed"), 5.0),
        ("tx_total", label("outcome", "rolled_back"), 1000.0),
        ("query_rows_returned_total", String::new(), 400.0),
        ("query_rows_changed_total", String::new(), 25.0),
        ("query_slow_total", String::new(), 2.0),
        ("errors_total", label("code", "KW_BUSY"), 3.0),
        ("errors_total", label("code", "KW_SQL"), 4.0),
        ("busy_total", label("cause", "lock"), 6.0),
        ("busy_total", label("cause", "snapshot"), 7.0),
        ("stopped_total", "stage=\"queue\",reason=\"timeout\"".to_string(), 8.0),
        ("stopped_total", "stage=\"busy\",reason=\"timeout\"".to_string(), 1.0),
        ("stopped_total", "stage=\"busy\",reason=\"cancelled\"".to_string(), 11.0),
        ("cache_hits_total", String::new(), 30.0),
        ("cache_misses_total", String::new(), 10.0),
        ("writer_syncs_saved_total", String::new(), 12.0),
        ("pool_wait_count_total", String::new(), 13.0),
    ];
    let page = counters.iter().fold(page, |page, (name, labels, each)| page.put(store, name, labels, each * n));
    let gauges = [
        ("pool_max_open_connections", 25.0),
        ("pool_open_connections", 5.0),
        ("pool_in_use_connections", 2.0),
        ("pool_idle_connections", 3.0),
        ("reader_queue_depth", 1.0),
        ("writer_queue_depth", 4.0),
        ("cache_entries", 512.0),
        ("cache_bytes", 1_048_576.0),
        ("cache_max_bytes", 67_108_864.0),
        ("wal_frames", 1200.0),
        ("wal_pending_frames", 30.0),
        ("wal_bytes", 4_944_032.0),
        ("database_bytes", 10_485_760.0),
        ("database_free_pages", 17.0),
    ];
    gauges.iter().fold(page, |page, (name, value)| page.put(store, name, "", *value))
}
