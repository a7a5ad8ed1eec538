//! `loadtest run`: a scenario from beginning to end.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::Args;
use rand::Rng as _;
use rts_common::config::Environment;
use rts_common::store::{Store, Tables};
use tokio::runtime::Runtime;

use super::connect_args::{ConnectArgs, ProtocolArg};
use super::view::ViewArgs;
use super::{exit_code, threads_default};
use crate::connection::{Dialer, Tokens};
use crate::engine::distributed::{self, Gate};
use crate::engine::{self, Fault, Limits, Orders, Plan, StorePlan};
use crate::local::Cluster;
use crate::measures;
use crate::procfs::Watched;
use crate::procfs::raise_open_files;
use crate::report::{Prices, Report, table};
use crate::require::Requirements;
use crate::scenario::{Arrivals, Mix, PhaseKind, Scenario};
use crate::units::duration;

/// Files that are open besides connections.
const OTHER_FILES: u64 = 200;

/// Flags of `loadtest run`.
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
#[derive(Args, Debug)]
pub(super) struct RunArgs {
    /// A built-in scenario (pairs, groups, big, mixed, connect-storm, reconnect-storm, slow-readers,
    /// history, noise, idle) or a .toml file.
    scenario: String,
    /// Number of virtual users, each with one connection [default: the scenario's; groups: 1000].
    #[arg(long)]
    users: Option<usize>,
    /// Messages per second, over all users [default: the scenario's; groups: 200].
    #[arg(long)]
    rate: Option<f64>,
    /// Duration of the full load, or of each step [default: the scenario's; groups: 30s].
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    hold: Option<Duration>,
    /// Duration of the rising load before it [default: the scenario's; groups: 5s].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    ramp: Option<Duration>,
    /// Time over which the first connects are spread [default: the scenario's].
    #[arg(long, value_name = "TIME", value_parser = duration)]
    connect_over: Option<Duration>,
    /// Number of members of a group [default: the scenario's; groups: 20].
    #[arg(long)]
    size: Option<usize>,
    /// Number of rooms, with random members.
    #[arg(long)]
    rooms: Option<usize>,
    /// Exponent of the Zipf law by which rooms are chosen.
    #[arg(long)]
    zipf: Option<f64>,
    /// Size of a message's body, in bytes.
    #[arg(long)]
    body_bytes: Option<usize>,
    /// The hub protocol of all users.
    #[arg(long, value_enum)]
    protocol: Option<ProtocolArg>,
    /// Send at random times, as independent users do, instead of evenly.
    #[arg(long)]
    poisson: bool,
    /// After the first rate, continue with higher ones until --limit breaks; each lasts as long as --for.
    #[arg(long)]
    steps: bool,
    /// Threshold that ends the steps.
    #[arg(long, value_name = "LIST")]
    limit: Option<Requirements>,
    /// Directory for report.json and report.html.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Thresholds that set the exit code, besides the checks, such as `p99<200ms,ack_p99_growth<=2,unavailable=0`,
    /// `journaled_again_share<=1%,drained<=60s`. The names are those of `measures` in report.json.
    #[arg(long, value_name = "LIST", default_value = "")]
    require: Requirements,
    /// A local process to measure: its id, or name=id.
    #[arg(long = "pid", value_name = "[NAME=]PID", value_parser = watched)]
    pids: Vec<Watched>,
    /// Measure the parts of the local cluster, and read from its gateways what is journaled again and what is not
    /// stored yet.
    #[arg(long)]
    local: bool,
    /// A fault of the local cluster during the load; allowed only if that is the target. kill-node@30s,
    /// restart-redis@60s, drain@90s, or kill-NAME and drain-NAME with the name of any part. With a duration:
    /// functions-off@60s+120s, sqs-refuse@60s+60s, sqs-slow@60s+60s (to a tenth of --rate; sqs-slow:12 to 12 messages a
    /// second), dynamodb-throttle@60s+60s (90 % of requests; dynamodb-throttle:50 is 50 %).
    #[arg(long = "fault", value_name = "WHAT@TIME[+TIME]")]
    faults: Vec<Fault>,
    /// Number of threads [default: half of the cores, as the servers may be on this machine, too].
    #[arg(long, alias = "workers")]
    threads: Option<usize>,
    /// Seed of everything random [default: another one in each run].
    #[arg(long)]
    seed: Option<u64>,
    /// Time to wait at the end, after the last fault, until everything sent is acknowledged and received. A send that
    /// is not acknowledged by then fails the run.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    settle: Duration,
    /// Without --fault, fail the run if nothing is acknowledged for longer than this while sends are due.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "5s")]
    ack_gap_max: Duration,
    /// With --local: time to wait at the end until nothing is left to be stored.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "2m")]
    drain_within: Duration,
    /// Compare DynamoDB, too, at the end: with the AWS SDK's own variables, in the table that `RTS_MESSAGES_TABLE`
    /// names (chat-messages).
    #[arg(long)]
    store: bool,
    /// Time to wait for DynamoDB while nothing more arrives there; at most five times as long in all.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "60s")]
    store_within: Duration,
    /// Prices for the cost line, instead of the built-in examples.
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    #[command(flatten)]
    view: ViewArgs,
    #[command(flatten)]
    connect: ConnectArgs,
}

impl RunArgs {
    /// Runs on this machine, prints the table and writes the report.
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        self.run_on(&runtime, None)
    }

    /// Does the same, on other machines if there is a gate for them.
    pub(super) fn run_on(self, runtime: &Runtime, gate: Option<Gate>) -> anyhow::Result<ExitCode> {
        let scenario = self.scenario()?;
        for names in [Some(&self.require), self.limit.as_ref()].into_iter().flatten() {
            if let Some(name) = names.names().find(|name| measures::find_of_run(name).is_none()) {
                bail!("a run does not measure {name:?}, only idle does");
            }
        }
        let prices = Prices::load(self.prices.as_deref())?;
        let outcome = runtime.block_on(async {
            let mut view = self.view.open(&scenario).await?;
            let outcome = if let Some(gate) = gate {
                distributed::lead(self.plan(scenario).await?, gate, &mut view).await
            } else {
                allow_files(scenario.users)?;
                let plan = self.plan(scenario).await?;
                try_first(&plan.dialer, &plan.tokens, &plan.scenario).await?;
                engine::run(plan, &mut view).await
            };
            view.close();
            outcome
        });
        let report = Report::new(&outcome?, &self.require, Some(&prices));
        print!("{}", table(&report));
        if let Some(directory) = &self.out {
            report.write(directory)?;
            println!("report: {}", directory.join("report.html").display());
        }
        Ok(exit_code(report.passed))
    }

    /// Refuses the flags of one who has users, for a lead.
    pub(super) fn check_lead(&self) -> anyhow::Result<()> {
        if self.threads.is_some() || self.connect.has_sources() {
            bail!("the lead has no users: --threads and --source belong to the workers");
        }
        Ok(())
    }

    async fn plan(&self, scenario: Scenario) -> anyhow::Result<Plan> {
        let run = format!("{:08x}", rand::random::<u32>());
        let run = format!("lt{run}");
        let tokens = self.connect.tokens(&run, scenario.users)?;
        let dialer = self.connect.dialer(scenario.users).await?;
        let workers = self.threads.unwrap_or_else(threads_default).clamp(1, scenario.users);
        let (mut watched, mut admins) = (self.pids.clone(), Vec::new());
        if self.local || !self.faults.is_empty() {
            let asked = if self.faults.is_empty() { "--local" } else { "--fault" };
            let cluster = Cluster::find().with_context(|| format!("{asked} is for the local cluster"))?;
            self.check_faults(&cluster, &dialer, &scenario)?;
            admins = cluster.admins();
            if self.local {
                watched.extend(cluster.processes());
            }
        }
        let (settle, drain_within, ack_gap_max) = (self.settle, self.drain_within, self.ack_gap_max);
        let orders = Orders {
            run,
            watched,
            faults: self.faults.clone(),
            admins,
            store: self.store_plan().await,
            limits: Limits { settle, drain_within, ack_gap_max },
        };
        Ok(Plan { dialer, tokens, workers, seed: self.seed.unwrap_or_else(|| rand::rng().random()), orders, scenario })
    }

    /// Refuses faults of a cluster that is not the target, and faults that would come too late.
    fn check_faults(&self, cluster: &Cluster, dialer: &Dialer, scenario: &Scenario) -> anyhow::Result<()> {
        if self.faults.is_empty() {
            return Ok(());
        }
        if let Some(target) = dialer.targets.iter().find(|target| !cluster.serves(target.address)) {
            bail!("--fault is for the local cluster, and {} is not part of it", target.authority);
        }
        let load_time = scenario.load_time();
        if let Some(fault) = self.faults.iter().find(|fault| fault.at >= load_time) {
            bail!("the fault {} comes too late: the load lasts {} s", fault.name, load_time.as_secs_f64());
        }
        Ok(())
    }

    async fn store_plan(&self) -> Option<StorePlan> {
        if !self.store {
            return None;
        }
        let config = aws_config::load_from_env().await;
        let tables = Tables::from_environment(&Environment::process());
        Some(StorePlan { store: Store::connect(&config, tables), within: self.store_within })
    }

    /// Returns the scenario with the changes made by flags.
    fn scenario(&self) -> anyhow::Result<Scenario> {
        let mut scenario = Scenario::load(&self.scenario)?;
        set(&mut scenario.users, self.users);
        set(&mut scenario.rates.messages, self.rate);
        set(&mut scenario.connect.over, self.connect_over);
        set(&mut scenario.rooms.size, self.size);
        set(&mut scenario.rooms.count, self.rooms);
        set(&mut scenario.rooms.zipf, self.zipf);
        set(&mut scenario.body_bytes, self.body_bytes);
        if let Some(protocol) = self.protocol {
            scenario.protocol = match protocol {
                ProtocolArg::Json => Mix::Json,
                ProtocolArg::Messagepack => Mix::Messagepack,
            };
        }
        if self.poisson {
            scenario.arrivals = Arrivals::Poisson;
        }
        for phase in &mut scenario.phases {
            match phase.kind {
                PhaseKind::Ramp => set(&mut phase.time, self.ramp),
                PhaseKind::Hold | PhaseKind::Step => set(&mut phase.time, self.hold),
            }
            if phase.kind == PhaseKind::Hold && self.steps {
                phase.kind = PhaseKind::Step;
            }
            set(&mut phase.limit, self.limit.clone());
        }
        scenario.rooms.size = scenario.rooms.size.min(scenario.users);
        scenario.check()?;
        Ok(scenario)
    }
}

/// Allows two files for each user: while it reconnects, the old socket may still be open.
pub(super) fn allow_files(users: usize) -> anyhow::Result<()> {
    let files = users as u64 * 2 + OTHER_FILES;
    if let Err(allowed) = raise_open_files(files) {
        bail!("{files} open files are needed, but {allowed} are allowed: raise `ulimit -n`");
    }
    Ok(())
}

/// Tries the first user, so that a fault of all users is reported at once.
pub(super) async fn try_first(dialer: &Dialer, tokens: &Tokens, scenario: &Scenario) -> anyhow::Result<()> {
    let token = tokens.token(0, dialer.target(0)).await.context("the first user gets no token")?;
    dialer.open(0, &token, scenario.protocol_of(0)).await.context("the first user cannot connect")?;
    Ok(())
}

fn set<T>(field: &mut T, flag: Option<T>) {
    if let Some(value) = flag {
        *field = value;
    }
}

fn watched(text: &str) -> Result<Watched, String> {
    let (name, pid) = text.split_once('=').unwrap_or(("process", text));
    let pid = pid.parse().map_err(|_| format!("{pid:?} is not a process id"))?;
    Ok(Watched { name: name.to_owned(), pid })
}
