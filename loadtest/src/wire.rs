//! The part of the hub's methods and events that virtual users and the probe use.

use serde::{Deserialize, Serialize};

/// A request of any method: fields that are not set are not sent.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) room_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) body: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) typing: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member_ids: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) before: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cursor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rooms: Option<Vec<Seen<'a>>>,
}

/// A room in a resume request.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Seen<'a> {
    pub(crate) room_id: &'a str,
    pub(crate) seq: u64,
}

/// A sequenced event; its fields depend on its kind.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RoomEvent {
    #[serde(default)]
    pub(crate) r#type: String,
    pub(crate) room_id: String,
    pub(crate) seq: u64,
    pub(crate) prev: u64,
    pub(crate) message: Option<Message>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Message {
    pub(crate) room_id: String,
    pub(crate) seq: u64,
    pub(crate) client_id: String,
    pub(crate) sender_id: String,
    pub(crate) body: String,
}

/// `MessagesStored`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stored {
    pub(crate) room_id: String,
    pub(crate) seqs: Vec<u64>,
}

/// The result of `SendMessage`.
#[derive(Debug, Deserialize)]
pub(crate) struct Sent {
    pub(crate) seq: u64,
}

/// The result of `CreateRoom`.
#[derive(Debug, Deserialize)]
pub(crate) struct Created {
    pub(crate) room: CreatedRoom,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CreatedRoom {
    pub(crate) room_id: String,
    pub(crate) head_seq: u64,
}

/// The result of `Resume`.
#[derive(Debug, Deserialize)]
pub(crate) struct Resumed {
    pub(crate) rooms: Vec<ResumedRoom>,
}

/// A room in the result of `Resume`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ResumedRoom {
    pub(crate) room_id: String,
    pub(crate) events: Vec<RoomEvent>,
    pub(crate) head_seq: u64,
    pub(crate) truncated: bool,
}

/// The result of `GetHistory`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct History {
    pub(crate) messages: Vec<Message>,
    pub(crate) has_more: bool,
}

/// The result of `ListRooms`.
#[derive(Debug, Deserialize)]
pub(crate) struct Listed {
    pub(crate) rooms: Vec<ListedRoom>,
    pub(crate) cursor: Option<String>,
}

/// A room in the result of `ListRooms`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedRoom {
    pub(crate) room: ListedRoomId,
    pub(crate) unread: u64,
    /// There may be more: what was accepted before a loss of Redis is not stored yet.
    #[serde(default)]
    pub(crate) unread_at_least: bool,
}

/// The id of a listed room.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedRoomId {
    pub(crate) room_id: String,
}

/// Returns the product's code in a failed call's text: `… HubException: code: sentence`.
pub(crate) fn error_code(text: &str) -> &str {
    let exception = text.rsplit_once("HubException: ").map_or(text, |(_, rest)| rest);
    exception.split(':').next().unwrap_or_default()
}

/// True if a call that failed with this code has changed nothing, and would fail again.
pub(crate) fn is_final(code: &str) -> bool {
    matches!(code, "invalidArgument" | "notFound" | "forbidden" | "tooLarge" | "archived")
}

/// True if a call that failed with this code may succeed later, according to the contract.
pub(crate) fn is_busy(code: &str) -> bool {
    matches!(code, "unavailable" | "rateLimited")
}
