//! `keepwell top` on a terminal, which `script` of util-linux makes.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use super::fake::{busy_store, Fake, Page};
use super::stage::PROGRAM;

/// What the terminal is told when the page takes it, and when it gives it back.
const TAKEN: &str = "\u{1b}[?1049h";
const GIVEN_BACK: &str = "\u{1b}[?1049l";
const CURSOR: &str = "\u{1b}[?25h";

/// A terminal with `keepwell top` on it, and after that a word on how it ended and how the terminal is set.
struct Terminal {
    child: Child,
    seen: String,
}

impl Terminal {
    fn with(address: &str, size: &str) -> Terminal {
        let shell =
            format!("stty {size}; sh -c 'echo pid $$.; exec {PROGRAM} top {address} --interval 20ms'; echo ended $?; stty -a; echo done");
        let mut command = Command::new("script");
        command.args(["-q", "-e", "-f", "-c", &shell, "/dev/null"]).env("TERM", "xterm").env("SHELL", "/bin/sh");
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("script, of util-linux");
        Terminal { child, seen: String::new() }
    }

    /// Reads on until the text has come, after what was read before.
    fn until(&mut self, text: &str) -> &str {
        let from = self.seen.len();
        let out = self.child.stdout.as_mut().unwrap();
        let mut bytes = Vec::new();
        while !String::from_utf8_lossy(&bytes).contains(text) {
            let mut byte = [0];
            assert_eq!(out.read(&mut byte).unwrap(), 1, "the end, without {text:?}: {}{}", self.seen, String::from_utf8_lossy(&bytes));
            bytes.push(byte[0]);
        }
        self.seen.push_str(&String::from_utf8_lossy(&bytes));
        &self.seen[from..]
    }

    fn press(&mut self, keys: &str) {
        self.child.stdin.as_mut().unwrap().write_all(keys.as_bytes()).unwrap();
    }

    fn signal(&self, name: &str) {
        let pid = self.seen.split("pid ").nth(1).unwrap().split('.').next().unwrap();
        assert!(Command::new("kill").args([name, pid]).status().unwrap().success());
    }

    /// It ended well, and the terminal is as it was.
    fn expect_given_back(mut self) {
        let rest = self.until("done").to_string();
        assert!(rest.contains("ended 0"), "{rest}");
        assert!(rest.contains(GIVEN_BACK) && rest.contains(CURSOR) && !rest.contains(TAKEN), "{rest:?}");
        assert!(rest.contains("isig icanon") && rest.contains(" echo ") && !rest.contains("-opost"), "{rest}");
        assert!(self.child.wait().unwrap().success());
    }
}

fn page(look: usize) -> String {
    busy_store(busy_store(Page::default(), "one.db", look, 1.0), "two.db", look, 1.0).text()
}

#[test]
fn a_page_is_shown_and_a_key_ends_it() {
    for key in ["q", "\u{3}"] {
        let fake = Fake::showing(1_000_000, page);
        let mut terminal = Terminal::with(&fake.address, "rows 40 cols 100");
        terminal.until(TAKEN);
        terminal.until(&format!("{}, every 20.0 ms; q: quit", fake.address));
        terminal.until("one.db  keepwell 9.8.7");
        terminal.until("two.db  keepwell 9.8.7");
        terminal.press(key);
        terminal.expect_given_back();
    }
}

#[test]
fn a_signal_ends_it_and_gives_the_terminal_back() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let fake = Fake::showing(1_000_000, page);
        let mut terminal = Terminal::with(&fake.address, "rows 40 cols 100");
        terminal.until("two.db  keepwell 9.8.7");
        terminal.signal(signal);
        terminal.expect_given_back();
    }
}

#[test]
fn arrows_show_what_a_small_terminal_has_no_room_for() {
    let fake = Fake::showing(1_000_000, page);
    let mut terminal = Terminal::with(&fake.address, "rows 10 cols 60");
    // Nine lines have room: no second store, and no line longer than the terminal.
    terminal.until("one.db  keepwell 9.8.7");
    assert!(!terminal.until("one.db  keepwell 9.8.7").contains("two.db"));
    assert!(!terminal.until("one.db  keepwell 9.8.7").contains("saved/s"));
    terminal.press("\u{1b}[6~\u{1b}[6~");
    terminal.until("two.db  keepwell 9.8.7");
    terminal.press("q");
    terminal.expect_given_back();
}

#[test]
fn a_process_that_goes_away_is_said_to_and_comes_back() {
    let first = Fake::showing(3, page);
    let mut terminal = Terminal::with(&first.address, "rows 40 cols 100");
    terminal.until("two.db  keepwell 9.8.7");
    let address = first.gone();
    terminal.until(&format!("no answer from {address} ("));
    // What was seen last stays.
    terminal.until("two.db  keepwell 9.8.7");
    let _second = Fake::on(&address, 1_000_000, page);
    terminal.until("q: quit");
    terminal.press("q");
    terminal.expect_given_back();
}
