//! The observations that virtual users report to the checker, and its counts.

use serde::{Deserialize, Serialize};

use super::{MessageKey, Slot};

/// A sequenced event as a member received it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its seq.
    pub seq: u64,
    /// The seq before it.
    pub prev: u64,
    /// Its content.
    pub content: Content,
}

/// The content of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A message of this run, unaltered.
    #[serde(rename = "m")]
    Message(MessageKey),
    /// A message that is not from this run, or was altered.
    #[serde(rename = "f")]
    Foreign,
    /// Any other event that has a seq.
    #[serde(rename = "o")]
    Other,
}

/// The answer to a resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// The member that resumed.
    pub slot: Slot,
    /// The room's head; the member now has everything up to here.
    pub head: u64,
    /// True if the member was told to read the history instead.
    pub truncated: bool,
}

/// The counts of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomTotals {
    /// Messages acknowledged, each counted once.
    pub acked: u64,
    /// Messages in the room.
    pub messages: u64,
    /// Events received by members, each counted once.
    pub deliveries: u64,
    /// Events that a member was told to fetch from the history (`truncated`).
    pub truncated: u64,
    /// Events of members too far behind to be checked one by one.
    pub chain_only: u64,
}

impl std::ops::AddAssign for RoomTotals {
    fn add_assign(&mut self, other: Self) {
        self.acked += other.acked;
        self.messages += other.messages;
        self.deliveries += other.deliveries;
        self.truncated += other.truncated;
        self.chain_only += other.chain_only;
    }
}
