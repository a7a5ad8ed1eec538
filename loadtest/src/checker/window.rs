//! The events of a room that are not settled yet, by seq.

use std::collections::VecDeque;

use super::slots::Slots;
use super::{MessageKey, Slot};

/// An event that not every member has, or whose sender does not know its fate.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) seq: u64,
    /// The seq before it, as the first member that received it was told.
    pub(super) prev: Option<u64>,
    /// The key of its message, if it is one; unknown while nobody has it.
    pub(super) message: Option<MessageKey>,
    /// True if it is known only as the `prev` of another.
    pub(super) rumoured: bool,
    pub(super) acked: bool,
    pub(super) seen: Slots,
    /// The time when it was first known.
    pub(super) since_us: u64,
}

/// Entries in ascending order.
#[derive(Clone, Debug)]
pub(super) struct Window {
    entries: VecDeque<Entry>,
    members: u32,
    /// The highest seq that has left the window, or the room's head when the run began.
    pub(super) floor: u64,
}

impl Window {
    pub(super) fn new(members: u32, floor: u64) -> Self {
        Self { entries: VecDeque::new(), members, floor }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the highest known seq.
    pub(super) fn last_seq(&self) -> u64 {
        self.entries.back().map_or(self.floor, |entry| entry.seq)
    }

    pub(super) fn front(&self) -> Option<&Entry> {
        self.entries.front()
    }

    /// Removes the lowest entry.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let entry = self.entries.pop_front()?;
        self.floor = entry.seq;
        Some(entry)
    }

    pub(super) fn get(&self, seq: u64) -> Option<&Entry> {
        self.find(seq).ok().map(|at| &self.entries[at])
    }

    /// Returns the entry of `seq`, created if there is none. `seq` must be above the floor.
    pub(super) fn entry(&mut self, seq: u64, at_us: u64) -> &mut Entry {
        debug_assert!(seq > self.floor, "a seq that has left the window does not return");
        match self.find(seq) {
            Ok(at) => &mut self.entries[at],
            Err(at) => {
                let entry = Entry {
                    seq,
                    prev: None,
                    message: None,
                    rumoured: true,
                    acked: false,
                    seen: Slots::empty(self.members),
                    since_us: at_us,
                };
                self.entries.insert(at, entry);
                &mut self.entries[at]
            }
        }
    }

    fn find(&self, seq: u64) -> Result<usize, usize> {
        // Most events are the newest or close to it.
        match self.entries.back() {
            Some(last) if last.seq < seq => Err(self.entries.len()),
            Some(last) if last.seq == seq => Ok(self.entries.len() - 1),
            _ => self.entries.binary_search_by_key(&seq, |entry| entry.seq),
        }
    }
}

impl Entry {
    /// Returns the members that do not have it.
    pub(super) fn missing(&self, members: u32) -> impl Iterator<Item = Slot> {
        (0..members).filter(|&slot| !self.seen.contains(slot))
    }
}
