//! The hub's permits of the journal: a slot is reserved before anything is changed, and filled afterwards.

use rts_common::ids::{OrgId, Person};
use rts_common::message::MessageState;
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};

use super::Hub;
use crate::error::{ErrorKind, HubError};
use crate::journal::{Busy, Permit, Ticket};

impl Hub {
    /// Reserves a slot for a change of a room; an error when the journal is full, and then the caller must not change
    /// anything.
    pub(super) fn room_place(&self, person: &Person) -> Result<Permit, HubError> {
        self.parts.room_journal.reserve_for(person).map_err(HubError::from)
    }

    /// Reserves the slots of a change of a room's facts or members, which is in both queues: behind what precedes it in its
    /// room, a fence tells that it is stored.
    pub(super) fn change_place(&self, person: &Person) -> Result<ChangePlace, HubError> {
        Ok(ChangePlace { messages: self.message_place(person)?, rooms: self.room_place(person)? })
    }

    /// Reserves a slot for a message or a change of one.
    pub(super) fn message_place(&self, person: &Person) -> Result<Permit, HubError> {
        self.parts.message_journal.reserve_for(person).map_err(HubError::from)
    }

    pub(super) fn journal_message(&self, place: Permit, org: &OrgId, message: MessageState) -> Ticket {
        place.message(self.message_record(org, message))
    }

    /// Journals a message that a call changed. One that was as the call wanted it is journaled too while it awaits storing:
    /// the node that changed it may have died before that was durable.
    pub(super) async fn journal_changed(
        &self,
        place: Permit,
        org: &OrgId,
        (message, is_changed): (MessageState, bool),
    ) -> Result<Option<Ticket>, HubError> {
        let is_owed = is_changed || self.parts.rooms.awaits_storing(&message).await?;
        Ok(is_owed.then(|| self.journal_message(place, org, message)))
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

/// The slots of a change of a room.
pub(super) struct ChangePlace {
    messages: Permit,
    rooms: Permit,
}

/// Fills slots with a change of a room's facts or members.
pub(super) fn journal_change(place: ChangePlace, org: &OrgId, change: RoomChange) -> Ticket {
    let record = RoomRecord { v: FORMAT, org: org.clone(), change };
    place.messages.room_again(&record).and(place.rooms.room(&record))
}

/// Fills a slot with marks or a name.
pub(super) fn journal_room(place: Permit, org: &OrgId, change: RoomChange) -> Ticket {
    place.room(&RoomRecord { v: FORMAT, org: org.clone(), change })
}
