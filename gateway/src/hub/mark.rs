//! `MarkRead` and `MarkDelivered`: marks only move forward.

use rts_common::record::RoomChange;
use rts_common::room::Marks;
use rts_common::seq::Seq;
use serde::{Deserialize, Serialize};

use super::permits::journal_room;
use super::request::RoomRef;
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::journal::Ticket;
use crate::rooms::MarkKind;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    seq: Seq,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadResponse {
    read_seq: Seq,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveredResponse {
    delivered_seq: Seq,
}

pub(super) async fn read(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<ReadResponse>, HubError> {
    let (marks, journaled) = mark(hub, caller, &request, MarkKind::Read).await?;
    Ok(Answer::once(ReadResponse { read_seq: marks.read_seq }, [journaled]))
}

pub(super) async fn delivered(
    hub: &Hub,
    caller: &Caller,
    request: Request,
) -> Result<Answer<DeliveredResponse>, HubError> {
    let (marks, journaled) = mark(hub, caller, &request, MarkKind::Delivered).await?;
    Ok(Answer::once(DeliveredResponse { delivered_seq: marks.delivered_seq }, [journaled]))
}

async fn mark(hub: &Hub, caller: &Caller, request: &Request, kind: MarkKind) -> Result<(Marks, Ticket), HubError> {
    let room = request.room_id.id()?;
    let place = hub.room_place()?;
    let marks = hub.parts.rooms.mark(&caller.person, room, kind, request.seq).await?;
    // Journaled also when it did not move: the node that moved it may have died before it was durable.
    let change = RoomChange::Marks { room_id: room.clone(), user_id: caller.person.user.clone(), marks };
    Ok((marks, journal_room(place, &caller.person.org, change)))
}
