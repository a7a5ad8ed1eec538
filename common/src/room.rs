//! A room: its facts, its members, their marks, and the form that clients see.

use serde::{Deserialize, Serialize};

use crate::ids::{CaseId, OrgId, RoomId, UserId};
use crate::limits;
use crate::seq::{Seq, Timestamp};

/// The kind of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum RoomKind {
    /// A chat of two; its members never change.
    Direct,
    /// Any other room, including that of a case.
    Group,
}

/// The role of a member, which decides their permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// May also remove members, delete any message, and archive.
    Owner,
    /// May send messages, add members, rename, and leave.
    Member,
}

/// The facts of a room at a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomFacts {
    /// The kind: direct or group.
    pub kind: RoomKind,
    /// The name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The case it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// The user who created it.
    pub created_by: UserId,
    /// The time of its creation.
    pub created_at: Timestamp,
    /// The time since when it is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// The version, which grows with each change of the facts, in microseconds since the Unix epoch.
    pub version: Seq,
}

/// The content of an archived room at its closing, for the archive index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closing {
    /// The members of the room.
    pub members: Vec<UserId>,
    /// The first message that could still be read; zero if there is none.
    #[serde(default)]
    pub first_seq: Seq,
    /// The last message; zero if there is none.
    #[serde(default)]
    pub last_seq: Seq,
    /// The number of messages it has had, including deleted ones.
    #[serde(default)]
    pub message_count: u64,
}

/// One user's membership at a version. It is kept as a tombstone after it ends, so that a late write of an earlier
/// state cannot bring it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// The member.
    pub user_id: UserId,
    /// The name shown for the member, as last known.
    pub display_name: String,
    /// The member's role; `None` once they have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The version, which grows with each change of the membership, in microseconds since the Unix epoch.
    pub version: Seq,
    /// The room's head when the member joined: their unread count starts here.
    #[serde(default)]
    pub joined_seq: Seq,
}

/// The seqs up to which a user has read and received; each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marks {
    /// The seq up to which the user has read.
    #[serde(default)]
    pub read_seq: Seq,
    /// The seq up to which the user has received.
    #[serde(default)]
    pub delivered_seq: Seq,
}

/// A member as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// The member.
    pub user_id: UserId,
    /// The name to show.
    pub display_name: String,
    /// The member's role.
    pub role: Role,
    /// The seq up to which the member has read.
    pub read_seq: Seq,
    /// The seq up to which the member has received.
    pub delivered_seq: Seq,
}

/// A room as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "testing", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// The id.
    pub room_id: RoomId,
    /// The kind: direct or group.
    pub kind: RoomKind,
    /// The name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The case it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// The user who created it.
    pub created_by: UserId,
    /// The time of its creation.
    pub created_at: Timestamp,
    /// True if it is read-only and not in the list of rooms.
    pub archived: bool,
    /// The seq of its last event.
    pub head_seq: Seq,
    /// The number of members.
    pub member_count: usize,
    /// The members; left out of lists and events if there are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
}

impl Room {
    /// Returns the form for lists and events, which leaves out the members of a large room.
    #[must_use]
    pub fn abridged(mut self) -> Self {
        if self.member_count > limits::ROOM_MEMBERS_INLINE {
            self.members = None;
        }
        self
    }
}

/// A room with all its members, as Redis and DynamoDB hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSnapshot {
    /// The id.
    pub room_id: RoomId,
    /// The organization it belongs to.
    pub org: OrgId,
    /// The facts.
    pub facts: RoomFacts,
    /// The seq of its last event.
    pub head_seq: Seq,
    /// The present members with their marks, ordered by user id. Those who left are not included.
    pub members: Vec<(Membership, Marks)>,
}

impl RoomSnapshot {
    /// Returns the room as clients see it, with all members.
    pub fn room(&self) -> Room {
        let members: Vec<_> = self
            .members
            .iter()
            .filter_map(|(member, marks)| {
                Some(Member {
                    user_id: member.user_id.clone(),
                    display_name: member.display_name.clone(),
                    role: member.role?,
                    read_seq: marks.read_seq,
                    delivered_seq: marks.delivered_seq,
                })
            })
            .collect();
        Room {
            room_id: self.room_id.clone(),
            kind: self.facts.kind,
            name: self.facts.name.clone(),
            case_id: self.facts.case_id.clone(),
            created_by: self.facts.created_by.clone(),
            created_at: self.facts.created_at,
            archived: self.facts.archived_at.is_some(),
            head_seq: self.head_seq,
            member_count: members.len(),
            members: Some(members),
        }
    }
}
