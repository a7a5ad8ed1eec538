//! A room: its facts, its members, their marks, and how clients see it.

use serde::{Deserialize, Serialize};

use crate::ids::{CaseId, OrgId, RoomId, UserId};
use crate::limits;
use crate::seq::{Seq, Timestamp};

/// What a room is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoomKind {
    /// A two-way chat; its members never change.
    Direct,
    /// Anything else, a case's room too.
    Group,
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// May also remove members, delete any message, archive.
    Owner,
    /// May talk, add people, rename, leave.
    Member,
}

/// The facts of a room at a version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomFacts {
    /// Direct or group.
    pub kind: RoomKind,
    /// Its name, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The case it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Since when it is archived.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archived_at: Option<Timestamp>,
    /// Grows with each change of the facts, in microseconds since the Unix epoch.
    pub version: Seq,
}

/// What an archived room held when it was closed, for the archive index.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Closing {
    /// Its members.
    pub members: Vec<UserId>,
    /// Its first message that was there to be read; zero without any.
    #[serde(default)]
    pub first_seq: Seq,
    /// Its last message.
    #[serde(default)]
    pub last_seq: Seq,
    /// How many messages it has had, deleted ones too.
    #[serde(default)]
    pub message_count: u64,
}

/// One person's membership at a version; kept as a tombstone after it ends, so that a late write
/// of an earlier state cannot bring it back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Membership {
    /// Who.
    pub user_id: UserId,
    /// The name shown for them, as last known.
    pub display_name: String,
    /// What they may do; `None` once they have left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Grows with each change of the membership, in microseconds since the Unix epoch.
    pub version: Seq,
    /// The room's head when they joined: their unread count starts here.
    #[serde(default)]
    pub joined_seq: Seq,
}

/// How far a person has read and received; each only grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Marks {
    /// Read up to here.
    #[serde(default)]
    pub read_seq: Seq,
    /// Received up to here.
    #[serde(default)]
    pub delivered_seq: Seq,
}

/// A member as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Member {
    /// Who.
    pub user_id: UserId,
    /// The name to show.
    pub display_name: String,
    /// What they may do.
    pub role: Role,
    /// Read up to here.
    pub read_seq: Seq,
    /// Received up to here.
    pub delivered_seq: Seq,
}

/// A room as clients see it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Room {
    /// Its id.
    pub room_id: RoomId,
    /// Direct or group.
    pub kind: RoomKind,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The case it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case_id: Option<CaseId>,
    /// Who made it.
    pub created_by: UserId,
    /// When.
    pub created_at: Timestamp,
    /// Read-only and out of the list.
    pub archived: bool,
    /// Its last event.
    pub head_seq: Seq,
    /// How many members it has.
    pub member_count: usize,
    /// Its members; left out of lists and events when there are many.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub members: Option<Vec<Member>>,
}

impl Room {
    /// The form for lists and events: the members of a large room are left out.
    #[must_use]
    pub fn abridged(mut self) -> Self {
        if self.member_count > limits::ROOM_MEMBERS_INLINE {
            self.members = None;
        }
        self
    }
}

/// A room with everyone in it, as Redis and DynamoDB hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomSnapshot {
    /// Its id.
    pub room_id: RoomId,
    /// Its organization.
    pub org: OrgId,
    /// Its facts.
    pub facts: RoomFacts,
    /// Its last event.
    pub head_seq: Seq,
    /// Present members with their marks, in a stable order (by user id). Those who left are not here.
    pub members: Vec<(Membership, Marks)>,
}

impl RoomSnapshot {
    /// How clients see it, with all members.
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
