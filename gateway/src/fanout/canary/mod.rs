//! The canary: publications that every node makes and hears, to show that publications arrive.
//!
//! Every two seconds a node publishes a number in one partition of each of 16 groups of neighbouring partitions, so at
//! every server of a cluster of up to 16. A canary takes the way of all publications: subscriber connection, shard. An own
//! one gives the time of the round trip, on one clock; one of any node shows that this node hears.
//!
//! A node that has heard nothing in a group for eight seconds is **deaf** if others hear there: their reports are in a
//! hash, which is read by command and so does not need publications. Where nobody hears, nobody is deaf: a balancer
//! without targets would help nobody, and the alert on the age fires. A report counts if it changed under the reader's
//! eyes, so that no clocks are compared. A deaf node is well again after three good looks.

mod ears;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use rts_common::ids::NodeId;
use rts_common::redis::keys::{self, PARTITIONS, Partition};
use rts_common::redis::{Redis, RedisFailure, read};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use self::ears::{Ears, GROUPS};
use super::subscriber::subscriptions::partition_of;
use crate::metrics;

/// The interval between looks; every second one publishes.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The deadline of the calls of one look: it must not hold up the next.
const CALLS_TIMEOUT: Duration = Duration::from_millis(800);
/// The interval of looks at all reports, to remove those of nodes that are gone.
const LOOKS_PER_TIDYING: u64 = 30;

/// The partitions of a group.
const PARTITIONS_PER_GROUP: usize = PARTITIONS / GROUPS;

/// Returns the channels of all groups.
pub(super) fn channels() -> impl Iterator<Item = String> {
    Partition::all().step_by(PARTITIONS_PER_GROUP).map(Partition::canary_channel)
}

/// The canary of this node.
pub(super) struct Canary {
    node: NodeId,
    ears: Mutex<Ears>,
}

impl Canary {
    pub(super) fn new(node: NodeId) -> Self {
        Self { node, ears: Mutex::new(Ears::new(Instant::now())) }
    }

    /// True if others hear what this node does not.
    pub(super) fn is_deaf(&self) -> bool {
        self.ears().is_deaf()
    }

    /// Takes a publication on a canary's channel.
    pub(super) fn heard(&self, channel: &Bytes, payload: &Bytes) {
        let (Ok(channel), Ok(payload)) = (std::str::from_utf8(channel), std::str::from_utf8(payload)) else { return };
        let group = partition_of(channel) / PARTITIONS_PER_GROUP;
        let Some((node, number)) = payload.split_once(' ') else { return };
        let own = if node == self.node.as_str() { number.parse().ok() } else { None };
        if let Some(took) = self.ears().heard(group, own, Instant::now()) {
            metrics::canary_round_trip(took);
        }
    }

    /// Publishes and looks, for ever.
    pub(super) async fn run(&self, redis: &Redis) {
        // Nodes that were started together do not publish together.
        tokio::time::sleep(LOOK_EVERY.mul_f64(rand::random())).await;
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // A restarted node's reports differ from its last.
        let begun: u32 = rand::random();
        for look in u64::from(begun).. {
            looks.tick().await;
            let calls = async {
                if look.is_multiple_of(2) {
                    self.publish(redis, look).await;
                }
                self.exchange(redis, look).await
            };
            // Without Redis there is nothing to learn; its own readiness says so.
            let _without_redis = timeout(CALLS_TIMEOUT, calls).await;
            let now = Instant::now();
            let mut ears = self.ears();
            let lost = ears.judge(now);
            let ages = ears.ages(now);
            drop(ears);
            lost.into_iter().for_each(metrics::canary_lost);
            ages.into_iter().enumerate().for_each(|(group, age)| metrics::canary_age(group, age));
        }
    }

    async fn publish(&self, redis: &Redis, number: u64) {
        self.ears().published(number, Instant::now());
        let payload = format!("{} {number}", self.node);
        let publications = channels().enumerate().map(|(group, channel)| {
            let mut command = redis::cmd("SPUBLISH");
            command.arg(channel).arg(&payload);
            async move {
                if redis.command("canary", &command).await.is_ok() {
                    self.ears().accepted(group, number);
                }
            }
        });
        join_all(publications).await;
    }

    /// Reports what is heard here; reads the reports of others if that matters.
    async fn exchange(&self, redis: &Redis, look: u64) -> Result<(), RedisFailure> {
        let key = keys::canary_reports();
        let heard = self.ears().hears(Instant::now());
        let report = format!("{look} {heard:x}");
        redis.command("canary", redis::cmd("HSET").arg(&key).arg(self.node.as_str()).arg(report)).await?;
        if !self.ears().is_unsure(Instant::now()) && !look.is_multiple_of(LOOKS_PER_TIDYING) {
            return Ok(());
        }
        let reports = redis.command("canary", redis::cmd("HGETALL").arg(&key)).await?;
        let reports: Vec<(String, String)> = read(reports)?;
        let others = reports.into_iter().filter(|(node, _)| node != self.node.as_str());
        let gone = self.ears().told(others, Instant::now());
        if !gone.is_empty() {
            redis.command("canary", redis::cmd("HDEL").arg(&key).arg(&gone)).await?;
        }
        Ok(())
    }

    fn ears(&self) -> MutexGuard<'_, Ears> {
        self.ears.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
