//! The journal's task: cuts batches and sends several at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::entry::Entry;
use super::sqs::Sqs;
use super::{Inner, JournalError};
use crate::metrics::{self, JournalErrorKind};

/// How far apart batches that are not full begin: the entries of a busy node share a call, those of a
/// quiet one never wait. Less than anybody notices beside the call itself.
const LINGER: Duration = Duration::from_millis(20);
/// How far apart full ones begin.
const PACE: Duration = Duration::from_millis(2);

/// Runs until it is cancelled.
pub(super) async fn run(journal: Arc<Inner>, sqs: Sqs) {
    let mut under_way = FuturesUnordered::new();
    let mut last = None;
    loop {
        let now = Instant::now();
        let may_send = under_way.len() < journal.pressure().batches();
        let (batch, wake_at) = next(&journal, now, last, may_send);
        if let Some(batch) = batch {
            last = Some(now);
            under_way.push(sqs.deliver(&journal, batch));
            continue;
        }
        tokio::select! {
            Some(()) = under_way.next(), if !under_way.is_empty() => {}
            () = journal.filled.notified() => {}
            () = sleep_until(wake_at.unwrap_or(now)), if wake_at.is_some() => {}
        }
    }
}

/// A batch that is due, or else the moment at which to look again; `last` is when the last one began.
fn next(journal: &Inner, now: Instant, last: Option<Instant>, may_send: bool) -> (Option<Vec<Entry>>, Option<Instant>) {
    let mut queue = journal.queue();
    let expired = queue.take_expired(now);
    let due_at = last.map_or(now, |last| last + if queue.has_full_batch() { PACE } else { LINGER });
    let is_due = now >= due_at && !queue.is_empty();
    let batch = (may_send && is_due).then(|| queue.take_batch());
    // Whoever adds the first entry, or fills a batch, wakes this task.
    let wake_at = queue.next_deadline().map(|deadline| if may_send { due_at } else { deadline });
    drop(queue);
    for entry in expired {
        metrics::journal_error(JournalErrorKind::Deadline);
        entry.resolve(Err(JournalError::Unavailable));
    }
    (batch, wake_at)
}

#[cfg(test)]
mod tests {
    use super::super::tests::apart;
    use super::super::{Journal, JournalLimits};
    use super::*;

    #[tokio::test]
    async fn a_quiet_journal_sends_at_once_and_a_busy_one_fills_its_batches() {
        let journal = Journal { inner: Arc::new(Inner::new(JournalLimits::default(), true)) };
        let inner = &journal.inner;
        let add = |number| drop(journal.reserve().unwrap().message(apart(number)));
        let now = Instant::now();
        assert!(matches!(next(inner, now, None, true), (None, None)));
        add(1);
        let (batch, _) = next(inner, now, None, true);
        assert_eq!(batch.map(|batch| batch.len()), Some(1), "nothing was sent lately");
        let later = now + LINGER;
        for number in 2..11 {
            add(number);
            assert!(matches!(next(inner, now, Some(now), true), (None, Some(at)) if at == later));
        }
        assert_eq!(next(inner, later, Some(now), true).0.map(|batch| batch.len()), Some(9));
        for number in 20..31 {
            add(number);
        }
        assert!(
            matches!(next(inner, now, Some(now), true), (None, Some(at)) if at == now + PACE),
            "a full one waits little"
        );
        let (batch, wake_at) = next(inner, now + PACE, Some(now), true);
        assert_eq!((batch.map(|batch| batch.len()), wake_at), (Some(10), Some(now + PACE)));
        let (batch, wake_at) = next(inner, later, Some(now), false);
        assert!(batch.is_none() && wake_at > Some(later), "as many are under way as may be");
    }
}
