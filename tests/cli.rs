//! The program `keepwell`, run as scripts run it.

#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/new.rs"]
mod new;
#[path = "cli/scripts.rs"]
mod scripts;
#[path = "cli/stage.rs"]
mod stage;
#[path = "cli/stats.rs"]
mod stats;
#[path = "cli/stats_checks.rs"]
mod stats_checks;
#[path = "cli/stats_files.rs"]
mod stats_files;
