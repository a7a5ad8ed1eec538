//! The steps of `test` that load the cluster: an ordinary day, and, with `--long`, days on which a part fails.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::cluster::{Cluster, ClusterOptions};
use crate::parts::aws::{ACCESS_KEY_ID, DynamodbFault, Fault, SECRET_ACCESS_KEY, SqsFault};

/// The messages a second that, according to `up`, the cluster carries.
const RATE: u32 = 300;
/// The rate during storms, which is lower: the cluster must catch up afterwards.
const STORM_RATE: u32 = 120;
/// The duration of the load before a part fails.
const BEFORE: Duration = Duration::from_mins(1);

/// A part that fails in the middle of a load.
#[derive(Clone, Copy)]
struct Storm {
    name: &'static str,
    trouble: Trouble,
    lasts: Duration,
}

#[derive(Clone, Copy)]
enum Trouble {
    FunctionsOff,
    Aws { on: Fault, off: Fault },
}

const STORMS: [Storm; 4] = [
    Storm { name: "functions off", trouble: Trouble::FunctionsOff, lasts: Duration::from_mins(2) },
    Storm {
        name: "SQS refuses",
        trouble: Trouble::Aws { on: Fault::Sqs(SqsFault::Refuse), off: Fault::Sqs(SqsFault::None) },
        lasts: Duration::from_mins(1),
    },
    Storm {
        name: "SQS takes a tenth",
        trouble: Trouble::Aws { on: Fault::Sqs(SqsFault::Slow(STORM_RATE / 10)), off: Fault::Sqs(SqsFault::None) },
        lasts: Duration::from_mins(1),
    },
    Storm {
        name: "DynamoDB throttles",
        trouble: Trouble::Aws {
            on: Fault::Dynamodb(DynamodbFault::Throttle(90)),
            off: Fault::Dynamodb(DynamodbFault::None),
        },
        lasts: Duration::from_mins(1),
    },
];

/// Loads the cluster for five minutes with as much as it carries: everything is acknowledged, right, and stored,
/// nothing is refused, and next to nothing is journaled twice.
pub(super) async fn ordinary_day(binaries: &Path) -> anyhow::Result<()> {
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    let required = "unavailable=0,rate_limited=0,unacked=0,lost=0,dropped=0";
    let mut load = load(&cluster, binaries, RATE, "5m").args(["--require", required]).spawn()?;
    let ended = load.wait().await?;
    if !ended.success() {
        bail!("the load ended with {ended}");
    }
    wait_stored(&cluster, Duration::from_mins(1)).await?;
    let again = share_journaled_again(&cluster).await?;
    if again > 0.01 {
        bail!("{:.1} % of the messages were journaled again", again * 100.0);
    }
    cluster.shut_down().await;
    Ok(())
}

/// Does the same while a part fails: nothing is lost, few entries are journaled again, and everything is stored soon
/// after.
pub(super) async fn storms(binaries: &Path) -> anyhow::Result<()> {
    for storm in STORMS {
        println!("  {}", storm.name);
        weather(binaries, storm).await.with_context(|| storm.name)?;
    }
    Ok(())
}

async fn weather(binaries: &Path, storm: Storm) -> anyhow::Result<()> {
    let cluster = Cluster::start(ClusterOptions::default()).await?;
    let length = format!("{}s", (BEFORE + storm.lasts + Duration::from_secs(30)).as_secs());
    // Messages refused meanwhile are sent again, by users that wait up to some ten seconds.
    let required =
        if storm.trouble.makes_refusals() { "unacked=0,lost=0,refused_told_p99<1s" } else { "unacked=0,lost=0" };
    let patience = ["--ack-gap-max", "10m", "--settle", "3m", "--require", required];
    let mut load = load(&cluster, binaries, STORM_RATE, &length).args(patience).spawn()?;
    sleep(BEFORE).await;
    storm.trouble.switch(&cluster, true).await?;
    sleep(storm.lasts).await;
    storm.trouble.switch(&cluster, false).await?;
    let over = Instant::now();
    let ended = load.wait().await?;
    if !ended.success() {
        bail!("the load ended with {ended}");
    }
    wait_stored(&cluster, (storm.lasts * 3).saturating_sub(over.elapsed())).await?;
    let again = share_journaled_again(&cluster).await?;
    println!("  all stored {} s after it, {:.1} % journaled again", over.elapsed().as_secs(), again * 100.0);
    if again > 0.2 {
        bail!("{:.1} % of the messages were journaled again", again * 100.0);
    }
    cluster.shut_down().await;
    Ok(())
}

impl Trouble {
    /// True if the journal cannot take the whole load meanwhile.
    fn makes_refusals(self) -> bool {
        matches!(self, Self::Aws { on: Fault::Sqs(_), .. })
    }

    async fn switch(self, cluster: &Cluster, on: bool) -> anyhow::Result<()> {
        match self {
            Self::FunctionsOff => cluster.feed_functions(!on).await?,
            Self::Aws { on: fault, .. } if on => cluster.set_fault(fault).await?,
            Self::Aws { off, .. } => cluster.set_fault(off).await?,
        }
        Ok(())
    }
}

/// Makes the command of the load tool on a cluster, which also compares DynamoDB's content.
pub(super) fn load(cluster: &Cluster, binaries: &Path, rate: u32, length: &str) -> Command {
    let outputs = cluster.outputs();
    let mut command = Command::new(binaries.join("loadtest"));
    command
        .args(["run", "groups", "--users", "500", "--store", "--metrics", "none"])
        .args(["--rate", &rate.to_string(), "--for", length, "--target", &cluster.balancer_url()])
        .env("AWS_ENDPOINT_URL", cluster.aws_endpoint())
        .env("AWS_REGION", &outputs.region)
        .env("AWS_ACCESS_KEY_ID", ACCESS_KEY_ID)
        .env("AWS_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
        .env("RTS_MESSAGES_TABLE", &outputs.messages_table_name)
        .kill_on_drop(true);
    command
}

pub(super) async fn wait_stored(cluster: &Cluster, patience: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + patience;
    loop {
        let unstored = sum(cluster, "rts_unstored_messages").await?;
        if unstored == 0.0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{unstored} messages were not stored in time");
        }
        sleep(Duration::from_secs(1)).await;
    }
}

async fn share_journaled_again(cluster: &Cluster) -> anyhow::Result<f64> {
    let again = sum(cluster, "rts_reconciled_total{outcome=\"journaled\"}").await?;
    Ok(again / sum(cluster, "rts_messages_accepted_total").await?.max(1.0))
}

/// Returns a metric, summed over both gateways.
async fn sum(cluster: &Cluster, metric: &str) -> anyhow::Result<f64> {
    let mut all = 0.0;
    for index in 0..2 {
        all += cluster.metric(index, metric).await?;
    }
    Ok(all)
}
