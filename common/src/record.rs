//! The journal's records: gateways send them to SQS, and the Lambdas write them to DynamoDB.
//!
//! Each carries full state and its version, never a difference, so that writing one twice, late or out of order changes
//! nothing. `v` is the version of the format; readers refuse newer ones. A record is one line of JSON; a message of the
//! FIFO queue holds one record, or several of its group.

use serde::{Deserialize, Serialize};

use crate::ids::{NodeId, OrgId, RoomId, UserId};
use crate::message::MessageState;
use crate::room::{Closing, Marks, Membership, RoomFacts};
use crate::seq::Seq;

/// The format that this build writes.
pub const FORMAT: u8 = 1;

/// One message at one version, on `chat-message-queue.fifo` with its room as the group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MessageRecord {
    /// The format, [`FORMAT`].
    pub v: u8,
    /// The room's organization.
    pub org: OrgId,
    /// The node that journaled it, which is notified when it is stored.
    pub origin: NodeId,
    /// The message.
    pub message: MessageState,
}

/// One change of a room, on `chat-room-queue`; what the room's messages must not be without is on
/// `chat-message-queue.fifo` too, in their group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomRecord {
    /// The format, [`FORMAT`].
    pub v: u8,
    /// The organization.
    pub org: OrgId,
    /// The change.
    #[serde(flatten)]
    pub change: RoomChange,
}

/// A mark in a room's group on `chat-message-queue.fifo`. Once it is stored, all records before it in the group are, or
/// have become dead letters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "fence", rename_all = "camelCase")]
pub struct FenceRecord {
    /// The format, [`FORMAT`].
    pub v: u8,
    /// The room.
    pub room_id: RoomId,
    /// A number that no other fence of the room has.
    pub number: Seq,
}

/// The content of a [`RoomRecord`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum RoomChange {
    /// The facts and memberships of a room that changed together.
    Room {
        /// The room.
        room_id: RoomId,
        /// The change's version, which identifies it in the room's unstored index.
        version: Seq,
        /// The room's facts, if they changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        facts: Option<RoomFacts>,
        /// The memberships that changed.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        members: Vec<Membership>,
        /// The content of the room at its closing, if the facts say that it is archived.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        closing: Option<Closing>,
    },
    /// A member read or received more.
    Marks {
        /// The room.
        room_id: RoomId,
        /// The member.
        user_id: UserId,
        /// The member's new marks.
        marks: Marks,
    },
    /// A user's name, for the organization's directory.
    Profile {
        /// The user.
        user_id: UserId,
        /// The name to show.
        display_name: String,
        /// The time when the name was seen, in microseconds since the Unix epoch.
        version: Seq,
    },
}
