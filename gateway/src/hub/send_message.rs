//! `SendMessage`: visible immediately, answered when durable, and never duplicated.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use rts_common::ids::{AttachmentId, ClientId, Person, RoomId};
use rts_common::message::MessageContent;
use rts_common::seq::{Seq, Timestamp};
use serde::{Deserialize, Serialize};

use super::reply::Done;
use super::request::{self, RoomRef};
use super::{Answer, Caller, Hub, attachments};
use crate::budgets::Budget;
use crate::error::HubError;
use crate::journal::{Busy, Ticket};
use crate::metrics::Limit;
use crate::send::{SendPermit, SendRequest, SendResult};

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    client_id: ClientId,
    body: Option<String>,
    attachment_ids: Option<Vec<AttachmentId>>,
    reply_to: Option<Seq>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Response {
    seq: Seq,
    sent_at: Timestamp,
    duplicate: bool,
}

pub(super) async fn run(hub: &Arc<Hub>, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let body = request.body.unwrap_or_default();
    let files = request.attachment_ids.unwrap_or_default();
    attachments::check(&files)?;
    request::body(&body, hub.parts.limits.body_bytes, !files.is_empty())?;
    if let Some(seq) = request.reply_to {
        hub.parts.rooms.message(&caller.person, room, seq).await?;
    }
    let mentions = hub.parts.rooms.mentions(&caller.person, room, &body).await?;
    let mut content = MessageContent {
        mentions,
        reply_to: request.reply_to,
        ..MessageContent::new(caller.person.user.clone(), request.client_id, body)
    };

    // A message that must not become a new one may still be a duplicate, which costs nothing.
    let (permit, denied) = match permit(hub, &caller.person) {
        Ok(permit) => (Some(permit), None),
        Err(denied) => (None, Some(denied)),
    };
    if permit.is_some() && !files.is_empty() {
        // A message that was sent before gets the same answer: its files are not checked again. Of a new one, no file may
        // belong to another.
        let probe = MessageContent { attachments: attachments::named(&files), ..content.clone() };
        match enqueue(hub, caller, room, probe, None).await.await? {
            SendResult::Refused => content.attachments = hub.claim_files(caller, room, &files).await?,
            known => return done(hub, &caller.person, room, known, None).await.map(Answer::Durable),
        }
    }
    let result = enqueue(hub, caller, room, content, permit).await;
    hub.parts.typists.sent(&caller.person, room);
    let (hub, person, room) = (Arc::clone(hub), caller.person.clone(), room.clone());
    Ok(Answer::Later(Box::pin(async move { done(&hub, &person, &room, result.await?, denied).await })))
}

/// The reason why a new message is not accepted.
enum Denied {
    Busy(Busy),
    TooFast(Duration),
}

fn permit(hub: &Hub, person: &Person) -> Result<SendPermit, Denied> {
    let place = hub.parts.message_journal.reserve_for(person).map_err(Denied::Busy)?;
    let token = hub.parts.budgets.token(person, Budget::Messages).map_err(Denied::TooFast)?;
    Ok(SendPermit { place, token })
}

impl From<Denied> for HubError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Busy(busy) => busy.into(),
            Denied::TooFast(wait) => Self::rate_limited(Limit::Messages, wait),
        }
    }
}

/// Enqueues a message; without a permit, it can only be answered as a duplicate.
async fn enqueue(
    hub: &Hub,
    caller: &Caller,
    room: &RoomId,
    content: MessageContent,
    permit: Option<SendPermit>,
) -> impl Future<Output = Result<SendResult, HubError>> + use<> {
    let in_flight = Some(caller.in_flight.begin(room).await);
    let request = SendRequest { person: caller.person.clone(), room: room.clone(), content, permit, in_flight };
    let result = hub.parts.send_queue.enqueue(request).await;
    async move { result.await.map_err(|_| HubError::unavailable())?.map_err(HubError::from) }
}

async fn done(
    hub: &Hub,
    person: &Person,
    room: &RoomId,
    result: SendResult,
    denied: Option<Denied>,
) -> Result<Done<Response>, HubError> {
    let response = |seq: Seq, duplicate| Response { seq, sent_at: seq.timestamp(), duplicate };
    match result {
        SendResult::New { seq, ticket } => Ok(Done { value: response(seq, false), durable: vec![ticket] }),
        SendResult::Duplicate { seq, durable: true } => Ok(Done { value: response(seq, true), durable: Vec::new() }),
        SendResult::Duplicate { seq, durable: false } => {
            let ticket = hub.journal_again(person, room, seq).await?;
            Ok(Done { value: response(seq, true), durable: ticket.into_iter().collect() })
        }
        SendResult::Refused => Err(denied.map_or_else(HubError::internal, HubError::from)),
    }
}

impl Hub {
    /// Journals a message again: the node that it was first sent to may have died before it did so, and the answer to
    /// the same message has to mean "durable" too. `None` if it has been stored meanwhile.
    async fn journal_again(&self, person: &Person, room: &RoomId, seq: Seq) -> Result<Option<Ticket>, HubError> {
        let Some(entry) = self.parts.rooms.sent_together(room, seq).await? else {
            return Ok(None);
        };
        let place = entry.position(seq);
        let mut records = Vec::with_capacity(entry.messages.len());
        self.parts.budgets.charge(person, Budget::Reads, entry.messages.len());
        for message in entry.messages {
            records.push((self.parts.message_journal.reserve_for(person)?, self.message_record(&entry.org, message)));
        }
        // The same entry as the first time: if SQS has it, the copy is dropped.
        let mut tickets = self.parts.message_journal.append_resent(records);
        Ok(place.map(|place| tickets.swap_remove(place)))
    }
}
