//! Permits: reserved slots of the journal, and how they are filled.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rts_common::ids::Person;
use rts_common::record::{FenceRecord, MessageRecord, RoomChange, RoomRecord};
use tokio::sync::oneshot;

use super::entry::{self, Fifo, Unstored, Waiter};
use super::{Inner, Journal, Ticket};
use crate::metrics;

/// A slot for one entry; dropping it gives the slot back.
pub struct Permit {
    place: JournalSlot,
}

impl Permit {
    pub(super) fn new(place: JournalSlot) -> Self {
        Self { place }
    }

    /// Counts it as part of a user's share.
    pub(super) fn hold(&mut self, person: &Person) {
        self.place.journal.holders().places.add(person, 1);
        self.place.holder = Some(person.clone());
    }

    /// Fills the slot with one message at a version; [`Journal::append_resent`] is the general form.
    pub fn message(self, record: MessageRecord) -> Ticket {
        let journal = Journal { inner: Arc::clone(&self.place.journal) };
        journal.append_resent(vec![(self, record)]).pop().expect("append returns a ticket for each record")
    }

    /// Fills the slot with a change of a room.
    pub fn room(self, record: &RoomRecord) -> Ticket {
        self.fill_room(record, entry::unstored_change(&record.change))
    }

    /// Fills the slot with marks of any members in any rooms, for a queue without groups.
    pub fn marks(self, records: &[RoomRecord]) -> Ticket {
        let lines: Vec<_> = records.iter().map(entry::json).collect();
        self.fill_one(String::new(), lines.join("\n"), None)
    }

    /// Works like [`Self::room`], for a change that was journaled before; the caller notes that it is accepted.
    pub fn room_again(self, record: &RoomRecord) -> Ticket {
        self.fill_room(record, None)
    }

    fn fill_room(self, record: &RoomRecord, unstored: Option<Unstored>) -> Ticket {
        let group = match &record.change {
            RoomChange::Room { room_id, .. } | RoomChange::Marks { room_id, .. } => room_id.to_string(),
            RoomChange::Profile { user_id, .. } => user_id.to_string(),
        };
        self.fill_one(group, entry::json(record), unstored)
    }

    fn fill_one(self, group: String, body: String, unstored: Option<Unstored>) -> Ticket {
        let inner = Arc::clone(&self.place.journal);
        let (waiter, ticket) = oneshot::channel();
        let mut filled = EntryBuilder::new(Fifo { group, dedup_id: format!("{:032x}", rand::random::<u128>()) }, 1);
        filled.places.push(self.place);
        filled.waiters.push(waiter);
        filled.unstored.extend(unstored);
        inner.submit(filled, body);
        Ticket::new(ticket)
    }

    /// Fills the slot of a queue of messages with a fence.
    pub fn fence(self, record: &FenceRecord) -> Ticket {
        let inner = Arc::clone(&self.place.journal);
        let (waiter, ticket) = oneshot::channel();
        let (group, dedup_id) = (record.room_id.to_string(), format!("{}:fence:{}", record.room_id, record.number));
        let mut filled = EntryBuilder::new(Fifo { group, dedup_id }, 1);
        filled.places.push(self.place);
        filled.waiters.push(waiter);
        inner.submit(filled, entry::json(record));
        Ticket::new(ticket)
    }
}

/// An entry that is being built.
pub(super) struct EntryBuilder {
    pub(super) fifo: Fifo,
    text: String,
    pub(super) waiters: Vec<Waiter>,
    tickets: Vec<Ticket>,
    pub(super) places: Vec<JournalSlot>,
    pub(super) unstored: Vec<Unstored>,
    pub(super) new_messages: usize,
}

impl EntryBuilder {
    pub(super) fn new(fifo: Fifo, records: usize) -> Self {
        let (waiters, tickets) = (Vec::with_capacity(records), Vec::with_capacity(records));
        Self {
            fifo,
            text: String::new(),
            waiters,
            tickets,
            places: Vec::with_capacity(records),
            unstored: Vec::new(),
            new_messages: 0,
        }
    }

    pub(super) fn add(&mut self, permit: Permit, text: &str, record: &MessageRecord) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        self.text.push_str(text);
        let (waiter, ticket) = oneshot::channel();
        self.waiters.push(waiter);
        self.tickets.push(Ticket::new(ticket));
        self.places.push(permit.place);
        self.unstored.push(entry::unstored_message(&record.message));
    }

    pub(super) fn submit(mut self, inner: &Arc<Inner>) -> Vec<Ticket> {
        let tickets = std::mem::take(&mut self.tickets);
        let body = std::mem::take(&mut self.text);
        inner.submit(self, body);
        tickets
    }
}

/// Number of entries of all journals of this node, for the metric.
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// One entry's share of the bounds, until it is dropped.
pub(super) struct JournalSlot {
    journal: Arc<Inner>,
    bytes: usize,
    /// The user whose share it is of.
    holder: Option<Person>,
}

impl JournalSlot {
    pub(super) fn take(journal: &Arc<Inner>, bytes: usize) -> Self {
        journal.places.fetch_add(1, Ordering::SeqCst);
        metrics::journal_queue_depth(DEPTH.fetch_add(1, Ordering::Relaxed) + 1);
        let mut place = Self { journal: Arc::clone(journal), bytes: 0, holder: None };
        place.weigh(bytes);
        place
    }

    pub(super) fn weigh(&mut self, bytes: usize) {
        self.journal.bytes.fetch_add(bytes, Ordering::SeqCst);
        self.bytes += bytes;
        if let Some(person) = &self.holder {
            self.journal.holders().bytes.add(person, bytes);
        }
    }
}

impl Drop for JournalSlot {
    fn drop(&mut self) {
        metrics::journal_queue_depth(DEPTH.fetch_sub(1, Ordering::Relaxed) - 1);
        self.journal.bytes.fetch_sub(self.bytes, Ordering::SeqCst);
        if let Some(person) = &self.holder {
            let mut held = self.journal.holders();
            held.places.remove(person, 1);
            held.bytes.remove(person, self.bytes);
        }
        if self.journal.places.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.journal.emptied.notify_waiters();
        }
    }
}

impl std::fmt::Debug for JournalSlot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JournalSlot").field("bytes", &self.bytes).finish_non_exhaustive()
    }
}
