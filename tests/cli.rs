//! The program `keepwell`, run as scripts run it.

#[path = "cli/commands.rs"]
mod commands;
#[path = "cli/fake.rs"]
mod fake;
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
#[path = "cli/top.rs"]
mod top;
#[path = "cli/top_gone.rs"]
mod top_gone;
#[path = "cli/top_real.rs"]
mod top_real;
#[cfg(target_os = "linux")]
#[path = "cli/top_terminal.rs"]
mod top_terminal;
