//! `DeleteMessage`: deletes a message of the caller; owners may delete any. It leaves a tombstone.

use rts_common::seq::Seq;
use serde::Deserialize;

use super::edit_message::Response;
use super::request::RoomRef;
use super::{Answer, Caller, Hub};
use crate::error::HubError;
use crate::rooms::{MessageAt, MessageChange, RoomError};

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    seq: Seq,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let place = hub.message_place(&caller.person)?;
    let files = hub.note_delete(caller, room, request.seq).await?;
    let at = MessageAt { person: &caller.person, room, seq: request.seq };
    let changed = hub
        .parts
        .rooms
        .change_message(at, |found| {
            if found.state.content.sender_id != caller.person.user && !found.reader_is_owner {
                return Err(RoomError::Forbidden);
            }
            if found.state.content.deleted {
                return Ok(None);
            }
            let mut content = found.state.content.clone();
            content.bury();
            Ok(Some(MessageChange::Delete(content)))
        })
        .await?;
    let response = Response { message: changed.0.clone().into() };
    let ticket = hub.journal_changed(place, &caller.person.org, changed).await?;
    if files.is_empty() {
        return Ok(Answer::once(response, ticket));
    }
    if let Some(ticket) = ticket {
        ticket.await.map_err(|_| HubError::unavailable())?;
    }
    let files: Vec<_> = files.into_iter().map(|file| file.attachment_id).collect();
    hub.give_up_files(&caller.person, room, &files).await;
    Ok(Answer::now(response))
}
