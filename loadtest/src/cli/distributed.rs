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

/// The least that a secret has to have, when others than this machine can try it.
const SECRET_BYTES_MIN: usize = 16;

/// How machines come together.
#[derive(Args, Debug)]
pub(super) struct SecretArgs {
    /// What lead and workers of a run know; needed outside loopback, at least 16 characters.
    #[arg(long, value_name = "TEXT", env = "LOADTEST_JOIN_SECRET", hide_env_values = true)]
    join_secret: Option<String>,
}

/// Flags of `loadtest lead`.
#[derive(Args, Debug)]
pub(super) struct LeadArgs {
    /// Where workers join. The channel is not encrypted: across an untrusted network it belongs into a tunnel.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9098")]
    listen: SocketAddr,
    /// How many workers are waited for.
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    machines: u16,
    /// For how long.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    join_within: Duration,
    #[command(flatten)]
    secret: SecretArgs,
    #[command(flatten)]
    run: RunArgs,
}

/// Flags of `loadtest worker`. Where it connects to and as whom is said here; what it does, the lead says.
#[derive(Args, Debug)]
pub(super) struct WorkerArgs {
    /// Where the lead is.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9098")]
    lead: String,
    /// How long to try to reach it.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    join_within: Duration,
    /// What it is called in the report; this machine's name by default.
    #[arg(long)]
    name: Option<String>,
    /// Threads; half of the cores by default.
    #[arg(long)]
    threads: Option<usize>,
    /// No word while it runs.
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
    /// Waits for the workers, then runs, prints the table, writes the report.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
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
    /// Joins, and works until the lead says that it is over.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let is_loopback =
            self.lead.starts_with("127.") || self.lead.starts_with("localhost:") || self.lead.starts_with("[::1]:");
        let secret = self.secret.of(is_loopback)?;
        let name = self.name.clone().unwrap_or_else(host_name);
        let threads = self.threads.unwrap_or_else(threads_default);
        ensure!(threads > 0, "a worker needs a thread");
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
                    say(&format!("{} of {} users are here", work.users(), work.scenario().users));
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

    /// What is wrong for everyone is told at once.
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
