//! `GetAttachmentUrl`: a signed URL of a file that a message of the room has.

use rts_common::seq::Timestamp;
use serde::{Deserialize, Serialize};

use super::request::{AttachmentRef, RoomRef};
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::RoomError;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    attachment_id: AttachmentRef,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    url: String,
    expires_at: Timestamp,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let uploads = hub.uploads()?;
    let room = request.room_id.id()?;
    // A caller who is not a member gets the error of the room, not of the file.
    hub.parts.rooms.is_archived(&caller.person, room).await?;
    let id = request.attachment_id.id()?;
    // A message is not older than its files: none of them outlives it.
    let expired = hub.parts.rooms.expired().timestamp();
    let (signed, deleting) = Box::pin(uploads.read(&caller.person, room, id, expired)).await?;
    if let Some(seq) = deleting {
        match hub.parts.rooms.message(&caller.person, room, seq).await {
            Ok(found) if found.state.content.deleted => {
                // Whoever deleted the message did not come that far.
                hub.give_up_files(&caller.person, room, std::slice::from_ref(id)).await;
                return Err(HubError::attachment_not_found());
            }
            Ok(_) => {}
            Err(RoomError::NoMessage) => return Err(HubError::attachment_not_found()),
            Err(refusal) => return Err(refusal.into()),
        }
    }
    Ok(Answer::now(Response { url: signed.url, expires_at: signed.expires_at }))
}
