//! The watch on a terminal, until somebody has seen enough.

use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use crossterm::event::{self, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use keepwell::{Error, Kind, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::super::arguments::Top;
use super::super::quantity::took;
use super::page::Page;
use super::screen::Screen;
use super::watch::Watch;

/// What the loop hears of.
enum Event {
    Looked(Result<Option<Page>>),
    Scroll(Scroll),
    Resized,
    /// Enough: a key, a signal, or the end of the thread that looks.
    Over,
}

enum Scroll {
    By(isize),
    Page(isize),
    Top,
}

/// What is on the screen.
struct Shown {
    address: String,
    interval: Duration,
    /// The newest lines; they stay while there is no answer.
    body: Vec<String>,
    /// Why there are none newer.
    problem: Option<String>,
    /// Lines above the first one that is shown.
    above: usize,
}

/// Shows the watch until a key or signal ends it.
///
/// # Errors
/// [`Kind::Io`] for a terminal that cannot be written; [`Kind::Config`] for a store that is not there.
pub fn run(watch: Watch, top: &Top) -> Result<()> {
    let (tell, hear) = mpsc::channel();
    let failed = |error: io::Error| Error::new(Kind::Io, format!("terminal: {error}")).with_source(error);
    // Before the terminal is taken, so that no signal can end the program with it.
    hear_signals(tell.clone()).map_err(failed)?;
    let mut screen = Screen::open().map_err(failed)?;
    thread::spawn({
        let tell = tell.clone();
        move || hear_keys(&tell)
    });
    thread::spawn(move || look(watch, &Farewell(tell)));
    let mut shown = Shown::new(top);
    screen.draw(&shown.head(), &[]).map_err(failed)?;
    for event in hear {
        if !shown.take(event)? {
            break;
        }
        screen.draw(&shown.head(), &shown.body[shown.above..]).map_err(failed)?;
    }
    Ok(())
}

/// A thread's end, told even when it panics.
struct Farewell(Sender<Event>);

impl Drop for Farewell {
    fn drop(&mut self) {
        let _ = self.0.send(Event::Over);
    }
}

fn look(mut watch: Watch, tell: &Farewell) {
    while tell.0.send(Event::Looked(watch.next())).is_ok() {}
}

fn hear_signals(tell: Sender<Event>) -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP])?;
    thread::spawn(move || signals.forever().all(|_| tell.send(Event::Over).is_ok()));
    Ok(())
}

/// Ends when there are no keys to be had, such as without a terminal to read from.
fn hear_keys(tell: &Sender<Event>) {
    while let Ok(event) = event::read() {
        let event = match event {
            event::Event::Key(key) if key.kind != KeyEventKind::Release => meaning(key),
            event::Event::Resize(..) => Some(Event::Resized),
            _ => None,
        };
        if event.is_some_and(|event| tell.send(event).is_err()) {
            return;
        }
    }
}

fn meaning(key: KeyEvent) -> Option<Event> {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    match key.code {
        KeyCode::Char('c' | 'd') if control => Some(Event::Over),
        KeyCode::Char('q' | 'Q') | KeyCode::Esc => Some(Event::Over),
        KeyCode::Up | KeyCode::Char('k') => Some(Event::Scroll(Scroll::By(-1))),
        KeyCode::Down | KeyCode::Char('j') => Some(Event::Scroll(Scroll::By(1))),
        KeyCode::PageUp => Some(Event::Scroll(Scroll::Page(-1))),
        KeyCode::PageDown | KeyCode::Char(' ') => Some(Event::Scroll(Scroll::Page(1))),
        KeyCode::Home => Some(Event::Scroll(Scroll::Top)),
        _ => None,
    }
}

impl Shown {
    fn new(top: &Top) -> Shown {
        Shown { address: top.address.to_string(), interval: top.interval, body: Vec::new(), problem: None, above: 0 }
    }

    /// `false`: it was the last one.
    fn take(&mut self, event: Event) -> Result<bool> {
        match event {
            Event::Over => return Ok(false),
            Event::Looked(Err(error)) if error.kind() == Kind::Config => return Err(error),
            Event::Looked(Err(error)) => self.problem = Some(format!("{error}, trying again")),
            Event::Looked(Ok(page)) => {
                self.problem = None;
                self.body = page.map_or_else(|| std::mem::take(&mut self.body), |page| page.lines());
            }
            Event::Scroll(scroll) => self.scroll(scroll),
            Event::Resized => {}
        }
        self.above = self.above.min(self.body.len().saturating_sub(Screen::room()));
        Ok(true)
    }

    fn scroll(&mut self, scroll: Scroll) {
        self.above = match scroll {
            Scroll::By(lines) => self.above.saturating_add_signed(lines),
            Scroll::Page(pages) => self.above.saturating_add_signed(pages * Screen::room() as isize),
            Scroll::Top => 0,
        };
    }

    fn head(&self) -> String {
        match &self.problem {
            Some(problem) => problem.clone(),
            None => format!("{}, every {}; q: quit, arrows: scroll", self.address, took(self.interval)),
        }
    }
}
