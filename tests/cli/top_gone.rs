//! `keepwell top` when there is no answer, or a wrong one, or nobody who reads.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::fake::{busy_store, Fake, Page};
use super::stage::Stage;
use super::top::top;

fn page(look: usize) -> String {
    busy_store(Page::default(), "app.db", look, 1.0).text()
}

/// An address at which nobody listens.
fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn nobody_there_is_an_error_where_one_sample_is_wanted() {
    let address = nowhere();
    let ran = top(1, &address, &["--once"]);
    assert!(ran.err.starts_with(&format!("error: no answer from {address} (Connection refused")), "{ran:?}");
    let ran = top(1, &address, &["--json"]);
    assert!(ran.out.contains("\"kind\":\"KW_IO\"") && ran.err.is_empty(), "{ran:?}");
}

#[test]
fn what_is_no_keepwell_process_is_said_to_be_none() {
    for (answer, says) in [
        ("SSH-2.0-OpenSSH_9.2\r\n", "the answer is not HTTP"),
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "the answer is 404 Not Found"),
        ("HTTP/1.1 200 OK\r\n\r\nup 1\nprocess_open_fds{store=\"a\"} 3\n", "its metrics are none of keepwell's"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nkeepwell_wal_frames{store=\"a\"} 1\n", "the answer ends too early"),
        ("", "the answer ends too early"),
    ] {
        let fake = Fake::answering("127.0.0.1:0", 1, move |_| answer.to_string());
        let ran = top(1, &fake.address, &["--once"]);
        assert!(ran.err.contains(&format!("({says})")), "{answer:?}: {ran:?}");
    }
}

#[test]
fn an_answer_that_does_not_come_is_not_waited_for_without_end() {
    // It takes connections, and never looks at them.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let began = Instant::now();
    let ran = top(1, &listener.local_addr().unwrap().to_string(), &["--once"]);
    assert!(ran.err.contains("(out of time)"), "{ran:?}");
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[test]
fn a_process_that_comes_back_is_watched_again() {
    let first = Fake::showing(2, page);
    let stage = Stage::new();
    let mut child = stage.program(&["top", &first.address, "--interval", "1ms", "--batch", "2"]).spawn().unwrap();
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    let address = first.gone();
    let line = said.next().unwrap().unwrap();
    assert!(line.starts_with(&format!("no answer from {address} (")) && line.ends_with("), trying again"), "{line}");
    // Two looks again: no rate spans the gap.
    let second = Fake::on(&address, 2, page);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let out = String::from_utf8(output.stdout).unwrap();
    assert_eq!(out.matches("app.db  keepwell").count(), 2, "{out}");
    second.gone();
}

#[test]
fn it_ends_when_nobody_reads_it() {
    let fake = Fake::showing(1_000_000, page);
    let stage = Stage::new();
    let mut child = stage.program(&["top", &fake.address, "--interval", "1ms"]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.next().unwrap().unwrap().starts_with("app.db"));
    drop(lines);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}
