//! The journal: accepted records go to SQS in batches, and are durable once SQS has them.
//!
//! One [`Journal`] per queue: messages go to a FIFO queue with their room as the group, changes of rooms to a standard
//! one. A slot is taken before anything is changed ([`Journal::reserve`]), so that overload is refused before anything
//! is published; a slot that was taken can always be filled without waiting. Records carry full state and a version, so
//! that repetition and wrong order do no harm. The messages that one call made in a room share an entry, a line each:
//! the busier the node, the fewer entries a message costs.
//!
//! What happens when a party dies:
//! - *SQS refuses or does not answer*: after a second the tickets fail and the caller has to send again; the entries
//!   are still tried until their deadline. Published events stay in Redis's unstored index, and the reconciler journals
//!   them again. Meanwhile the journal refuses all but a few entries, which find out if SQS is back.
//! - *SQS accepts less than comes in*: entries that could not be sent within a second or so are refused.
//! - *SQS accepted and the answer was lost*: the retry is dropped by the deduplication id, or is written twice, which
//!   changes nothing.
//! - *The caller*: its ticket is dropped; the entry is journaled all the same.
//! - *This node, before SQS accepted*: no caller was answered that it is durable; the reconciler finds it.
//! - *This node, before it was noted that SQS accepted*: the reconciler journals it once more, as the same entries,
//!   which SQS drops.
//! - *This node, in a planned shutdown*: [`Journal::flush`] refuses new entries and waits for those under way.

mod accepted;
mod entry;
mod permit;
mod pressure;
mod queue;
mod sqs;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use aws_config::SdkConfig;
use rts_common::ids::Person;
use rts_common::record::MessageRecord;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use self::entry::{Entry, Fifo};
use self::permit::{EntryBuilder, JournalSlot};
use self::pressure::{Load, Pressure};
use self::queue::Queue;
use self::sqs::Sqs;
use crate::lifecycle::Lifecycle;
use crate::metrics;
use crate::shares::Holders;

pub use self::accepted::{AcceptedEntry, AcceptedLog};
pub use self::permit::Permit;

/// The most entries, reserved slots included, that one journal holds. With [`PLACE_BYTES_MAX`], it bounds the memory
/// that an outage of SQS costs a node.
pub const PLACES_MAX: usize = 20_000;
/// The most bytes that wait or are under way.
pub const PLACE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Time for which an entry is tried. With the call to Redis before it (2 s) and its last call to SQS (3 s), whatever a
/// Redis accepted has left its node within ten seconds: see [`QUIET`].
pub const DEADLINE: Duration = Duration::from_secs(4);
/// Time after a failure of Redis for which nodes may still send what it accepted before.
pub const QUIET: Duration = Duration::from_secs(10);

/// The reason why an entry is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// SQS has not accepted it yet. Its event is in Redis: it will be journaled, now or again.
    #[error("the journal cannot be reached")]
    Unavailable,
    /// SQS will never accept it.
    #[error("the journal refuses the entry")]
    Refused,
}

/// The journal accepts no entry now: SQS accepts less than comes in, or the node is shutting down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal takes nothing more now")]
pub struct Busy {
    /// The time after which it may accept more.
    pub retry_after: Duration,
}

/// The bounds of a journal, and the time for which it tries.
#[derive(Clone, Copy, Debug)]
pub struct JournalLimits {
    /// Entries that wait or are under way, reserved slots included.
    pub places: usize,
    /// Bytes that wait or are under way.
    pub bytes: usize,
    /// Time for which an entry is tried.
    pub deadline: Duration,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { places: PLACES_MAX, bytes: PLACE_BYTES_MAX, deadline: DEADLINE }
    }
}

/// The reason why messages are journaled.
#[derive(Clone, Copy)]
enum Reason {
    /// They are new, and counted once they are accepted.
    New,
    /// They may have been journaled before, or are new states of messages.
    Resent,
    /// They were unstored for too long; the reconciler notes that they are accepted.
    Reconciled { losses: u8 },
}

/// The journal of one queue; a clone is the same journal.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

impl Journal {
    /// Starts the journal's tasks in the node's lifecycle. Does not wait for SQS. A queue whose URL ends in `.fifo`
    /// gets groups and deduplication ids.
    pub fn start(config: &SdkConfig, queue_url: &str, limits: JournalLimits, lifecycle: &Lifecycle) -> Self {
        let inner = Arc::new(Inner::new(limits, queue_url.rsplit('.').next() == Some("fifo")));
        let sqs = Sqs::new(config, queue_url);
        lifecycle.spawn_critical("journal", queue::run(Arc::clone(&inner), sqs));
        Self { inner }
    }

    /// Takes a slot for one record of a user's call, before anything is changed or published. While the journal is more
    /// than half full, nobody gets more than their share of it.
    pub fn reserve_for(&self, person: &Person) -> Result<Permit, Busy> {
        let inner = &self.inner;
        if !inner.has_share(person) {
            let now = Instant::now();
            return Err(Busy { retry_after: inner.pressure().retry_after(inner.load(now), now) });
        }
        let mut permit = self.reserve()?;
        permit.hold(person);
        Ok(permit)
    }

    /// Takes a slot for one record of the node's own.
    pub fn reserve(&self) -> Result<Permit, Busy> {
        let inner = &self.inner;
        let is_open = !inner.is_closed.load(Ordering::SeqCst);
        // Counted before the check, so that slots never exceed their bound.
        let place = JournalSlot::take(inner, 0);
        let now = Instant::now();
        let load = inner.load(now);
        let has_room = load.places <= inner.limits.places && inner.bytes.load(Ordering::SeqCst) < inner.limits.bytes;
        let mut pressure = inner.pressure();
        match pressure.refuses(load, now) {
            Some(retry_after) => Err(Busy { retry_after }),
            None if is_open && has_room => Ok(Permit::new(place)),
            None => Err(Busy { retry_after: pressure.retry_after(load, now) }),
        }
    }

    /// Fills slots with the messages that one call made in one room, in their order. Returns a ticket for each.
    pub fn append(&self, messages: Vec<(Permit, MessageRecord)>) -> Vec<Ticket> {
        self.fill(messages, Reason::New)
    }

    /// Works like [`Self::append`], for messages that may have been journaled before, and for states after a change.
    pub fn append_resent(&self, messages: Vec<(Permit, MessageRecord)>) -> Vec<Ticket> {
        self.fill(messages, Reason::Resent)
    }

    /// Works like [`Self::append`], for messages that were journaled before; `losses` is the number of times that SQS
    /// has lost them. The caller notes which of them are accepted.
    pub fn append_again(&self, messages: Vec<(Permit, MessageRecord)>, losses: u8) -> Vec<Ticket> {
        self.fill(messages, Reason::Reconciled { losses })
    }

    fn fill(&self, messages: Vec<(Permit, MessageRecord)>, reason: Reason) -> Vec<Ticket> {
        let losses = if let Reason::Reconciled { losses } = reason { losses } else { 0 };
        let texts: Vec<_> = messages.iter().map(|(_, record)| (entry::json(record), record)).collect();
        let cuts = entry::cut(&texts);
        let fifos: Vec<_> = cuts
            .iter()
            .map(|cut| {
                let (first, last) = (&messages[cut.start].1.message, &messages[cut.end - 1].1.message);
                Fifo { group: first.room_id.to_string(), dedup_id: entry::dedup_id(first, last, losses) }
            })
            .collect();
        let texts: Vec<_> = texts.into_iter().map(|(text, _)| text).collect();
        let mut messages = messages.into_iter().zip(texts);
        let mut tickets = Vec::with_capacity(messages.len());
        for (cut, fifo) in cuts.into_iter().zip(fifos) {
            let mut filled = EntryBuilder::new(fifo, cut.len());
            for ((permit, record), text) in messages.by_ref().take(cut.len()) {
                filled.add(permit, &text, &record);
            }
            match reason {
                Reason::New => filled.new_messages = cut.len(),
                Reason::Resent => {}
                Reason::Reconciled { .. } => filled.unstored.clear(),
            }
            tickets.extend(filled.submit(&self.inner));
        }
        tickets
    }

    /// Refuses new entries, and waits until all entries under way are accepted or given up. False if that took longer
    /// than `limit`.
    pub async fn flush(&self, limit: Duration) -> bool {
        self.inner.is_closed.store(true, Ordering::SeqCst);
        self.inner.filled.notify_one();
        let empty = async {
            loop {
                let emptied = self.inner.emptied.notified();
                if self.inner.places.load(Ordering::SeqCst) == 0 {
                    return;
                }
                emptied.await;
            }
        };
        timeout(limit, empty).await.is_ok()
    }

    /// Returns the number of entries that wait, are under way, or have a reserved slot.
    pub fn depth(&self) -> usize {
        self.inner.places.load(Ordering::Relaxed)
    }

    /// True while SQS fails.
    pub fn is_failing(&self) -> bool {
        self.inner.pressure().is_failing(Instant::now())
    }

    /// Returns the number of records that SQS has accepted since the start.
    pub fn accepted_records(&self) -> u64 {
        self.inner.accepted_records.load(Ordering::Relaxed)
    }

    /// Returns the entries of the unstored index that SQS has accepted.
    pub fn accepted(&self) -> &AcceptedLog {
        &self.inner.accepted
    }
}

/// Resolves once SQS has accepted an entry, never will, or has not within a second of refusals. Dropping it changes
/// nothing.
#[must_use = "an entry is durable only once its ticket says so"]
#[derive(Debug)]
pub struct Ticket {
    result: oneshot::Receiver<Result<(), JournalError>>,
    /// Another entry that has to be accepted too.
    other: Option<Box<Ticket>>,
}

impl Ticket {
    fn new(result: oneshot::Receiver<Result<(), JournalError>>) -> Self {
        Self { result, other: None }
    }

    /// Returns a ticket for this entry and another one.
    pub fn and(mut self, other: Self) -> Self {
        let others = match self.other.take() {
            Some(others) => others.and(other),
            None => other,
        };
        self.other = Some(Box::new(others));
        self
    }
}

impl Future for Ticket {
    type Output = Result<(), JournalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            // Only a node that shuts down drops an entry without a result.
            let result = ready!(Pin::new(&mut self.result).poll(cx)).unwrap_or(Err(JournalError::Unavailable));
            match (result, self.other.take()) {
                (Ok(()), Some(other)) => *self = *other,
                (result, _) => return Poll::Ready(result),
            }
        }
    }
}

/// What users hold of the journal.
#[derive(Default)]
struct Held {
    places: Holders,
    bytes: Holders,
}

struct Inner {
    limits: JournalLimits,
    is_fifo: bool,
    places: AtomicUsize,
    bytes: AtomicUsize,
    holders: Mutex<Held>,
    is_closed: AtomicBool,
    queue: Mutex<Queue>,
    pressure: Mutex<Pressure>,
    accepted: AcceptedLog,
    accepted_records: AtomicU64,
    /// An entry was added, or no more will be.
    filled: Notify,
    /// The last slot was given back.
    emptied: Notify,
}

impl Inner {
    fn new(limits: JournalLimits, is_fifo: bool) -> Self {
        Self {
            limits,
            is_fifo,
            places: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            holders: Mutex::default(),
            is_closed: AtomicBool::new(false),
            queue: Mutex::default(),
            pressure: Mutex::default(),
            accepted: AcceptedLog::default(),
            accepted_records: AtomicU64::new(0),
            filled: Notify::new(),
            emptied: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder of this lock panics")
    }

    fn pressure(&self) -> MutexGuard<'_, Pressure> {
        self.pressure.lock().expect("no holder of this lock panics")
    }

    fn holders(&self) -> MutexGuard<'_, Held> {
        self.holders.lock().expect("no holder of this lock panics")
    }

    /// True if a user may have another slot.
    fn has_share(&self, person: &Person) -> bool {
        let (places, bytes) = (self.places.load(Ordering::SeqCst), self.bytes.load(Ordering::SeqCst));
        let is_wanted = places >= self.limits.places / 2 || bytes >= self.limits.bytes / 2;
        let held = self.holders();
        !is_wanted
            || !held.places.has_others(person)
            || (held.places.has_room(person, 1, self.limits.places)
                && held.bytes.has_room(person, 1, self.limits.bytes))
    }

    fn load(&self, now: Instant) -> Load {
        let oldest = self.queue().oldest().map(|since| now.saturating_duration_since(since));
        Load { places: self.places.load(Ordering::SeqCst), oldest }
    }

    fn submit(&self, filled: EntryBuilder, body: String) {
        let now = Instant::now();
        let mut entry = Entry {
            body,
            fifo: self.is_fifo.then_some(filled.fifo),
            since: now,
            deadline: now + self.limits.deadline,
            records: filled.waiters.len(),
            new_messages: filled.new_messages,
            waiters: filled.waiters,
            places: filled.places,
            unstored: filled.unstored,
        };
        let bytes = entry.bytes();
        if let Some(place) = entry.places.first_mut() {
            place.weigh(bytes);
        }
        if self.queue().push(entry) {
            self.filled.notify_one();
        }
    }

    /// Notifies the waiters for the entries of a batch that has just failed, if SQS has failed for a second or they are
    /// that old; in the first case also the waiters for entries that were not sent yet. The entries are still tried.
    fn tell_late(&self, batch: &mut [Entry], now: Instant) {
        let is_failing = self.pressure().is_failing(now);
        for entry in batch {
            if is_failing || entry.late_in(now).is_some_and(|late_in| late_in.is_zero()) {
                entry.tell(Err(JournalError::Unavailable));
            }
        }
        if is_failing {
            self.queue().tell(Err(JournalError::Unavailable));
        }
    }

    /// Notes that SQS has accepted an entry.
    fn accept(&self, mut entry: Entry) {
        self.accepted_records.fetch_add(entry.records as u64, Ordering::Relaxed);
        metrics::messages_accepted(entry.new_messages);
        self.accepted.add(std::mem::take(&mut entry.unstored), Instant::now());
        entry.resolve(Ok(()));
    }
}

#[cfg(test)]
mod tests;
