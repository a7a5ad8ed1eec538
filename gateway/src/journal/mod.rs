//! The journal: what was accepted goes to SQS, in batches, and is durable once SQS has it.
//!
//! One [`Journal`] a queue: messages go to a FIFO queue with their room as the group, changes of
//! rooms to a standard one. A place is taken before anything is changed ([`Journal::reserve`]), so that
//! overload is refused before anything was published; a place that was taken can always be filled,
//! without waiting. Records carry full state and a version, so that twice or out of order does no harm.
//! Messages of one room that wait at the same time share an entry, a line each: the busier the node, the fewer
//! entries a message costs.
//!
//! What happens when a party dies:
//! - *SQS refuses or does not answer*: entries are tried again with backoff until their deadline, then
//!   their tickets fail and the caller is told to send again. What was published stays in Redis's
//!   unstored index, and the reconciler journals it again. Meanwhile the journal fills, and refuses.
//! - *SQS accepted and the answer was lost*: the retry is dropped by the deduplication id, or is written twice,
//!   which changes nothing.
//! - *The caller*: its ticket is dropped; the entry is journaled all the same.
//! - *This node, before SQS accepted*: nobody was told that it is durable; the reconciler finds it.
//! - *This node, on purpose*: [`Journal::flush`] refuses what is new and waits for what is under way.

mod batcher;
mod queue;
mod sqs;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::Duration;

use aws_config::SdkConfig;
use rts_common::record::{MessageRecord, RoomChange, RoomRecord};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, timeout};

use self::queue::{Body, Entry, Fifo, Queue};
use self::sqs::Sqs;
use crate::lifecycle::Lifecycle;
use crate::metrics;

/// Entries, reserved places included, that one journal holds. With [`PLACE_BYTES_MAX`], an outage of SQS
/// costs a node this much memory and no more.
pub const PLACES_MAX: usize = 20_000;
/// Bytes that wait or are under way.
pub const PLACE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long an entry is tried.
pub const DEADLINE: Duration = Duration::from_secs(15);

/// Why an entry is not durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// SQS did not accept it in time. What it tells of is in Redis, and will be journaled again.
    #[error("the journal cannot be reached")]
    Unavailable,
    /// SQS will never accept it.
    #[error("the journal refuses the entry")]
    Refused,
}

/// The journal takes nothing more now: too much waits, or the node is going down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the journal is full")]
pub struct Full;

/// How much a journal holds, and for how long it tries.
#[derive(Clone, Copy, Debug)]
pub struct JournalLimits {
    /// Entries that wait or are under way, reserved places included.
    pub places: usize,
    /// Bytes that wait or are under way.
    pub bytes: usize,
    /// How long an entry is tried.
    pub deadline: Duration,
}

impl Default for JournalLimits {
    fn default() -> Self {
        Self { places: PLACES_MAX, bytes: PLACE_BYTES_MAX, deadline: DEADLINE }
    }
}

/// The way to one queue; a clone is the same journal.
#[derive(Clone)]
pub struct Journal {
    inner: Arc<Inner>,
}

impl Journal {
    /// Starts, in tasks of the node's lifecycle. Does not wait for SQS. A queue whose URL ends in
    /// `.fifo` gets groups and deduplication ids.
    pub fn start(config: &SdkConfig, queue_url: &str, limits: JournalLimits, lifecycle: &Lifecycle) -> Self {
        let inner = Arc::new(Inner::new(limits, queue_url.rsplit('.').next() == Some("fifo")));
        let sqs = Sqs::new(config, queue_url);
        lifecycle.spawn_critical("journal", batcher::run(Arc::clone(&inner), sqs));
        Self { inner }
    }

    /// A place for one entry. Taken before anything is changed or published.
    pub fn reserve(&self) -> Result<Permit, Full> {
        let inner = &self.inner;
        let is_open = !inner.is_closed.load(Ordering::SeqCst);
        // Counted before the look, so that places never exceed their bound.
        let place = Place::take(inner, 0);
        let has_room = inner.places.load(Ordering::SeqCst) <= inner.limits.places
            && inner.bytes.load(Ordering::SeqCst) < inner.limits.bytes;
        if is_open && has_room { Ok(Permit { place }) } else { Err(Full) }
    }

    /// Refuses what is new, and waits until all that is under way is accepted or given up. False if
    /// that took longer than `limit`.
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

    /// Entries that wait, are under way, or are about to come.
    pub fn depth(&self) -> usize {
        self.inner.places.load(Ordering::Relaxed)
    }
}

/// A place for one entry; dropping it gives it back.
pub struct Permit {
    place: Place,
}

impl Permit {
    /// Fills the place with a message at a version.
    ///
    /// Its deduplication id tells the version, so that what SQS got twice within five minutes is delivered
    /// once, also if another node journaled it again meanwhile.
    pub fn message(self, record: &MessageRecord) -> Ticket {
        let message = &record.message;
        let fifo =
            Fifo { group: message.room_id.to_string(), dedup_id: format!("{}:{}", message.room_id, message.version) };
        self.submit(Body::Text(json(record)), fifo)
    }

    /// Fills the place with a change of a room. Marks of one member that still wait are merged.
    pub fn room(self, record: &RoomRecord) -> Ticket {
        let body = match &record.change {
            RoomChange::Marks { .. } => Body::Marks(Box::new(record.clone())),
            RoomChange::Room { .. } | RoomChange::Profile { .. } => Body::Text(json(record)),
        };
        let group = match &record.change {
            RoomChange::Room { room_id, .. } | RoomChange::Marks { room_id, .. } => room_id.to_string(),
            RoomChange::Profile { user_id, .. } => user_id.to_string(),
        };
        let dedup_id = format!("{:032x}", rand::random::<u128>());
        self.submit(body, Fifo { group, dedup_id })
    }

    fn submit(self, body: Body, fifo: Fifo) -> Ticket {
        let inner = Arc::clone(&self.place.journal);
        let (told, ticket) = oneshot::channel();
        let mut entry = Entry {
            body,
            fifo: inner.is_fifo.then_some(fifo),
            deadline: Instant::now() + inner.limits.deadline,
            told: vec![told],
            places: Vec::new(),
        };
        let mut place = self.place;
        place.weigh(entry.bytes());
        entry.places.push(place);
        let is_due = inner.queue().push(entry);
        if is_due {
            inner.filled.notify_one();
        }
        Ticket(ticket)
    }
}

/// A record as one line, of characters that SQS lets through: it would put U+FFFD in place of the others.
fn json(record: &impl serde::Serialize) -> String {
    let text = serde_json::to_string(record).expect("a record holds only texts and numbers");
    // The first byte of both, and of few others.
    if !text.as_bytes().contains(&0xEF) {
        return text;
    }
    text.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

/// Resolves once SQS has accepted an entry, or never will. Dropping it changes nothing.
#[must_use = "an entry is durable only once its ticket says so"]
#[derive(Debug)]
pub struct Ticket(oneshot::Receiver<Result<(), JournalError>>);

impl Future for Ticket {
    type Output = Result<(), JournalError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // Only a node that ends drops an entry without a word.
        Pin::new(&mut self.0).poll(cx).map(|told| told.unwrap_or(Err(JournalError::Unavailable)))
    }
}

struct Inner {
    limits: JournalLimits,
    is_fifo: bool,
    places: AtomicUsize,
    bytes: AtomicUsize,
    is_closed: AtomicBool,
    queue: Mutex<Queue>,
    /// Something was added, or nothing more will be.
    filled: Notify,
    /// The last place was given back.
    emptied: Notify,
}

impl Inner {
    fn new(limits: JournalLimits, is_fifo: bool) -> Self {
        Self {
            limits,
            is_fifo,
            places: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            queue: Mutex::default(),
            filled: Notify::new(),
            emptied: Notify::new(),
        }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no holder of this lock panics")
    }
}

/// Entries of all journals of this node, for the metric.
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// One entry's share of the bounds, until it is dropped.
struct Place {
    journal: Arc<Inner>,
    bytes: usize,
}

impl Place {
    fn take(journal: &Arc<Inner>, bytes: usize) -> Self {
        journal.places.fetch_add(1, Ordering::SeqCst);
        metrics::journal_queue_depth(DEPTH.fetch_add(1, Ordering::Relaxed) + 1);
        let mut place = Self { journal: Arc::clone(journal), bytes: 0 };
        place.weigh(bytes);
        place
    }

    fn weigh(&mut self, bytes: usize) {
        self.journal.bytes.fetch_add(bytes, Ordering::SeqCst);
        self.bytes += bytes;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        metrics::journal_queue_depth(DEPTH.fetch_sub(1, Ordering::Relaxed) - 1);
        self.journal.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        if self.journal.places.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.journal.emptied.notify_waiters();
        }
    }
}

impl std::fmt::Debug for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Place").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
