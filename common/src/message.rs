//! A message: its content, its full state by version, and the form that clients see.

use serde::{Deserialize, Serialize};

use crate::ids::{AttachmentId, ClientId, RoomId, UserId};
use crate::seq::{Seq, Timestamp};

/// A file attached to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// The id that members exchange for a URL.
    pub attachment_id: AttachmentId,
    /// The file's name, for display, as its sender gave it.
    pub file_name: String,
    /// The MIME type.
    pub content_type: String,
    /// The file's size, in bytes.
    pub size_bytes: u64,
}

/// The users who reacted with one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// The users, in the order of their reactions.
    pub user_ids: Vec<UserId>,
}

/// The content of a message: all of its state that the room does not assign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageContent {
    /// The user who wrote it.
    pub sender_id: UserId,
    /// The id that the sender's client gave it.
    pub client_id: ClientId,
    /// UTF-8 text; empty in a tombstone.
    pub body: String,
    /// The attached files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The members that its body mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// The time of the last change of its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// True for a tombstone: the body, files and reactions are gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// The reactions, by emoji.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
}

impl MessageState {
    /// Returns true if this state is to be kept rather than another one of the same message: of two tombstones and of two that
    /// are none the later one, else the tombstone.
    pub fn supersedes(&self, other: &Self) -> bool {
        if self.content.deleted == other.content.deleted { self.version > other.version } else { self.content.deleted }
    }
}

impl MessageContent {
    /// Makes the content of a new message that is only text.
    pub const fn new(sender_id: UserId, client_id: ClientId, body: String) -> Self {
        Self {
            sender_id,
            client_id,
            body,
            attachments: Vec::new(),
            reply_to: None,
            mentions: Vec::new(),
            edited_at: None,
            deleted: false,
            reactions: Vec::new(),
        }
    }
}

impl MessageContent {
    /// Turns it into a tombstone: the sender and the time stay, the content is removed.
    pub fn bury(&mut self) {
        self.body.clear();
        self.attachments.clear();
        self.mentions.clear();
        self.reactions.clear();
        self.deleted = true;
    }
}

/// The full state of a message at a version, as it is recorded, journaled and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageState {
    /// The room it was sent to.
    pub room_id: RoomId,
    /// The seq that names it and places it in its room's order.
    pub seq: Seq,
    /// The seq of its last change; `seq` itself if it was never changed.
    pub version: Seq,
    /// The number of messages in its room when it was created, including this one.
    pub ordinal: u64,
    /// Its content.
    #[serde(flatten)]
    pub content: MessageContent,
}

/// A message as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// The room it was sent to.
    pub room_id: RoomId,
    /// The seq that names it and places it in its room's order.
    pub seq: Seq,
    /// The seq of its last change.
    pub version: Seq,
    /// The id that the sender's client gave it.
    pub client_id: ClientId,
    /// The user who wrote it.
    pub sender_id: UserId,
    /// The time it was sent, derived from `seq`.
    pub sent_at: Timestamp,
    /// UTF-8 text; empty in a tombstone.
    pub body: String,
    /// The attached files.
    pub attachments: Vec<Attachment>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The members that its body mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// The time of the last change of its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// True for a tombstone.
    pub deleted: bool,
    /// The reactions, by emoji.
    pub reactions: Vec<Reaction>,
}

impl From<MessageState> for Message {
    fn from(state: MessageState) -> Self {
        let content = state.content;
        Self {
            room_id: state.room_id,
            seq: state.seq,
            version: state.version,
            client_id: content.client_id,
            sender_id: content.sender_id,
            sent_at: state.seq.timestamp(),
            body: content.body,
            attachments: content.attachments,
            reply_to: content.reply_to,
            mentions: content.mentions,
            edited_at: content.edited_at,
            deleted: content.deleted,
            reactions: content.reactions,
        }
    }
}
