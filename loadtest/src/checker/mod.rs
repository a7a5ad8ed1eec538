//! Checks that every message is right: pure bookkeeping, fed with the observations of virtual users.
//!
//! A [`RoomCheck`] covers one room: the events its members received, in which order, and the messages that were
//! acknowledged or refused. A message that every member has and whose sender knows its fate is *settled* and leaves
//! memory except for its seq and key (16 bytes a message, and only a digest of the oldest), so the memory is bounded
//! however long a run is. It finds: messages lost, doubled, out of order, altered or never sent, members that disagree,
//! acknowledgements that name another message, refused messages that were delivered, unread counts that are wrong, and
//! histories that do not hold exactly the messages that were acknowledged and seen.
//!
//! Sans-IO: times are microseconds since the run's start, users are positions in the room's list of members. Events
//! that a client may see twice by design, in the overlap of live events and a resume, are sorted out by the virtual
//! user beforehand.

mod event;
mod history;
mod numbers;
mod room;
mod slots;
mod tell;
#[cfg(test)]
mod tests;
mod violation;
mod window;

use serde::{Deserialize, Serialize};

pub use event::{Content, Event, Resume, RoomTotals};
pub use history::{HistoryCheck, Progress};
pub use room::RoomCheck;
pub use tell::{Message, Tell};
pub use violation::{Kind, Violation, Violations};

/// A member's position in its room's list of members.
pub type Slot = u32;

/// The identity of a message: its sender, and its number among the sender's messages in this room, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageKey {
    /// The sender.
    pub sender: Slot,
    /// The number, from 0 for each sender in each room.
    pub number: u32,
}
