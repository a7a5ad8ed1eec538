//! `SendMessage`: visible at once, answered when durable, and never doubled.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::ids::{ClientId, Person, RoomId};
use rts_common::message::{MessageContent, MessageState};
use rts_common::seq::{Seq, Timestamp};
use serde::{Deserialize, Serialize};
use tokio::sync::oneshot;

use super::answer::Done;
use super::request::{self, AttachmentRef, RoomRef};
use super::{Answer, Caller, Hub, attachments};
use crate::error::{ErrorKind, HubError};
use crate::journal::{Permit, Ticket};
use crate::metrics;
use crate::rooms::{Refusal, Sent};
use crate::sends::Outgoing;

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

pub(super) async fn run(hub: &Arc<Hub>, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
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
    let (leave, refusal) = match Leave::take(hub, &caller.person) {
        Ok(leave) => (Some(leave), None),
        Err(refusal) => (None, Some(refusal)),
    };
    if leave.is_some() && !files.is_empty() {
        // What was sent before is answered as it was: its files are not looked at again.
        match hand_in(hub, caller, room, content.clone(), None).await.await? {
            Placed::Refused => content.attachments = hub.claim_files(caller, room, &files).await?,
            known => return done(known, None).map(Answer::Durable),
        }
    }
    let placing = hand_in(hub, caller, room, content, leave).await;
    Ok(Answer::Later(Box::pin(async move { done(placing.await?, refusal) })))
}

/// Leave to make one new message: a place in the journal, and one of what its sender may send. Not used, both are
/// given back.
struct Leave {
    hub: Arc<Hub>,
    person: Person,
    place: Option<Permit>,
}

/// Why there is none.
enum NoLeave {
    JournalFull,
    TooFast(Duration),
}

impl Leave {
    fn take(hub: &Arc<Hub>, person: &Person) -> Result<Self, NoLeave> {
        let place = hub.parts.message_journal.reserve().map_err(|_| NoLeave::JournalFull)?;
        hub.parts.rates.take(person, Instant::now()).map_err(NoLeave::TooFast)?;
        Ok(Self { hub: Arc::clone(hub), person: person.clone(), place: Some(place) })
    }

    /// Journals the message that was made by it.
    fn journal(mut self, message: MessageState) -> Option<Ticket> {
        let place = self.place.take()?;
        Some(self.hub.journal_message(place, &self.person.org, message))
    }
}

impl Drop for Leave {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.hub.parts.rates.give_back(&self.person);
        }
    }
}

impl From<NoLeave> for HubError {
    fn from(why: NoLeave) -> Self {
        match why {
            NoLeave::JournalFull => Self::unavailable(),
            NoLeave::TooFast(wait) => {
                metrics::rate_limited("messages");
                let sentence = format!("Too many messages at once; retryAfterMs={}", wait.as_millis().max(1));
                Self::new(ErrorKind::RateLimited, sentence)
            }
        }
    }
}

/// Where a message is now.
enum Placed {
    New {
        seq: Seq,
        journaled: Ticket,
    },
    /// Journaled again if it is not known to be stored.
    Duplicate {
        seq: Seq,
        journaled: Option<Ticket>,
    },
    Refused,
}

/// Hands a message in; without leave, only a duplicate is looked for. What comes of it happens, and is journaled,
/// whether anybody waits for it or not.
async fn hand_in(
    hub: &Arc<Hub>,
    caller: &Caller,
    room: &RoomId,
    content: MessageContent,
    leave: Option<Leave>,
) -> impl Future<Output = Result<Placed, HubError>> + use<> {
    let flight = caller.flights.take_off(room).await;
    let (told, placed) = oneshot::channel();
    let outgoing = Outgoing { person: caller.person.clone(), room: room.clone(), content, accept: leave.is_some() };
    let (again, its_room) = (Arc::clone(hub), room.clone());
    let done = move |sent: Result<Sent, Refusal>| {
        drop(flight);
        let placed = match sent {
            Ok(Sent::New(state)) => {
                metrics::message_accepted();
                let seq = state.seq;
                let journaled = leave.and_then(|leave| leave.journal(state));
                Ok(journaled.map_or(Placed::Refused, |journaled| Placed::New { seq, journaled }))
            }
            Ok(Sent::Duplicate { seq, stored: true }) => Ok(Placed::Duplicate { seq, journaled: None }),
            Ok(Sent::Duplicate { seq, stored: false }) => {
                let hub = Arc::clone(&again);
                return again.parts.sends.go_on(async move {
                    let journaled = hub.journal_again(&its_room, seq).await;
                    let _ = told.send(journaled.map(|journaled| Placed::Duplicate { seq, journaled }));
                });
            }
            Ok(Sent::Refused) => Ok(Placed::Refused),
            Err(refusal) => Err(refusal.into()),
        };
        // Whoever asked may be gone.
        let _ = told.send(placed);
    };
    hub.parts.sends.send(outgoing, Box::new(done)).await;
    async move { placed.await.unwrap_or_else(|_| Err(HubError::unavailable())) }
}

fn done(placed: Placed, refusal: Option<NoLeave>) -> Result<Done<Response>, HubError> {
    let response = |seq: Seq, duplicate| Response { seq, sent_at: seq.timestamp(), duplicate };
    match placed {
        Placed::New { seq, journaled } => Ok(Done { value: response(seq, false), durable: vec![journaled] }),
        Placed::Duplicate { seq, journaled } => {
            Ok(Done { value: response(seq, true), durable: journaled.into_iter().collect() })
        }
        Placed::Refused => Err(refusal.map_or_else(HubError::internal, HubError::from)),
    }
}

impl Hub {
    /// Whoever sent a message first may have died before it was journaled: an answer to the same message has to
    /// mean "durable" too.
    async fn journal_again(&self, room: &RoomId, seq: Seq) -> Result<Option<Ticket>, HubError> {
        let Some((org, state)) = self.parts.rooms.recorded(room, seq).await? else {
            return Ok(None);
        };
        Ok(Some(self.journal_message(self.message_place()?, &org, state)))
    }
}
