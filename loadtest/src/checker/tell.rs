//! The observations that virtual users report of a room, as data: they may come from another machine.

use serde::{Deserialize, Serialize};

use super::history::{HistoryCheck, Progress};
use super::{Event, Kind, MessageKey, Resume, RoomCheck, Slot, Violation, Violations};

/// A message of a history: its seq and its key; `None` if it is not from this run or was altered.
pub type Message = (u64, Option<MessageKey>);

/// Something that a member saw or did, or was told at the end. Names on the wire are short: there is one observation
/// for each delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Tell {
    /// See [`RoomCheck::delivered`].
    #[serde(rename = "d")]
    Delivered(Slot, Event),
    /// See [`RoomCheck::acked`].
    #[serde(rename = "a")]
    Acked(MessageKey, u64),
    /// See [`RoomCheck::refused`].
    #[serde(rename = "r")]
    Refused(MessageKey),
    /// See [`RoomCheck::abandoned`].
    #[serde(rename = "g")]
    Abandoned(MessageKey),
    /// See [`RoomCheck::resumed`].
    #[serde(rename = "s")]
    Resumed(Resume),
    /// See [`RoomCheck::reading`].
    #[serde(rename = "m")]
    Reading(Slot),
    /// See [`RoomCheck::read`].
    #[serde(rename = "k")]
    Read(Slot, bool),
    /// See [`RoomCheck::unread`].
    #[serde(rename = "u")]
    Unread(Slot, u64),
    /// The next messages of the room's history, ascending.
    #[serde(rename = "h")]
    History(Vec<Message>),
    /// The history has no more messages.
    #[serde(rename = "e")]
    HistoryEnd,
    /// The unread count of a member, or without one the history, cannot be compared, for this reason.
    #[serde(rename = "x")]
    Unverified(Option<Slot>, String),
}

impl Tell {
    /// Returns the member concerned.
    pub fn member(&self) -> Option<Slot> {
        match self {
            Self::Delivered(slot, _) | Self::Reading(slot) | Self::Read(slot, _) | Self::Unread(slot, _) => Some(*slot),
            Self::Acked(key, _) | Self::Refused(key) | Self::Abandoned(key) => Some(key.sender),
            Self::Resumed(resume) => Some(resume.slot),
            Self::Unverified(slot, _) => *slot,
            Self::History(_) | Self::HistoryEnd => None,
        }
    }
}

impl RoomCheck {
    /// Takes an observation of a member; `false` if the room has no such member.
    pub fn take(&mut self, tell: &Tell, at_us: u64, found: &mut Violations) -> bool {
        if tell.member().is_some_and(|slot| slot >= self.member_count()) {
            return false;
        }
        match tell {
            Tell::Delivered(slot, event) => self.delivered(*slot, *event, at_us, found),
            Tell::Acked(key, seq) => self.acked(*key, *seq, at_us, found),
            Tell::Refused(key) => self.refused(*key, at_us, found),
            Tell::Abandoned(key) => self.abandoned(*key, at_us, found),
            Tell::Resumed(resume) => self.resumed(*resume, at_us, found),
            Tell::Reading(slot) => self.reading(*slot),
            Tell::Read(slot, done) => self.read(*slot, *done),
            Tell::Unread(slot, told) => {
                self.unread(*slot, *told, at_us, found);
                self.members[*slot as usize].is_counted = true;
            }
            Tell::History(messages) => {
                let mut history = HistoryCheck::new(self.room, &self.settled, self.progress);
                for &(seq, key) in messages {
                    history.message(seq, key, at_us, found);
                }
                self.progress = history.pause();
            }
            Tell::HistoryEnd => {
                HistoryCheck::new(self.room, &self.settled, self.progress).end(at_us, found);
                self.is_compared = true;
            }
            Tell::Unverified(member, why) => {
                match member {
                    Some(slot) => self.members[*slot as usize].is_counted = true,
                    None => self.is_compared = true,
                }
                found.push(self.unverified(*member, why, at_us));
            }
        }
        true
    }

    /// Takes the next stored messages of the room, after those that `progress` covers, ascending.
    pub fn stored(&self, progress: Progress, messages: &[Message], at_us: u64, found: &mut Violations) -> Progress {
        let mut history = self.store(progress);
        for &(seq, key) in messages {
            history.message(seq, key, at_us, found);
        }
        history.pause()
    }

    /// Ends the comparison with the stored messages.
    pub fn stored_end(&self, progress: Progress, at_us: u64, found: &mut Violations) {
        self.store(progress).end(at_us, found);
    }

    /// True if the messages stored so far were compared one by one, or by the digest of the oldest: a gap would have
    /// been found.
    pub fn is_certain(&self, progress: Progress) -> bool {
        progress.taken() >= self.settled.older_count()
    }

    fn store(&self, progress: Progress) -> HistoryCheck<'_> {
        HistoryCheck::new(self.room, &self.settled, progress).at("in DynamoDB")
    }

    /// Ends all checks: comparisons that were due and not made are reported, so that none is missing silently.
    pub fn close(&mut self, at_us: u64, found: &mut Violations) {
        if !self.is_compared {
            found.push(self.unverified(None, "its history was not compared", at_us));
        }
        for slot in 0..self.member_count() {
            if !self.members[slot as usize].is_counted {
                found.push(self.unverified(Some(slot), "its unread count was not compared", at_us));
            }
        }
    }

    fn unverified(&self, member: Option<Slot>, why: &str, at_us: u64) -> Violation {
        Violation::unverified(self.room, member, why, at_us)
    }
}

impl Violation {
    /// Makes the violation that something could not be checked.
    pub fn unverified(room: u32, member: Option<Slot>, why: &str, at_us: u64) -> Self {
        let detail = why.to_owned();
        Self { kind: Kind::Unverified, room, seq: None, member, message: None, at_us, detail }
    }
}
