//! Events of a room: how Redis holds them and how clients get them.

use bytes::Bytes;
use rts_common::ids::{RoomId, UserId};
use rts_common::message::{Message, MessageContent, MessageState};
use rts_common::redis::stream::StreamEntry;
use rts_common::room::{Marks, Room, RoomSnapshot};
use rts_common::seq::Seq;
use rts_common::signalr::{self, Protocol};
use serde::{Deserialize, Serialize};

use super::snapshot;

/// One event of a room, at its place in the room's order.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomEvent {
    /// The room.
    pub room_id: RoomId,
    /// The room's epoch; another one means that Redis lost data in between.
    pub epoch: Seq,
    /// Its place.
    pub seq: Seq,
    /// The place of the event before.
    pub prev: Seq,
    /// What happened.
    pub change: Change,
}

/// What happened in a room.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// A new message.
    Created(MessageState),
    /// Its body changed.
    Edited(MessageState),
    /// It is a tombstone now.
    Deleted(MessageState),
    /// A reaction was set or taken back.
    Reaction {
        /// The message as it is now.
        state: MessageState,
        /// Which reaction, by whom.
        reaction: ReactionChange,
    },
    /// The room's facts or members changed.
    Room(Box<RoomUpdate>),
}

/// A reaction that was set or taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReactionChange {
    /// The emoji.
    pub emoji: String,
    /// Who.
    pub user_id: UserId,
    /// Set, or taken back.
    pub on: bool,
}

/// A change of a room's facts or members.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomUpdate {
    /// `renamed`, `membersAdded`, `memberRemoved`, `roleChanged`, `archived` or `unarchived`.
    pub change: String,
    /// The people that it concerns.
    pub users: Vec<UserId>,
    /// The room after it; of a large room, only the members concerned.
    pub room: Room,
}

impl RoomEvent {
    /// The event's name for clients.
    pub fn target(&self) -> &'static str {
        match &self.change {
            Change::Created(_) => "MessageCreated",
            Change::Edited(_) => "MessageEdited",
            Change::Deleted(_) => "MessageDeleted",
            Change::Reaction { .. } => "ReactionChanged",
            Change::Room(_) => "RoomUpdated",
        }
    }

    /// The record for clients of one protocol.
    ///
    /// # Panics
    /// Never: an event holds only what both protocols can carry.
    pub fn encode(&self, protocol: Protocol) -> Bytes {
        signalr::encode_invocation(protocol, self.target(), &self.payload(None))
            .expect("an event holds only texts, numbers and flags")
    }

    /// What clients get; with its name as `type` in a resume.
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

    /// The message that the event is about, in the state that the event left it in.
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
    /// Shows the message in a newer state.
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

/// A room event as clients get it: which fields are there depends on the event.
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

/// What comes over a room's channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Publication {
    /// A sequenced event.
    Event(Box<RoomEvent>),
    /// A member's marks moved.
    Marks {
        /// Who.
        user_id: UserId,
        /// To where.
        marks: Marks,
    },
    /// A member types, or has stopped. It is told once and kept nowhere.
    Typing {
        /// Who.
        user_id: UserId,
        /// Whether they type.
        typing: bool,
    },
}

impl Publication {
    /// Reads what a script published on the channel of `room_id`: one publication, or several new messages in their
    /// order. What this build does not know, as a newer node may have sent it, is [`Decoded::Unreadable`].
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

/// What was heard on a room's channel.
#[derive(Clone, Debug, PartialEq)]
pub enum Decoded {
    /// This build knows it.
    Known(Publication),
    /// It does not, but for its place if it is an event.
    Unreadable(Option<EventPosition>),
}

/// Where an event stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventPosition {
    /// The room's epoch.
    pub epoch: Seq,
    /// Its seq.
    pub seq: Seq,
    /// That of the event before.
    pub prev: Seq,
}

/// The place of an event of which only that can be read: `kind epoch seq prev`, a line each.
fn place(text: &str) -> Option<EventPosition> {
    let mut lines = text.splitn(5, '\n').skip(1);
    let mut seq = || Seq::parse(lines.next()?);
    Some(EventPosition { epoch: seq()?, seq: seq()?, prev: seq()? })
}

/// Several new messages: `epoch prev ordinal` of the first, `seq size …` of each, and their bodies.
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

/// An entry of a room's stream, still as text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'a> {
    /// `c` created, `e` edited, `d` deleted, `r` reaction, `u` room updated.
    pub(super) kind: &'a str,
    /// Its place.
    pub(super) seq: Seq,
    /// The place of the event before.
    pub(super) prev: Seq,
    /// The message it is about.
    pub(super) message: Seq,
    /// The message's number in its room.
    pub(super) ordinal: u64,
    /// The message's version if it is not this event's seq.
    pub(super) version: Option<Seq>,
    /// JSON.
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
    /// The event, or `None` if it is of a kind or form that this build does not know.
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

    /// The state of the message that the entry holds.
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
    /// The people that the change concerns.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.users.iter().filter_map(|user| UserId::parse(user).ok()).collect()
    }

    pub(super) fn snapshot(&self, room_id: &RoomId) -> Option<RoomSnapshot> {
        snapshot::parse(room_id, &self.meta, &self.members, &self.marks)
    }
}

#[cfg(test)]
mod tests;
