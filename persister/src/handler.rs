//! One batch from its arrival to its report.

use std::collections::HashSet;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::StreamExt as _;
use rts_common::seq::Seq;
use rts_common::store::StoreError;
use rts_common::store::writer::Writer;
use tokio::time::Instant;

use crate::aside::SideQueue;
use crate::batch::{Received, Unreportable, receive, report};
use crate::emf::{self, BatchFigures};
use crate::execute::{Outcome, execute};
use crate::fence::write_fences;
use crate::notify::{Notifier, NotifyOutcome, Stored};
use crate::plan::plan;
use crate::queue::Queue;
use crate::record::{Record, entry_of};

/// The part of an invocation's time that is reserved for notifying Redis and answering.
const RESERVE: Duration = Duration::from_secs(2);
/// Refused records that are written again at once.
const ALONE_AT_ONCE: usize = 8;

/// Writes batches of one queue.
pub struct Persister {
    queue: Queue,
    writer: Writer,
    notifier: Notifier,
    side: Option<SideQueue>,
}

impl Persister {
    /// Makes the one persister of a process.
    pub fn new(queue: Queue, writer: Writer, notifier: Notifier) -> Self {
        Self { queue, writer, notifier, side: None }
    }

    /// Sets aside what can never be stored. Without it, such a record is reported until SQS gives it up.
    #[must_use]
    pub fn with_side_queue(self, side: SideQueue) -> Self {
        Self { side: Some(side), ..self }
    }

    /// Writes a batch and returns the report of the records that must be delivered again. It answers before `deadline`,
    /// when the platform would end the invocation and deliver the whole batch again.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> Result<SqsBatchResponse, Unreportable> {
        let begun = Instant::now();
        let received_ms = now_ms();
        let time_left = deadline.saturating_duration_since(begun);
        let until = begun + time_left.saturating_sub(RESERVE.min(time_left / 2));

        let batch = receive(self.queue, event);
        let plan = plan(batch.iter().map(|received| received.record.as_ref().ok()));
        let mut outcome = execute(&self.writer, &plan, batch.len(), until).await;
        self.try_alone(&batch, &mut outcome, until).await;

        let aside = self.set_aside(&batch, &outcome, until + (deadline - until) / 4).await;
        let mut failed = failed(&batch, &outcome, &aside);
        let waited_ms = |received: &Received| received.sent_at_ms.map(|sent| received_ms.saturating_sub(sent));
        let stored: Vec<Stored<'_>> = batch
            .iter()
            .zip(&failed)
            .enumerate()
            .filter(|(index, (_, failed))| !*failed && !aside.contains(index))
            .filter_map(|(_, (received, _))| {
                let record = received.record.as_ref().ok()?;
                Some(Stored { record, waited_ms: waited_ms(received) })
            })
            .collect();
        let told = self.notifier.stored(self.queue, &stored, until + (deadline - until) / 2).await;
        let fenced = write_fences(&self.writer, &batch, &failed, deadline - (deadline - until) / 4).await;

        for index in fenced {
            failed[index] = true;
        }
        let response = report(&batch, &failed);
        let reported = response.as_ref().map_or(batch.len(), |it| it.batch_item_failures.len());
        let wait_ms_max = batch.iter().filter_map(waited_ms).max();
        let (items, set_aside) = (plan.len(), aside.len());
        let summary = Summary { begun, items, stored: &stored, set_aside, reported, told, wait_ms_max };
        self.summarize(&batch, &outcome, &summary);
        response
    }

    /// Writes each record that DynamoDB refused once more, without the others: it may have been refused for another one
    /// that goes into the same item.
    async fn try_alone(&self, batch: &[Received], outcome: &mut Outcome, until: Instant) {
        let refused: Vec<_> = (0..batch.len()).filter(|index| is_refused(&batch[*index], outcome, *index)).collect();
        let mut again = futures_util::stream::iter(refused)
            .map(async |index| {
                let plan = plan(std::iter::once(batch[index].record.as_ref().ok()));
                (index, execute(&self.writer, &plan, 1, until).await)
            })
            .buffer_unordered(ALONE_AT_ONCE);
        while let Some((index, alone)) = again.next().await {
            outcome.applied += alone.applied;
            outcome.superseded += alone.superseded;
            outcome.retries += alone.retries + 1;
            outcome.failures[index] = alone.failures.into_iter().next().flatten();
        }
    }

    /// Sets aside what can never be stored; returns the indexes of these records.
    async fn set_aside(&self, batch: &[Received], outcome: &Outcome, until: Instant) -> HashSet<usize> {
        let Some(side) = &self.side else { return HashSet::new() };
        let reason = |(index, received): (usize, &Received)| match (&received.record, &outcome.failures[index]) {
            (Err(poison), _) => Some((index, format!("{}: {poison}", poison.kind()))),
            (Ok(_), Some(failure)) if failure.is_of_item() => Some((index, format!("{}: {failure}", failure.kind()))),
            (Ok(_), _) => None,
        };
        let reasons: Vec<_> = batch.iter().enumerate().filter_map(reason).collect();
        let taken = side.take(batch, &reasons, until).await;
        let entries: Vec<_> = taken.iter().filter_map(|index| entry_of(&batch[*index].line)).collect();
        self.notifier.set_aside(&entries, until).await;
        taken.into_iter().collect()
    }

    /// Writes the only log line of a batch without failures, and its metrics.
    fn summarize(&self, batch: &[Received], outcome: &Outcome, summary: &Summary<'_>) {
        let lag_ms_max =
            summary.stored.iter().filter_map(|stored| accepted(stored.record)).map(|at| at.age().as_millis()).max();
        let lag_ms_max = lag_ms_max.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX));
        let poison = batch.iter().filter(|received| received.record.is_err()).count();
        let took_ms = u64::try_from(summary.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            queue = self.queue.name(),
            records = batch.len(),
            items = summary.items,
            applied = outcome.applied,
            superseded = outcome.superseded,
            retries = outcome.retries,
            poison,
            set_aside = summary.set_aside,
            reported = summary.reported,
            told = ?summary.told,
            wait_ms_max = summary.wait_ms_max,
            lag_ms_max,
            ms = took_ms,
            "batch"
        );
        let figures = BatchFigures {
            records: batch.len(),
            poison,
            reported: summary.reported,
            retries: outcome.retries,
            wait_ms_max: summary.wait_ms_max,
            lag_ms_max,
            took_ms,
        };
        emf::print(self.queue.name(), &figures, now_ms());
    }
}

fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

struct Summary<'a> {
    begun: Instant,
    items: usize,
    stored: &'a [Stored<'a>],
    set_aside: usize,
    reported: usize,
    told: NotifyOutcome,
    wait_ms_max: Option<u64>,
}

/// Returns the time when the change of a record was accepted, which is its version.
fn accepted(record: &Record) -> Option<Seq> {
    use rts_common::record::RoomChange;
    match record {
        Record::Message(record) => Some(record.message.version),
        Record::Room(record) => match &record.change {
            RoomChange::Room { version, .. } | RoomChange::Profile { version, .. } => Some(*version),
            RoomChange::Marks { .. } => None,
        },
        Record::Fence(_) => None,
    }
}

/// True if DynamoDB refused a record that can be read.
fn is_refused(received: &Received, outcome: &Outcome, index: usize) -> bool {
    received.record.is_ok() && outcome.failures[index].as_ref().is_some_and(StoreError::is_of_item)
}

/// Returns true for each record that must be delivered again, and logs each that is not stored with its id.
fn failed(batch: &[Received], outcome: &Outcome, aside: &HashSet<usize>) -> Vec<bool> {
    let each = batch.iter().zip(&outcome.failures).enumerate();
    each.map(|(index, (received, failure))| {
        let (kind, error) = match (&received.record, failure) {
            (Ok(_), None) => return false,
            (Err(poison), _) => (poison.kind(), poison.to_string()),
            (Ok(_), Some(failure)) => (failure.kind(), failure.to_string()),
        };
        tracing::warn!(
            message_id = received.message_id.as_deref().unwrap_or("none"),
            group = received.group.as_deref(),
            receive_count = received.receive_count,
            kind,
            error,
            set_aside = aside.contains(&index),
            "a record was not stored"
        );
        !aside.contains(&index)
    })
    .collect()
}
