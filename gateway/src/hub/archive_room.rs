//! `ArchiveRoom` and `UnarchiveRoom`: for owners only; the owner of a direct room is its creator. An archived room is
//! read-only and not in the list; its history, its marks and leaving it still work.

use super::rename_room::Response;
use super::request::RoomRequest;
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::RoomOperation;

pub(super) async fn archive(hub: &Hub, caller: &Caller, request: RoomRequest) -> Result<Answer<Response>, HubError> {
    run(hub, caller, &request, &RoomOperation::Archive).await
}

pub(super) async fn unarchive(hub: &Hub, caller: &Caller, request: RoomRequest) -> Result<Answer<Response>, HubError> {
    run(hub, caller, &request, &RoomOperation::Unarchive).await
}

async fn run(
    hub: &Hub,
    caller: &Caller,
    request: &RoomRequest,
    operation: &RoomOperation<'_>,
) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let durable = hub.change_room(caller, room, operation).await?;
    let room = hub.parts.rooms.view(&caller.person, room).await?.room();
    Ok(Answer::once(Response { room }, durable))
}
