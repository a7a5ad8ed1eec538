//! The step of `test` that runs two builds side by side, as every deployment does for a while: an older one, whose
//! binaries [`OLD_BINARIES`] names, and this one. `.ci/skew` builds the older one and calls it.
//!
//! Each mix is loaded for a minute with the checker of the load tool, which compares what every user saw with what was
//! acknowledged, with the history, and with DynamoDB.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};

use super::load::{load, wait_stored};
use crate::cluster::{Cluster, ClusterOptions, FUNCTIONS};
use crate::parts::gateway;

/// Names the directory of the older build's binaries.
const OLD_BINARIES: &str = "RTS_OLD_BIN_DIR";
/// The messages a second.
const RATE: u32 = 100;
/// The time of a mix.
const LENGTH: &str = "60s";

/// The parts that are of the older build.
struct Mix {
    what: &'static str,
    old: &'static [&'static str],
}

const MIXES: [Mix; 4] = [
    Mix { what: "old gateways, new functions: functions are rolled out first", old: &["gateway"] },
    Mix { what: "an old and a new gateway on one Redis, new functions", old: &["gateway-1"] },
    Mix { what: "new gateways, old functions: functions are rolled back", old: &[FUNCTIONS] },
    Mix { what: "an old and a new gateway, old functions", old: &["gateway-2", FUNCTIONS] },
];

/// Returns the older build, if there is one.
pub(super) fn old_binaries() -> Option<PathBuf> {
    std::env::var_os(OLD_BINARIES).map(PathBuf::from)
}

/// Runs every mix: everything is acknowledged, right, and stored.
pub(super) async fn run(binaries: &Path) -> anyhow::Result<()> {
    let old = old_binaries().with_context(|| format!("{OLD_BINARIES} is not set; .ci/skew builds and sets it"))?;
    for mix in MIXES {
        println!("  {}", mix.what);
        side_by_side(binaries, &old, &mix).await.with_context(|| mix.what)?;
    }
    Ok(())
}

async fn side_by_side(binaries: &Path, old: &Path, mix: &Mix) -> anyhow::Result<()> {
    let options = mix.old.iter().fold(ClusterOptions::default(), |options, part| options.of_build(part, old));
    let cluster = Cluster::start(options).await?;
    let began = pids(&cluster);
    let required = ["--require", "unacked=0,lost=0"];
    let ended = load(&cluster, binaries, RATE, LENGTH).args(required).spawn()?.wait().await?;
    if !ended.success() {
        bail!("the load ended with {ended}");
    }
    wait_stored(&cluster, Duration::from_mins(1)).await?;
    // A node that reads of a format that it does not know drains itself, and is started again.
    if pids(&cluster) != began {
        bail!("a gateway ended meanwhile");
    }
    cluster.shut_down().await;
    Ok(())
}

fn pids(cluster: &Cluster) -> [Option<u32>; 2] {
    [1, 2].map(|number| cluster.pid(&gateway::name(number)))
}
