//! Marks on their way to the journal: gathered for some seconds, one of each member and room, and journaled many to an
//! entry, in a journal of their own.
//!
//! A mark is published and answered from Redis. What is gathered here makes it outlive Redis, and may come seconds later:
//! marks only move forward, so one that is lost shows messages as unread again, and one that comes late or twice changes
//! nothing. Redis remembers which members' marks are not known to be stored, and says so when a mark is set again
//! minutes later, whether it moves or not.
//!
//! What happens when a party dies:
//!
//! | who, when | what becomes of the mark |
//! |---|---|
//! | this node, before the script | the caller was not answered, and sets it again |
//! | this node, with gathered marks | Redis has them; the member's next mark in that room journals them |
//! | this node with gathered marks, and then Redis with its data | back to where it was stored: by seconds, never forward |
//! | Redis, after the script and before its reply | the caller is told to try again; the next mark, or the same minutes later, journals it |
//! | Redis without its data | what is gathered here is journaled all the same, and set again in the room that is rebuilt |
//! | SQS refuses, or its answer is lost | it stays here, and later ones replace it; written twice, it changes nothing |
//! | a function, before or after its write | SQS delivers again |
//! | a drain | [`MarkGatherer::flush`] journals all at once, whatever their age |
//!
//! The journal of marks is full or refuses: they stay here. Here are too many: the next ones are left to Redis's memory of
//! them. Neither refuses anything to anyone.

mod gathered;

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use futures_util::stream::{self, FuturesUnordered};
use futures_util::{FutureExt as _, StreamExt as _};
use rts_common::ids::{Person, RoomId};
use rts_common::room::Marks;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use self::gathered::{Gathered, MarkOf};
use crate::journal::{DEADLINE, Journal, JournalLimits, Ticket};
use crate::lifecycle::Lifecycle;
use crate::rooms::{MarkKind, Rooms};

/// The bounds of the journal of marks: its entries hold up to [`ENTRY_MARKS`] marks.
pub const JOURNAL_LIMITS: JournalLimits = JournalLimits { places: 1000, bytes: 16 * 1024 * 1024, deadline: DEADLINE };
/// Marks of one entry: some 25 kB, which a function writes within a second.
pub const ENTRY_MARKS: usize = 100;
/// Marks that a node gathers, some 400 bytes each.
const MARKS_MAX: usize = 100_000;
/// Marks that are set again at once.
const SET_AGAIN_AT_ONCE: usize = 8;
/// The most time that those of one entry may take.
const SET_AGAIN_MAX: Duration = Duration::from_secs(10);
/// Time between two looks at what is due: those of one look share entries.
const LOOK: Duration = Duration::from_secs(1);
/// The same during a drain.
const LOOK_DRAINING: Duration = Duration::from_millis(50);

/// The times of the gatherer.
#[derive(Clone, Copy, Debug)]
pub struct MarkSettings {
    /// Time for which a mark is gathered.
    pub gather: Duration,
    /// Marks that are gathered at the most.
    pub marks_max: usize,
}

impl Default for MarkSettings {
    fn default() -> Self {
        Self { gather: Duration::from_secs(10), marks_max: MARKS_MAX }
    }
}

/// Gathers the marks of this node; a clone is the same one.
#[derive(Clone)]
pub struct MarkGatherer {
    inner: Arc<Inner>,
}

struct Inner {
    journal: Journal,
    /// Where marks are set again that Redis lost while they were gathered.
    rooms: OnceLock<Arc<Rooms>>,
    gathered: Mutex<Gathered>,
    /// Marks in entries that SQS has not accepted yet.
    under_way: AtomicUsize,
    is_draining: AtomicBool,
    /// A drain has begun.
    drain: Notify,
    /// Nothing is gathered or under way any more.
    emptied: Notify,
}

impl MarkGatherer {
    /// Starts the task that journals them; `journal` is for nothing else.
    pub fn start(journal: Journal, settings: MarkSettings, lifecycle: &Lifecycle) -> Self {
        let inner = Arc::new(Inner {
            journal,
            rooms: OnceLock::new(),
            gathered: Mutex::new(Gathered::new(settings.gather, settings.marks_max)),
            under_way: AtomicUsize::new(0),
            is_draining: AtomicBool::new(false),
            drain: Notify::new(),
            emptied: Notify::new(),
        });
        lifecycle.spawn_critical("marks", Arc::clone(&inner).run());
        Self { inner }
    }

    /// Sets marks again once they are journaled, if Redis lost them meanwhile: the functions tell Redis, too, but not while
    /// they take it for dead.
    pub fn set_again_in(&self, rooms: Arc<Rooms>) {
        // Only the first ones count: a node has one Redis.
        let _ = self.inner.rooms.set(rooms);
    }

    /// Adds a member's marks as they are in Redis.
    pub fn add(&self, person: &Person, room: &RoomId, marks: Marks) {
        self.inner.gathered().add(MarkOf::new(person, room), marks, Instant::now());
    }

    /// Journals all that is gathered, and waits until SQS has it; refuses the journal's new entries after that. False if
    /// that took longer than `limit`.
    pub async fn flush(&self, limit: Duration) -> bool {
        let inner = &self.inner;
        inner.is_draining.store(true, Ordering::SeqCst);
        inner.drain.notify_one();
        let begun = Instant::now();
        let empty = async {
            loop {
                let emptied = inner.emptied.notified();
                if inner.is_empty() {
                    return;
                }
                emptied.await;
            }
        };
        let is_empty = timeout(limit, empty).await.is_ok();
        inner.journal.flush(limit.saturating_sub(begun.elapsed())).await && is_empty
    }
}

impl Inner {
    async fn run(self: Arc<Self>) {
        let mut entries = FuturesUnordered::new();
        loop {
            let is_draining = self.is_draining.load(Ordering::SeqCst);
            while let Some((marks, ticket)) = self.next_entry(is_draining) {
                entries.push(self.follow(marks, ticket));
            }
            if self.is_empty() {
                self.emptied.notify_waiters();
            }
            let mut look = pin!(sleep(if is_draining { LOOK_DRAINING } else { LOOK }));
            loop {
                tokio::select! {
                    Some(()) = entries.next(), if !entries.is_empty() => {
                        if is_draining {
                            break;
                        }
                    }
                    () = self.drain.notified() => break,
                    () = &mut look => break,
                }
            }
        }
    }

    /// Journals the next entry of marks that are due; `None` if none are, or the journal takes none.
    fn next_entry(&self, is_draining: bool) -> Option<(Vec<(MarkOf, Marks)>, Ticket)> {
        let now = (!is_draining).then(Instant::now);
        let mut gathered = self.gathered();
        if !gathered.is_due(now) {
            return None;
        }
        let permit = self.journal.reserve().ok()?;
        let marks = gathered.take(now, ENTRY_MARKS);
        self.under_way.fetch_add(marks.len(), Ordering::SeqCst);
        let records: Vec<_> = marks.iter().map(|(of, marks)| of.record(*marks)).collect();
        Some((marks, permit.marks(&records)))
    }

    async fn follow(&self, marks: Vec<(MarkOf, Marks)>, ticket: Ticket) {
        let number = marks.len();
        let journaled = ticket.await;
        if let Err(error) = &journaled {
            tracing::debug!(%error, number, "marks were not journaled and are kept");
            let mut gathered = self.gathered();
            for (of, marks) in &marks {
                gathered.add(of.clone(), *marks, Instant::now());
            }
        }
        // A drain waits for the journal, and not for what follows.
        self.under_way.fetch_sub(number, Ordering::SeqCst);
        if journaled.is_ok() && !self.is_draining.load(Ordering::SeqCst) {
            let _best_effort = timeout(SET_AGAIN_MAX, self.set_again(&marks)).await;
        }
    }

    async fn set_again(&self, marks: &[(MarkOf, Marks)]) {
        let Some(rooms) = self.rooms.get() else { return };
        let each: Vec<_> = marks.iter().map(|(of, marks)| set_again(rooms, of, *marks).boxed()).collect();
        stream::iter(each).buffer_unordered(SET_AGAIN_AT_ONCE).for_each(async |()| {}).await;
    }

    fn is_empty(&self) -> bool {
        // In this order: what fails is put back before it is no longer under way.
        self.under_way.load(Ordering::SeqCst) == 0 && self.gathered().is_empty()
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().expect("no holder of this lock panics")
    }
}

/// Sets a member's marks, best effort.
async fn set_again(rooms: &Rooms, of: &MarkOf, marks: Marks) {
    let (person, room) = (of.person(), of.room());
    // What is read is delivered, so a second call is for what is delivered and not read.
    let read = rooms.mark(&person, room, MarkKind::Read, marks.read_seq).await;
    if read.is_ok_and(|now| now.marks.delivered_seq < marks.delivered_seq) {
        let _best_effort = rooms.mark(&person, room, MarkKind::Delivered, marks.delivered_seq).await;
    }
}
