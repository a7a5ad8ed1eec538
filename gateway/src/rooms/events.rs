//! Events after a seq: what a client resumes with and a node backfills with.

use rts_common::ids::{Person, RoomId};
use rts_common::limits;
use rts_common::redis::scripts;
use rts_common::seq::Seq;

use super::event::{Entry, RoomEvent};
use super::reply::Reply;
use super::{RoomError, Rooms};

/// Events that a node backfills in one go.
const BACKFILL_EVENTS: usize = 2000;

/// Where a room stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its epoch.
    pub epoch: Seq,
    /// Its last event.
    pub seq: Seq,
}

/// What came after a seq.
#[derive(Debug)]
pub enum EventsAfter {
    /// All of it.
    Whole {
        /// Where the room stands.
        head: Head,
        /// In order.
        events: Vec<RoomEvent>,
    },
    /// More than is replayed, or the stream does not reach back that far, or the seq lies ahead.
    Truncated {
        /// Where the room stands.
        head: Head,
    },
}

impl Rooms {
    /// Where a room stands; `None` if there is no such room.
    pub async fn head(&self, room: &RoomId) -> Result<Option<Head>, RoomError> {
        match self.as_node(&scripts::EVENTS, room, &["0", "0"]).await {
            Ok(reply) => Ok(Some(head(&reply)?)),
            Err(RoomError::NotFound) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// All events after a seq, for the node; `None` if there is no such room.
    pub async fn events_after(&self, room: &RoomId, after: Seq) -> Result<Option<EventsAfter>, RoomError> {
        let limit = BACKFILL_EVENTS.to_string();
        match self.as_node(&scripts::EVENTS, room, &[&after.to_string(), &limit]).await {
            Ok(reply) => Ok(Some(events(room, &reply)?)),
            Err(RoomError::NotFound) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// The events that a member missed after a seq, each message in its present state.
    pub async fn resume(&self, person: &Person, room: &RoomId, after: Seq) -> Result<EventsAfter, RoomError> {
        self.resume_up_to(person, room, after, limits::RESUME_EVENTS).await
    }

    /// The same with a limit of the deployment's: more events than that are none.
    pub async fn resume_up_to(
        &self,
        person: &Person,
        room: &RoomId,
        after: Seq,
        events_max: usize,
    ) -> Result<EventsAfter, RoomError> {
        let limit = events_max.to_string();
        let reply = self.as_member(&scripts::EVENTS, room, person, &[&after.to_string(), &limit]).await?;
        let expired = self.expired();
        let has_expired = |event: &RoomEvent| event.message().is_some_and(|message| message.seq <= expired);
        Ok(match events(room, &reply)? {
            // Whoever was away for that long reads the history, which leaves them out.
            EventsAfter::Whole { head, events } if events.iter().any(has_expired) => EventsAfter::Truncated { head },
            after => after,
        })
    }
}

fn head(reply: &Reply) -> Result<Head, RoomError> {
    Ok(Head { seq: reply.seq(2)?, epoch: reply.seq(3)? })
}

fn events(room: &RoomId, reply: &Reply) -> Result<EventsAfter, RoomError> {
    let head = head(reply)?;
    if reply.text(1)? == "truncated" {
        return Ok(EventsAfter::Truncated { head });
    }
    let mut events = Vec::new();
    for values in reply.list(5)?.into_lists()? {
        let entry = Entry {
            seq: values.seq(0)?,
            prev: values.seq(1)?,
            kind: values.text(2)?,
            message: values.seq(3)?,
            ordinal: values.number(4)?,
            version: None,
            body: values.text(6)?,
        };
        let Some(mut event) = entry.event(room, head.epoch) else {
            tracing::error!(room = %room, seq = %entry.seq, "an event cannot be read and is passed over");
            continue;
        };
        if values.has(7) {
            let present = Entry { kind: values.text(8)?, seq: values.seq(7)?, body: values.text(9)?, ..entry };
            if let Some(state) = present.state(room) {
                event.set_message(state);
            }
        }
        events.push(event);
    }
    Ok(EventsAfter::Whole { head, events })
}
