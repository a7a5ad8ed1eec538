//! The program: see [`rts_loadtest`].

use std::process::ExitCode;

use rts_loadtest::cli::Cli;

fn main() -> ExitCode {
    match Cli::read().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("loadtest: {error:#}");
            ExitCode::from(2)
        }
    }
}
