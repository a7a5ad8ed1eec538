//! The command line.

mod connect_args;
mod distributed;
mod idle;
mod probe;
mod run;
mod view;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::{Comparison, Report};

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
    /// Write from one user to another and back, one message a second, for ever or for a time.
    Probe(Box<probe::ProbeArgs>),
    /// Run a scenario: load, checks, report.
    Run(Box<run::RunArgs>),
    /// Run a scenario on other machines, which join as workers; this one coordinates, checks and reports.
    Lead(Box<distributed::LeadArgs>),
    /// Join the run of a lead, with a share of its users.
    Worker(Box<distributed::WorkerArgs>),
    /// Show two runs side by side, and which is better.
    Compare {
        /// The directory of the first run's report.
        first: PathBuf,
        /// The directory of the second run's report.
        second: PathBuf,
        /// Exit with 1 if a measure of the second run is worse by more than this share, such as 20%.
        #[arg(long, value_name = "SHARE", value_parser = share)]
        fail_over: Option<f64>,
    },
}

impl Cli {
    /// Reads the command line. Help goes to standard output; an error is one line, and ends the process with 2.
    pub fn read() -> Self {
        Self::try_parse().unwrap_or_else(|error| {
            if !error.use_stderr() {
                error.exit();
            }
            let text = error.to_string();
            let lines = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim);
            let said = lines.collect::<Vec<_>>().join(" ");
            eprintln!("loadtest: {}", said.strip_prefix("error: ").unwrap_or(&said));
            std::process::exit(2);
        })
    }

    /// Carries out the command. The exit code is 0 if everything holds, 1 if a check or a threshold failed; an error
    /// means that nothing could be measured.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Idle(args) => args.run(),
            Command::Probe(args) => args.run(),
            Command::Run(args) => args.run(),
            Command::Lead(args) => args.run(),
            Command::Worker(args) => args.run(),
            Command::Compare { first, second, fail_over } => {
                let reports = [Report::read(&first)?, Report::read(&second)?];
                let names = [&first, &second].map(|path| path.display().to_string());
                let compared = Comparison::new(&reports, &names, fail_over);
                print!("{compared}");
                Ok(exit_code(compared.is_good()))
            }
        }
    }
}

/// Returns half of the cores: the servers may be on this machine, too.
fn threads_default() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}

/// Reads a share like `20%` or `0.2`.
fn share(text: &str) -> Result<f64, String> {
    let (number, factor) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    let share = number.trim().parse::<f64>().ok().map(|number| number * factor);
    share.filter(|share| *share >= 0.0).ok_or_else(|| format!("{text:?} is not a share like 20%"))
}

fn exit_code(good: bool) -> ExitCode {
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests;
