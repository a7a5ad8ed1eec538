//! `SendMessage`: visible at once, answered when durable, and never doubled.

use std::time::Instant;

use rts_common::ids::{AttachmentId, ClientId};
use rts_common::message::MessageContent;
use rts_common::seq::{Seq, Timestamp};
use serde::{Deserialize, Serialize};

use super::request::{self, RoomRef};
use super::{Answer, Caller, Hub};
use crate::error::{ErrorKind, HubError};
use crate::metrics;
use crate::rooms::{Sending, Sent};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    client_id: ClientId,
    body: Option<String>,
    attachment_ids: Option<Vec<AttachmentId>>,
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
    request::body(&body, hub.parts.limits.body_bytes, false)?;
    if request.attachment_ids.is_some_and(|ids| !ids.is_empty()) {
        return Err(HubError::new(ErrorKind::NotFound, "There is no such attachment."));
    }
    if let Some(seq) = request.reply_to {
        hub.parts.rooms.message(&caller.person, room, seq).await?;
    }
    let mentions = hub.parts.rooms.mentions(&caller.person, room, &body).await?;
    let content = MessageContent {
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
    let sending = Sending {
        person: &caller.person,
        room,
        content: &content,
        hint: hub.parts.bus.last_seq(room),
        accept: place.is_ok() && rate.is_ok(),
    };
    let sent = hub.parts.rooms.send(&sending).await;
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
