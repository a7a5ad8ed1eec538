//! The payloads of events, one type for each: on the way they are one type with optional fields.

use std::borrow::Cow;

use rts_common::message::Message;
use rts_common::room::Room;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;

use super::Describe;
use crate::presence::UserStatus;
use crate::rooms::EventPayload;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident { $($field:ident: $type:ty,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Serialize, JsonSchema)]
            #[serde(rename_all = "camelCase")]
            struct $name { $($field: $type,)* }
        )*
    };
}

/// What changed in a room.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[expect(dead_code, reason = "only its schema is used")]
enum RoomChange {
    Renamed,
    MembersAdded,
    MemberRemoved,
    RoleChanged,
    Archived,
    Unarchived,
}

/// A member's new marks; one that did not move is absent.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Receipt {
    user_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    read_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivered_seq: Option<u64>,
}

events! {
    /// A new message, an edited one, or a tombstone, in its state after the event.
    MessageEvent { room_id: String, seq: u64, prev: u64, message: Message, }
    /// A reaction was set or removed.
    ReactionEvent { room_id: String, seq: u64, prev: u64, message_seq: u64, emoji: String, user_id: String, on: bool, }
    /// A change of the room's facts or members.
    RoomEvent { room_id: String, seq: u64, prev: u64, change: RoomChange, room: Room, }
    /// The user is a member of a room now.
    RoomAdded { room: Room, }
    /// The user is no longer a member of a room.
    RoomRemoved { room_id: String, }
    /// Members have read, or received, up to a seq.
    ReceiptsUpdated { room_id: String, receipts: Vec<Receipt>, }
    /// Messages of the user are in permanent storage.
    MessagesStored { room_id: String, seqs: Vec<u64>, }
    /// A member types, or has stopped.
    TypingEvent { room_id: String, user_id: String, typing: bool, }
    /// Somebody who shares a room with the user has another name.
    PersonChanged { user_id: String, display_name: String, }
}

/// The names of events that are part of a room's order.
const SEQUENCED: [(&str, &str); 5] = [
    ("MessageCreated", "MessageEvent"),
    ("MessageEdited", "MessageEvent"),
    ("MessageDeleted", "MessageEvent"),
    ("ReactionChanged", "ReactionEvent"),
    ("RoomUpdated", "RoomEvent"),
];

/// In a resume: any event of a room, with its name.
impl JsonSchema for EventPayload {
    fn schema_name() -> Cow<'static, str> {
        "ResumedEvent".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let _types = (
            generator.subschema_for::<MessageEvent>(),
            generator.subschema_for::<ReactionEvent>(),
            generator.subschema_for::<RoomEvent>(),
        );
        let alternatives = SEQUENCED.map(|(name, payload)| {
            serde_json::json!({
                "allOf": [
                    { "type": "object", "properties": { "type": { "const": name } }, "required": ["type"] },
                    { "$ref": format!("#/$defs/{payload}") },
                ],
            })
        });
        json_schema!({ "description": "An event of a room, with its name as its type.", "anyOf": alternatives })
    }
}

pub(super) fn describe(describe: &mut Describe) {
    for name in ["MessageCreated", "MessageEdited", "MessageDeleted"] {
        describe.event::<MessageEvent>(name);
    }
    describe.event::<ReactionEvent>("ReactionChanged");
    describe.event::<RoomEvent>("RoomUpdated");
    describe.event::<RoomAdded>("RoomAdded");
    describe.event::<RoomRemoved>("RoomRemoved");
    describe.event::<ReceiptsUpdated>("ReceiptsUpdated");
    describe.event::<MessagesStored>("MessagesStored");
    describe.event::<TypingEvent>("Typing");
    describe.event::<UserStatus>("PresenceChanged");
    describe.event::<PersonChanged>("PersonChanged");
}
