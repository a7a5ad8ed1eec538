//! Summaries of the rooms in a user's lists, without reading the rooms completely.
//!
//! A room in Redis costs one command. For rooms that Redis lost, DynamoDB is asked for the facts, a hundred at a time;
//! only a room that is not archived is rebuilt for a list. Only the user's own rooms are read, and no table or index is
//! scanned.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::ids::{Person, RoomId};
use rts_common::redis::room_hash::meta;
use rts_common::redis::{keys, read};
use rts_common::room::RoomFacts;
use rts_common::seq::{Seq, Timestamp};

use super::{RoomError, Rooms};

/// Rooms read at once for one request.
const AT_ONCE: usize = 32;

/// The summary of a room for lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSummary {
    /// The room.
    pub room_id: RoomId,
    /// The time when it was archived.
    pub archived_at: Option<Timestamp>,
    /// The seq of its newest message, or the moment of its creation. Unknown for an archived room that Redis lost.
    pub activity: Seq,
    /// Its name.
    pub name: Option<String>,
    /// The case that it belongs to.
    pub case_id: Option<String>,
}

impl Rooms {
    /// Returns the summaries of all rooms of a user.
    pub async fn standings(&self, person: &Person) -> Result<Vec<RoomSummary>, RoomError> {
        let rooms = self.rooms_of(person).await?;
        let asked = rooms.into_iter().map(async |room| {
            let standing = self.warm_standing(&room).await?;
            Ok::<_, RoomError>((room, standing))
        });
        let asked: Vec<_> = asked.collect();
        let found: Vec<_> = stream::iter(asked).buffer_unordered(AT_ONCE).try_collect().await?;
        let mut standings = Vec::with_capacity(found.len());
        let mut cold = Vec::new();
        for (room, standing) in found {
            match standing {
                Some(standing) => standings.push(standing),
                None => cold.push(room),
            }
        }
        standings.extend(Box::pin(self.cold_standings(person, cold)).await?);
        Ok(standings)
    }

    /// Returns a summary from Redis; `None` if it does not have the room.
    async fn warm_standing(&self, room: &RoomId) -> Result<Option<RoomSummary>, RoomError> {
        let mut command = redis::cmd("HMGET");
        let fields = [meta::ARCHIVED_AT, meta::LAST, meta::CREATED_AT, meta::NAME, meta::CASE];
        command.arg(keys::room_meta(room)).arg(&fields);
        let found: [Option<String>; 5] = read(self.redis.command("standing", &command).await?)?;
        let [Some(archived), Some(last), Some(at), name, case_id] = found else {
            return Ok(None);
        };
        let last = Seq::parse(&last).unwrap_or_default();
        Ok(Some(RoomSummary {
            room_id: room.clone(),
            archived_at: archived.parse().ok().filter(|millis| *millis > 0).map(Timestamp::from_millis),
            activity: last.max(Seq::of(Timestamp::from_millis(at.parse().unwrap_or(0)))),
            name: name.filter(|name| !name.is_empty()),
            case_id: case_id.filter(|case| !case.is_empty()),
        }))
    }

    async fn cold_standings(&self, person: &Person, rooms: Vec<RoomId>) -> Result<Vec<RoomSummary>, RoomError> {
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let facts: HashMap<RoomId, RoomFacts> = self.store.facts_of(&rooms).await?;
        let looks = rooms.into_iter().map(async |room| {
            let stored = facts.get(&room).filter(|facts| facts.archived_at.is_some());
            let (facts, activity) = match stored {
                Some(facts) => (facts.clone(), Seq::of(facts.created_at)),
                None => match self.glance(person, &room).await {
                    Ok(view) => (view.snapshot.facts.clone(), view.activity()),
                    Err(RoomError::NotFound) => return Ok(None),
                    Err(refusal) => return Err(refusal),
                },
            };
            Ok(Some(RoomSummary {
                room_id: room,
                archived_at: facts.archived_at,
                activity,
                name: facts.name,
                case_id: facts.case_id.map(|case| case.to_string()),
            }))
        });
        let looks: Vec<_> = looks.collect();
        let found: Vec<Option<RoomSummary>> = stream::iter(looks).buffer_unordered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }
}
