//! Checks that a room's history holds exactly the delivered messages.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::MessageKey;
use super::violation::{Kind, Violation, Violations};

/// The settled messages: the newest individually, the older ones as a count and a digest.
#[derive(Debug)]
pub(super) struct Settled {
    retained: VecDeque<Place>,
    retained_max: usize,
    older_count: u64,
    older_digest: u64,
}

/// A settled message, in 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// The seq, shifted by one; the lowest bit is set if it was acknowledged.
    seq_and_acked: u64,
    sender: u32,
    number: u32,
}

impl Settled {
    pub(super) fn new(retained_max: usize) -> Self {
        Self { retained: VecDeque::new(), retained_max, older_count: 0, older_digest: 0 }
    }

    /// Adds the next message in order.
    pub(super) fn push(&mut self, seq: u64, key: MessageKey, acked: bool) {
        let place = Place { seq_and_acked: seq << 1 | u64::from(acked), sender: key.sender, number: key.number };
        self.retained.push_back(place);
        if self.retained.len() > self.retained_max
            && let Some(oldest) = self.retained.pop_front()
        {
            self.older_count += 1;
            self.older_digest = digest(self.older_digest, oldest.seq(), oldest.key());
        }
    }

    /// Returns the number of messages that are known only by a digest.
    pub(super) fn older_count(&self) -> u64 {
        self.older_count
    }

    /// Returns the message at a seq, if it is still known.
    pub(super) fn message_at(&self, seq: u64) -> Option<MessageKey> {
        let at = self.retained.binary_search_by_key(&seq, |place| place.seq()).ok()?;
        Some(self.retained[at].key())
    }
}

impl Place {
    fn seq(self) -> u64 {
        self.seq_and_acked >> 1
    }

    fn acked(self) -> bool {
        self.seq_and_acked & 1 == 1
    }

    fn key(self) -> MessageKey {
        MessageKey { sender: self.sender, number: self.number }
    }
}

fn digest(before: u64, seq: u64, key: MessageKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    (before, seq, key).hash(&mut hasher);
    hasher.finish()
}

/// Compares a history, message by message in ascending order, with the delivered messages.
#[derive(Debug)]
pub struct HistoryCheck<'a> {
    room: u32,
    settled: &'a Settled,
    progress: Progress,
    /// The location of the history, named in each violation if it is not the hub's.
    place: &'static str,
}

/// The progress of a comparison with a history.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// The number of messages of the history that were taken.
    taken: u64,
    digest: u64,
    last_seq: u64,
    /// The index of the next expected message.
    next: usize,
}

impl Progress {
    /// Returns the number of messages of the history that were taken.
    pub fn taken(self) -> u64 {
        self.taken
    }
}

impl<'a> HistoryCheck<'a> {
    /// Begins, or continues from where another comparison stopped.
    pub(super) fn new(room: u32, settled: &'a Settled, progress: Progress) -> Self {
        Self { room, settled, progress, place: "" }
    }

    /// Names the location of a history that is not the hub's.
    pub(super) fn at(self, place: &'static str) -> Self {
        Self { place, ..self }
    }

    /// Pauses the comparison.
    pub(super) fn pause(self) -> Progress {
        self.progress
    }

    /// Takes the next message of the history; its key is `None` if it is not from this run or was altered.
    pub fn message(&mut self, seq: u64, key: Option<MessageKey>, at_us: u64, found: &mut Violations) {
        if seq <= self.progress.last_seq {
            let detail = format!("it came after {}", self.progress.last_seq);
            found.push(Violation { detail, ..self.violation(Kind::HistoryOrder, seq, key, at_us) });
            return;
        }
        self.progress.last_seq = seq;
        self.progress.taken += 1;
        let Some(key) = key else {
            found.push(self.violation(Kind::NotSent, seq, None, at_us));
            return;
        };
        if self.progress.taken <= self.settled.older_count {
            self.progress.digest = digest(self.progress.digest, seq, key);
            if self.progress.taken == self.settled.older_count {
                self.compare_older(at_us, found);
            }
            return;
        }
        while let Some(expected) = self.settled.retained.get(self.progress.next).copied() {
            if expected.seq() > seq {
                break;
            }
            self.progress.next += 1;
            if expected.seq() < seq {
                found.push(self.missing(expected, at_us));
                continue;
            }
            if expected.key() != key {
                let kind = Kind::Disagreement;
                let detail = "the history has a different message from the one delivered".to_owned();
                found.push(Violation { detail, ..self.violation(kind, seq, Some(key), at_us) });
            }
            return;
        }
        found.push(self.violation(Kind::StoredNotDelivered, seq, Some(key), at_us));
    }

    /// Ends the comparison: the history has no more messages.
    pub fn end(mut self, at_us: u64, found: &mut Violations) {
        if self.progress.taken < self.settled.older_count {
            self.compare_older(at_us, found);
        }
        while let Some(expected) = self.settled.retained.get(self.progress.next).copied() {
            self.progress.next += 1;
            found.push(self.missing(expected, at_us));
        }
    }

    /// Returns the number of messages that the history should hold.
    pub fn expected(&self) -> u64 {
        self.settled.older_count + self.settled.retained.len() as u64
    }

    fn compare_older(&self, at_us: u64, found: &mut Violations) {
        if self.progress.taken == self.settled.older_count && self.progress.digest == self.settled.older_digest {
            return;
        }
        let detail =
            format!("of the first {} messages, which are too old to be named one by one", self.settled.older_count);
        let violation = self.violation(Kind::HistoryDiffers, 0, None, at_us);
        found.push(Violation { detail, seq: None, ..violation });
    }

    fn missing(&self, place: Place, at_us: u64) -> Violation {
        let kind = if place.acked() { Kind::NotStored } else { Kind::SeenNotStored };
        self.violation(kind, place.seq(), Some(place.key()), at_us)
    }

    fn violation(&self, kind: Kind, seq: u64, message: Option<MessageKey>, at_us: u64) -> Violation {
        let detail = self.place.to_owned();
        Violation { kind, room: self.room, seq: Some(seq), member: None, message, at_us, detail }
    }
}
