//! Runs when a user connects: the name in their token becomes the name that others see.

use rts_common::ids::RoomId;
use rts_common::limits;
use rts_common::record::RoomChange;
use rts_common::seq::Seq;

use super::permits::journal_room;
use super::{Caller, Hub};
use crate::error::HubError;
use crate::rooms::RoomError;

impl Hub {
    /// Notes the caller's name in the directory and in their rooms, if it is new. Best effort: a failure is made up for
    /// when they connect again.
    pub async fn greet(&self, caller: &Caller) {
        if let Err(error) = self.note_name(caller).await {
            tracing::warn!(%error, "failed to note a name");
        }
    }

    async fn note_name(&self, caller: &Caller) -> Result<(), HubError> {
        let name: String = caller.display_name.chars().take(limits::NAME_CHARS).collect();
        if self.parts.rooms.knows_name(&caller.person, &name).await? {
            return Ok(());
        }
        for room in self.parts.rooms.rooms_of(&caller.person).await? {
            self.name_in(caller, &room, &name).await?;
        }
        let place = self.room_place()?;
        self.parts.rooms.note_name(&caller.person, &name).await?;
        let user_id = caller.person.user.clone();
        let profile = RoomChange::Profile { user_id, display_name: name.clone(), version: Seq::now() };
        let durable = journal_room(place, &caller.person.org, profile).await;
        durable.map_err(|_| HubError::unavailable())?;
        // Last, so that a name counts as known only once every room has it and the directory will.
        self.parts.rooms.name_is_durable(&caller.person, &name).await?;
        Ok(())
    }

    async fn name_in(&self, caller: &Caller, room: &RoomId, name: &str) -> Result<(), HubError> {
        let place = self.room_place()?;
        match self.parts.rooms.name_member(&caller.person, room, name).await {
            Ok(Some(change)) => {
                drop(journal_room(place, &caller.person.org, change));
                Ok(())
            }
            Ok(None) | Err(RoomError::NotFound) => Ok(()),
            Err(refusal) => Err(refusal.into()),
        }
    }
}
