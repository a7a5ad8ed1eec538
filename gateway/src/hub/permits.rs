//! The hub's way into the journal: a place is taken before anything happens, and filled after.

use rts_common::ids::OrgId;
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};

use super::Hub;
use crate::error::{ErrorKind, HubError};
use crate::journal::{Busy, Permit, Ticket};

impl Hub {
    /// A place for a change of a room; none when the journal is full, and then nothing must be changed.
    pub(super) fn room_place(&self) -> Result<Permit, HubError> {
        self.parts.room_journal.reserve().map_err(HubError::from)
    }

    /// A place for a message or a change of one.
    pub(super) fn message_place(&self) -> Result<Permit, HubError> {
        self.parts.message_journal.reserve().map_err(HubError::from)
    }

    pub(super) fn journal_message(&self, place: Permit, org: &OrgId, message: MessageState) -> Ticket {
        place.message(self.message_record(org, message))
    }

    pub(super) fn message_record(&self, org: &OrgId, message: MessageState) -> MessageRecord {
        MessageRecord { v: FORMAT, org: org.clone(), origin: self.parts.node.clone(), message }
    }
}

impl From<Busy> for HubError {
    fn from(busy: Busy) -> Self {
        Self::retry_after(ErrorKind::Unavailable, "The service is overloaded", busy.retry_after)
    }
}

/// Fills a place with a change of a room.
pub(super) fn journal_room(place: Permit, org: &OrgId, change: RoomChange) -> Ticket {
    place.room(&RoomRecord { v: FORMAT, org: org.clone(), change })
}
