//! `loadtest idle`: measures the memory that an idle connection costs the servers.

use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use rts_common::signalr::Protocol;
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::timeout_at;

use super::connect_args::{ConnectArgs, ProtocolArg};
use super::exit_code;
use crate::connection::{Dialer, Session, SessionEnd, Tokens};
use crate::procfs::{ProcessSample, raise_open_files};
use crate::require::{Measures, Requirements};
use crate::units::duration;

/// Connections being opened at the same time.
const OPENING_MAX: usize = 64;
/// The stock client's interval between pings.
const PING_EVERY: Duration = Duration::from_secs(15);
/// The time after which the stock client gives up on a silent server.
const SERVER_TIMEOUT: Duration = Duration::from_secs(30);
/// The most bytes of one receive.
const SCRATCH_BYTES: usize = 16 * 1024;
/// The interval between looks at the memory, and the time for which it must not change to count as settled.
const SETTLE_STEP: Duration = Duration::from_millis(500);
const SETTLE_STEPS: usize = 4;
const SETTLE_MAX: Duration = Duration::from_secs(20);
/// Files that are open besides connections.
const OTHER_FILES: u64 = 100;

/// Flags of `loadtest idle`.
#[derive(Args, Debug)]
pub(super) struct IdleArgs {
    /// Number of connections to open.
    #[arg(long, default_value_t = 5000)]
    connections: usize,
    /// A local server process whose memory is measured; repeat the flag to add up several.
    #[arg(long = "pid")]
    pids: Vec<u32>,
    /// Number of users that the connections belong to, in turn; the product allows a user 20.
    #[arg(long, value_name = "N")]
    users: Option<usize>,
    /// The hub protocol.
    #[arg(long, value_enum, default_value = "json")]
    protocol: ProtocolArg,
    /// Time to stay connected, answering and sending keep-alive pings, after memory has settled.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "0s")]
    hold: Duration,
    /// Deadline for opening all of them.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "120s")]
    deadline: Duration,
    /// Thresholds that set the exit code: `rss` (per connection), `failed`, `dropped`, `connect_seconds`.
    #[arg(long, value_name = "LIST", default_value = "failed=0,dropped=0")]
    require: Requirements,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl IdleArgs {
    /// Measures and prints the result.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let known = ["rss", "failed", "dropped", "connect_seconds"];
        if let Some(name) = self.require.names().find(|name| !known.contains(name)) {
            bail!("idle does not measure {name:?}, only {}", known.join(", "));
        }
        if self.connections == 0 {
            bail!("--connections must be at least 1");
        }
        let files = self.connections as u64 + OTHER_FILES;
        if let Err(allowed) = raise_open_files(files) {
            bail!("{files} open files are needed, but {allowed} are allowed: raise `ulimit -n`");
        }
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?
            .block_on(LocalSet::new().run_until(self.measure()))
    }

    async fn measure(self) -> anyhow::Result<ExitCode> {
        let run = format!("lt{:08x}", rand::random::<u32>());
        let tokens = self.connect.tokens(&run, 0)?;
        let dialer = self.connect.dialer(self.connections).await?;
        let before = self.rss()?;
        let started = Instant::now();
        let opened = self.open_all(Rc::new(dialer), Rc::new(tokens)).await;
        let connect_seconds = started.elapsed().as_secs_f64();
        let settled = self.settle().await?;
        tokio::time::sleep(self.hold).await;
        let after = if self.hold.is_zero() { settled } else { self.rss()? };
        let Opened { keepers, open, failures, stop } = opened;
        let dropped = open.saturating_sub(*keepers.borrow());
        stop.send_replace(true);

        let mut measures = Measures::from([
            ("failed", failures.len() as f64),
            ("dropped", dropped as f64),
            ("connect_seconds", connect_seconds),
        ]);
        println!("{open} of {} connections open in {connect_seconds:.1} s, {dropped} dropped since", self.connections);
        for failure in failures.iter().take(5) {
            println!("  failed: {failure}");
        }
        if !self.pids.is_empty() && open > 0 {
            let per_connection = (after as f64 - before as f64) / open as f64;
            measures.insert("rss", per_connection);
            println!(
                "RSS before {:.1} MB, after {:.1} MB: {:.2} kB per connection ({} processes)",
                before as f64 / 1_048_576.0,
                after as f64 / 1_048_576.0,
                per_connection / 1024.0,
                self.pids.len()
            );
        }
        let verdicts = self.require.judge(&measures);
        for verdict in &verdicts {
            println!("{verdict}");
        }
        Ok(exit_code(verdicts.iter().all(|verdict| verdict.holds)))
    }

    async fn open_all(&self, dialer: Rc<Dialer>, tokens: Rc<Tokens>) -> Opened {
        let users = self.users.or(tokens.users_max()).unwrap_or(self.connections).max(1);
        let protocol = Protocol::from(self.protocol);
        let deadline = tokio::time::Instant::now() + self.deadline;
        let opening = Rc::new(Semaphore::new(OPENING_MAX));
        let (stop, stopped) = watch::channel(false);
        let (alive, keepers) = watch::channel(0_usize);
        let alive = Rc::new(alive);
        let mut dials = JoinSet::new();
        for index in 0..self.connections {
            let (dialer, tokens, opening) = (dialer.clone(), tokens.clone(), opening.clone());
            let (alive, stopped) = (alive.clone(), stopped.clone());
            dials.spawn_local(timeout_at(deadline, async move {
                let _place = opening.acquire().await?;
                let token = tokens.token(index % users, dialer.target(index)).await?;
                let session = dialer.open(index, &token, protocol).await?;
                alive.send_modify(|count| *count += 1);
                tokio::task::spawn_local(keep(session, alive, stopped));
                anyhow::Ok(())
            }));
        }
        let mut opened = Opened { keepers, open: 0, failures: Vec::new(), stop };
        while let Some(dialed) = dials.join_next().await {
            match dialed.map_err(|error| error.to_string()) {
                Ok(Ok(Ok(()))) => opened.open += 1,
                Ok(Ok(Err(error))) => opened.failures.push(error.to_string()),
                Ok(Err(_)) => opened.failures.push("not open within --deadline".to_owned()),
                Err(panic) => opened.failures.push(panic),
            }
        }
        opened
    }

    /// Waits until memory no longer changes by more than half a percent; returns the last value.
    async fn settle(&self) -> anyhow::Result<u64> {
        let started = Instant::now();
        let mut last = self.rss()?;
        let mut still = 0;
        while still < SETTLE_STEPS && started.elapsed() < SETTLE_MAX {
            tokio::time::sleep(SETTLE_STEP).await;
            let now = self.rss()?;
            still = if now.abs_diff(last) * 200 <= last { still + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }

    fn rss(&self) -> anyhow::Result<u64> {
        self.pids
            .iter()
            .map(|&pid| {
                let sample = ProcessSample::of(pid).with_context(|| format!("process {pid} cannot be measured"))?;
                Ok(sample.rss_bytes)
            })
            .sum()
    }
}

/// The connections, once every attempt has an outcome.
struct Opened {
    /// The number of connections open now.
    keepers: watch::Receiver<usize>,
    /// The number of connections opened.
    open: usize,
    failures: Vec<String>,
    stop: watch::Sender<bool>,
}

/// Keeps one connection alive as the stock client does, until it ends or all must end.
async fn keep(session: Session, alive: Rc<watch::Sender<usize>>, mut stopped: watch::Receiver<bool>) {
    tokio::select! {
        _ = stopped.wait_for(|&stop| stop) => {}
        end = serve(&session) => {
            alive.send_modify(|count| *count -= 1);
            eprintln!("dropped: {end}");
        }
    }
}

async fn serve(session: &Session) -> SessionEnd {
    let mut heard = Instant::now();
    let mut next_ping = tokio::time::Instant::now() + PING_EVERY;
    loop {
        match timeout_at(next_ping, session.readable()).await {
            Ok(Err(error)) => return error.into(),
            Ok(Ok(())) => {
                // On the heap only while something is read, so that the future stays small.
                let mut scratch = vec![0; SCRATCH_BYTES];
                if let Err(end) = session.receive(&mut scratch, |_| heard = Instant::now()) {
                    return end;
                }
            }
            Err(_) if heard.elapsed() > SERVER_TIMEOUT => return SessionEnd::Silent,
            Err(_) => {
                next_ping += PING_EVERY;
                if let Err(error) = session.ping() {
                    return error.into();
                }
            }
        }
    }
}
