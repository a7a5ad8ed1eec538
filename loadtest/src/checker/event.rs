//! What virtual users tell the checker, and what it counts.

use serde::{Deserialize, Serialize};

use super::{MessageKey, Slot};

/// A sequenced event as a member got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Its seq.
    pub seq: u64,
    /// The seq before it.
    pub prev: u64,
    /// What it is.
    pub content: Content,
}

/// What an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// A message of this run, unaltered.
    #[serde(rename = "m")]
    Message(MessageKey),
    /// A message that is not of this run, or altered.
    #[serde(rename = "f")]
    Foreign,
    /// Anything else that takes a place in the order.
    #[serde(rename = "o")]
    Other,
}

/// The answer to a resume.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resume {
    /// Whose.
    pub slot: Slot,
    /// The room's head; the member has all up to here now.
    pub head: u64,
    /// The member was told that it has to look into the history instead.
    pub truncated: bool,
}

/// Counts of a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomTotals {
    /// Messages acknowledged, each once.
    pub acked: u64,
    /// Messages in the room.
    pub messages: u64,
    /// Events received by members, each once.
    pub deliveries: u64,
    /// Events that a member was told it must fetch from the history (`truncated`).
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
