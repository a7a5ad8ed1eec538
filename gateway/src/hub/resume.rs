//! `Resume`: all events that a client missed, or the answer that there are too many.

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::ids::RoomId;
use rts_common::limits;
use rts_common::seq::Seq;
use serde::{Deserialize, Serialize};

use super::request::RoomRef;
use super::{Answer, Caller, Hub};
use crate::error::{ErrorKind, HubError};
use crate::metrics::{self, ResumeOutcome};
use crate::rooms::{EventPayload, EventsAfter, EventsBudget, RoomError};

/// Rooms looked up at once for one request.
const AT_ONCE: usize = 16;

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

    // What is left of the answer's bytes: once it is nothing, rooms are asked for their heads only.
    let left = AtomicUsize::new(limits::ANSWER_BYTES);
    let seen = request.rooms.into_iter().filter(|seen| named.insert(seen.room_id.clone().into_text()));
    let lookups = seen.map(async |seen| {
        let after = match seen.room_id.known() {
            Some(room) => events_after(hub, caller, room, seen.seq, left.load(Ordering::Relaxed)).await,
            None => Err(RoomError::NotFound),
        };
        match after {
            Ok(after) => Ok((seen.room_id.into_text(), Some(after))),
            Err(RoomError::NotFound) => Ok((seen.room_id.into_text(), None)),
            Err(refusal) => Err(HubError::from(refusal)),
        }
    });
    let mut found = pin!(stream::iter(lookups).buffered(AT_ONCE));
    let mut response =
        Response { rooms: Vec::new(), joined: joined.iter().map(ToString::to_string).collect(), left: Vec::new() };
    while let Some((room_id, after)) = found.try_next().await? {
        match after {
            None => response.left.push(room_id),
            Some(after) => {
                let (resumed, bytes) = resumed(room_id, after, left.load(Ordering::Relaxed));
                left.fetch_sub(bytes, Ordering::Relaxed);
                response.rooms.push(resumed);
            }
        }
    }
    let truncated = response.rooms.iter().any(|room| room.truncated);
    metrics::resume(if truncated { ResumeOutcome::Truncated } else { ResumeOutcome::Whole });
    Ok(Answer::now(response))
}

async fn events_after(
    hub: &Hub,
    caller: &Caller,
    room: &RoomId,
    seq: Seq,
    bytes_max: usize,
) -> Result<EventsAfter, RoomError> {
    let most = EventsBudget { events: hub.parts.limits.resume_events, bytes: bytes_max };
    hub.parts.rooms.resume_within(&caller.person, room, seq, most).await
}

/// Returns a room's part of the answer, and its bytes.
fn resumed(room_id: String, after: EventsAfter, bytes_max: usize) -> (Resumed, usize) {
    let (head, events) = match after {
        EventsAfter::Whole { head, events } => (head, events),
        EventsAfter::Truncated { head } => {
            return (Resumed { room_id, events: Vec::new(), head_seq: head.seq, truncated: true }, 0);
        }
    };
    let events: Vec<_> = events.iter().map(|event| event.payload(Some(event.target()))).collect();
    let bytes = serde_json::to_vec(&events).map_or(usize::MAX, |json| json.len());
    if !events.is_empty() && bytes > bytes_max {
        return (Resumed { room_id, events: Vec::new(), head_seq: head.seq, truncated: true }, 0);
    }
    (Resumed { room_id, events, head_seq: head.seq, truncated: false }, bytes.min(bytes_max))
}
