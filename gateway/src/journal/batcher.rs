//! The journal's task: cuts batches and sends several at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::queue::Entry;
use super::sqs::Sqs;
use super::{Inner, JournalError};
use crate::metrics;

/// How long a batch that is not full waits for more: less than anybody notices, and enough for a
/// busy node to fill it.
const LINGER: Duration = Duration::from_millis(3);
/// Batches under way at once. At 20 ms each they carry 8 000 entries a second.
const BATCHES_AT_ONCE: usize = 16;

/// Runs until it is cancelled.
pub(super) async fn run(journal: Arc<Inner>, sqs: Sqs) {
    let mut under_way = FuturesUnordered::new();
    loop {
        let now = Instant::now();
        let (batch, wake_at) = next(&journal, now, under_way.len() < BATCHES_AT_ONCE);
        if let Some(batch) = batch {
            under_way.push(sqs.deliver(batch));
            continue;
        }
        tokio::select! {
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            () = journal.filled.notified() => {}
            () = sleep_until(wake_at.unwrap_or(now)), if wake_at.is_some() => {}
        }
    }
}

/// A batch that is due, or else the moment at which to look again.
fn next(journal: &Inner, now: Instant, may_send: bool) -> (Option<Vec<Entry>>, Option<Instant>) {
    let mut queue = journal.queue();
    let expired = queue.take_expired(now);
    let is_due = queue.has_full_batch() || queue.oldest().is_some_and(|oldest| now >= oldest + LINGER);
    let batch = (may_send && is_due).then(|| queue.take_batch());
    let lingers_until = queue.oldest().map(|oldest| oldest + LINGER);
    let wake_at = if may_send { lingers_until } else { queue.next_deadline() };
    drop(queue);
    for entry in expired {
        metrics::journal_error("deadline");
        entry.resolve(Err(JournalError::Unavailable));
    }
    (batch, wake_at)
}
