//! A message: what its sender wrote, its full state by version, and how clients see it.

use serde::{Deserialize, Serialize};

use crate::ids::{AttachmentId, ClientId, RoomId, UserId};
use crate::seq::{Seq, Timestamp};

/// A file of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attachment {
    /// Its id, by which members get a URL.
    pub attachment_id: AttachmentId,
    /// The name its sender gave it, for display.
    pub file_name: String,
    /// MIME type.
    pub content_type: String,
    /// Bytes.
    pub size_bytes: u64,
}

/// Everyone who reacted with one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reaction {
    /// The emoji.
    pub emoji: String,
    /// Who, in the order they did.
    pub user_ids: Vec<UserId>,
}

/// What a message says: all of its state that its room does not assign.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageContent {
    /// Who wrote it.
    pub sender_id: UserId,
    /// The sender's own id for it.
    pub client_id: ClientId,
    /// UTF-8 text; empty in a tombstone.
    pub body: String,
    /// Its files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The members that its body mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// When its body was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// A tombstone: the body, files and reactions are gone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deleted: bool,
    /// Reactions by emoji.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<Reaction>,
}

impl MessageContent {
    /// Makes the content of a new message of text alone.
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
    /// Turns it into its tombstone: who and when stay, what was said goes.
    pub fn bury(&mut self) {
        self.body.clear();
        self.attachments.clear();
        self.mentions.clear();
        self.reactions.clear();
        self.deleted = true;
    }
}

/// The full state of a message at a version: what is recorded, journaled and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageState {
    /// Its room.
    pub room_id: RoomId,
    /// Its identity and place.
    pub seq: Seq,
    /// The seq of its last change; `seq` itself when never changed.
    pub version: Seq,
    /// How many messages its room had, this one counted, when it was created.
    pub ordinal: u64,
    /// What it says.
    #[serde(flatten)]
    pub content: MessageContent,
}

/// A message as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Message {
    /// Its room.
    pub room_id: RoomId,
    /// Its identity and place.
    pub seq: Seq,
    /// The seq of its last change.
    pub version: Seq,
    /// The sender's own id for it.
    pub client_id: ClientId,
    /// Who wrote it.
    pub sender_id: UserId,
    /// When, told by `seq`.
    pub sent_at: Timestamp,
    /// The text.
    pub body: String,
    /// Its files.
    pub attachments: Vec<Attachment>,
    /// The message it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<Seq>,
    /// The members that its body mentions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mentions: Vec<UserId>,
    /// When its body was last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_at: Option<Timestamp>,
    /// A tombstone.
    pub deleted: bool,
    /// Reactions by emoji.
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
