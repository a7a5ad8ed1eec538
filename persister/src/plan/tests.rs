//! Unit tests of the plan, and the records that other unit tests use too.

use rts_common::ids::{ClientId, NodeId};
use rts_common::message::MessageContent;
use rts_common::record::{FORMAT, MessageRecord, RoomRecord};
use rts_common::room::{Role, RoomKind};
use rts_common::seq::Timestamp;

use super::*;

fn org() -> OrgId {
    OrgId::parse("acme").unwrap()
}

fn user(text: &str) -> UserId {
    UserId::parse(text).unwrap()
}

fn seq(value: u64) -> Seq {
    Seq::new(value).unwrap()
}

pub(crate) fn room(name: &str) -> RoomId {
    RoomId::parse(&format!("g_{name:A>22}")).unwrap()
}

pub(crate) fn message(room_name: &str, at: u64, version: u64) -> MessageRecord {
    MessageRecord {
        v: FORMAT,
        org: org(),
        origin: NodeId::parse("n1").unwrap(),
        message: MessageState {
            room_id: room(room_name),
            seq: seq(at),
            version: seq(version),
            ordinal: 1,
            content: MessageContent {
                attachments: vec![],
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

pub(crate) fn room_record(room_name: &str, version: u64, facts: Option<u64>, members: &[(&str, u64)]) -> RoomRecord {
    let facts = facts.map(|version| RoomFacts {
        kind: RoomKind::Group,
        name: Some(format!("name {version}")),
        case_id: None,
        created_by: user("ann"),
        created_at: Timestamp::from_millis(1),
        archived_at: None,
        version: seq(version),
    });
    let members = members.iter().map(|(name, version)| Membership {
        user_id: user(name),
        display_name: format!("{name} {version}"),
        role: Some(Role::Member),
        version: seq(*version),
        joined_seq: Seq::ZERO,
    });
    let change = RoomChange::Room {
        room_id: room(room_name),
        version: seq(version),
        facts,
        members: members.collect(),
        closing: None,
    };
    RoomRecord { v: FORMAT, org: org(), change }
}

fn marks(read: u64, delivered: u64) -> Record {
    let marks = Marks { read_seq: seq(read), delivered_seq: seq(delivered) };
    let change = RoomChange::Marks { room_id: room("r"), user_id: user("ann"), marks };
    Record::Room(RoomRecord { v: FORMAT, org: org(), change })
}

fn planned(records: &[Option<Record>]) -> Vec<(Seq, Vec<usize>)> {
    plan(records.iter().map(Option::as_ref))
        .into_iter()
        .map(|planned| (planned.write.version(), planned.records))
        .collect()
}

#[test]
fn only_the_highest_version_of_a_message_is_written_and_does_all_its_records() {
    let of = |room, at, version| Some(Record::Message(message(room, at, version)));
    let records = [of("r", 1, 1), of("r", 2, 2), of("r", 1, 9), None, of("r", 1, 5), of("s", 1, 1), of("r", 2, 2)];
    assert_eq!(planned(&records), [(seq(9), vec![0, 2, 4]), (seq(2), vec![1, 6]), (seq(1), vec![5])]);
}

#[test]
fn facts_and_members_of_a_room_are_items_of_their_own_and_facts_come_last() {
    let records = [
        Some(Record::Room(room_record("r", 1, Some(1), &[("ann", 1), ("bob", 1)]))),
        Some(Record::Room(room_record("r", 3, None, &[("bob", 3)]))),
        Some(Record::Room(room_record("r", 2, Some(2), &[]))),
    ];
    assert_eq!(planned(&records), [(seq(1), vec![0]), (seq(3), vec![0, 1]), (seq(2), vec![0, 2])]);
    let last: Vec<_> =
        plan(records.iter().map(Option::as_ref)).iter().map(|planned| planned.write.comes_last()).collect();
    assert_eq!(last, [false, false, true]);
}

#[test]
fn marks_are_merged_to_the_highest_of_each() {
    let records = [Some(marks(5, 5)), Some(marks(3, 9)), Some(marks(0, 7))];
    let planned = plan(records.iter().map(Option::as_ref));
    let merged = Marks { read_seq: seq(5), delivered_seq: seq(9) };
    assert_eq!(planned, [Planned { write: Write::Marks(room("r"), user("ann"), merged), records: vec![0, 1, 2] }]);
}
