//! Whether every message is right: pure bookkeeping, fed with what virtual users saw.
//!
//! A [`RoomCheck`] holds one room: which events its members received, in which order, which messages
//! were acknowledged or refused. What every member has and whose sender knows its fate is *settled*
//! and leaves memory but for its place (16 bytes a message, and of the oldest only a digest), so the
//! memory is bounded however long a run is. It finds: messages lost, doubled, out of order, altered or
//! never sent, members that disagree, acknowledgements that name another message, refused messages
//! that were delivered, unread counts that are wrong, and histories that do not hold exactly what was
//! acknowledged and seen.
//!
//! Sans-IO: times are microseconds since the run's start, users are places in the room's list of
//! members. What a client may see twice by design, the overlap of live events and a resume, the
//! virtual user sorts out before.

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

/// A member's place in its room's list of members.
pub type Slot = u32;

/// Which message: its sender, and which of the sender's messages in this room, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MessageKey {
    /// The sender.
    pub sender: Slot,
    /// Counted from 0 by each sender in each room.
    pub number: u32,
}
