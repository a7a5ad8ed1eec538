//! Records to store.

use rts_common::ids::{ClientId, NodeId, OrgId, RoomId, UserId};
use rts_common::message::{MessageContent, MessageState};
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};
use rts_common::room::{Marks, Membership, Role, RoomFacts, RoomKind};
use rts_common::seq::{Seq, Timestamp};

pub(crate) fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

pub(crate) fn user(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

pub(crate) fn seq(value: u64) -> Seq {
    Seq::new(value).unwrap()
}

/// Returns the seq of a moment in ISO-8601.
pub(crate) fn seq_at(text: &str) -> Seq {
    let moment: Timestamp = serde_json::from_str(&format!("\"{text}\"")).unwrap();
    seq(moment.millis() * 1000)
}

/// Makes a message by ann; its body and reactions show the version.
pub(crate) fn message(room: &RoomId, at: Seq, version: Seq) -> MessageRecord {
    MessageRecord {
        v: FORMAT,
        org: org(),
        origin: NodeId::parse("n1").unwrap(),
        message: MessageState {
            room_id: room.clone(),
            seq: at,
            version,
            ordinal: 1,
            content: MessageContent {
                attachments: vec![],
                edited_at: (version > at).then(|| version.timestamp()),
                reactions: vec![],
                ..MessageContent::new(
                    user("ann"),
                    ClientId::parse(&format!("c{at}")).unwrap(),
                    format!("version {version}"),
                )
            },
        },
    }
}

pub(crate) fn facts(version: u64) -> RoomFacts {
    RoomFacts {
        kind: RoomKind::Group,
        name: Some(format!("name {version}")),
        case_id: None,
        created_by: user("ann"),
        created_at: Timestamp::from_millis(1_767_225_600_000),
        archived_at: None,
        version: seq(version),
    }
}

pub(crate) fn membership(name: &str, version: u64, role: Option<Role>) -> Membership {
    Membership {
        user_id: user(name),
        display_name: format!("{name} {version}"),
        role,
        version: seq(version),
        joined_seq: seq(version),
    }
}

pub(crate) fn room_record(room: &RoomId, facts: Option<RoomFacts>, members: Vec<Membership>) -> RoomRecord {
    let version = facts.as_ref().map(|facts| facts.version);
    let version = members.iter().map(|member| member.version).chain(version).max();
    let version = version.unwrap_or(Seq::ZERO);
    let change = RoomChange::Room { room_id: room.clone(), version, facts, members, closing: None };
    RoomRecord { v: FORMAT, org: org(), change }
}

pub(crate) fn marks(room: &RoomId, name: &str, read: u64, delivered: u64) -> RoomRecord {
    let marks = Marks { read_seq: seq(read), delivered_seq: seq(delivered) };
    let change = RoomChange::Marks { room_id: room.clone(), user_id: user(name), marks };
    RoomRecord { v: FORMAT, org: org(), change }
}

pub(crate) fn profile(name: &str, version: u64) -> RoomRecord {
    let change =
        RoomChange::Profile { user_id: user(name), display_name: format!("{name} {version}"), version: seq(version) };
    RoomRecord { v: FORMAT, org: org(), change }
}
