//! The terminal while a page is shown on it. What was there comes back when the screen is dropped, and before a panic speaks.

use std::io::{self, Stdout, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;

use crossterm::cursor::{Hide, MoveTo, MoveToNextLine, Show};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{self, Clear, ClearType, DisableLineWrap, EnableLineWrap, EnterAlternateScreen, LeaveAlternateScreen};
use crossterm::{execute, queue};

pub struct Screen {
    out: Stdout,
    taken: Taken,
}

/// Whether the terminal has to be given back: whoever comes first, a drop or a panic, does it. Twice would move the cursor into what was said
/// in between.
#[derive(Clone)]
struct Taken(Arc<AtomicBool>);

impl Screen {
    /// Takes the terminal: keys come as they are pressed, and lines go to a screen of their own.
    pub fn open() -> io::Result<Screen> {
        let taken = Taken(Arc::new(AtomicBool::new(true)));
        let (says, seen) = (panic::take_hook(), taken.clone());
        panic::set_hook(Box::new(move |panic| {
            seen.give_back();
            says(panic);
        }));
        // From here on a drop gives everything back.
        let mut screen = Screen { out: io::stdout(), taken };
        terminal::enable_raw_mode()?;
        execute!(screen.out, EnterAlternateScreen, Hide, DisableLineWrap)?;
        Ok(screen)
    }

    /// Lines of the body that fit below the head.
    pub fn room() -> usize {
        terminal::size().map_or(0, |(_, rows)| usize::from(rows).saturating_sub(1))
    }

    /// Shows the head and as much of the body as there is room for.
    pub fn draw(&mut self, head: &str, body: &[String]) -> io::Result<()> {
        let (columns, _) = terminal::size()?;
        let clipped = |line: &str| line.chars().take(usize::from(columns)).collect::<String>();
        queue!(self.out, MoveTo(0, 0), SetAttribute(Attribute::Bold), Print(clipped(head)), SetAttribute(Attribute::Reset))?;
        queue!(self.out, Clear(ClearType::UntilNewLine))?;
        for line in body.iter().take(Screen::room()) {
            queue!(self.out, MoveToNextLine(1), Print(clipped(line)), Clear(ClearType::UntilNewLine))?;
        }
        queue!(self.out, Clear(ClearType::FromCursorDown))?;
        self.out.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.taken.give_back();
    }
}

impl Taken {
    fn give_back(&self) {
        if self.0.swap(false, Ordering::AcqRel) {
            let _ = execute!(io::stdout(), EnableLineWrap, Show, LeaveAlternateScreen);
            let _ = terminal::disable_raw_mode();
        }
    }
}
