//! Runs when a user connects: the name in their token becomes the name that others see.
//!
//! The name is noted in Redis first, then the user's rooms and the directory get it. Whoever adds them to a room reads
//! the noted name once more after the room is in their list, so one of the two finds the other. Devices that bring
//! different names end with the one that was noted last, everywhere.

use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::ids::{Person, RoomId};
use rts_common::limits;
use rts_common::record::RoomChange;

use super::Hub;
use super::permits::{journal_change, journal_room};
use crate::budgets::Budget;
use crate::connection::Principal;
use crate::error::HubError;
use crate::rooms::RoomError;

/// Rooms that are told a new name at once.
const AT_ONCE: usize = 8;
/// Names in a row that devices may bring meanwhile. The next connection goes on.
const TURNS: usize = 5;

impl Hub {
    /// Notes the name in a user's token. True if it has to be spread. Best effort: a failure is made up for when they
    /// connect again.
    pub async fn note_name(&self, principal: &Principal) -> bool {
        let name: String = principal.display_name.chars().take(limits::NAME_CHARS).collect();
        let noted = self.parts.rooms.note_name(&principal.person, &name).await;
        noted.inspect_err(|error| tracing::warn!(%error, "failed to note a name")).unwrap_or(false)
    }

    /// Brings the noted name of a user to their rooms and to the directory. Best effort, like the note.
    pub async fn spread_name(&self, person: &Person) {
        if let Err(error) = self.spread(person).await {
            tracing::warn!(%error, "failed to spread a name");
        }
    }

    async fn spread(&self, person: &Person) -> Result<(), HubError> {
        let rooms = &self.parts.rooms;
        let mut spread = None;
        for _ in 0..TURNS {
            let Some((name, version)) = rooms.noted_name(person).await? else { return Ok(()) };
            if spread == Some(version) {
                let user_id = person.user.clone();
                let profile = RoomChange::Profile { user_id, display_name: name.clone(), version };
                let durable = journal_room(self.room_place(person)?, &person.org, profile).await;
                durable.map_err(|_| HubError::unavailable())?;
                // Last, so that a name counts as known only once every room has it and the directory will.
                return Ok(rooms.name_is_durable(person, &name).await?);
            }
            let rooms = rooms.rooms_of(person).await?;
            // Somebody with two names could have all their rooms told one after the other, as often as they connect: what is
            // more than a burst is owed.
            let paid = self.parts.budgets.take(person, Budget::RoomChanges, rooms.len());
            paid.map_err(|wait| HubError::rate_limited(Budget::RoomChanges.limit(), wait))?;
            for owed in rooms.chunks(limits::ROOM_CHANGE_BURST as usize).skip(1) {
                self.parts.budgets.charge(person, Budget::RoomChanges, owed.len());
            }
            let named: Vec<_> = rooms.iter().map(|room| self.name_in(person, room, &name)).collect();
            stream::iter(named).buffer_unordered(AT_ONCE).try_collect::<()>().await?;
            spread = Some(version);
        }
        Ok(())
    }

    /// Sets a member's name in a room.
    pub(super) async fn name_in(&self, person: &Person, room: &RoomId, name: &str) -> Result<(), HubError> {
        let place = self.change_place(person)?;
        match self.parts.rooms.name_member(person, room, name).await {
            Ok(Some(change)) => {
                drop(journal_change(place, &person.org, change));
                Ok(())
            }
            Ok(None) | Err(RoomError::NotFound) => Ok(()),
            Err(refusal) => Err(refusal.into()),
        }
    }
}
