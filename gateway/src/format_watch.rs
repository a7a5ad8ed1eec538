//! Versions side by side: each node says in a lease which format it writes into Redis, and one that sees another write
//! what it cannot read drains itself.
//!
//! What happens when a party dies:
//! - *Redis*: nothing is seen, and nothing is drained.
//! - *The newer node*: its lease ends after seconds. Who has begun to drain goes on with it.
//! - *This node, started again while the newer one runs*: it shuts down after its first look, before it has clients.

use std::sync::Arc;
use std::time::Duration;

use rts_common::ids::NodeId;
use rts_common::redis::format::Formats;
use rts_common::redis::{Redis, RedisFailure, keys, read, scripts};
use tokio::time::sleep;

use crate::lifecycle::Lifecycle;

/// The times of the watch.
#[derive(Clone, Copy, Debug)]
pub struct FormatTimes {
    /// Time between two looks.
    pub look: Duration,
    /// The duration of a lease: several looks.
    pub lease: Duration,
}

impl Default for FormatTimes {
    fn default() -> Self {
        Self { look: Duration::from_secs(2), lease: Duration::from_secs(15) }
    }
}

/// Looks in a row that have to see the newer node, after the first one, which is enough by itself.
const LOOKS: u32 = 3;

/// Runs until it is cancelled; shuts the node down once it is too old for what it sees.
pub async fn watch(node: NodeId, formats: Formats, redis: Arc<Redis>, times: FormatTimes, lifecycle: Lifecycle) {
    let mut needed = 1;
    let mut seen = 0;
    let mut is_told = false;
    loop {
        match look(&node, formats, &redis, times.lease).await {
            Ok(Some(newer)) => {
                seen += 1;
                if seen >= needed && !is_told {
                    is_told = true;
                    let (format, node) = newer;
                    tracing::error!(
                        reads = formats.reads,
                        format,
                        node,
                        "this build is too old: it does not read the format that another node writes into Redis, and drains"
                    );
                    lifecycle.shut_down();
                }
            }
            Ok(None) => {
                seen = 0;
                needed = LOOKS;
            }
            // The first look is still to come.
            Err(error) => tracing::debug!(%error, "cannot read the formats of other nodes"),
        }
        sleep(times.look).await;
    }
}

/// Renews this node's lease; returns the format that it cannot read, and a node that writes it.
async fn look(
    node: &NodeId,
    formats: Formats,
    redis: &Redis,
    lease: Duration,
) -> Result<Option<(u32, String)>, RedisFailure> {
    let (own, lease) = (member(node, formats), lease.as_millis().to_string());
    let found = redis.run(&scripts::FORMATS, &keys::formats(), &[&own, &lease]).await?;
    let found: Vec<String> = read(found)?;
    let parsed = found.iter().filter_map(|member| {
        let (format, node) = member.split_once(' ')?;
        Some((format.parse().ok()?, node.to_owned()))
    });
    Ok(parsed.into_iter().find(|(format, _)| *format > formats.reads))
}

/// Ends this node's lease, so that an older build may take its place at once.
pub async fn leave(node: &NodeId, formats: Formats, redis: &Redis) {
    let mut remove = redis::cmd("ZREM");
    remove.arg(keys::formats()).arg(member(node, formats));
    if let Err(error) = redis.command("formats", &remove).await {
        tracing::debug!(%error, "failed to end the lease of this node's format");
    }
}

fn member(node: &NodeId, formats: Formats) -> String {
    format!("{} {node}", formats.writes)
}
