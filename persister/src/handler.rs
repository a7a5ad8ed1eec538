//! One batch from its arrival to its report.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use rts_common::seq::Seq;
use rts_common::store::writer::Writer;
use tokio::time::Instant;

use crate::batch::{Received, Unreportable, receive, report};
use crate::execute::{Outcome, execute};
use crate::notify::{Notifier, NotifyOutcome, Stored};
use crate::plan::plan;
use crate::queue::Queue;
use crate::record::Record;

/// The part of an invocation's time that is reserved for notifying Redis and answering.
const RESERVE: Duration = Duration::from_secs(2);

/// Writes batches of one queue.
pub struct Persister {
    queue: Queue,
    writer: Writer,
    notifier: Notifier,
}

impl Persister {
    /// Makes the one persister of a process.
    pub fn new(queue: Queue, writer: Writer, notifier: Notifier) -> Self {
        Self { queue, writer, notifier }
    }

    /// Writes a batch and returns the report of the records that must be delivered again. It answers before `deadline`,
    /// when the platform would end the invocation and deliver the whole batch again.
    pub async fn handle(&self, event: SqsEvent, deadline: Instant) -> Result<SqsBatchResponse, Unreportable> {
        let begun = Instant::now();
        let received_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(u64::MAX));
        let time_left = deadline.saturating_duration_since(begun);
        let until = begun + time_left.saturating_sub(RESERVE.min(time_left / 2));

        let batch = receive(self.queue, event);
        let plan = plan(batch.iter().map(|received| received.record.as_ref().ok()));
        let outcome = execute(&self.writer, &plan, batch.len(), until).await;

        let failed = failed(&batch, &outcome);
        let waited_ms = |received: &Received| received.sent_at_ms.map(|sent| received_ms.saturating_sub(sent));
        let stored: Vec<Stored<'_>> = batch
            .iter()
            .zip(&failed)
            .filter_map(|(received, failed)| {
                let record = received.record.as_ref().ok().filter(|_| !failed)?;
                Some(Stored { record, waited_ms: waited_ms(received) })
            })
            .collect();
        let told = self.notifier.stored(&stored, until + (deadline - until) / 2).await;

        let response = report(&batch, &failed);
        let reported = response.as_ref().map_or(batch.len(), |it| it.batch_item_failures.len());
        let wait_ms_max = batch.iter().filter_map(waited_ms).max();
        let summary = Summary { begun, items: plan.len(), stored: &stored, reported, told, wait_ms_max };
        self.summarize(&batch, &outcome, &summary);
        response
    }

    /// Writes the only log line of a batch without failures.
    fn summarize(&self, batch: &[Received], outcome: &Outcome, summary: &Summary<'_>) {
        let lag_ms_max =
            summary.stored.iter().filter_map(|stored| accepted(stored.record)).map(|at| at.age().as_millis()).max();
        tracing::info!(
            queue = self.queue.name(),
            records = batch.len(),
            items = summary.items,
            applied = outcome.applied,
            superseded = outcome.superseded,
            retries = outcome.retries,
            poison = batch.iter().filter(|received| received.record.is_err()).count(),
            reported = summary.reported,
            told = ?summary.told,
            wait_ms_max = summary.wait_ms_max,
            lag_ms_max = lag_ms_max.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
            ms = u64::try_from(summary.begun.elapsed().as_millis()).unwrap_or(u64::MAX),
            "batch"
        );
    }
}

struct Summary<'a> {
    begun: Instant,
    items: usize,
    stored: &'a [Stored<'a>],
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
    }
}

/// Returns true for each record that is not stored, and logs it with its id.
fn failed(batch: &[Received], outcome: &Outcome) -> Vec<bool> {
    let each = batch.iter().zip(&outcome.failures);
    each.map(|(received, failure)| {
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
            "a record was not stored"
        );
        true
    })
    .collect()
}
