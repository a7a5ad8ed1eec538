//! `cargo local`: the whole cluster on one machine.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rts_local::verbs::{self, fixture, logs, test, up};
use rts_local::{ClusterOptions, FaultTime, FunctionFault, Variable, fault_bootstrap};

/// The whole cluster on one machine: Redis, AWS (a stand-in), gateways, a balancer, Prometheus.
#[derive(Parser)]
#[command(bin_name = "cargo local", version)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Bring the cluster up and watch over it until Ctrl-C.
    Up {
        /// Number of gateways, 1 to 9.
        #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=9))]
        nodes: u8,
        /// Return when everything is ready and leave it running; `down` stops it.
        #[arg(long)]
        detach: bool,
        /// Keep the data of the last run, and this run's for the next.
        #[arg(long)]
        keep: bool,
        /// Origin of a page of yours that may connect, like `https://chat.test`; repeat it for several. Pages on
        /// loopback may connect anyway.
        #[arg(long = "origin", value_name = "URL", value_parser = origin)]
        origins: Vec<String>,
        #[arg(long, hide = true)]
        background: bool,
        /// The web app, if it is already built.
        #[arg(long, hide = true)]
        web_root: Option<PathBuf>,
    },
    /// Stop the cluster.
    Down,
    /// Show every part and its state.
    Status {
        /// Print JSON, including the settings for signing tokens.
        #[arg(long)]
        json: bool,
    },
    /// Show the log of a part.
    Logs {
        /// Name of the part, as `status` shows it.
        part: String,
        /// Number of lines.
        #[arg(long, short = 'n', default_value_t = 50)]
        lines: usize,
        /// Follow the log.
        #[arg(long, short)]
        follow: bool,
    },
    /// Stop a part and keep it stopped.
    Stop {
        /// Name of the part, as `status` shows it.
        part: String,
    },
    /// Bring a part back and wait until it is ready.
    Start {
        /// Name of the part, as `status` shows it.
        part: String,
    },
    /// Let the queues feed the functions, or not.
    Functions {
        /// `on` or `off`.
        #[arg(value_parser = ["on", "off"])]
        state: String,
    },
    /// Inject a fault into the AWS stand-in; `none` ends it.
    Fault {
        /// Fault to set: `sqs none`, `sqs refuse`, `sqs slow [MESSAGES PER SECOND]`, `dynamodb none` or `dynamodb
        /// throttle [PERCENT]`.
        #[arg(required = true)]
        words: Vec<String>,
    },
    /// Run every test.
    Test {
        /// Run only these steps: doctor, rust, clients, web, day, rehearsal, storms, skew.
        steps: Vec<String>,
        /// Run the rehearsal of a deployment and the storms as well, which take some twenty-five minutes.
        #[arg(long)]
        long: bool,
    },
    /// Run a cluster on free ports for the tests of another language.
    #[command(hide = true)]
    Fixture(Fixture),
    /// Run the bootstrap of a function that is made to fail.
    #[command(hide = true)]
    FaultBootstrap {
        #[arg(long)]
        every: u32,
        #[arg(long)]
        when: FaultTime,
        function: PathBuf,
    },
}

#[derive(Args)]
struct Fixture {
    #[arg(long, default_value_t = 2)]
    nodes: usize,
    /// Number of Redis servers; several form a Redis Cluster.
    #[arg(long, default_value_t = 1)]
    redis_servers: usize,
    #[arg(long)]
    no_aws: bool,
    #[arg(long)]
    no_balancer: bool,
    /// Put proxies before Redis and SQS, named redis-1, sqs-1 and so on after their gateway.
    #[arg(long)]
    proxies: bool,
    #[arg(long, default_value_t = 30)]
    visibility_seconds: u64,
    /// Number of days after which messages expire; may be a fraction.
    #[arg(long, default_value_t = 0.0)]
    retention_days: f64,
    /// Make every N-th invocation of a function fail.
    #[arg(long)]
    fail_every: Option<u32>,
    #[arg(long, default_value = "after")]
    fail_when: FaultTime,
    /// Directory of the built web app, for the gateways to serve.
    #[arg(long)]
    web_root: Option<PathBuf>,
    /// Variable for a part, `PART:NAME=VALUE`; `gateway` stands for all gateways.
    #[arg(long = "env", value_parser = parse_variable)]
    environment: Vec<Variable>,
}

impl Fixture {
    fn options(self) -> ClusterOptions {
        ClusterOptions {
            nodes: if self.no_aws { 0 } else { self.nodes },
            redis_servers: self.redis_servers,
            aws: !self.no_aws,
            balancer: !self.no_balancer && !self.no_aws && self.nodes > 0,
            proxies: self.proxies,
            visibility_seconds: self.visibility_seconds,
            retention_days: self.retention_days,
            function_fault: self.fail_every.map(|every| FunctionFault { every, when: self.fail_when }),
            // The gateways run in their own directories.
            web_root: self.web_root.map(|root| root.canonicalize().unwrap_or(root)),
            environment: self.environment,
            ..ClusterOptions::default()
        }
    }
}

fn parse_variable(text: &str) -> Result<Variable, String> {
    let parsed = text.split_once(':').and_then(|(part, pair)| {
        let (name, value) = pair.split_once('=')?;
        Some(Variable { part: part.to_owned(), name: name.to_owned(), value: value.to_owned() })
    });
    parsed.ok_or_else(|| "expected PART:NAME=VALUE".to_owned())
}

/// Reads an origin: scheme, host, and port if it is not the scheme's own; no path.
fn origin(text: &str) -> Result<String, String> {
    let authority = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    match authority {
        Some(authority) if !authority.is_empty() && !authority.contains(['/', '*', ',', ' ', '@', '?', '#']) => {
            Ok(text.to_owned())
        }
        _ => Err("an origin is http:// or https://, a host and perhaps a port, without a path".to_owned()),
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match carry_out(Cli::parse().verb).await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("cargo local: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn carry_out(verb: Verb) -> anyhow::Result<ExitCode> {
    match verb {
        Verb::Up { nodes, detach, keep, origins, background, web_root } => {
            let nodes = usize::from(nodes);
            let arguments = up::Arguments { nodes, detach, keep, origins, is_background: background, web_root };
            up::run(arguments).await
        }
        Verb::Down => verbs::down().await,
        Verb::Status { json } => verbs::status(json).await,
        Verb::Logs { part, lines, follow } => logs::run(&part, lines, follow),
        Verb::Stop { part } => verbs::stop(part).await,
        Verb::Start { part } => verbs::start(part).await,
        Verb::Functions { state } => verbs::functions(state == "on").await,
        Verb::Fault { words } => verbs::fault(&words).await,
        Verb::Test { steps, long } => test::run(&steps, long),
        Verb::Fixture(fixture) => fixture::run(fixture.options()).await,
        Verb::FaultBootstrap { every, when, function } => {
            fault_bootstrap::run(fault_bootstrap::Plan { every, when }, function).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [&str; 2] = [include_str!("../../../README.md"), include_str!("../../../docs/local.md")];

    #[test]
    fn the_commands_of_the_pages_are_understood() {
        let blocks = PAGES.iter().flat_map(|page| page.split("```").skip(1).step_by(2));
        let shown: Vec<_> = blocks.flat_map(str::lines).filter(|line| line.starts_with("cargo local ")).collect();
        assert!(shown.len() >= 8, "{shown:?}");
        for line in shown {
            let command = line.split(" #").next().unwrap().split_whitespace().skip(1);
            assert!(Cli::try_parse_from(command).is_ok(), "{line}");
        }
    }
}
