//! What is shown while a run lasts: a bar on a terminal, a line for each migration otherwise.

use std::io::{self, IsTerminal, Write};

use indicatif::{ProgressBar, ProgressStyle};
use keepwell::migrate::apply::{Event, Phase};
use keepwell::migrate::report::Direction;

/// Where the events of a run go.
pub struct Progress {
    bar: Option<ProgressBar>,
    lines: bool,
    statements: bool,
}

impl Progress {
    /// `quiet`: nothing; `verbose`: each statement too.
    pub fn new(quiet: bool, verbose: bool) -> Progress {
        let bar = !quiet && !verbose && io::stderr().is_terminal();
        Progress { bar: bar.then(bar_on_terminal), lines: !quiet && !bar, statements: verbose }
    }

    pub fn hear(&mut self, event: &Event<'_>) {
        if let Some(bar) = &self.bar {
            bar.set_length(event.total * 1000);
            let inside = if event.length == 0 { 0 } else { event.offset * 1000 / event.length };
            let done = if event.phase == Phase::Done { 1000 } else { inside.min(999) };
            bar.set_position((event.index - 1) * 1000 + done);
            bar.set_message(format!("{} {}", event.version, event.description));
        }
        let mut err = io::stderr().lock();
        if self.statements && event.phase == Phase::Statement {
            let sql = event.sql.split_whitespace().collect::<Vec<_>>().join(" ");
            let _ = writeln!(err, "  {}: {sql}", event.statement);
        }
        if self.lines && event.phase == Phase::Begin {
            let way = if event.direction == Direction::Down { "undoing" } else { "applying" };
            let _ = writeln!(err, "[{}/{}] {way} {} {}", event.index, event.total, event.version, event.description);
        }
    }

    pub fn end(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar_on_terminal() -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:30} {percent}% {elapsed} {msg}").expect("the template is valid");
    ProgressBar::new(1).with_style(style)
}
