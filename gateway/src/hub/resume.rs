//! `Resume`: all events that a client missed, or the answer that there are too many.

use std::collections::HashSet;

use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::limits;
use rts_common::seq::Seq;
use serde::{Deserialize, Serialize};

use super::request::RoomRef;
use super::{Answer, Caller, Hub};
use crate::error::{ErrorKind, HubError};
use crate::metrics::{self, ResumeOutcome};
use crate::rooms::{EventPayload, EventsAfter, RoomError};

/// Rooms looked up at once for one request.
const AT_ONCE: usize = 16;
/// The most events of one answer over all its rooms, about 10 MB in practice; rooms beyond are truncated.
const EVENTS_MAX: usize = 10_000;

#[derive(Deserialize)]
pub(super) struct Request {
    rooms: Vec<Seen>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    room_id: RoomRef,
    seq: Seq,
}

#[derive(Serialize)]
pub(super) struct Response {
    rooms: Vec<Resumed>,
    joined: Vec<String>,
    left: Vec<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resumed {
    room_id: String,
    events: Vec<EventPayload>,
    head_seq: Seq,
    truncated: bool,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    if request.rooms.len() > limits::RESUME_ROOMS {
        let sentence = format!("A resume names at most {} rooms.", limits::RESUME_ROOMS);
        return Err(HubError::new(ErrorKind::TooLarge, sentence));
    }
    let mut named = HashSet::new();
    let mut joined = hub.parts.rooms.rooms_of(&caller.person).await?;
    joined.retain(|room| !request.rooms.iter().any(|seen| seen.room_id.known() == Some(room)));

    let lookups =
        request.rooms.into_iter().filter(|seen| named.insert(seen.room_id.clone().into_text())).map(async |seen| {
            let after = match seen.room_id.known() {
                Some(room) => {
                    let events_max = hub.parts.limits.resume_events;
                    hub.parts.rooms.resume_up_to(&caller.person, room, seen.seq, events_max).await
                }
                None => Err(RoomError::NotFound),
            };
            match after {
                Ok(after) => Ok((seen.room_id.into_text(), Some(after))),
                Err(RoomError::NotFound) => Ok((seen.room_id.into_text(), None)),
                Err(refusal) => Err(HubError::from(refusal)),
            }
        });
    let found: Vec<_> = stream::iter(lookups).buffered(AT_ONCE).try_collect().await?;
    let mut response =
        Response { rooms: Vec::new(), joined: joined.iter().map(ToString::to_string).collect(), left: Vec::new() };
    let mut room_for = EVENTS_MAX;
    for (room_id, after) in found {
        match after {
            None => response.left.push(room_id),
            Some(after) => response.rooms.push(resumed(room_id, after, &mut room_for)),
        }
    }
    let truncated = response.rooms.iter().any(|room| room.truncated);
    metrics::resume(if truncated { ResumeOutcome::Truncated } else { ResumeOutcome::Whole });
    Ok(Answer::now(response))
}

fn resumed(room_id: String, after: EventsAfter, room_for: &mut usize) -> Resumed {
    match after {
        EventsAfter::Whole { head, events } if events.len() <= *room_for => {
            *room_for -= events.len();
            let events = events.iter().map(|event| event.payload(Some(event.target()))).collect();
            Resumed { room_id, events, head_seq: head.seq, truncated: false }
        }
        EventsAfter::Whole { head, .. } | EventsAfter::Truncated { head } => {
            Resumed { room_id, events: Vec::new(), head_seq: head.seq, truncated: true }
        }
    }
}
