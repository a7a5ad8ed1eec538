//! `MarkRead` and `MarkDelivered`: marks only move forward. They are answered from Redis, and durable seconds later.

use rts_common::room::Marks;
use rts_common::seq::Seq;
use serde::{Deserialize, Serialize};

use super::request::RoomRef;
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::MarkKind;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    seq: Seq,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct ReadResponse {
    read_seq: Seq,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveredResponse {
    delivered_seq: Seq,
}

pub(super) async fn read(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<ReadResponse>, HubError> {
    let marks = mark(hub, caller, &request, MarkKind::Read).await?;
    Ok(Answer::now(ReadResponse { read_seq: marks.read_seq }))
}

pub(super) async fn delivered(
    hub: &Hub,
    caller: &Caller,
    request: Request,
) -> Result<Answer<DeliveredResponse>, HubError> {
    let marks = mark(hub, caller, &request, MarkKind::Delivered).await?;
    Ok(Answer::now(DeliveredResponse { delivered_seq: marks.delivered_seq }))
}

async fn mark(hub: &Hub, caller: &Caller, request: &Request, kind: MarkKind) -> Result<Marks, HubError> {
    let room = request.room_id.id()?;
    let marked = hub.parts.rooms.mark(&caller.person, room, kind, request.seq).await?;
    if marked.is_owed {
        hub.parts.marks.add(&caller.person, room, marked.marks);
    }
    Ok(marked.marks)
}
