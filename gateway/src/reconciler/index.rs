//! The unstored index and its leases in Redis.

use std::sync::Arc;
use std::time::Duration;

use rts_common::ids::{NodeId, RoomId};
use rts_common::redis::journaled::{Journaled, message_member};
use rts_common::redis::keys::{self, Partition};
use rts_common::redis::{Redis, RedisFailure, read, scripts, stored};
use rts_common::seq::{Seq, Timestamp};

use super::decision::Waits;

/// The span in which the longest wait of a queue is searched.
const WAITS_MS: u64 = 30 * 60 * 1000;

/// The unstored index, as one node reads it.
pub(super) struct Index {
    redis: Arc<Redis>,
    node: NodeId,
    lease: Duration,
}

/// The unstored entries of a partition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    pub(super) entries: usize,
    /// The time when the oldest was accepted.
    pub(super) oldest: Option<Seq>,
    /// Those that the functions set aside, which do not count above.
    pub(super) set_aside: usize,
}

impl Index {
    pub(super) fn new(redis: Arc<Redis>, node: NodeId, lease: Duration) -> Self {
        Self { redis, node, lease }
    }

    /// Takes or renews the lease of a partition; false if another node holds it.
    pub(super) async fn hold(&self, partition: Partition) -> Result<bool, RedisFailure> {
        let lease = self.lease.as_millis().to_string();
        let arguments = [self.node.as_str(), &lease];
        let held = self.redis.run(&scripts::LEASE, &partition.reconcile_lease(), &arguments).await?;
        read(held)
    }

    /// Returns the backlog of a partition; `None` if another node holds it.
    pub(super) async fn look(&self, partition: Partition) -> Result<Option<Backlog>, RedisFailure> {
        if self.hold(partition).await? { self.backlog(partition).await.map(Some) } else { Ok(None) }
    }

    async fn backlog(&self, partition: Partition) -> Result<Backlog, RedisFailure> {
        let keys = [partition.unstored(), partition.journaled()];
        let counted = self.redis.run_on(&scripts::UNSTORED_BACKLOG, &keys, &[]).await?;
        let (entries, set_aside, oldest): (usize, usize, String) = read(counted)?;
        // A member's last part is its score.
        Ok(Backlog { entries, oldest: oldest.rsplit(':').next().and_then(Seq::parse), set_aside })
    }

    /// Reads entries accepted until a seq, oldest first, from a rank on: their members, and the notes of their
    /// journaling.
    pub(super) async fn page(
        &self,
        partition: Partition,
        rank: usize,
        limit: usize,
        until: Seq,
    ) -> Result<Vec<(String, Option<Journaled>)>, RedisFailure> {
        let keys = [partition.unstored(), partition.journaled()];
        let (rank, limit, until) = (rank.to_string(), limit.to_string(), until.to_string());
        let page = self.redis.run_on(&scripts::UNSTORED_PAGE, &keys, &[&rank, &limit, &until]).await?;
        let page: Vec<String> = read(page)?;
        let known = |score: &str| score.parse().ok().map(Journaled::from_score);
        Ok(page.chunks_exact(2).map(|pair| (pair[0].clone(), known(&pair[1]))).collect())
    }

    /// Notes the journaling of members that have not been stored meanwhile.
    pub(super) async fn note(&self, partition: Partition, noted: &[(String, Journaled)]) -> Result<(), RedisFailure> {
        let scores: Vec<_> = noted.iter().map(|(_, journaled)| journaled.score().to_string()).collect();
        let pairs = noted.iter().zip(&scores).flat_map(|((member, _), score)| [member.as_str(), score]);
        let keys = [partition.unstored(), partition.journaled()];
        self.redis.run_on(&scripts::NOTE_JOURNALED, &keys, &pairs.collect::<Vec<_>>()).await.map(drop)
    }

    /// Returns the recent waits that the functions of a queue reported, if any; forgets older ones.
    pub(super) async fn waits(&self, queue: &str) -> Result<Option<Waits>, RedisFailure> {
        let key = keys::queue_waits(queue);
        let mut range = redis::cmd("ZRANGE");
        range.arg(&key).arg(0).arg(-1).arg("WITHSCORES");
        let waits: Vec<(u64, f64)> = read(self.redis.command("queue_waits", &range).await?)?;
        let oldest = (Timestamp::now().millis() - WAITS_MS) / stored::WAIT_SPAN_MS;
        let (kept, old): (Vec<_>, Vec<_>) = waits.into_iter().partition(|(span, _)| *span >= oldest);
        if !old.is_empty() {
            let mut remove = redis::cmd("ZREM");
            remove.arg(&key).arg(old.iter().map(|(span, _)| *span).collect::<Vec<_>>());
            self.redis.command("queue_waits", &remove).await?;
        }
        let Some(last) = kept.iter().map(|(span, _)| *span).max() else { return Ok(None) };
        let longest = kept.iter().map(|(_, wait)| *wait).fold(0.0, f64::max);
        let told_at = Timestamp::from_millis(last * stored::WAIT_SPAN_MS);
        Ok(Some(Waits { longest: Duration::from_secs_f64(longest.max(0.0) / 1000.0), told_at }))
    }

    /// Removes members from the index.
    pub(super) async fn remove(&self, partition: Partition, members: &[String]) -> Result<(), RedisFailure> {
        for key in [partition.unstored(), partition.journaled()] {
            let mut remove = redis::cmd("ZREM");
            remove.arg(key).arg(members);
            self.redis.command("unstored_remove", &remove).await?;
        }
        Ok(())
    }

    /// Removes a message version from the index.
    pub(super) async fn remove_message(&self, room: &RoomId, message: Seq, version: Seq) -> Result<(), RedisFailure> {
        self.remove(Partition::of_room(room), &[message_member(room, message, version)]).await
    }
}
