//! The reconciler: whatever stays unstored for too long is checked against DynamoDB, and journaled again.
//!
//! Each node goes round the 128 partitions, spread over [`ReconcilerSettings::round`], and works on those
//! whose lease it holds or can take. The lease is prolonged before each page; a node that lost it
//! stops. Two nodes at one partition would do no harm: everything here may be done twice.
//!
//! | the entry is | then |
//! |---|---|
//! | in DynamoDB at its version or a later one | it is taken off the index; its sender is told |
//! | not there, but in the room's stream | it is journaled again, under the deduplication id it had |
//! | in neither, looked up twice | it is lost: an error in the log, a metric, off the index |
//! | a change of a room | all of the room's state is journaled again |
//!
//! The same entry is tried after 15 s, then after twice as long each time, up to ten minutes: a Lambda
//! that is merely slow is not pressed, and SQS drops what it has seen within five minutes.
//!
//! What happens when a party dies:
//! - *A gateway between publish and SQS*: its messages are in the stream and the index; found here.
//! - *A Lambda after its write, before it cleared the index*: found in DynamoDB, and cleared.
//! - *A Lambda that failed until its message went to the DLQ*: journaled again; a redrive of the DLQ as well
//!   writes it twice, which changes nothing.
//! - *SQS or DynamoDB*: nothing is settled this round; the index keeps all.
//! - *Redis with its data*: the index is gone with the rooms; what was acknowledged is in SQS.
//! - *This node*: its leases end by themselves, and another node takes over where the index is.

mod entry;
mod index;
mod settle;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use rand::seq::SliceRandom;
use rts_common::redis::RedisFailure;
use rts_common::redis::keys::{PARTITIONS, Partition};
use rts_common::seq::Seq;
use tokio::time::{Instant, sleep};

use self::entry::{Attempts, Unstored};
use self::index::{Backlog, Index};
use self::settle::{Settled, by_room};
use crate::lifecycle::Lifecycle;
use crate::metrics;

pub use self::settle::ReconcilerParts;

/// Entries of one page.
const PAGE: usize = 200;
/// Rooms of one page that are worked on at once.
const ROOMS_AT_ONCE: usize = 16;
/// Pages of one partition in one round; the next round goes on behind them.
const PAGES_PER_ROUND: usize = 10;

/// Partitions looked at at once: most are empty, and their questions share a packet.
const PARTITIONS_AT_ONCE: usize = 16;

/// How the reconciler goes about it.
#[derive(Clone, Copy, Debug)]
pub struct ReconcilerSettings {
    /// What is unstored for longer than this is looked at.
    pub after: Duration,
    /// How long a round over all partitions takes at least.
    pub round: Duration,
    /// How long a lease lasts: several rounds, so that it is prolonged in time.
    pub lease: Duration,
}

impl Default for ReconcilerSettings {
    fn default() -> Self {
        Self { after: Duration::from_secs(15), round: Duration::from_secs(5), lease: Duration::from_secs(15) }
    }
}

/// Starts the reconciler, in a task of the node's lifecycle.
pub fn start(parts: ReconcilerParts, settings: ReconcilerSettings, lifecycle: &Lifecycle) {
    let index = Index::new(parts.redis.clone(), parts.node.clone(), settings.lease);
    let reconciler = Reconciler { parts, settings, index, held: HashMap::new() };
    lifecycle.spawn_critical("reconciler", reconciler.run());
}

/// What a node knows of a partition it holds.
#[derive(Default)]
struct Held {
    attempts: Attempts,
    /// Up to here this sweep has looked.
    looked_at: Seq,
    backlog: Backlog,
}

struct Reconciler {
    parts: ReconcilerParts,
    settings: ReconcilerSettings,
    index: Index,
    held: HashMap<Partition, Held>,
}

impl Reconciler {
    async fn run(mut self) {
        let mut partitions: Vec<_> = Partition::all().collect();
        let groups = u32::try_from(PARTITIONS.div_ceil(PARTITIONS_AT_ONCE)).unwrap_or(u32::MAX);
        let pause = self.settings.round / groups;
        loop {
            // Nodes that start together share the partitions out among them.
            partitions.shuffle(&mut rand::rng());
            let mut failed = None;
            for group in partitions.chunks(PARTITIONS_AT_ONCE) {
                let seen = join_all(group.iter().map(|partition| self.index.look(*partition))).await;
                for (partition, seen) in group.iter().zip(seen) {
                    if let Err(error) = self.visit(*partition, seen).await {
                        failed = Some(error);
                    }
                }
                sleep(pause).await;
            }
            if let Some(error) = failed {
                tracing::warn!(%error, "the unstored index could not be read everywhere");
            }
            self.tell();
        }
    }

    /// Works on a partition, as it was seen; not at all where another node holds it.
    async fn visit(
        &mut self,
        partition: Partition,
        seen: Result<Option<Backlog>, RedisFailure>,
    ) -> Result<(), RedisFailure> {
        let Some(backlog) = seen? else {
            self.held.remove(&partition);
            return Ok(());
        };
        self.held.entry(partition).or_default().backlog = backlog;
        if backlog.entries == 0 {
            return Ok(());
        }
        for _ in 0..PAGES_PER_ROUND {
            // Others of its group may have come before it, and taken their time.
            if !self.index.hold(partition).await? {
                break;
            }
            let until = Seq::now().minus(self.settings.after);
            let after = self.held.entry(partition).or_default().looked_at;
            let page = self.index.page(partition, after, until, PAGE).await?;
            self.work_on(partition, &page).await?;
            if let Some(held) = self.held.get_mut(&partition) {
                // A member's last part is its score. At the end, the sweep begins anew.
                let last = page.last().filter(|_| page.len() == PAGE);
                held.looked_at = last.and_then(|member| Seq::parse(member.rsplit(':').next()?)).unwrap_or_default();
            }
            if page.len() < PAGE {
                break;
            }
        }
        Ok(())
    }

    async fn work_on(&mut self, partition: Partition, members: &[String]) -> Result<(), RedisFailure> {
        let now = Instant::now();
        let attempts = &mut self.held.entry(partition).or_default().attempts;
        let mut due = Vec::new();
        let mut unreadable = Vec::new();
        for member in members {
            match Unstored::parse(member) {
                Some(entry) if attempts.may_try(&entry, now) => due.push(entry),
                Some(_) => {}
                None => unreadable.push(member.clone()),
            }
        }
        if !unreadable.is_empty() {
            tracing::error!(?unreadable, "entries of the unstored index cannot be read and are removed");
            self.index.remove(partition, &unreadable).await?;
        }
        let (parts, index) = (&self.parts, &self.index);
        let settled: Vec<_> = stream::iter(by_room(due))
            .map(async |(room, backlog)| parts.settle(index, &room, &backlog).await)
            .buffer_unordered(ROOMS_AT_ONCE)
            .collect()
            .await;
        let attempts = &mut self.held.entry(partition).or_default().attempts;
        for (entry, settled) in settled.into_iter().flatten() {
            metrics::reconciled(settled.map_or("failed", Settled::label));
            match settled {
                Some(Settled::Journaled) => {}
                Some(Settled::Stored | Settled::Lost) => attempts.forget(&entry),
                // Nothing came of it: SQS or DynamoDB may be back soon.
                None => attempts.failed(&entry, now),
            }
        }
        Ok(())
    }

    /// Tells the metrics of the partitions that this node holds.
    fn tell(&self) {
        let entries = self.held.values().map(|held| held.backlog.entries).sum();
        let oldest = self.held.values().filter_map(|held| held.backlog.oldest).min();
        metrics::unstored(entries, oldest.map_or(Duration::ZERO, Seq::age));
    }
}
