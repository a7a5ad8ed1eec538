//! `CreateRoom`: a pair has one direct room and a case one room, created or found, because their ids are derived from
//! the pair or the case.
//!
//! The room of a case may belong to whoever named the case first. A service, whose token says so, takes such a room
//! over: it becomes the owner. Where only services make rooms of cases, others find those that they are in, and are
//! answered alike whether or not there is another.

use rts_common::ids::{CaseId, RoomId, UserId};
use rts_common::record::RoomChange;
use rts_common::room::{Role, RoomKind};
use serde::Deserialize;

use super::permits::journal_change;
use super::rename_room::Response;
use super::request::{self, others};
use super::{Answer, Caller, Hub};
use crate::budgets::Budget;
use crate::config::MakesCases;
use crate::error::{ErrorKind, HubError};
use crate::rooms::{CreatedRoom, NewRoom, RoomError, RoomOperation, RoomOutcome};

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
        (RoomKind::Group, Some(case)) => of_case(hub, caller, people, name, &case).await,
    }
}

async fn of_case(
    hub: &Hub,
    caller: &Caller,
    people: Vec<UserId>,
    name: Option<&str>,
    case: &CaseId,
) -> Result<Answer<Response>, HubError> {
    let ids = hub.parts.room_ids.case(&caller.person.org, case);
    if hub.parts.limits.makes_cases == MakesCases::Service && !caller.is_service {
        return found(hub, caller, &ids).await;
    }
    let room = hub.parts.rooms.existing(&ids).await?;
    let new = new_room(hub, caller, room, people).await?;
    make(hub, caller, NewRoom { name, case_id: Some(case), ..new }).await
}

/// Returns the one of these rooms that the caller is in; to others, no difference shows between a room and none.
async fn found(hub: &Hub, caller: &Caller, ids: &[RoomId]) -> Result<Answer<Response>, HubError> {
    for id in ids {
        match hub.parts.rooms.view(&caller.person, id).await {
            Ok(view) => return Ok(Answer::now(Response { room: view.room() })),
            Err(RoomError::NotFound) => {}
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Err(HubError::new(ErrorKind::Forbidden, "Rooms of cases are made by the service."))
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
    let ids = hub.parts.room_ids.direct(&caller.person.org, &caller.person.user, other);
    let room = hub.parts.rooms.existing(&ids).await?;
    let new = new_room(hub, caller, room, people).await?;
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
    hub.pay_for(caller, Budget::Members, people.len())?;
    // One that the caller has already is found, whatever has become of the others.
    let invited = match hub.parts.rooms.is_archived(&caller.person, room_id).await {
        Ok(_) => hub.named(caller, &people).await?,
        Err(RoomError::NotFound) => {
            let invited = hub.invite(caller, &people).await?;
            hub.count_made(caller).await?;
            invited
        }
        Err(refusal) => return Err(refusal.into()),
    };
    let mut members = vec![(caller.person.user.clone(), Role::Owner, caller.display_name.clone())];
    members.extend(invited.into_iter().map(|(user, name)| (user, Role::Member, name)));
    Ok(NewRoom { room_id, creator: &caller.person, kind: RoomKind::Group, name: None, case_id: None, members })
}

async fn make(hub: &Hub, caller: &Caller, new: NewRoom<'_>) -> Result<Answer<Response>, HubError> {
    let place = hub.change_place(&caller.person)?;
    let change = match hub.parts.rooms.create(&new).await? {
        CreatedRoom::New(change) => Some(change),
        CreatedRoom::Exists(owed) => match may_find(hub, caller, &new).await? {
            Some(taken_over) => Some(taken_over),
            None => owed,
        },
    };
    let ticket = match change {
        Some(change) => {
            let journaled = journal_change(place, &caller.person.org, change.clone());
            hub.relist(caller, &change).await;
            Some(journaled)
        }
        None => None,
    };
    let room = hub.parts.rooms.view(&caller.person, new.room_id).await?.room();
    Ok(Answer::once(Response { room }, ticket))
}

/// Refuses a case's room that the caller is not in, so that nothing but its existence is revealed; a service takes it
/// over, and the change is for the journal.
async fn may_find(hub: &Hub, caller: &Caller, new: &NewRoom<'_>) -> Result<Option<RoomChange>, HubError> {
    if caller.is_service && new.case_id.is_some() {
        let operation = RoomOperation::TakeOver(&caller.display_name);
        return match hub.parts.rooms.change_room(&caller.person, new.room_id, &operation).await? {
            RoomOutcome::Changed(change) => Ok(Some(change)),
            RoomOutcome::Unchanged(owed) => Ok(owed),
        };
    }
    match hub.parts.rooms.glance(&caller.person, new.room_id).await {
        Ok(_) => Ok(None),
        Err(RoomError::NotFound) => {
            Err(HubError::new(ErrorKind::Conflict, "This case has a room already, and you are not in it."))
        }
        Err(refusal) => Err(refusal.into()),
    }
}
