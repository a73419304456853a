//! The watch as plain lines, for files, pipes and tests.

use keepwell::{Kind, Result};

use super::super::output::{complain, Output};
use super::page::Page;
use super::watch::Watch;

/// Writes so many samples, or without end; `once`: the first one, and what keeps it away is an error.
///
/// Ends when nobody reads what is written any more. While there is no answer it says so once, and tries again.
///
/// # Errors
/// [`Kind::Io`] when it cannot be written; [`Kind::Config`] for a store that is not there; with `once` every error.
pub fn run(mut watch: Watch, samples: Option<u64>, once: bool, output: &Output) -> Result<()> {
    let mut left = samples;
    let mut said = String::new();
    while left != Some(0) {
        match watch.next() {
            Ok(None) => {}
            Ok(Some(page)) => {
                if !output.reach(&text(&page, output))? {
                    return Ok(());
                }
                left = left.map(|left| left - 1);
                said.clear();
            }
            Err(error) if once || error.kind() == Kind::Config => return Err(error),
            Err(error) if error.message() == said => {}
            Err(error) => {
                complain(&format!("{error}, trying again"));
                said = error.message().to_string();
            }
        }
    }
    Ok(())
}

fn text(page: &Page, output: &Output) -> String {
    if output.json {
        page.to_json() + "\n"
    } else {
        page.lines().iter().map(|line| format!("{line}\n")).collect()
    }
}
