//! The hub's permits of the journal: a slot is reserved before anything is changed, and filled afterwards.

use rts_common::ids::OrgId;
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};

use super::Hub;
use crate::error::{ErrorKind, HubError};
use crate::journal::{Busy, Permit, Ticket};

impl Hub {
    /// Reserves a slot for a change of a room; an error when the journal is full, and then the caller must not change
    /// anything.
    pub(super) fn room_place(&self) -> Result<Permit, HubError> {
        self.parts.room_journal.reserve().map_err(HubError::from)
    }

    /// Reserves a slot for a message or a change of one.
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

/// Fills a slot with a change of a room.
pub(super) fn journal_room(place: Permit, org: &OrgId, change: RoomChange) -> Ticket {
    place.room(&RoomRecord { v: FORMAT, org: org.clone(), change })
}
