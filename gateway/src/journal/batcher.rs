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

/// How far apart batches that are not full begin: the entries of a busy node share a call, those of a
/// quiet one never wait. Less than anybody notices beside the call itself.
const LINGER: Duration = Duration::from_millis(20);
/// Batches under way at once. At 20 ms each they carry 8 000 entries a second.
const BATCHES_AT_ONCE: usize = 16;

/// Runs until it is cancelled.
pub(super) async fn run(journal: Arc<Inner>, sqs: Sqs) {
    let mut under_way = FuturesUnordered::new();
    let mut lingers_until = Instant::now();
    loop {
        let now = Instant::now();
        let (batch, wake_at) = next(&journal, now, lingers_until, under_way.len() < BATCHES_AT_ONCE);
        if let Some(batch) = batch {
            lingers_until = now + LINGER;
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
fn next(
    journal: &Inner,
    now: Instant,
    lingers_until: Instant,
    may_send: bool,
) -> (Option<Vec<Entry>>, Option<Instant>) {
    let mut queue = journal.queue();
    let expired = queue.take_expired(now);
    let is_due = queue.has_full_batch() || (now >= lingers_until && !queue.is_empty());
    let batch = (may_send && is_due).then(|| queue.take_batch());
    // Whoever adds the first entry, or fills a batch, wakes this task.
    let wake_at = queue.next_deadline().map(|deadline| if may_send { lingers_until } else { deadline });
    drop(queue);
    for entry in expired {
        metrics::journal_error("deadline");
        entry.resolve(Err(JournalError::Unavailable));
    }
    (batch, wake_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::message;
    use crate::journal::{Journal, JournalLimits};

    #[tokio::test]
    async fn a_quiet_journal_sends_at_once_and_a_busy_one_fills_its_batches() {
        let journal = Journal { inner: Arc::new(Inner::new(JournalLimits::default(), true)) };
        let inner = &journal.inner;
        let add = |number| drop(journal.reserve().unwrap().message(&message(number, "hello")));
        let now = Instant::now();
        assert!(matches!(next(inner, now, now, true), (None, None)));
        add(1);
        let (batch, _) = next(inner, now, now, true);
        assert_eq!(batch.map(|batch| batch.len()), Some(1), "nothing was sent lately");
        let later = now + LINGER;
        for number in 2..11 {
            add(number);
            assert!(matches!(next(inner, now, later, true), (None, Some(at)) if at == later));
        }
        assert_eq!(next(inner, later, later, true).0.map(|batch| batch.len()), Some(9));
        for number in 20..31 {
            add(number);
        }
        let (batch, wake_at) = next(inner, now, later, true);
        assert_eq!((batch.map(|batch| batch.len()), wake_at), (Some(10), Some(later)), "a full one never waits");
        let (batch, wake_at) = next(inner, later, later, false);
        assert!(batch.is_none() && wake_at > Some(later), "as many are under way as may be");
    }
}
