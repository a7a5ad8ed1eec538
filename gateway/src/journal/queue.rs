//! The queue of entries, how they are cut into batches, and the task that sends several at once.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use super::entry::Entry;
use super::sqs::Sqs;
use super::{Inner, JournalError};
use crate::metrics::{self, JournalErrorKind};

/// Entries of one `SendMessageBatch`: the limit of SQS.
pub(super) const BATCH_ENTRIES: usize = 10;
/// Bytes of one batch, attributes included: a quarter of the limit of SQS, so that a batch of large messages is also
/// sent in time. A single entry may be larger.
pub(super) const BATCH_BYTES: usize = 256 * 1024;

/// The least time between the starts of batches that are not full: the entries of a busy node share a call, those of a
/// quiet one never wait. It is small beside the call itself.
const LINGER: Duration = Duration::from_millis(20);
/// The least time between the starts of full batches.
const PACE: Duration = Duration::from_millis(2);

/// Waiting entries, oldest first.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Number of entries that have ever left the front: the number of an entry is this plus its index.
    left: usize,
    /// Whoever waits for the entries before this number was told that they are late.
    told: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the time since when the oldest entry waits.
    pub(super) fn oldest(&self) -> Option<Instant> {
        self.entries.front().map(|entry| entry.since)
    }

    /// Adds an entry. True if the sending task has to be woken: the queue was empty before, or a batch is full now.
    pub(super) fn push(&mut self, entry: Entry) -> bool {
        let was_full = self.has_full_batch();
        self.bytes += entry.bytes();
        self.entries.push_back(entry);
        self.entries.len() == 1 || (!was_full && self.has_full_batch())
    }

    /// True if a batch is full.
    pub(super) fn has_full_batch(&self) -> bool {
        self.entries.len() >= BATCH_ENTRIES || self.bytes >= BATCH_BYTES
    }

    /// Returns when an entry is late or given up next.
    pub(super) fn next_change(&self) -> Option<Instant> {
        self.next_deadline().into_iter().chain(self.next_late()).min()
    }

    /// Returns the time at which the oldest is given up.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.entries.front().map(|entry| entry.deadline)
    }

    /// Takes the next batch from the front.
    pub(super) fn take_batch(&mut self) -> Vec<Entry> {
        let mut batch = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.entries.front()
            && batch.len() < BATCH_ENTRIES
            && (batch.is_empty() || bytes + next.bytes() <= BATCH_BYTES)
            && let Some(entry) = self.pop()
        {
            bytes += entry.bytes();
            batch.push(entry);
        }
        batch
    }

    /// Notifies the waiters of all entries of a result; the entries stay.
    pub(super) fn tell(&mut self, result: Result<(), JournalError>) {
        for entry in &mut self.entries {
            entry.tell(result);
        }
    }

    /// Tells whoever waits for an entry that was not sent in time; the entries stay.
    pub(super) fn tell_late(&mut self, now: Instant) {
        let first = self.told.max(self.left);
        let late = self.entries.iter_mut().skip(first - self.left).take_while(|entry| entry.late_at() <= now);
        self.told = first + late.map(|entry| entry.tell(Err(JournalError::Unavailable))).count();
    }

    /// Returns when the next entry will be late.
    pub(super) fn next_late(&self) -> Option<Instant> {
        self.entries.get(self.told.saturating_sub(self.left)).map(Entry::late_at)
    }

    /// Takes those whose time is up.
    pub(super) fn take_expired(&mut self, now: Instant) -> Vec<Entry> {
        let mut expired = Vec::new();
        while self.next_deadline().is_some_and(|deadline| deadline <= now) {
            expired.extend(self.pop());
        }
        expired
    }

    fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.left += 1;
        self.bytes -= entry.bytes();
        Some(entry)
    }
}

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

/// Returns a batch that is due, or else the time to look again; `last` is the start of the last batch.
fn next(journal: &Inner, now: Instant, last: Option<Instant>, may_send: bool) -> (Option<Vec<Entry>>, Option<Instant>) {
    let mut queue = journal.queue();
    let expired = queue.take_expired(now);
    queue.tell_late(now);
    let due_at = last.map_or(now, |last| last + if queue.has_full_batch() { PACE } else { LINGER });
    let is_due = now >= due_at && !queue.is_empty();
    let batch = (may_send && is_due).then(|| queue.take_batch());
    // Whoever adds the first entry, or fills a batch, wakes this task.
    let wake_at = if may_send { queue.next_deadline().map(|_| due_at) } else { queue.next_change() };
    drop(queue);
    for entry in expired {
        metrics::journal_error(JournalErrorKind::Deadline);
        entry.resolve(Err(JournalError::Unavailable));
    }
    (batch, wake_at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::tests::apart;
    use crate::journal::{Journal, JournalLimits};
    use tokio::sync::oneshot;

    fn entry(body: String) -> (Entry, oneshot::Receiver<Result<(), JournalError>>) {
        let (waiter, ticket) = oneshot::channel();
        let entry = Entry {
            body,
            fifo: None,
            since: Instant::now(),
            deadline: Instant::now() + std::time::Duration::from_secs(15),
            records: 1,
            new_messages: 0,
            waiters: vec![waiter],
            places: Vec::new(),
            unstored: Vec::new(),
        };
        (entry, ticket)
    }

    fn text(bytes: usize) -> String {
        "x".repeat(bytes)
    }

    #[test]
    fn batches_are_full_by_number_or_by_size() {
        let mut queue = Queue::default();
        let due: Vec<_> = (0..BATCH_ENTRIES + 3).map(|_| queue.push(entry(text(10)).0)).collect();
        assert_eq!(due[..BATCH_ENTRIES - 1], [&[true][..], &[false; BATCH_ENTRIES - 2]].concat());
        assert_eq!(due[BATCH_ENTRIES - 1..], [true, false, false, false], "told once");
        assert!(queue.has_full_batch());
        assert_eq!(queue.take_batch().len(), BATCH_ENTRIES);
        assert!(!queue.has_full_batch());
        assert_eq!(queue.take_batch().len(), 3);
        assert!(queue.is_empty() && queue.take_batch().is_empty());
        for bytes in [100_000, 150_000, 100_000, BATCH_BYTES * 2, 10] {
            queue.push(entry(text(bytes)).0);
        }
        let sizes: Vec<_> = std::iter::from_fn(|| Some(queue.take_batch().len()).filter(|n| *n > 0)).collect();
        assert_eq!(sizes, [2, 1, 1, 1]);
    }

    #[tokio::test]
    async fn whoever_waits_too_long_is_told_once_and_the_entries_go_on() {
        let mut queue = Queue::default();
        let (first, one) = entry(text(1));
        queue.push(first);
        let late = queue.next_late().unwrap();
        queue.tell_late(late - Duration::from_millis(1));
        queue.tell_late(late);
        assert_eq!(one.await.unwrap(), Err(JournalError::Unavailable));
        assert_eq!(queue.next_late(), None);
        let (second, two) = entry(text(1));
        queue.push(second);
        assert!(queue.next_late() >= Some(late));
        let batch = queue.take_batch();
        assert_eq!(batch.len(), 2);
        for entry in batch {
            entry.resolve(Ok(()));
        }
        assert_eq!(two.await.unwrap(), Ok(()));
        queue.push(entry(text(1)).0);
        assert!(queue.next_late().is_some());
    }

    #[test]
    fn the_oldest_expire_first() {
        let mut queue = Queue::default();
        queue.push(entry(text(1)).0);
        queue.push(entry(text(1)).0);
        let deadline = queue.next_deadline().unwrap();
        assert!(queue.take_expired(deadline - std::time::Duration::from_millis(1)).is_empty());
        assert_eq!(queue.take_expired(deadline + std::time::Duration::from_secs(1)).len(), 2);
    }

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
