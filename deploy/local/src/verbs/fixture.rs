//! `fixture`: a cluster for the tests of another language. It prints one line of JSON with everything, takes the
//! commands of `commands` on standard input, one per line, answers each with a line of JSON, and ends with its input.

use std::process::ExitCode;

use tokio::sync::mpsc;

use super::up::Signals;
use crate::cluster::{Cluster, ClusterOptions, ClusterSpec};
use crate::commands::{Command, failure};

/// Runs a cluster until standard input ends.
pub async fn run(options: ClusterOptions) -> anyhow::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let spec = ClusterSpec::of_fixture(options).await?;
    let cluster = tokio::select! {
        cluster = spec.build(&|_| {}) => cluster?,
        () = signals.end() => return Ok(ExitCode::FAILURE),
    };
    println!("{}", cluster.description());
    tokio::select! {
        () = serve(&cluster) => {}
        () = signals.end() => {}
    }
    // At once: the caller has finished with it.
    drop(cluster);
    Ok(ExitCode::SUCCESS)
}

async fn serve(cluster: &Cluster) {
    let mut lines = standard_input();
    while let Some(line) = lines.recv().await {
        let answer = match Command::parse(&line) {
            Ok(Command::Down) => return,
            Ok(command) => command.carry_out(cluster).await,
            Err(error) => failure(&error),
        };
        println!("{answer}");
    }
}

/// Returns the lines of standard input. A separate thread reads them: one of the runtime's would delay the end of the
/// process until another line came.
fn standard_input() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}
