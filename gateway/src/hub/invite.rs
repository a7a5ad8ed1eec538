//! Who may be added to a room, and how many rooms a person may make and be in.

use rts_common::ids::UserId;

use super::{Caller, Hub};
use crate::config::MayAdd;
use crate::error::{ErrorKind, HubError};
use crate::metrics::Limit;

impl Hub {
    /// Returns the names of users who are to be added to a room, if all of them may be. Changes nothing.
    pub(super) async fn invite(&self, caller: &Caller, people: &[UserId]) -> Result<Vec<(UserId, String)>, HubError> {
        // The last tenth is for the rooms that people make themselves: nobody else can take that from them.
        let others_most = self.parts.limits.person_rooms.div_ceil(10) * 9;
        let invitees = self.parts.rooms.invitees(&caller.person.org, people, others_most).await?;
        if self.parts.limits.may_add == MayAdd::Directory && invitees.iter().any(|invitee| !invitee.is_known) {
            return Err(HubError::new(ErrorKind::NotFound, "There is no such person in the directory."));
        }
        if invitees.iter().any(|invitee| invitee.is_full) {
            return Err(too_many_rooms(others_most));
        }
        Ok(invitees.into_iter().map(|invitee| (invitee.user, invitee.name)).collect())
    }

    /// Returns the names of users, whoever they are.
    pub(super) async fn named(&self, caller: &Caller, people: &[UserId]) -> Result<Vec<(UserId, String)>, HubError> {
        let most = self.parts.limits.person_rooms;
        let invitees = self.parts.rooms.invitees(&caller.person.org, people, most).await?;
        Ok(invitees.into_iter().map(|invitee| (invitee.user, invitee.name)).collect())
    }

    /// Counts a room that the caller is about to make, if they may make another.
    pub(super) async fn count_made(&self, caller: &Caller) -> Result<(), HubError> {
        let limits = &self.parts.limits;
        let own = [caller.person.user.clone()];
        let own = self.parts.rooms.invitees(&caller.person.org, &own, limits.person_rooms).await?;
        if own.iter().any(|own| own.is_full) {
            return Err(too_many_rooms(limits.person_rooms));
        }
        match self.parts.rooms.count_made(&caller.person, limits.rooms_made).await? {
            None => Ok(()),
            Some(wait) => Err(HubError::rate_limited(Limit::RoomsMade, wait)),
        }
    }
}

fn too_many_rooms(most: usize) -> HubError {
    HubError::new(ErrorKind::TooLarge, format!("A person is in at most {most} rooms."))
}
