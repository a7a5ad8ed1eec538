//! Violations of the cluster's promises, with their names.

use std::collections::BTreeMap;

use super::{MessageKey, Slot};

/// The kind of a broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A member never got an event that others got or that was acknowledged.
    Lost,
    /// A member got an event twice.
    Duplicated,
    /// A member got an event after a later one.
    OutOfOrder,
    /// One message is in the room under two seqs.
    Doubled,
    /// A message that no virtual user of this run sent like that: never sent, or altered.
    NotSent,
    /// Members saw different events at one seq, or different seqs before it.
    Disagreement,
    /// An acknowledgement names the seq of another message.
    AckMismatch,
    /// A message was delivered although its sender was told that it was refused.
    RefusedDelivered,
    /// An acknowledged message is not in the history.
    NotStored,
    /// A message that a member saw, but that was not acknowledged, is not in the history.
    SeenNotStored,
    /// A message was not in DynamoDB when the wait for it ended, and the queue was still at work.
    NotYetStored,
    /// The history holds a message that was delivered to nobody.
    StoredNotDelivered,
    /// The history is not in ascending order, or holds a message twice.
    HistoryOrder,
    /// The older part of a long history differs from what was delivered.
    HistoryDiffers,
    /// A list of rooms had a wrong unread count.
    Unread,
    /// A resume left a gap without saying `truncated`.
    ResumeGap,
    /// A check that could not be made: the server did not answer it.
    Unverified,
}

impl Kind {
    /// Returns its name in reports and thresholds.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Duplicated => "duplicated",
            Self::OutOfOrder => "out_of_order",
            Self::Doubled => "doubled",
            Self::NotSent => "not_sent",
            Self::Disagreement => "disagreement",
            Self::AckMismatch => "ack_mismatch",
            Self::RefusedDelivered => "refused_delivered",
            Self::NotStored => "not_stored",
            Self::SeenNotStored => "seen_not_stored",
            Self::NotYetStored => "not_yet_stored",
            Self::StoredNotDelivered => "stored_not_delivered",
            Self::HistoryOrder => "history_order",
            Self::HistoryDiffers => "history_differs",
            Self::Unread => "unread",
            Self::ResumeGap => "resume_gap",
            Self::Unverified => "unverified",
        }
    }

    /// Every kind.
    pub const ALL: [Self; 17] = [
        Self::Lost,
        Self::Duplicated,
        Self::OutOfOrder,
        Self::Doubled,
        Self::NotSent,
        Self::Disagreement,
        Self::AckMismatch,
        Self::RefusedDelivered,
        Self::NotStored,
        Self::SeenNotStored,
        Self::NotYetStored,
        Self::StoredNotDelivered,
        Self::HistoryOrder,
        Self::HistoryDiffers,
        Self::Unread,
        Self::ResumeGap,
        Self::Unverified,
    ];
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The kind of violation.
    pub kind: Kind,
    /// The room's number in the run.
    pub room: u32,
    /// The seq concerned, if one is.
    pub seq: Option<u64>,
    /// The member concerned, if one is.
    pub member: Option<Slot>,
    /// The message concerned, if it is known.
    pub message: Option<MessageKey>,
    /// The time it was found, in microseconds since the run's start.
    pub at_us: u64,
    /// Further details.
    pub detail: String,
}

/// All violations of a run: counts of all, and details of the first of each kind.
#[derive(Clone, Debug)]
pub struct Violations {
    list: Vec<Violation>,
    counts: BTreeMap<Kind, u64>,
    listed_max: usize,
}

impl Violations {
    /// Lists at most `listed_max` of each kind.
    pub fn new(listed_max: usize) -> Self {
        Self { list: Vec::new(), counts: BTreeMap::new(), listed_max }
    }

    /// Adds one.
    pub fn push(&mut self, violation: Violation) {
        let count = self.counts.entry(violation.kind).or_default();
        *count += 1;
        if *count <= self.listed_max as u64 {
            self.list.push(violation);
        }
    }

    /// Adds violations found elsewhere; those beyond the listed ones are counted all the same.
    pub fn absorb(&mut self, other: &Self) {
        for violation in &other.list {
            self.push(violation.clone());
        }
        for kind in Kind::ALL {
            let named = other.list.iter().filter(|violation| violation.kind == kind).count() as u64;
            let unnamed = other.count(kind) - named;
            if unnamed > 0 {
                *self.counts.entry(kind).or_default() += unnamed;
            }
        }
    }

    /// Reports messages missing from the store as not yet stored, as far as that is their only fault.
    #[must_use]
    pub fn excuse_missing(mut self) -> Self {
        let is_missing = |kind: Kind| matches!(kind, Kind::NotStored | Kind::SeenNotStored);
        for violation in self.list.iter_mut().filter(|violation| is_missing(violation.kind)) {
            violation.kind = Kind::NotYetStored;
        }
        for kind in [Kind::NotStored, Kind::SeenNotStored] {
            if let Some(count) = self.counts.remove(&kind) {
                *self.counts.entry(Kind::NotYetStored).or_default() += count;
            }
        }
        self
    }

    /// Returns the number of violations of a kind.
    pub fn count(&self, kind: Kind) -> u64 {
        self.counts.get(&kind).copied().unwrap_or_default()
    }

    /// Returns the number of all violations.
    pub fn total(&self) -> u64 {
        self.counts.values().sum()
    }

    /// Returns the listed violations, in the order they were found.
    pub fn listed(&self) -> &[Violation] {
        &self.list
    }
}

impl Default for Violations {
    fn default() -> Self {
        Self::new(100)
    }
}

impl Violation {
    /// Names the member that it concerns.
    pub(super) fn of(self, slot: Slot) -> Self {
        Self { member: Some(slot), ..self }
    }

    /// Adds a sentence for the report.
    pub(super) fn saying(self, detail: String) -> Self {
        Self { detail, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_the_names_counts_and_what_is_missing_may_be_late() {
        let mut room = Violations::new(2);
        for seq in 0..5 {
            let violation = Violation::unverified(0, None, "", 0);
            room.push(Violation { kind: Kind::NotStored, seq: Some(seq), ..violation });
        }
        assert_eq!(room.count(Kind::NotStored), 5);
        let mut all = Violations::default();
        all.absorb(&room);
        all.absorb(&room.excuse_missing());
        assert_eq!((all.count(Kind::NotStored), all.count(Kind::NotYetStored), all.total()), (5, 5, 10));
        assert_eq!(all.listed().len(), 4);
        assert!(Kind::ALL.into_iter().enumerate().all(|(i, kind)| kind as usize == i));
    }
}
