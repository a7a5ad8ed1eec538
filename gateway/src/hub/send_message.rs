//! `SendMessage`: visible at once, answered when durable, and never doubled.

use std::time::Instant;

use rts_common::ids::{AttachmentId, ClientId, RoomId};
use rts_common::message::MessageContent;
use rts_common::seq::{Seq, Timestamp};
use serde::{Deserialize, Serialize};

use super::request::{self, AttachmentRef, RoomRef};
use super::{Answer, Caller, Hub, attachments};
use crate::error::{ErrorKind, HubError};
use crate::metrics;
use crate::rooms::{Sending, Sent};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    client_id: ClientId,
    body: Option<String>,
    attachment_ids: Option<Vec<AttachmentRef>>,
    reply_to: Option<Seq>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    seq: Seq,
    sent_at: Timestamp,
    duplicate: bool,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let body = request.body.unwrap_or_default();
    let files = attachments::named(&request.attachment_ids.unwrap_or_default())?;
    request::body(&body, hub.parts.limits.body_bytes, !files.is_empty())?;
    if let Some(seq) = request.reply_to {
        hub.parts.rooms.message(&caller.person, room, seq).await?;
    }
    let mentions = hub.parts.rooms.mentions(&caller.person, room, &body).await?;
    let mut content = MessageContent {
        sender_id: caller.person.user.clone(),
        client_id: request.client_id,
        body,
        mentions,
        attachments: Vec::new(),
        reply_to: request.reply_to,
        edited_at: None,
        deleted: false,
        reactions: Vec::new(),
    };

    // What must not become a new message may still be a duplicate, which costs nothing.
    let place = hub.message_place();
    let rate = hub.parts.rates.take(&caller.person, Instant::now());
    let accept = place.is_ok() && rate.is_ok();
    let sent = if accept && !files.is_empty() {
        send_with_files(hub, caller, room, &mut content, &files).await
    } else {
        send(hub, caller, room, &content, accept).await
    };
    if rate.is_ok() && !matches!(sent, Ok(Sent::New(_))) {
        hub.parts.rates.give_back(&caller.person);
    }
    match sent? {
        Sent::New(state) => {
            metrics::message_accepted();
            let response = Response { seq: state.seq, sent_at: state.seq.timestamp(), duplicate: false };
            Ok(Answer::once(response, [hub.journal_message(place?, &caller.person.org, state)]))
        }
        Sent::Duplicate { seq, stored } => {
            let response = Response { seq, sent_at: seq.timestamp(), duplicate: true };
            if stored {
                return Ok(Answer::now(response));
            }
            // Whoever sent it first may have died before it was journaled: the answer has to mean
            // "durable" here too.
            let Some((org, state)) = hub.parts.rooms.recorded(room, seq).await? else {
                return Ok(Answer::now(response));
            };
            Ok(Answer::once(response, [hub.journal_message(place?, &org, state)]))
        }
        Sent::Refused => {
            place?;
            let wait = rate.err().unwrap_or_default().as_millis().max(1);
            metrics::rate_limited("messages");
            let sentence = format!("Too many messages at once; retryAfterMs={wait}");
            Err(HubError::new(ErrorKind::RateLimited, sentence))
        }
    }
}

/// What was sent before is answered as it was: its files are not looked at again.
async fn send_with_files(
    hub: &Hub,
    caller: &Caller,
    room: &RoomId,
    content: &mut MessageContent,
    files: &[AttachmentId],
) -> Result<Sent, HubError> {
    match send(hub, caller, room, content, false).await? {
        Sent::Refused => {
            content.attachments = hub.claim_files(caller, room, files).await?;
            send(hub, caller, room, content, true).await
        }
        known => Ok(known),
    }
}

async fn send(
    hub: &Hub,
    caller: &Caller,
    room: &RoomId,
    content: &MessageContent,
    accept: bool,
) -> Result<Sent, HubError> {
    let hint = hub.parts.bus.last_seq(room);
    let sending = Sending { person: &caller.person, room, content, hint, accept };
    Ok(hub.parts.rooms.send(&sending).await?)
}
