//! `CreateRoom`: a pair has one direct room and a case one room, created or found, because their ids are derived from
//! the pair or the case.

use rts_common::ids::{CaseId, RoomId, UserId};
use rts_common::room::{Role, RoomKind};
use serde::Deserialize;

use super::permits::journal_room;
use super::rename_room::Response;
use super::request::{self, others};
use super::{Answer, Caller, Hub};
use crate::error::{ErrorKind, HubError};
use crate::rooms::{CreatedRoom, NewRoom, RoomError};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    kind: RoomKind,
    member_ids: Vec<UserId>,
    name: Option<String>,
    case_id: Option<CaseId>,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let people = others(request.member_ids, &caller.person.user)?;
    let name = request.name.as_deref().map(|name| request::room_name(name, hub.parts.limits.name_chars)).transpose()?;
    match (request.kind, request.case_id) {
        (RoomKind::Direct, None) => direct(hub, caller, people).await,
        (RoomKind::Direct, Some(_)) => Err(HubError::invalid("A direct room belongs to no case.")),
        (RoomKind::Group, None) => group(hub, caller, people, name).await,
        (RoomKind::Group, Some(case)) => {
            let room = RoomId::case(&caller.person.org, &case);
            let new = new_room(hub, caller, &room, people).await?;
            make(hub, caller, NewRoom { name, case_id: Some(&case), ..new }).await
        }
    }
}

pub(super) async fn group(
    hub: &Hub,
    caller: &Caller,
    people: Vec<UserId>,
    name: Option<&str>,
) -> Result<Answer<Response>, HubError> {
    let room = RoomId::new_group();
    let new = new_room(hub, caller, &room, people).await?;
    make(hub, caller, NewRoom { name, ..new }).await
}

async fn direct(hub: &Hub, caller: &Caller, people: Vec<UserId>) -> Result<Answer<Response>, HubError> {
    let [other] = people.as_slice() else {
        return Err(HubError::invalid("A direct room is for exactly one other person."));
    };
    let room = RoomId::direct(&caller.person.org, &caller.person.user, other);
    let new = new_room(hub, caller, &room, people).await?;
    make(hub, caller, NewRoom { kind: RoomKind::Direct, ..new }).await
}

async fn new_room<'a>(
    hub: &Hub,
    caller: &'a Caller,
    room_id: &'a RoomId,
    people: Vec<UserId>,
) -> Result<NewRoom<'a>, HubError> {
    if people.len() >= hub.parts.limits.room_members {
        return Err(request::too_many_members());
    }
    let names = hub.parts.rooms.names(&caller.person.org, &people).await?;
    let mut members = vec![(caller.person.user.clone(), Role::Owner, caller.display_name.clone())];
    members.extend(people.into_iter().zip(names).map(|(user, name)| (user, Role::Member, name)));
    Ok(NewRoom { room_id, creator: &caller.person, kind: RoomKind::Group, name: None, case_id: None, members })
}

async fn make(hub: &Hub, caller: &Caller, new: NewRoom<'_>) -> Result<Answer<Response>, HubError> {
    let place = hub.room_place()?;
    let change = match hub.parts.rooms.create(&new).await? {
        CreatedRoom::New(change) => Some(change),
        CreatedRoom::Exists(owed) => {
            may_find(hub, caller, &new).await?;
            owed
        }
    };
    let ticket = match change {
        Some(change) => {
            let journaled = journal_room(place, &caller.person.org, change.clone());
            hub.relist(caller, &change).await;
            Some(journaled)
        }
        None => None,
    };
    let room = hub.parts.rooms.view(&caller.person, new.room_id).await?.room();
    Ok(Answer::once(Response { room }, ticket))
}

/// Refuses a case's room that the caller is not in, so that nothing but its existence is revealed.
async fn may_find(hub: &Hub, caller: &Caller, new: &NewRoom<'_>) -> Result<(), HubError> {
    match hub.parts.rooms.glance(&caller.person, new.room_id).await {
        Ok(_) => Ok(()),
        Err(RoomError::NotFound) => {
            Err(HubError::new(ErrorKind::Conflict, "This case has a room already, and you are not in it."))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
