//! The program `keepwell`: migrations, and looks at a database file or a running process, on the command line. It stands on the public interface alone.

mod act;
mod arguments;
mod calendar;
mod database;
mod exit;
mod interrupt;
mod new;
mod output;
mod print;
mod progress;
mod quantity;
mod schema;
mod stats;
mod table;
mod template;
mod top;

use std::process::ExitCode;

use self::arguments::{Arguments, Command};
use self::output::Output;

fn main() -> ExitCode {
    let command = Arguments::read().command;
    let output = Output::of(&command);
    let done = match &command {
        Command::Migrate(migrate) => act::act(migrate, &output),
        Command::Stats(stats) => stats::act(stats, &output),
        Command::Top(top) => top::act(top, &output),
    };
    let code = done.unwrap_or_else(|error| {
        output.fail(&error);
        exit::of(&error)
    });
    ExitCode::from(code)
}
