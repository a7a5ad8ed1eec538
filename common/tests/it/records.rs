//! The journal's records, format 1. Queues and dead-letter queues of running systems hold what the fixtures hold: every
//! later build must read it, and a change of the written form needs a new format.

use std::path::PathBuf;

use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};
use rts_common::room::Closing;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

const MESSAGES: [&str; 4] = ["message-new", "message-full", "message-edited", "message-deleted"];
const ROOMS: [&str; 6] = ["room-created", "room-direct", "room-members", "room-archived", "marks", "profile"];

fn fixture(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records").join(format!("{name}.json"));
    std::fs::read_to_string(path).expect(name)
}

/// Reads a fixture, and checks that writing it gives the same JSON, which reads the same again.
fn stable<T: DeserializeOwned + Serialize + PartialEq + std::fmt::Debug>(name: &str) -> T {
    let text = fixture(name);
    let record: T = serde_json::from_str(&text).expect(name);
    let written = serde_json::to_string(&record).expect(name);
    let (expected, found): (Value, Value) =
        (serde_json::from_str(&text).expect(name), serde_json::from_str(&written).expect(name));
    assert_eq!(found, expected, "{name}");
    assert_eq!(serde_json::from_str::<T>(&written).expect(name), record, "{name}");
    record
}

#[test]
fn every_fixture_has_its_test() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/records");
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .expect("the fixtures are there")
        .map(|entry| entry.expect("a fixture").file_name().to_string_lossy().into_owned())
        .collect();
    let mut known: Vec<_> = MESSAGES.iter().chain(&ROOMS).map(|name| format!("{name}.json")).collect();
    found.sort();
    known.sort();
    assert_eq!(found, known);
}

#[test]
fn message_records_are_read_and_written_as_ever() {
    let [new, full, edited, deleted] = MESSAGES.map(stable::<MessageRecord>);
    for record in [&new, &full, &edited, &deleted] {
        assert_eq!(record.v, FORMAT);
        assert_eq!(record.org.as_str(), "acme");
    }
    assert_eq!(new.message.seq, new.message.version);
    assert_eq!(full.message.content.attachments.len(), 1);
    assert_eq!(full.message.content.reactions[0].user_ids.len(), 2);
    assert_eq!(edited.message.seq, new.message.seq);
    assert!(edited.message.version > edited.message.seq);
    assert!(edited.message.content.edited_at.is_some());
    assert!(deleted.message.content.deleted && deleted.message.content.body.is_empty());
}

#[test]
fn room_records_are_read_and_written_as_ever() {
    let [created, direct, members, archived, marks, profile] = ROOMS.map(stable::<RoomRecord>);
    for record in [&created, &direct, &members, &archived, &marks, &profile] {
        assert_eq!(record.v, FORMAT);
    }
    let parts = |record: &RoomRecord| match &record.change {
        RoomChange::Room { facts, members, .. } => (facts.is_some(), members.len()),
        other => panic!("{other:?}"),
    };
    assert_eq!(parts(&created), (true, 2));
    assert_eq!(parts(&direct), (true, 2));
    assert_eq!(parts(&members), (false, 2));
    assert_eq!(parts(&archived), (true, 1));
    assert!(matches!(archived.change, RoomChange::Room { closing: Some(Closing { message_count: 2, .. }), .. }));
    assert!(matches!(marks.change, RoomChange::Marks { .. }));
    assert!(matches!(profile.change, RoomChange::Profile { .. }));
}

#[test]
fn fields_of_later_builds_are_ignored() {
    for name in MESSAGES {
        let mut json: Value = serde_json::from_str(&fixture(name)).expect(name);
        json["later"] = Value::Bool(true);
        json["message"]["later"] = Value::Bool(true);
        let with: MessageRecord = serde_json::from_value(json).expect(name);
        assert_eq!(with, stable::<MessageRecord>(name));
    }
    for name in ROOMS {
        let mut json: Value = serde_json::from_str(&fixture(name)).expect(name);
        json["later"] = Value::Bool(true);
        let with: RoomRecord = serde_json::from_value(json).expect(name);
        assert_eq!(with, stable::<RoomRecord>(name));
    }
}
