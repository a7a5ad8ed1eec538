//! `AddMembers`, `RemoveMember` and `LeaveRoom`.

use std::collections::HashSet;

use rts_common::ids::{Person, RoomId, UserId};
use rts_common::record::RoomChange;
use rts_common::room::{Membership, RoomKind};
use serde::{Deserialize, Serialize};

use super::create_room;
use super::permits::journal_change;
use super::rename_room::Response;
use super::request::{self, RoomRef, RoomRequest, UserRef};
use super::{Answer, Caller, Hub, Method};
use crate::budgets::Budget;
use crate::error::HubError;
use crate::journal::Ticket;
use crate::rooms::{RoomError, RoomOperation, RoomOutcome};

/// People whom one script adds: Redis serves nobody else meanwhile. More are added by several events.
const ADDED_AT_ONCE: usize = 128;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct AddRequest {
    room_id: RoomRef,
    user_ids: Vec<UserId>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct RemoveRequest {
    room_id: RoomRef,
    user_id: UserRef,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Empty {}

/// On a direct room: creates a new group of all of them; the direct room stays as it is.
pub(super) async fn add(hub: &Hub, caller: &Caller, request: AddRequest) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let view = hub.parts.rooms.glance(&caller.person, room).await?;
    let mut people = request::others(request.user_ids, &caller.person.user)?;
    if view.snapshot.facts.kind == RoomKind::Direct {
        people.extend(view.snapshot.members.into_iter().map(|(member, _)| member.user_id));
        let people = request::others(people, &caller.person.user)?;
        hub.pay(Method::CreateRoom, caller)?;
        return create_room::group(hub, caller, people, None).await;
    }
    hub.pay_for(caller, Budget::Members, people.len())?;
    let mut people = hub.invite(caller, &people).await?;
    let mut fresh = people.len();
    if fresh > ADDED_AT_ONCE {
        // Those who are new first: all of them have to fit, before any is added.
        let members = hub.parts.rooms.view(&caller.person, room).await?.snapshot.members;
        let members: HashSet<_> = members.into_iter().map(|(member, _)| member.user_id).collect();
        people.sort_by_key(|(user, _)| members.contains(user));
        fresh = people.iter().filter(|(user, _)| !members.contains(user)).count();
    }
    let mut durable = Vec::new();
    // Nobody is a part, too: the caller may have to be refused.
    for part in 0..=people.len().saturating_sub(1) / ADDED_AT_ONCE {
        let people = people.chunks(ADDED_AT_ONCE).nth(part).unwrap_or_default();
        let later = fresh.saturating_sub((part + 1) * ADDED_AT_ONCE);
        let operation = RoomOperation::Add(people, hub.parts.limits.room_members.saturating_sub(later));
        durable.extend(hub.change_room(caller, room, &operation).await?);
    }
    let room = hub.parts.rooms.view(&caller.person, room).await?.room();
    Ok(Answer::once(Response { room }, durable))
}

pub(super) async fn remove(hub: &Hub, caller: &Caller, request: RemoveRequest) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let Some(user) = request.user_id.id() else {
        // An error about access to the room, or the right to remove members, comes first.
        let view = hub.parts.rooms.glance(&caller.person, room).await?;
        return Err(
            if view.may_remove(&caller.person.user) { RoomError::NoMember } else { RoomError::Forbidden }.into()
        );
    };
    if *user == caller.person.user {
        return Err(HubError::invalid("To go yourself, use LeaveRoom."));
    }
    let durable = hub.change_room(caller, room, &RoomOperation::Remove(user)).await?;
    let room = hub.parts.rooms.view(&caller.person, room).await?.room();
    Ok(Answer::once(Response { room }, durable))
}

pub(super) async fn leave(hub: &Hub, caller: &Caller, request: RoomRequest) -> Result<Answer<Empty>, HubError> {
    let durable = hub.change_room(caller, request.room_id.id()?, &RoomOperation::Leave).await?;
    Ok(Answer::once(Empty {}, durable))
}

impl Hub {
    /// Changes a room, notifies the users concerned, and journals it. A change that was made before and is not known to
    /// be stored is journaled again: the answer means "durable" then too.
    pub(super) async fn change_room(
        &self,
        caller: &Caller,
        room: &RoomId,
        operation: &RoomOperation<'_>,
    ) -> Result<Option<Ticket>, HubError> {
        let place = self.change_place(&caller.person)?;
        let change = match self.parts.rooms.change_room(&caller.person, room, operation).await? {
            RoomOutcome::Changed(change) | RoomOutcome::Unchanged(Some(change)) => change,
            RoomOutcome::Unchanged(None) => return Ok(None),
        };
        // The journal first: the lists are many calls, and can be made again from it.
        let ticket = journal_change(place, &caller.person.org, change.clone());
        self.relist(caller, &change).await;
        Ok(Some(ticket))
    }

    /// Updates the users' lists of rooms. The change has happened whether or not this fails: if it does, the Lambda
    /// does it again after it stored the change, or the reconciler.
    pub(super) async fn relist(&self, caller: &Caller, change: &RoomChange) {
        let RoomChange::Room { room_id, members, .. } = change else {
            return;
        };
        let moved: Vec<_> =
            members.iter().map(|member| (member.user_id.clone(), member.version, member.role.is_some())).collect();
        match self.parts.rooms.list_room(&caller.person.org, room_id, &moved).await {
            Ok(names) => self.correct_names(caller, room_id, members, names).await,
            Err(error) => {
                tracing::warn!(room = %room_id, %error, "cannot update lists of rooms; they will follow later");
            }
        }
    }

    /// Gives members the names that they brought themselves in the moment in which they were added.
    async fn correct_names(
        &self,
        caller: &Caller,
        room: &RoomId,
        members: &[Membership],
        names: Vec<(UserId, String)>,
    ) {
        for (user, name) in names {
            let is_other = |member: &&Membership| member.user_id == user && member.display_name != name;
            if members.iter().filter(is_other).any(|member| member.role.is_some()) {
                let person = Person { org: caller.person.org.clone(), user };
                if let Err(error) = self.name_in(&person, room, &name).await {
                    tracing::warn!(room = %room, %error, "cannot correct a member's name");
                }
            }
        }
    }
}
