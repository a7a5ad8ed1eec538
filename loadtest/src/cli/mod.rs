//! The command line.

mod connect_args;
mod crew;
mod idle;
mod run;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::report::{Report, compare};

/// Measures a cluster and checks that every message is right, in one run.
#[derive(Debug, Parser)]
#[command(name = "loadtest", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Open idle connections and measure what each costs the servers in memory.
    Idle(Box<idle::IdleArgs>),
    /// Run a scenario: load, checks, report.
    Run(Box<run::RunArgs>),
    /// Run a scenario on other machines, which join as workers; this one conducts, checks and reports.
    Lead(Box<crew::LeadArgs>),
    /// Join the run of a lead, with a share of its users.
    Worker(Box<crew::WorkerArgs>),
    /// Show two runs side by side.
    Compare {
        /// The directory of the first run's report.
        first: PathBuf,
        /// The directory of the second run's report.
        second: PathBuf,
    },
}

impl Cli {
    /// Carries the command out. The exit code is 0 if everything that was asked for holds, 1 if a
    /// check or a threshold failed; an error is that nothing could be measured.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Idle(args) => args.run(),
            Command::Run(args) => args.run(),
            Command::Lead(args) => args.run(),
            Command::Worker(args) => args.run(),
            Command::Compare { first, second } => {
                print!("{}", compare(&Report::read(&first)?, &Report::read(&second)?));
                Ok(ExitCode::SUCCESS)
            }
        }
    }
}

/// `250ms`, `30s`, `5m`, `2h`; a bare number is seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("{text:?} is no time like 250ms, 30s, 5m or 2h")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{text:?} is no time"))?;
    Duration::try_from_secs_f64(number * factor).map_err(|error| error.to_string())
}

/// Half of the cores: the servers may be on this machine, too.
fn threads_default() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

fn exit_code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1.5m"), Ok(Duration::from_secs(90)));
        assert!(duration("soon").is_err());
        assert!(duration("3d").is_err());
    }
}
