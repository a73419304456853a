//! The program `keepwell`: the library's migrations on the command line. It stands on the public interface alone.

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
mod schema;
mod template;

use std::process::ExitCode;

use self::arguments::{Arguments, Command};
use self::output::Output;

fn main() -> ExitCode {
    let Command::Migrate(migrate) = Arguments::read().command;
    let output = Output::new(&migrate.common);
    let code = act::act(&migrate, &output).unwrap_or_else(|error| {
        output.fail(&error);
        exit::of(&error)
    });
    ExitCode::from(code)
}
