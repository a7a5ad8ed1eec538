//! `loadtest lead` and `loadtest worker`: a run on several machines.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use clap::Args;
use tokio::net::TcpListener;

use super::connect_args::ConnectArgs;
use super::run::RunArgs;
use super::threads_default;
use crate::engine::distributed::{Gate, Work, join};
use crate::units::duration;

/// The shortest secret allowed when other machines than this one can try to join.
const SECRET_BYTES_MIN: usize = 16;

/// The credentials of the machines of a run.
#[derive(Args, Debug)]
pub(super) struct SecretArgs {
    /// The secret shared by the lead and the workers of a run; needed outside loopback, at least 16 characters.
    #[arg(long, value_name = "TEXT", env = "LOADTEST_JOIN_SECRET", hide_env_values = true)]
    join_secret: Option<String>,
}

/// Flags of `loadtest lead`.
#[derive(Args, Debug)]
pub(super) struct LeadArgs {
    /// The address where workers join. The channel is not encrypted: across an untrusted network, use a tunnel.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9098")]
    listen: SocketAddr,
    /// The number of workers to wait for.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    machines: u16,
    /// The time to wait for them.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    join_within: Duration,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Flags of `loadtest worker`. The target and the identity of users are given here; the lead decides the rest.
#[derive(Args, Debug)]
pub(super) struct WorkerArgs {
    /// The address of the lead.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9098")]
    lead: String,
    /// The time to try to reach the lead.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    join_within: Duration,
    /// The worker's name in the report; this machine's name by default.
    #[arg(long)]
    name: Option<String>,
    /// The number of threads [default: half of the cores].
    #[arg(long)]
    threads: Option<usize>,
    /// Print nothing while the run is on.
    #[arg(long)]
    quiet: bool,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl SecretArgs {
    fn of(&self, is_loopback: bool) -> anyhow::Result<&str> {
        match &self.join_secret {
            Some(secret) if secret.len() >= SECRET_BYTES_MIN || is_loopback => Ok(secret),
            Some(_) => bail!("the join secret needs at least {SECRET_BYTES_MIN} characters"),
            None if is_loopback => Ok(""),
            None => bail!("outside loopback a run needs --join-secret or LOADTEST_JOIN_SECRET"),
        }
    }
}

impl LeadArgs {
    /// Waits for the workers, then runs, prints the table and writes the report.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        self.run.check_lead()?;
        let secret = self.secret.of(self.listen.ip().is_loopback())?.to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let gate = runtime.block_on(async {
            let listener = TcpListener::bind(self.listen).await;
            let listener = listener.with_context(|| format!("workers cannot join at {}", self.listen))?;
            anyhow::Ok(Gate { listener, secret, machines: usize::from(self.machines), patience: self.join_within })
        })?;
        eprintln!("workers join at {}", gate.listener.local_addr()?);
        self.run.run_on(&runtime, Some(gate))
    }
}

impl WorkerArgs {
    /// Joins, and works until the lead says that the run is over.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let is_loopback =
            self.lead.starts_with("127.") || self.lead.starts_with("localhost:") || self.lead.starts_with("[::1]:");
        let secret = self.secret.of(is_loopback)?;
        let name = self.name.clone().unwrap_or_else(host_name);
        let threads = self.threads.unwrap_or_else(threads_default);
        ensure!(threads > 0, "a worker needs at least one thread");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let work = join(&self.lead, secret, &name, threads, self.join_within).await?;
            match self.prepare(&work).await {
                Ok((dialer, tokens)) => {
                    let say = |text: &str| {
                        if !self.quiet {
                            eprintln!("{name}: {text}");
                        }
                    };
                    say(&format!("this worker has {} of {} users", work.users(), work.scenario().users));
                    work.carry_out(dialer, tokens, &say).await?;
                    Ok(ExitCode::SUCCESS)
                }
                Err(error) => {
                    work.give_up(&format!("{error:#}")).await;
                    Err(error)
                }
            }
        })
    }

    /// Tries what would be wrong for every user, so that it is reported at once.
    async fn prepare(&self, work: &Work) -> anyhow::Result<(crate::connection::Dialer, crate::connection::Tokens)> {
        super::run::allow_files(work.users())?;
        let tokens = self.connect.tokens(work.run(), work.scenario().users)?;
        let dialer = self.connect.dialer(work.users()).await?;
        super::run::try_first(&dialer, &tokens, work.scenario()).await?;
        Ok((dialer, tokens))
    }
}

fn host_name() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name: String = name.trim().chars().take(60).collect();
    if name.is_empty() { "worker".to_owned() } else { name }
}
