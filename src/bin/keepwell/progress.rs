//! What is heard of a run: a bar on a terminal, and one line for each migration that is done.

use std::io::{self, IsTerminal};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressStyle};
use keepwell::migrate::apply::{Event, Phase};
use keepwell::migrate::report::Direction;

use super::output::{complain, Output};
use super::quantity::{counted, took};

/// Parts of the bar that a migration has, so that it moves within long ones.
const PARTS: u64 = 1000;
/// A statement is shown this far.
const SHOWN: usize = 120;

pub struct Progress {
    /// On a terminal only.
    bar: Option<ProgressBar>,
    quiet: bool,
    verbose: bool,
    began: Instant,
    statements: u64,
}

impl Progress {
    pub fn new(output: &Output) -> Progress {
        let bar = (io::stderr().is_terminal() && !output.quiet).then(bar);
        Progress { bar, quiet: output.quiet, verbose: output.verbose, began: Instant::now(), statements: 0 }
    }

    pub fn hear(&mut self, event: &Event<'_>) {
        match event.phase {
            Phase::Begin => self.begin(event),
            Phase::Statement => self.statement(event),
            Phase::Done => self.done(event),
        }
        if let Some(bar) = &self.bar {
            bar.set_length(event.total * PARTS);
            bar.set_position(position(event));
        }
    }

    fn begin(&mut self, event: &Event<'_>) {
        (self.began, self.statements) = (Instant::now(), 0);
        if let Some(bar) = &self.bar {
            bar.set_message(format!("{}/{}  {} {}", event.index, event.total, event.version, event.description));
        }
    }

    fn statement(&mut self, event: &Event<'_>) {
        self.statements = event.statement;
        if self.verbose {
            let rows =
                if event.rows_changed == 0 { String::new() } else { format!("  -- {}", counted(event.rows_changed.unsigned_abs(), "row")) };
            self.line(&format!("  {}.{}  {}{rows}", event.version, event.statement, shortened(event.sql)));
        }
    }

    fn done(&mut self, event: &Event<'_>) {
        let way = if event.direction == Direction::Down { "undone" } else { "applied" };
        let (statements, took) = (counted(self.statements, "statement"), took(self.began.elapsed()));
        self.line(&format!("{way} {} {} ({statements}, {took})", event.version, event.description));
    }

    fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.println(text),
            None => complain(text),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template("{elapsed:>4} {bar:30} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(PARTS).with_style(style)
}

fn position(event: &Event<'_>) -> u64 {
    let within = match event.phase {
        Phase::Begin => 0,
        Phase::Statement => PARTS * event.offset / event.length.max(1),
        Phase::Done => PARTS,
    };
    event.index.saturating_sub(1) * PARTS + within
}

/// A statement in one line.
fn shortened(sql: &str) -> String {
    let line = sql.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line,
    }
}
