//! The reconciler: entries that stay unstored for too long are checked against DynamoDB, and journaled again if SQS
//! does not have them.
//!
//! Each node holds leases of some of the 128 partitions. Every few seconds it reports the number of their unstored
//! entries, and handles the old ones. The note of an entry's journaling is stored beside the unstored index, so that it
//! outlives a change of the lease's owner: a node notes SQS's acceptance of its own entries a few seconds later, unless
//! they are stored by then; the reconciler notes a request before it makes it. `decision` has the rules.
//!
//! | the entry is | then |
//! |---|---|
//! | without a note, 15 s old | journaled, as the entry that its own node would have made |
//! | requested, without a known result for 20, then 40 s | the same again: if SQS has it, it drops the copy |
//! | accepted | left to the queue; DynamoDB is asked once the functions have had the time to store it |
//! | accepted, and the queue cannot hold it any more | journaled under another deduplication id |
//! | set aside by the functions, because DynamoDB refuses it | left to whoever reads the dead letters; counted |
//! | in DynamoDB at its version or a later one | removed from the index; its sender is notified |
//! | neither there nor in the room's stream, looked up twice | lost: an error in the log, a metric, removed from the index |
//! | a change of a room | all of the room's state is journaled |
//!
//! It journals at most a tenth of its node's own records, or 20 records per second if that is more; a round ends at the
//! first part that does not answer.
//!
//! What happens when a party dies:
//! - *A gateway between publish and SQS*: its messages are in the stream and the index, without a note; found here.
//! - *A gateway between SQS and its note*: they are journaled once more, as the same entries.
//! - *A Lambda after its write, before it cleared the index*: found in DynamoDB, and cleared.
//! - *A Lambda that failed until its message went to the DLQ*: journaled again once the queue cannot hold it; a redrive
//!   of the DLQ as well writes it twice, which changes nothing.
//! - *The Lambdas, for hours*: the queue is their backlog, and nothing is added to it.
//! - *SQS or DynamoDB*: nothing is settled this round; the index keeps all.
//! - *Redis with its data*: the index is gone with the rooms; acknowledged messages are in SQS.
//! - *This node*: its leases expire, and another node continues with the same index.

mod budget;
mod decision;
mod entry;
mod index;
mod queues;
mod settle;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::{FutureExt, StreamExt, stream};
use rand::seq::SliceRandom;
use rts_common::redis::RedisFailure;
use rts_common::redis::journaled::Journaled;
use rts_common::redis::keys::{PARTITIONS, Partition};
use rts_common::seq::{Seq, Timestamp};
use rts_common::store::StoreError;
use tokio::time::{Instant, sleep, timeout};

use self::budget::Budget;
use self::decision::{Decision, decide};
use self::entry::{Checks, Known, Unstored};
use self::index::{Backlog, Index};
use self::settle::{Due, Settled, by_room};
use crate::journal::{AcceptedLog, Journal};
use crate::lifecycle::Lifecycle;
use crate::metrics::{self, ReconcileOutcome};

pub use self::decision::{QueueClock, Waits};
pub use self::queues::{QueueUrls, Queues};
pub use self::settle::ReconcilerParts;

/// Entries of one page.
const PAGE: usize = 500;
/// Rooms of one page that are settled at once.
const ROOMS_AT_ONCE: usize = 8;
/// Pages of one partition in one round; the next round continues after them.
const PAGES_PER_ROUND: usize = 20;
/// Partitions read at once: most are empty, and their reads share a packet.
const PARTITIONS_AT_ONCE: usize = 16;
/// Partitions settled at once.
const WORKED_ON_AT_ONCE: usize = 4;
/// Time for one partition in one round.
const PARTITION_TIME: Duration = Duration::from_secs(10);
/// Time for an accepted entry to be stored before its acceptance is noted.
const NOTE_AFTER: Duration = Duration::from_secs(3);
/// Interval of notes of accepted entries, and the number noted at once.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);
const NOTES_AT_ONCE: usize = 10_000;

/// The times of the reconciler.
#[derive(Clone, Copy, Debug)]
pub struct ReconcilerSettings {
    /// An entry without a note of its journaling is journaled when it is older than this.
    pub after: Duration,
    /// The least time of a round.
    pub round: Duration,
    /// The duration of a lease: several rounds, so that it is renewed in time.
    pub lease: Duration,
}

impl Default for ReconcilerSettings {
    fn default() -> Self {
        Self { after: Duration::from_secs(15), round: Duration::from_secs(5), lease: Duration::from_secs(15) }
    }
}

/// Starts the reconciler, in tasks of the node's lifecycle.
pub fn start(parts: ReconcilerParts, settings: ReconcilerSettings, lifecycle: &Lifecycle) {
    let index = Index::new(parts.redis.clone(), parts.node.clone(), settings.lease);
    let budget = Mutex::new(Budget::new(Instant::now()));
    let reconciler = Arc::new(Reconciler { parts, settings, index, budget, held: Mutex::default() });
    lifecycle.spawn_critical("unstored watch", Arc::clone(&reconciler).watch());
    lifecycle.spawn_critical("accepted notes", Arc::clone(&reconciler).note_accepted());
    lifecycle.spawn_critical("reconciler", reconciler.work());
}

/// A partition that this node holds.
#[derive(Default)]
struct Held {
    checks: Checks,
    /// The rank at which the next page begins.
    rank: usize,
    backlog: Backlog,
}

struct Reconciler {
    parts: ReconcilerParts,
    settings: ReconcilerSettings,
    index: Index,
    budget: Mutex<Budget>,
    held: Mutex<HashMap<Partition, Held>>,
}

impl Reconciler {
    /// Takes and renews leases, and updates the metrics of unstored entries, independently of the slower work.
    async fn watch(self: Arc<Self>) {
        let mut partitions: Vec<_> = Partition::all().collect();
        let groups = u32::try_from(PARTITIONS.div_ceil(PARTITIONS_AT_ONCE)).unwrap_or(u32::MAX);
        let pause = self.settings.round / groups;
        loop {
            // Nodes that start together share the partitions.
            partitions.shuffle(&mut rand::rng());
            let mut failed = None;
            for group in partitions.chunks(PARTITIONS_AT_ONCE) {
                let seen = join_all(group.iter().map(|partition| self.index.look(*partition))).await;
                for (partition, seen) in group.iter().zip(seen) {
                    match seen {
                        Ok(Some(backlog)) => self.held().entry(*partition).or_default().backlog = backlog,
                        Ok(None) => drop(self.held().remove(partition)),
                        Err(error) => failed = Some(error),
                    }
                }
                self.tell();
                sleep(pause).await;
            }
            if let Some(error) = failed {
                tracing::warn!(%error, "failed to read the unstored index of some partitions");
            }
        }
    }

    /// Updates the metrics of the partitions that this node holds.
    fn tell(&self) {
        let held = self.held();
        let entries = held.values().map(|held| held.backlog.entries).sum();
        let oldest = held.values().filter_map(|held| held.backlog.oldest).min();
        metrics::unstored(entries, oldest.map_or(Duration::ZERO, Seq::age));
        metrics::set_aside(held.values().map(|held| held.backlog.set_aside).sum());
    }

    /// Notes in Redis the entries that SQS has accepted and that were not stored within seconds.
    async fn note_accepted(self: Arc<Self>) {
        loop {
            sleep(NOTE_INTERVAL).await;
            for journal in [&self.parts.message_journal, &self.parts.room_journal] {
                self.note_of(journal.accepted()).await;
            }
        }
    }

    async fn note_of(&self, log: &AcceptedLog) {
        let taken = log.take(NOTE_AFTER, NOTES_AT_ONCE, Instant::now());
        let mut noted: HashMap<Partition, Vec<(String, Journaled)>> = HashMap::new();
        for entry in &taken {
            let members = noted.entry(entry.partition).or_default();
            members.push((entry.member.clone(), Journaled::accepted(entry.at)));
        }
        let calls = noted.iter().map(|(partition, members)| self.index.note(*partition, members));
        if let Some(error) = join_all(calls).await.into_iter().find_map(Result::err) {
            tracing::debug!(%error, "failed to note accepted entries");
            log.put_back(taken);
        }
    }

    /// Handles the entries that have waited for long.
    async fn work(self: Arc<Self>) {
        loop {
            sleep(self.settings.round).await;
            self.budget().refill(self.carried(), Instant::now());
            let clocks = self.clocks().await;
            if let Some(at) = clocks.messages.stored_until(Timestamp::now()) {
                self.parts.rooms.note_stored_until(at);
            }
            let busy: Vec<_> = self
                .held()
                .iter()
                .filter(|(_, held)| held.backlog.entries + held.backlog.set_aside > 0)
                .map(|(partition, _)| *partition)
                .collect();
            if !busy.is_empty() {
                let mut worked = Vec::with_capacity(busy.len());
                for partition in busy {
                    worked.push(self.work_within_time(partition, clocks).boxed());
                }
                let mut worked = stream::iter(worked).buffer_unordered(WORKED_ON_AT_ONCE);
                // A part that does not answer would not answer for the other partitions either.
                while let Some(worked) = worked.next().await {
                    if let Err(error) = worked {
                        tracing::warn!(%error, "a round of the reconciler ended early");
                        break;
                    }
                }
            }
            metrics::reconciler_round_ended();
        }
    }

    fn carried(&self) -> u64 {
        self.parts.message_journal.accepted_records() + self.parts.room_journal.accepted_records()
    }

    async fn clocks(&self) -> Clocks {
        let mut clocks = Clocks { messages: self.parts.queues.message(), rooms: self.parts.queues.room() };
        for (clock, queue) in [(&mut clocks.messages, "messages"), (&mut clocks.rooms, "rooms")] {
            match self.index.waits(queue).await {
                Ok(waits) => clock.waits = waits,
                Err(error) => tracing::debug!(%error, queue, "failed to read the waits of a queue"),
            }
        }
        clocks
    }

    async fn work_within_time(&self, partition: Partition, clocks: Clocks) -> Result<(), Broken> {
        // Unfinished entries have a note, and are continued in a later round.
        timeout(PARTITION_TIME, self.work_on(partition, clocks)).await.unwrap_or(Ok(()))
    }

    async fn work_on(&self, partition: Partition, clocks: Clocks) -> Result<(), Broken> {
        for _ in 0..PAGES_PER_ROUND {
            let Some(rank) = self.held().get(&partition).map(|held| held.rank) else { return Ok(()) };
            let until = Seq::now().minus(self.settings.after);
            let page = self.index.page(partition, rank, PAGE, until).await?;
            let is_last = page.len() < PAGE;
            let settled = self.settle(partition, page, clocks).await?;
            if let Some(held) = self.held().get_mut(&partition) {
                // Removed entries are not counted any more; at the end, the sweep begins again.
                held.rank = if is_last { 0 } else { rank + PAGE - settled };
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// Decides about a page, and settles it; returns the number of entries that were removed from the index.
    async fn settle(
        &self,
        partition: Partition,
        page: Vec<(String, Option<Journaled>)>,
        clocks: Clocks,
    ) -> Result<usize, Broken> {
        let mut unreadable = Vec::new();
        let mut entries = Vec::with_capacity(page.len());
        for (member, journaled) in page {
            match Unstored::parse(&member) {
                Some(entry) => entries.push(Known { entry, journaled }),
                None => unreadable.push(member),
            }
        }
        if !unreadable.is_empty() {
            tracing::error!(?unreadable, "entries of the unstored index cannot be read and are removed");
            self.index.remove(partition, &unreadable).await?;
        }
        let due = by_room(self.due(partition, entries, clocks));
        let mut rooms = Vec::with_capacity(due.len());
        for (room, due) in due {
            rooms.push(self.settle_of(room, due).boxed());
        }
        let settled: Vec<_> = stream::iter(rooms).buffer_unordered(ROOMS_AT_ONCE).collect().await;
        let mut off = unreadable.len();
        let mut broken = Ok(());
        for (settled, result) in settled {
            for (entry, settled) in settled {
                metrics::reconciled(settled.outcome());
                if settled != Settled::Journaled {
                    off += 1;
                    self.forget(partition, &entry);
                }
            }
            if result.is_err() {
                metrics::reconciled(ReconcileOutcome::Failed);
                broken = result;
            }
        }
        broken.map(|()| off)
    }

    fn due(&self, partition: Partition, entries: Vec<Known>, clocks: Clocks) -> Vec<Due> {
        let (now, instant) = (Timestamp::now(), Instant::now());
        let mut held = self.held();
        let checks = &mut held.entry(partition).or_default().checks;
        let due = |Known { entry, journaled }| {
            let clock = clocks.of(&entry);
            let journal = match decide(entry.version(), journaled, &clock, self.settings.after, now) {
                // A queue that does not accept anything is not asked, nor DynamoDB for its entries.
                Decision::Journal(_) if self.journal_of(&entry).is_failing() => return None,
                Decision::Journal(note) => Some(note),
                Decision::Check if checks.may_check(&entry, instant) => None,
                Decision::Check | Decision::Wait => return None,
            };
            Some(Due { entry, journal })
        };
        entries.into_iter().filter_map(due).collect()
    }

    fn journal_of(&self, entry: &Unstored) -> &Journal {
        match entry {
            Unstored::Message { .. } => &self.parts.message_journal,
            Unstored::Room { .. } => &self.parts.room_journal,
        }
    }

    fn forget(&self, partition: Partition, entry: &Unstored) {
        if let Some(held) = self.held().get_mut(&partition) {
            held.checks.forget(entry);
        }
    }

    /// Takes the right to journal records now; an error if SQS does not accept any.
    fn may_journal(&self, journal: &Journal, records: usize) -> Result<bool, Broken> {
        if journal.is_failing() {
            return Err(Broken::Sqs);
        }
        Ok(self.budget().take(records))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<Partition, Held>> {
        self.held.lock().expect("no holder of this lock panics")
    }

    fn budget(&self) -> MutexGuard<'_, Budget> {
        self.budget.lock().expect("no holder of this lock panics")
    }
}

/// The clocks of both queues.
#[derive(Clone, Copy)]
struct Clocks {
    messages: QueueClock,
    rooms: QueueClock,
}

impl Clocks {
    fn of(&self, entry: &Unstored) -> QueueClock {
        match entry {
            Unstored::Message { .. } => self.messages,
            Unstored::Room { .. } => self.rooms,
        }
    }
}

/// The part that does not answer, which ends a round.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error(transparent)]
    Redis(#[from] RedisFailure),
    #[error("DynamoDB does not answer: {0}")]
    DynamoDb(#[from] StoreError),
    #[error("SQS does not take entries")]
    Sqs,
}
