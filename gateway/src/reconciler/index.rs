//! The unstored index and its leases in Redis.

use std::sync::Arc;
use std::time::Duration;

use rts_common::ids::{NodeId, RoomId};
use rts_common::redis::keys::Partition;
use rts_common::redis::{Redis, RedisFailure, read, scripts};
use rts_common::seq::Seq;

/// The unstored index, seen by one node.
pub(super) struct Index {
    redis: Arc<Redis>,
    node: NodeId,
    lease: Duration,
}

/// How much of a partition is not stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Backlog {
    pub(super) entries: usize,
    /// When the oldest was accepted.
    pub(super) oldest: Option<Seq>,
}

impl Index {
    pub(super) fn new(redis: Arc<Redis>, node: NodeId, lease: Duration) -> Self {
        Self { redis, node, lease }
    }

    /// Takes or prolongs the lease of a partition; false if another node holds it.
    pub(super) async fn hold(&self, partition: Partition) -> Result<bool, RedisFailure> {
        let lease = self.lease.as_millis().to_string();
        let arguments = [self.node.as_str(), &lease];
        let held = self.redis.run(&scripts::LEASE, &partition.reconcile_lease(), &arguments).await?;
        read(held)
    }

    /// What is not stored of a partition; `None` if another node holds it.
    pub(super) async fn look(&self, partition: Partition) -> Result<Option<Backlog>, RedisFailure> {
        if self.hold(partition).await? { self.backlog(partition).await.map(Some) } else { Ok(None) }
    }

    async fn backlog(&self, partition: Partition) -> Result<Backlog, RedisFailure> {
        let mut count = redis::cmd("ZCARD");
        count.arg(partition.unstored());
        let entries = read(self.redis.command("unstored", &count).await?)?;
        if entries == 0 {
            return Ok(Backlog::default());
        }
        let mut oldest = redis::cmd("ZRANGE");
        oldest.arg(partition.unstored()).arg(0).arg(0);
        let oldest: Vec<String> = read(self.redis.command("unstored", &oldest).await?)?;
        // A member's last part is its score.
        let oldest = oldest.first().and_then(|member| Seq::parse(member.rsplit(':').next()?));
        Ok(Backlog { entries, oldest })
    }

    /// Members accepted after `after` and not after `until`, oldest first.
    pub(super) async fn page(
        &self,
        partition: Partition,
        after: Seq,
        until: Seq,
        limit: usize,
    ) -> Result<Vec<String>, RedisFailure> {
        let mut range = redis::cmd("ZRANGEBYSCORE");
        range.arg(partition.unstored()).arg(format!("({after}")).arg(until.get()).arg("LIMIT").arg(0).arg(limit);
        read(self.redis.command("unstored", &range).await?)
    }

    /// Takes members off the index.
    pub(super) async fn remove(&self, partition: Partition, members: &[String]) -> Result<(), RedisFailure> {
        let mut remove = redis::cmd("ZREM");
        remove.arg(partition.unstored()).arg(members);
        self.redis.command("unstored_remove", &remove).await?;
        Ok(())
    }

    /// Takes a message version off the index.
    pub(super) async fn remove_message(&self, room: &RoomId, message: Seq, version: Seq) -> Result<(), RedisFailure> {
        let member = format!("m:{room}:{message}:{version}");
        self.remove(Partition::of_room(room), &[member]).await
    }
}
