//! Events after a seq: for clients that resume and nodes that backfill.

use rts_common::ids::{Person, RoomId};
use rts_common::limits;
use rts_common::redis::scripts;
use rts_common::seq::{SEQ_MAX, Seq};

use super::event::{Entry, RoomEvent};
use super::reply::Reply;
use super::{RoomError, Rooms};

/// Events that a node reads at once to backfill a room, and the bytes of their bodies: Redis serves nobody else meanwhile.
const BACKFILL_PART: EventsBudget = EventsBudget { events: 256, bytes: 512 * 1024 };
/// Such parts of one backfill: about two thousand events, or 4 MiB of bodies. Of a room with more, sessions start over.
const BACKFILL_PARTS_MAX: usize = 8;
/// A seq after every head.
const BEYOND: Seq = Seq::new(SEQ_MAX).expect("the largest seq is valid");

/// The head of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Its epoch.
    pub epoch: Seq,
    /// The seq of its last event.
    pub seq: Seq,
}

/// The most that is read of a room's events.
#[derive(Clone, Copy, Debug)]
pub struct EventsBudget {
    /// Their number.
    pub events: usize,
    /// The bytes of their bodies.
    pub bytes: usize,
}

/// The events after a seq.
#[derive(Debug)]
pub enum EventsAfter {
    /// All events.
    Whole {
        /// The head of the room.
        head: Head,
        /// The events in order.
        events: Vec<RoomEvent>,
    },
    /// There are more events than are replayed, or the stream does not reach back that far, or the seq is newer than
    /// the head.
    Truncated {
        /// The head of the room.
        head: Head,
    },
}

impl Rooms {
    /// Returns the head of a room; `None` if there is no such room.
    pub async fn head(&self, room: &RoomId) -> Result<Option<Head>, RoomError> {
        match self.as_node(&scripts::EVENTS, room, &["0", "0", "0"]).await {
            Ok(reply) => Ok(Some(head(&reply)?)),
            Err(RoomError::NotFound) => Ok(None),
            Err(refusal) => Err(refusal),
        }
    }

    /// Returns all events after a seq, for the node; `None` if there is no such room.
    pub async fn events_after(&self, room: &RoomId, after: Seq) -> Result<Option<EventsAfter>, RoomError> {
        let (limit, bytes) = (BACKFILL_PART.events.to_string(), BACKFILL_PART.bytes.to_string());
        let (mut all, mut from, mut known): (Vec<RoomEvent>, Seq, Option<Head>) = (Vec::new(), after, None);
        for _ in 0..BACKFILL_PARTS_MAX {
            let reply = match self.as_node(&scripts::EVENTS, room, &[&from.to_string(), &limit, &bytes, "part"]).await {
                Ok(reply) => reply,
                Err(RoomError::NotFound) => return Ok(None),
                Err(refusal) => return Err(refusal),
            };
            let head = head(&reply)?;
            // A room that was lost and rebuilt between two parts is another.
            let is_same = known.replace(head).is_none_or(|known| known.epoch == head.epoch);
            let EventsAfter::Whole { events, .. } = events(room, &reply)? else {
                return Ok(Some(EventsAfter::Truncated { head }));
            };
            if !is_same {
                return Ok(Some(EventsAfter::Truncated { head }));
            }
            all.extend(events);
            if reply.text(1)? != "part" {
                return Ok(Some(EventsAfter::Whole { head, events: all }));
            }
            let last = reply.list(5)?.into_lists()?.pop();
            from = last.ok_or_else(|| RoomError::Fault("a part without an event".to_owned()))?.seq(0)?;
        }
        Ok(known.map(|head| EventsAfter::Truncated { head }))
    }

    /// Returns the events that a member missed after a seq, each message in its current state.
    pub async fn resume(&self, person: &Person, room: &RoomId, after: Seq) -> Result<EventsAfter, RoomError> {
        let most = EventsBudget { events: limits::RESUME_EVENTS, bytes: limits::ANSWER_BYTES };
        Ok(self.resume_within(person, room, after, most).await?.0)
    }

    /// Works like [`Self::resume`]; more than the budget is truncated, and it is true if that is only for the bytes.
    pub async fn resume_within(
        &self,
        person: &Person,
        room: &RoomId,
        after: Seq,
        most: EventsBudget,
    ) -> Result<(EventsAfter, bool), RoomError> {
        let (events, bytes) = (most.events.to_string(), most.bytes.to_string());
        self.member_events(person, room, &[&after.to_string(), &events, &bytes]).await
    }

    /// Returns the head of a room for a member, without any events.
    pub async fn head_for(&self, person: &Person, room: &RoomId) -> Result<Head, RoomError> {
        match self.resume_within(person, room, BEYOND, EventsBudget { events: 0, bytes: 0 }).await?.0 {
            EventsAfter::Whole { head, .. } | EventsAfter::Truncated { head } => Ok(head),
        }
    }

    /// Returns the events since a moment that a member missed, each message in its current state.
    pub async fn since(&self, person: &Person, room: &RoomId, moment: Seq) -> Result<EventsAfter, RoomError> {
        let (limit, bytes) = (limits::RESUME_EVENTS.to_string(), limits::ANSWER_BYTES.to_string());
        Ok(self.member_events(person, room, &[&moment.to_string(), &limit, &bytes, "moment"]).await?.0)
    }

    async fn member_events(
        &self,
        person: &Person,
        room: &RoomId,
        args: &[&str],
    ) -> Result<(EventsAfter, bool), RoomError> {
        let reply = self.as_member(&scripts::EVENTS, room, person, args).await?;
        let expired = self.expired();
        let has_expired = |event: &RoomEvent| event.message().is_some_and(|message| message.seq <= expired);
        Ok(match events(room, &reply)? {
            // A client that was away for that long reads the history, which leaves them out.
            EventsAfter::Whole { head, events } if events.iter().any(has_expired) => {
                (EventsAfter::Truncated { head }, false)
            }
            after => (after, reply.has(6)),
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
            tracing::error!(room = %room, seq = %entry.seq, "skipping an event that cannot be parsed");
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
