//! `rehearse`: users under the checker, who go through a swap, a swap back, an undone swap, and a rolling restart of nodes on a
//! local cluster. Nothing may be lost, doubled or missing, and nobody may be away for long.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rts_local::{Cluster, ClusterOptions};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::side::Side;
use crate::swap::local_world::LocalWorld;
use crate::swap::machine::Order;
use crate::swap::{self, SwapTimes};

/// Nodes of both sides. With one node on a side, all its clients would come back at once, to one.
const NODES: usize = 4;
/// Nodes that a rolling restart replaces.
const RESTARTED: usize = 3;
/// What the checker requires besides what it always does.
const REQUIRED: &str = "lost=0,doubled=0,duplicated=0,resume_gap=0,unacked=0,absent=0";
/// What it also requires of a whole rehearsal, which has the machine for itself.
const REQUIRED_OF_WHOLE: &str = "away_p99<3s,away_max<10s";

/// The size of a rehearsal.
#[derive(Clone, Copy, Debug)]
pub struct Rehearsal {
    /// The number of users.
    pub users: usize,
    /// Messages a second.
    pub rate: u32,
    /// Time for which they write; longer than everything that happens to them.
    pub load: Duration,
    /// Time over which a node closes its sessions.
    pub drain_seconds: u64,
    /// Time for which a tenth is watched.
    pub hold: Duration,
    /// True to undo a swap and to restart nodes, too.
    pub is_whole: bool,
}

impl Rehearsal {
    /// The one that takes minutes.
    pub const WHOLE: Self = Self {
        users: 1000,
        rate: 100,
        load: Duration::from_mins(4),
        drain_seconds: 8,
        hold: Duration::from_secs(5),
        is_whole: true,
    };
    /// The one of the regular gate.
    pub const SMALL: Self = Self {
        users: 60,
        rate: 20,
        load: Duration::from_secs(40),
        drain_seconds: 1,
        hold: Duration::from_secs(1),
        is_whole: false,
    };
}

/// Rehearses; an error says what was wrong.
pub async fn run(rehearsal: Rehearsal, say: &impl Fn(&str)) -> anyhow::Result<()> {
    let binaries = tokio::task::spawn_blocking(rts_local::binaries).await??;
    let loadtest = binaries.join("loadtest");
    let drain = rehearsal.drain_seconds.to_string();
    let options = ClusterOptions { nodes: NODES, ..ClusterOptions::default() };
    let cluster = Arc::new(Cluster::start(options.with_variable("gateway", "RTS_DRAIN_SECONDS", drain)).await?);
    let world = LocalWorld::new(Arc::clone(&cluster), NODES, loadtest.clone())?;
    let mut load = load(&rehearsal, &loadtest, &cluster)?;
    let begun = Instant::now();
    let acted = async {
        everybody_is_there(&rehearsal, &cluster).await?;
        act(&rehearsal, &cluster, &world, say).await
    };
    let acted = tokio::select! {
        acted = acted => acted,
        ended = load.wait() => bail!("the load ended too early: {}", ended?),
    };
    acted?;
    say(&format!("all done after {} s; waiting for the checker", begun.elapsed().as_secs()));
    let ended = load.wait().await?;
    if !ended.success() {
        bail!("the load ended with {ended}");
    }
    Ok(())
}

async fn act(rehearsal: &Rehearsal, cluster: &Cluster, world: &LocalWorld, say: &impl Fn(&str)) -> anyhow::Result<()> {
    let times = SwapTimes {
        look: Duration::from_millis(250),
        hold: rehearsal.hold,
        patience: Duration::from_mins(1),
        call: Duration::from_mins(1),
    };
    let order = |to, is_back| Order { to, is_back, ends_other: !is_back };
    swap::run(world, order(Side::Green, false), times, say).await.context("the swap")?;
    world.make(Side::Blue).await?;
    swap::run(world, order(Side::Blue, false), times, say).await.context("the swap back")?;
    if !rehearsal.is_whole {
        return Ok(());
    }
    world.make(Side::Green).await?;
    // Until one node of blue is taken out.
    let undone = swap::run(world, order(Side::Green, false), times, say);
    let taken_out = async {
        while !cluster.status().iter().any(|part| part.state == rts_local::State::Stopping) {
            sleep(times.look).await;
        }
    };
    tokio::select! {
        ended = undone => bail!("the swap that is to be undone was over already: {ended:?}"),
        () = taken_out => {}
    }
    swap::run(world, order(Side::Blue, true), times, say).await.context("the undone swap")?;
    for number in 1..=RESTARTED {
        restart(cluster, number, say).await.context("the rolling restart")?;
    }
    Ok(())
}

/// Takes a node out, restarts it, and puts it back. Those that are not restarted take part.
async fn restart(cluster: &Cluster, number: usize, say: &impl Fn(&str)) -> anyhow::Result<()> {
    let name = format!("gateway-{number}");
    say(&format!("restarting {name}"));
    // All nodes, whatever side they were on.
    for other in 1..=NODES {
        cluster.start_part(&format!("gateway-{other}")).await?;
    }
    let shares = |without: usize| (1..=NODES).map(|other| u32::from(other != without)).collect::<Vec<_>>();
    cluster.balance(&shares(number))?;
    cluster.stop(&name).await?;
    cluster.start_part(&name).await?;
    cluster.balance(&shares(0))?;
    Ok(())
}

fn load(rehearsal: &Rehearsal, loadtest: &Path, cluster: &Cluster) -> anyhow::Result<Child> {
    let (users, rate) = (rehearsal.users.to_string(), rehearsal.rate.to_string());
    let length = format!("{}s", rehearsal.load.as_secs());
    let required = if rehearsal.is_whole { format!("{REQUIRED},{REQUIRED_OF_WHOLE}") } else { REQUIRED.to_owned() };
    let child = Command::new(loadtest)
        .args(["run", "groups", "--quiet", "--metrics", "none", "--users", &users, "--rate", &rate, "--for", &length])
        .args(["--settle", "1m", "--target", &cluster.balancer_url(), "--require", &required])
        .kill_on_drop(true)
        .spawn();
    child.context("the load tool does not run")
}

/// Waits until all users are connected.
async fn everybody_is_there(rehearsal: &Rehearsal, cluster: &Cluster) -> anyhow::Result<()> {
    let patience = Instant::now() + Duration::from_mins(1);
    loop {
        let mut connected = 0.0;
        for index in 0..NODES {
            connected += cluster.metric(index, "rts_connections").await.unwrap_or(0.0);
        }
        if connected >= rehearsal.users as f64 {
            return Ok(());
        }
        if Instant::now() > patience {
            bail!("only {connected} users are connected");
        }
        sleep(Duration::from_millis(500)).await;
    }
}
