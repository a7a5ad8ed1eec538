//! `EditMessage`: edits a message of the caller.

use rts_common::message::Message;
use rts_common::seq::{Seq, Timestamp};
use serde::{Deserialize, Serialize};

use super::request::{self, RoomRef};
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::{MessageAt, MessageChange, RoomError};

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    seq: Seq,
    body: String,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Response {
    pub(super) message: Message,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    request::body(&request.body, hub.parts.limits.body_bytes, true)?;
    let mentions = hub.parts.rooms.mentions(&caller.person, room, &request.body).await?;
    let place = hub.message_place(&caller.person)?;
    let at = MessageAt { person: &caller.person, room, seq: request.seq };
    let changed = hub
        .parts
        .rooms
        .change_message(at, |found| {
            let content = &found.state.content;
            if content.sender_id != caller.person.user {
                return Err(RoomError::Forbidden);
            }
            if content.deleted {
                return Err(RoomError::Conflict);
            }
            if request.body.is_empty() && content.attachments.is_empty() {
                return Err(RoomError::EmptyBody);
            }
            if content.body == request.body && content.mentions == mentions {
                return if found.room_is_archived { Err(RoomError::Archived) } else { Ok(None) };
            }
            let mut content = content.clone();
            content.body.clone_from(&request.body);
            content.mentions.clone_from(&mentions);
            content.edited_at = Some(Timestamp::now());
            Ok(Some(MessageChange::Edit(content)))
        })
        .await?;
    let response = Response { message: changed.0.clone().into() };
    Ok(Answer::once(response, hub.journal_changed(place, &caller.person.org, changed).await?))
}
