//! The part of the hub's methods and events that virtual users use.

use serde::{Deserialize, Serialize};

/// A request of any method: fields that are not set are not sent.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) typing: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) member_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) cursor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) rooms: Option<Vec<Seen<'a>>>,
}

/// A room in a resume request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen<'a> {
    pub(super) room_id: &'a str,
    pub(super) seq: u64,
}

/// A sequenced event; its fields depend on its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RoomEvent {
    #[serde(default)]
    pub(super) r#type: String,
    pub(super) room_id: String,
    pub(super) seq: u64,
    pub(super) prev: u64,
    pub(super) message: Option<Message>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message {
    pub(super) room_id: String,
    pub(super) seq: u64,
    pub(super) client_id: String,
    pub(super) sender_id: String,
    pub(super) body: String,
}

/// `MessagesStored`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Stored {
    pub(super) room_id: String,
    pub(super) seqs: Vec<u64>,
}

/// The result of `SendMessage`.
#[derive(Debug, Deserialize)]
pub(super) struct Sent {
    pub(super) seq: u64,
}

/// The result of `CreateRoom`.
#[derive(Debug, Deserialize)]
pub(super) struct Created {
    pub(super) room: CreatedRoom,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct CreatedRoom {
    pub(super) room_id: String,
    pub(super) head_seq: u64,
}

/// The result of `Resume`.
#[derive(Debug, Deserialize)]
pub(super) struct Resumed {
    pub(super) rooms: Vec<ResumedRoom>,
}

/// A room in the result of `Resume`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ResumedRoom {
    pub(super) room_id: String,
    pub(super) events: Vec<RoomEvent>,
    pub(super) head_seq: u64,
    pub(super) truncated: bool,
}

/// The result of `GetHistory`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History {
    pub(super) messages: Vec<Message>,
    pub(super) has_more: bool,
}

/// The result of `ListRooms`.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    pub(super) rooms: Vec<ListedRoom>,
    pub(super) cursor: Option<String>,
}

/// A room in the result of `ListRooms`.
#[derive(Debug, Deserialize)]
pub(super) struct ListedRoom {
    pub(super) room: ListedRoomId,
    pub(super) unread: u64,
}

/// The id of a listed room.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedRoomId {
    pub(super) room_id: String,
}

/// Returns the product's code in a failed call's text: `… HubException: code: sentence`.
pub(super) fn error_code(text: &str) -> &str {
    let exception = text.rsplit_once("HubException: ").map_or(text, |(_, rest)| rest);
    exception.split(':').next().unwrap_or_default()
}

/// True if a call that failed with this code has changed nothing, and would fail again.
pub(super) fn is_final(code: &str) -> bool {
    matches!(code, "invalidArgument" | "notFound" | "forbidden" | "tooLarge" | "archived")
}

/// True if a call that failed with this code may succeed later, according to the contract.
pub(super) fn is_busy(code: &str) -> bool {
    matches!(code, "unavailable" | "rateLimited")
}
