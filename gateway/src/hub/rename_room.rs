//! `RenameRoom`.

use rts_common::room::Room;
use serde::{Deserialize, Serialize};

use super::request::{self, RoomRef};
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::RoomOperation;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    name: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Response {
    pub(super) room: Room,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let name = request::room_name(&request.name, hub.parts.limits.name_chars)?;
    let durable = hub.change_room(caller, room, &RoomOperation::Rename(name)).await?;
    let room = hub.parts.rooms.view(&caller.person, room).await?.room();
    Ok(Answer::once(Response { room }, durable))
}
