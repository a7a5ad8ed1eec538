//! Watches the services that the node cannot work without, for its readiness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use rts_common::ids::NodeId;
use rts_common::redis::Redis;
use rts_common::redis::keys::{PARTITIONS, Partition};

use crate::fanout::Fanout;
use crate::lifecycle::{Part, Readiness};
use crate::metrics;

/// Interval of checks of Redis.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Partitions of a cluster that are written to in each check: neighboring ones are of one master.
const PROBED: usize = 8;
/// Time after which a probe's key is gone.
const PROBE_MILLIS: u64 = 60_000;
/// Interval at which it is asked what it is.
const FITNESS_INTERVAL: Duration = Duration::from_mins(1);

/// Sets the readiness of Redis and of the subscriptions; logs when it changes. A Redis that must not be used counts as
/// absent until it has been fit once: a setting that is changed under a running cluster must not end it.
pub(super) async fn watch_redis(node: NodeId, redis: Arc<Redis>, fanout: Fanout, readiness: Readiness) {
    let mut was = (false, false);
    let mut was_deaf = false;
    let mut is_first = true;
    let mut fitness = Fitness::default();
    loop {
        let is_there = takes_writes(&redis, &node).await;
        let is = (is_there && fitness.check(&redis).await, fanout.is_mostly_connected());
        readiness.set(Part::Redis, is.0);
        readiness.set(Part::Fanout, is.1);
        metrics::fanout_queue_depth(fanout.queue_depth());
        let is_deaf = fanout.is_deaf();
        readiness.set_deaf(is_deaf);
        match (was_deaf, is_deaf) {
            (false, true) => tracing::error!("publications reach other nodes and not this one: it is not ready"),
            (true, false) => tracing::info!("publications reach this node again, or no other either"),
            _ => {}
        }
        was_deaf = is_deaf;
        if is != was || is_first {
            match is {
                (true, true) => tracing::info!("Redis answers"),
                (false, _) if is_there => tracing::warn!("waiting for Redis: it must not be used as it is"),
                (false, _) => tracing::warn!("waiting for Redis: it takes no writes"),
                (true, false) => tracing::warn!("waiting for Redis: subscriptions are not up"),
            }
        }
        (was, is_first) = (is, false);
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

/// True if a write succeeds: a replica, and a server that is full, answer pings. Of a cluster half of the probes have to: a
/// node without one master serves the rooms of the others, and a balancer without any node helps nobody.
async fn takes_writes(redis: &Redis, node: &NodeId) -> bool {
    let step = if redis.is_cluster() { PARTITIONS / PROBED } else { PARTITIONS };
    let probes = Partition::all().step_by(step).map(async |partition| {
        let mut write = redis::cmd("SET");
        write.arg(partition.write_probe(node)).arg("1").arg("PX").arg(PROBE_MILLIS);
        redis.command("probe", &write).await.is_ok()
    });
    let written = join_all(probes).await;
    let successes = written.iter().filter(|is_written| **is_written).count();
    successes * 2 >= written.len()
}

/// Asks Redis from time to time whether it may be used.
#[derive(Default)]
struct Fitness {
    asked: Option<Instant>,
    has_been_fit: bool,
}

impl Fitness {
    /// True once Redis has been fit. One that does not say what it is gets the benefit of the doubt.
    async fn check(&mut self, redis: &Redis) -> bool {
        if self.asked.is_none_or(|asked| asked.elapsed() >= FITNESS_INTERVAL) {
            self.asked = Some(Instant::now());
            match redis.unfit().await {
                Ok(Some(reason)) => tracing::error!(%reason, "this Redis must not be used"),
                Ok(None) => self.has_been_fit = true,
                Err(error) => {
                    tracing::warn!(%error, "Redis does not say what it is");
                    self.has_been_fit = true;
                }
            }
        }
        self.has_been_fit
    }
}
