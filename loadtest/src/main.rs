//! The program: see [`rts_loadtest`].

use std::process::ExitCode;

use clap::Parser;
use rts_loadtest::cli::Cli;

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}
