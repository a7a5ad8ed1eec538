//! Reads and changes messages.

use std::time::Duration;

use rts_common::ids::{Person, RoomId, UserId};
use rts_common::limits;
use rts_common::message::{MessageContent, MessageState};
use rts_common::redis::scripts;
use rts_common::seq::Seq;
use tokio::time::sleep;

use super::event::{Entry, ReactionBody, ReactionChange};
use super::reply::Reply;
use super::{RoomError, Rooms, unexpected_status};

/// The longest pause before a change is tried again for the first time; doubled with each further attempt, up to 64 times.
const AGAIN_WITHIN: Duration = Duration::from_millis(2);

/// A message to be changed.
#[derive(Clone, Copy)]
pub struct MessageAt<'a> {
    /// The user who changes it.
    pub person: &'a Person,
    /// Its room.
    pub room: &'a RoomId,
    /// Its seq.
    pub seq: Seq,
}

/// A change of a message.
pub enum MessageChange {
    /// Edits the body.
    Edit(MessageContent),
    /// Deletes it and leaves a tombstone.
    Delete(MessageContent),
    /// Sets or removes a reaction.
    React(MessageContent, ReactionChange),
}

/// A message, and the rights of its reader.
pub struct Found {
    /// Its current state.
    pub state: MessageState,
    /// True if the reader owns the room.
    pub reader_is_owner: bool,
    /// True if the room is read-only.
    pub room_is_archived: bool,
    /// The place in the room at which it was read.
    read_at: String,
}

impl Rooms {
    /// Returns a message in its current state, as a member sees it.
    pub async fn message(&self, person: &Person, room: &RoomId, seq: Seq) -> Result<Found, RoomError> {
        let reply = self.as_member(&scripts::MESSAGE, room, person, &[&seq.to_string()]).await?;
        let (reader_is_owner, room_is_archived) = (reply.text(1)? == "o", reply.text(2)? != "0");
        let state = match reply.status()? {
            "found" => state(room, &reply, 4)?,
            "stored" => Box::pin(self.store.message(room, seq)).await?.ok_or(RoomError::NoMessage)?,
            _ => return Err(unexpected_status(&reply)),
        };
        if seq <= self.expired() {
            return Err(RoomError::NoMessage);
        }
        let read_at = reply.text(3)?.to_owned();
        Ok(Found { state, reader_is_owner, room_is_archived, read_at })
    }

    /// Changes a message to the state that `change` makes of the current one, and repeats that until nobody else
    /// changed it in between. If `change` returns `None`, the message stays as it is. Returns the state afterwards, and
    /// true if it changed.
    pub async fn change_message(
        &self,
        at: MessageAt<'_>,
        change: impl Fn(&Found) -> Result<Option<MessageChange>, RoomError>,
    ) -> Result<(MessageState, bool), RoomError> {
        for attempt in 0..limits::CHANGE_ATTEMPTS {
            if attempt > 0 {
                // Of many who change it at once only one succeeds at a time.
                sleep(AGAIN_WITHIN.mul_f64(rand::random::<f64>()) * (1 << (attempt - 1).min(6))).await;
            }
            let found = self.message(at.person, at.room, at.seq).await?;
            let Some(wanted) = change(&found)? else {
                return Ok((found.state, false));
            };
            match self.try_change(at, &found, wanted).await {
                Err(RoomError::Conflict) => {}
                result => return result.map(|state| (state, true)),
            }
        }
        Err(RoomError::Unavailable("others keep changing this message".to_owned()))
    }

    async fn try_change(
        &self,
        at: MessageAt<'_>,
        found: &Found,
        change: MessageChange,
    ) -> Result<MessageState, RoomError> {
        let from = &found.state;
        let (kind, body, content) = match change {
            MessageChange::Edit(content) => ("e", json(&content)?, content),
            MessageChange::Delete(content) => ("d", json(&content)?, content),
            MessageChange::React(content, reaction) => {
                let body = ReactionBody { content, reaction };
                ("r", json(&body)?, body.content)
            }
        };
        let (seq, expected) = (from.seq.to_string(), from.version.to_string());
        let (ordinal, hint) = (from.ordinal.to_string(), self.hints.of(at.room).get().to_string());
        let sender = from.content.sender_id.as_str();
        let (before, now) = (&from.content.mentions, &content.mentions);
        let gone: Vec<_> = before.iter().filter(|user| !now.contains(user)).map(UserId::as_str).collect();
        let gone_count = gone.len().to_string();
        let read_at = found.read_at.as_str();
        let mut arguments = vec![seq.as_str(), &expected, kind, &body, &ordinal, sender, &hint, read_at, &gone_count];
        arguments.extend(gone);
        arguments.extend(now.iter().filter(|user| !before.contains(user)).map(UserId::as_str));
        let reply = self.as_member(&scripts::CHANGE_MESSAGE, at.room, at.person, &arguments).await?;
        match reply.status()? {
            "changed" => {
                let version = reply.seq(1)?;
                self.hints.of(at.room).raise(version);
                Ok(MessageState { version, content, ..from.clone() })
            }
            _ => Err(unexpected_status(&reply)),
        }
    }
}

/// Parses a message state in a reply: seq, version, kind, ordinal, sender, body from `at` on.
pub(super) fn state(room: &RoomId, reply: &Reply, at: usize) -> Result<MessageState, RoomError> {
    let entry = Entry {
        kind: reply.text(at + 2)?,
        seq: reply.seq(at + 1)?,
        prev: Seq::ZERO,
        message: reply.seq(at)?,
        ordinal: reply.number(at + 3)?,
        version: None,
        body: reply.text(at + 5)?,
    };
    entry.state(room).ok_or_else(|| RoomError::Fault(format!("an unreadable message {}", entry.message)))
}

pub(super) fn json(value: &impl serde::Serialize) -> Result<String, RoomError> {
    serde_json::to_string(value).map_err(|error| RoomError::Fault(error.to_string()))
}
