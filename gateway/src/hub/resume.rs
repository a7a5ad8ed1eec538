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
use crate::budgets::Budget;
use crate::error::{ErrorKind, HubError};
use crate::metrics::{self, ResumeOutcome};
use crate::rooms::{EventPayload, EventsAfter, EventsBudget, RoomError};

/// Rooms looked up at once for one request.
const AT_ONCE: usize = 16;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Request {
    rooms: Vec<Seen>,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
struct Seen {
    room_id: RoomRef,
    seq: Seq,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Response {
    rooms: Vec<Resumed>,
    joined: Vec<String>,
    left: Vec<String>,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
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
    hub.pay_for(caller, Budget::Reads, request.rooms.len() / limits::READ_ROOMS)?;
    let mut named = HashSet::new();
    let mut joined = hub.parts.rooms.rooms_of(&caller.person).await?;
    let known: HashSet<_> = request.rooms.iter().filter_map(|seen| seen.room_id.known()).collect();
    joined.retain(|room| !known.contains(room));
    drop(known);

    // What is left of the answer's bytes: once it is nothing, rooms are asked for their heads only. Rooms that are asked at
    // once share it, so that they do not hold many times as much; one that needs more is asked again, alone.
    let left = AtomicUsize::new(limits::ANSWER_BYTES);
    let share = || (left.load(Ordering::Relaxed)).min(limits::ANSWER_BYTES / AT_ONCE);
    let seen = request.rooms.into_iter().filter(|seen| named.insert(seen.room_id.clone().into_text()));
    let lookups = seen.map(async |seen| {
        let after = match seen.room_id.known() {
            Some(room) => events_after(hub, caller, room, seen.seq, share()).await,
            None => Ok(None),
        };
        after.map(|after| (seen, after))
    });
    let mut found = pin!(stream::iter(lookups).buffered(AT_ONCE));
    let mut response =
        Response { rooms: Vec::new(), joined: joined.iter().map(ToString::to_string).collect(), left: Vec::new() };
    while let Some((seen, mut after)) = found.try_next().await? {
        let bytes_max = left.load(Ordering::Relaxed);
        if matches!(after, Some((_, true)))
            && bytes_max > share()
            && let Some(room) = seen.room_id.known()
        {
            after = events_after(hub, caller, room, seen.seq, bytes_max).await?;
        }
        let room_id = seen.room_id.into_text();
        match after {
            None => response.left.push(room_id),
            Some((after, _)) => {
                let (resumed, bytes) = resumed(room_id, after, bytes_max);
                left.fetch_sub(bytes, Ordering::Relaxed);
                response.rooms.push(resumed);
            }
        }
    }
    // Rooms that the caller is not in were looked for everywhere; of those with too much, it was read for nothing.
    let truncated = response.rooms.iter().filter(|room| room.truncated).count();
    let more = response.left.len() + truncated * limits::READ_TRUNCATED;
    hub.parts.budgets.charge(&caller.person, Budget::Reads, more);
    metrics::resume(if truncated > 0 { ResumeOutcome::Truncated } else { ResumeOutcome::Whole });
    Ok(Answer::now(response))
}

/// Returns the events, and whether they were truncated only for their bytes; `None` of a room that the caller is not in.
async fn events_after(
    hub: &Hub,
    caller: &Caller,
    room: &RoomId,
    seq: Seq,
    bytes_max: usize,
) -> Result<Option<(EventsAfter, bool)>, HubError> {
    let most = EventsBudget { events: hub.parts.limits.resume_events, bytes: bytes_max };
    match hub.parts.rooms.resume_within(&caller.person, room, seq, most).await {
        Ok(after) => Ok(Some(after)),
        Err(RoomError::NotFound) => Ok(None),
        Err(refusal) => Err(refusal.into()),
    }
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
