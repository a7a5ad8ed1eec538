//! The hub's way into the journal: a place is taken before anything happens, and filled after.

use rts_common::ids::OrgId;
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};

use super::Hub;
use crate::error::HubError;
use crate::journal::{Permit, Ticket};

impl Hub {
    /// A place for a change of a room; none when the journal is full, and then nothing must be changed.
    pub(super) fn room_place(&self) -> Result<Permit, HubError> {
        self.parts.room_journal.reserve().map_err(|_| HubError::unavailable())
    }

    /// A place for a message or a change of one.
    pub(super) fn message_place(&self) -> Result<Permit, HubError> {
        self.parts.message_journal.reserve().map_err(|_| HubError::unavailable())
    }

    pub(super) fn journal_message(&self, place: Permit, org: &OrgId, message: MessageState) -> Ticket {
        let origin = self.parts.node.clone();
        place.message(&MessageRecord { v: FORMAT, org: org.clone(), origin, message })
    }
}

/// Fills a place with a change of a room.
pub(super) fn journal_room(place: Permit, org: &OrgId, change: RoomChange) -> Ticket {
    place.room(&RoomRecord { v: FORMAT, org: org.clone(), change })
}
