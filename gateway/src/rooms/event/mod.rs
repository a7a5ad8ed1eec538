//! Events of a room: their form in Redis and for clients.

use bytes::Bytes;
use rts_common::ids::{RoomId, UserId};
use rts_common::message::{Message, MessageContent, MessageState};
use rts_common::redis::stream::StreamEntry;
use rts_common::room::{Marks, Room, RoomSnapshot};
use rts_common::seq::Seq;
use rts_common::signalr::{self, Protocol};
use serde::{Deserialize, Serialize};

use super::snapshot;

/// One event of a room, with its position in the room's order.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomEvent {
    /// The room.
    pub room_id: RoomId,
    /// The room's epoch; another one means that Redis lost data in between.
    pub epoch: Seq,
    /// Its seq.
    pub seq: Seq,
    /// The seq of the event before.
    pub prev: Seq,
    /// The change that the event describes.
    pub change: Change,
}

/// A change in a room.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new message.
    Created(MessageState),
    /// Its body changed.
    Edited(MessageState),
    /// It is a tombstone now.
    Deleted(MessageState),
    /// A reaction was set or removed.
    Reaction {
        /// The current state of the message.
        state: MessageState,
        /// The reaction, and its user.
        reaction: ReactionChange,
    },
    /// The room's facts or members changed.
    Room(Box<RoomUpdate>),
}

/// A reaction that was set or removed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionChange {
    /// The emoji.
    pub emoji: String,
    /// The user of the reaction.
    pub user_id: UserId,
    /// True if it was set, false if it was removed.
    pub on: bool,
}

/// A change of a room's facts or members.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomUpdate {
    /// `renamed`, `membersAdded`, `memberRemoved`, `roleChanged`, `archived` or `unarchived`.
    pub change: String,
    /// The users that it concerns.
    pub users: Vec<UserId>,
    /// The room after the change; of a large room, only the members concerned.
    pub room: Room,
}

impl RoomEvent {
    /// Returns the event's name for clients.
    pub fn target(&self) -> &'static str {
        match &self.change {
            Change::Created(_) => "MessageCreated",
            Change::Edited(_) => "MessageEdited",
            Change::Deleted(_) => "MessageDeleted",
            Change::Reaction { .. } => "ReactionChanged",
            Change::Room(_) => "RoomUpdated",
        }
    }

    /// Returns the record for clients of one protocol.
    ///
    /// # Panics
    /// Never: an event holds only values that both protocols can carry.
    pub fn encode(&self, protocol: Protocol) -> Bytes {
        signalr::encode_invocation(protocol, self.target(), &self.payload(None))
            .expect("an event holds only texts, numbers and flags")
    }

    /// Returns the event for clients; with its name as `type` in a resume.
    pub fn payload(&self, kind: Option<&'static str>) -> EventPayload {
        let mut payload = EventPayload {
            kind,
            room_id: self.room_id.clone(),
            seq: self.seq,
            prev: self.prev,
            message: None,
            message_seq: None,
            reaction: None,
            change: None,
            room: None,
        };
        match &self.change {
            Change::Created(state) | Change::Edited(state) | Change::Deleted(state) => {
                payload.message = Some(state.clone().into());
            }
            Change::Reaction { state, reaction } => {
                payload.message_seq = Some(state.seq);
                payload.reaction = Some(reaction.clone());
            }
            Change::Room(update) => {
                payload.change = Some(update.change.clone());
                payload.room = Some(update.room.clone());
            }
        }
        payload
    }

    /// Returns the message that the event is about, in its state after the event.
    pub fn message(&self) -> Option<&MessageState> {
        match &self.change {
            Change::Created(state)
            | Change::Edited(state)
            | Change::Deleted(state)
            | Change::Reaction { state, .. } => Some(state),
            Change::Room(_) => None,
        }
    }
}

impl RoomEvent {
    /// Replaces the message by a newer state.
    pub(super) fn set_message(&mut self, newer: MessageState) {
        match &mut self.change {
            Change::Created(state)
            | Change::Edited(state)
            | Change::Deleted(state)
            | Change::Reaction { state, .. } => *state = newer,
            Change::Room(_) => {}
        }
    }
}

/// A room event for clients: the fields that are present depend on the event.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EventPayload {
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<&'static str>,
    room_id: RoomId,
    seq: Seq,
    prev: Seq,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<Message>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_seq: Option<Seq>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    reaction: Option<ReactionChange>,
    #[serde(skip_serializing_if = "Option::is_none")]
    change: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room: Option<Room>,
}

/// A publication on a room's channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Publication {
    /// A sequenced event.
    Event(Box<RoomEvent>),
    /// A member's marks moved.
    Marks {
        /// The member.
        user_id: UserId,
        /// Their marks.
        marks: Marks,
    },
    /// A member types, or has stopped. It is published once and stored nowhere.
    Typing {
        /// The member.
        user_id: UserId,
        /// True if they type.
        typing: bool,
    },
    /// A member has another name now.
    Named {
        /// The member.
        user_id: UserId,
        /// Their name.
        display_name: String,
    },
}

impl Publication {
    /// Parses a script's publication on the channel of `room_id`: one publication, or several new messages in their
    /// order. One that this build does not know, such as a newer node's, is [`Decoded::Unreadable`].
    pub fn read(room_id: &RoomId, text: &str) -> Vec<Decoded> {
        match text.strip_prefix("b\n") {
            Some(messages) => new_messages(room_id, messages).unwrap_or_else(|| vec![Decoded::Unreadable(None)]),
            None => vec![Self::parse(room_id, text).map_or_else(|| Decoded::Unreadable(place(text)), Decoded::Known)],
        }
    }

    fn parse(room_id: &RoomId, text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('\n')?;
        if kind == "m" {
            let mut lines = rest.splitn(3, '\n');
            let user_id = UserId::parse(lines.next()?).ok()?;
            let read_seq = Seq::parse(lines.next()?)?;
            let delivered_seq = Seq::parse(lines.next()?)?;
            return Some(Self::Marks { user_id, marks: Marks { read_seq, delivered_seq } });
        }
        if kind == "t" {
            let (user_id, typing) = rest.split_once('\n')?;
            return Some(Self::Typing { user_id: UserId::parse(user_id).ok()?, typing: typing == "1" });
        }
        if kind == "n" {
            let (user_id, name) = rest.split_once('\n')?;
            return Some(Self::Named { user_id: UserId::parse(user_id).ok()?, display_name: name.to_owned() });
        }
        let mut lines = rest.splitn(7, '\n');
        let epoch = Seq::parse(lines.next()?)?;
        let entry = Entry {
            kind,
            seq: Seq::parse(lines.next()?)?,
            prev: Seq::parse(lines.next()?)?,
            message: Seq::parse(lines.next()?)?,
            ordinal: lines.next()?.parse().ok()?,
            version: None,
            body: lines.nth(1)?,
        };
        entry.event(room_id, epoch).map(|event| Self::Event(Box::new(event)))
    }
}

/// A decoded publication of a room's channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// A publication that this build knows.
    Known(Publication),
    /// One that it does not know; with its position if it is an event.
    Unreadable(Option<EventPosition>),
}

/// The position of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPosition {
    /// The room's epoch.
    pub epoch: Seq,
    /// Its seq.
    pub seq: Seq,
    /// The seq of the event before.
    pub prev: Seq,
}

/// Parses the position of an event whose other lines are unknown: `kind epoch seq prev`, a line each.
fn place(text: &str) -> Option<EventPosition> {
    let mut lines = text.splitn(5, '\n').skip(1);
    let mut seq = || Seq::parse(lines.next()?);
    Some(EventPosition { epoch: seq()?, seq: seq()?, prev: seq()? })
}

/// Parses several new messages: `epoch prev ordinal` of the first, `seq size …` of each, and their bodies.
fn new_messages(room_id: &RoomId, text: &str) -> Option<Vec<Decoded>> {
    let (first, rest) = text.split_once('\n')?;
    let (places, mut bodies) = rest.split_once('\n')?;
    let mut first = first.split(' ');
    let epoch = Seq::parse(first.next()?)?;
    let mut prev = Seq::parse(first.next()?)?;
    let mut ordinal: u64 = first.next()?.parse().ok()?;
    let mut heard = Vec::new();
    let mut places = places.split(' ');
    while let Some(seq) = places.next() {
        let seq = Seq::parse(seq)?;
        let (body, rest) = bodies.split_at_checked(places.next()?.parse().ok()?)?;
        let entry = Entry { kind: "c", seq, prev, message: seq, ordinal, version: None, body };
        heard.push(match entry.event(room_id, epoch) {
            Some(event) => Decoded::Known(Publication::Event(Box::new(event))),
            None => Decoded::Unreadable(Some(EventPosition { epoch, seq, prev })),
        });
        (prev, bodies, ordinal) = (seq, rest, ordinal + 1);
    }
    Some(heard)
}

/// An entry of a room's stream, not parsed yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// `c` created, `e` edited, `d` deleted, `r` reaction, `u` room updated.
    pub(super) kind: &'a str,
    pub(super) seq: Seq,
    /// The seq of the event before.
    pub(super) prev: Seq,
    /// The seq of the message that it is about.
    pub(super) message: Seq,
    /// The message's number in its room.
    pub(super) ordinal: u64,
    /// The message's version if it is not this event's seq.
    pub(super) version: Option<Seq>,
    /// A JSON text.
    pub(super) body: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReactionBody {
    pub(super) content: MessageContent,
    #[serde(flatten)]
    pub(super) reaction: ReactionChange,
}

impl<'a> From<StreamEntry<'a>> for Entry<'a> {
    fn from(entry: StreamEntry<'a>) -> Self {
        let StreamEntry { seq, kind, prev, message, ordinal, body } = entry;
        Self { kind, seq, prev, message, ordinal, version: None, body }
    }
}

impl Entry<'_> {
    /// Returns the event, or `None` if its kind or form is unknown to this build.
    pub(super) fn event(&self, room_id: &RoomId, epoch: Seq) -> Option<RoomEvent> {
        let change = match self.kind {
            "c" => Change::Created(self.state(room_id)?),
            "e" => Change::Edited(self.state(room_id)?),
            "d" => Change::Deleted(self.state(room_id)?),
            "r" => {
                let body: ReactionBody = serde_json::from_str(self.body).ok()?;
                Change::Reaction { state: self.with(room_id, body.content), reaction: body.reaction }
            }
            "u" => Change::Room(Box::new(self.room_update(room_id)?)),
            _ => return None,
        };
        Some(RoomEvent { room_id: room_id.clone(), epoch, seq: self.seq, prev: self.prev, change })
    }

    /// Returns the state of the message that the entry holds.
    pub(super) fn state(&self, room_id: &RoomId) -> Option<MessageState> {
        let content = if self.kind == "r" {
            serde_json::from_str::<ReactionBody>(self.body).ok()?.content
        } else {
            serde_json::from_str(self.body).ok()?
        };
        Some(self.with(room_id, content))
    }

    fn with(&self, room_id: &RoomId, content: MessageContent) -> MessageState {
        MessageState {
            room_id: room_id.clone(),
            seq: self.message,
            version: self.version.unwrap_or(self.seq),
            ordinal: self.ordinal,
            content,
        }
    }

    fn room_update(&self, room_id: &RoomId) -> Option<RoomUpdate> {
        let body: UpdateBody = serde_json::from_str(self.body).ok()?;
        let snapshot = body.snapshot(room_id)?;
        let mut room = snapshot.room();
        room.member_count = snapshot::member_count(&body.meta)?;
        Some(RoomUpdate { users: body.users(), change: body.change, room: room.abridged() })
    }
}

/// The body of a room's change: hashes of Redis as flat lists of texts.
#[derive(Debug, Deserialize)]
pub(super) struct UpdateBody {
    pub(super) change: String,
    #[serde(default, deserialize_with = "snapshot::list_or_empty_object")]
    users: Vec<String>,
    pub(super) meta: Vec<String>,
    #[serde(default, deserialize_with = "snapshot::list_or_empty_object")]
    pub(super) members: Vec<String>,
    #[serde(default, deserialize_with = "snapshot::list_or_empty_object")]
    pub(super) marks: Vec<String>,
}

impl UpdateBody {
    /// Returns the users that the change concerns.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.users.iter().filter_map(|user| UserId::parse(user).ok()).collect()
    }

    pub(super) fn snapshot(&self, room_id: &RoomId) -> Option<RoomSnapshot> {
        snapshot::parse(room_id, &self.meta, &self.members, &self.marks)
    }
}

#[cfg(test)]
mod tests;
