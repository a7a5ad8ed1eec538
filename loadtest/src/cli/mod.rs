//! The command line.

mod connect_args;
mod distributed;
mod idle;
mod run;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

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
    /// Open idle connections and measure the memory that each costs the servers.
    Idle(Box<idle::IdleArgs>),
    /// Run a scenario: load, checks, report.
    Run(Box<run::RunArgs>),
    /// Run a scenario on other machines, which join as workers; this one coordinates, checks and reports.
    Lead(Box<distributed::LeadArgs>),
    /// Join the run of a lead, with a share of its users.
    Worker(Box<distributed::WorkerArgs>),
    /// Show two runs side by side.
    Compare {
        /// The directory of the first run's report.
        first: PathBuf,
        /// The directory of the second run's report.
        second: PathBuf,
    },
}

impl Cli {
    /// Carries out the command. The exit code is 0 if everything holds, 1 if a check or a threshold failed; an error
    /// means that nothing could be measured.
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

/// Returns half of the cores: the servers may be on this machine, too.
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
    }
}
