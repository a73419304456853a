//! Ctrl-C: the first one cancels what runs, so that it is rolled back; the second one ends the program, which SQLite survives as well.

use keepwell::cancel::CancelToken;
use keepwell::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::output::complain;

/// The exit code of a program that was ended by SIGINT, as shells have it.
const ENDED: i32 = 130;

/// A token that SIGINT and SIGTERM cancel.
///
/// # Errors
/// As [`CancelToken::new`].
pub fn token() -> Result<CancelToken> {
    let token = CancelToken::new()?;
    // Without a handler the signals end the program at once, as they always do.
    if let Ok(mut signals) = Signals::new([SIGINT, SIGTERM]) {
        std::thread::spawn(move || {
            for _ in signals.forever() {
                if token.is_cancelled() {
                    std::process::exit(ENDED);
                }
                token.cancel();
                complain("cancelling; once more to end at once");
            }
        });
    }
    Ok(token)
}
