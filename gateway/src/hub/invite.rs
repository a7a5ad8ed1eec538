//! Who may be added to a room, and how many rooms a person may make and be in.

use rts_common::ids::UserId;

use super::{Caller, Hub};
use crate::config::MayAdd;
use crate::error::{ErrorKind, HubError};
use crate::metrics::Limit;

impl Hub {
    /// Returns the names of users who are to be added to a room, if all of them may be. Changes nothing.
    pub(super) async fn invite(&self, caller: &Caller, people: &[UserId]) -> Result<Vec<(UserId, String)>, HubError> {
        let others_most = by_others(self.parts.limits.person_rooms);
        let invitees = self.parts.rooms.invitees(&caller.person.org, people, others_most).await?;
        if self.parts.limits.may_add == MayAdd::Directory && invitees.iter().any(|invitee| !invitee.is_known) {
            return Err(HubError::new(ErrorKind::NotFound, "There is no such person in the directory."));
        }
        if invitees.iter().any(|invitee| invitee.is_full) {
            let sentence = format!("A person is put into at most {others_most} rooms by others.");
            return Err(HubError::new(ErrorKind::TooLarge, sentence));
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

/// Returns how many of a user's rooms others may put them into: the last tenth is for those that they make themselves, which
/// nobody can take from them.
const fn by_others(most: usize) -> usize {
    most - most / 10
}

fn too_many_rooms(most: usize) -> HubError {
    HubError::new(ErrorKind::TooLarge, format!("A person is in at most {most} rooms."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn others_leave_a_tenth_and_never_get_more_than_all() {
        assert_eq!([1, 9, 10, 15, 5000].map(by_others), [1, 9, 9, 14, 4500]);
    }
}
