//! The wire format of events is frozen: clients of yesterday read what gateways of tomorrow write.

use rts_common::ids::RoomId;
use rts_common::signalr::Protocol;
use serde_json::{Value, json};

use super::*;

const ROOM: &str = "g_AAAAAAAAAAAAAAAAAAAAAA";
const CONTENT: &str = r#"{"senderId":"ann","clientId":"c-1","body":"안녕"}"#;

fn room() -> RoomId {
    RoomId::parse(ROOM).unwrap()
}

fn event(text: &str) -> RoomEvent {
    match Publication::parse(&room(), text) {
        Some(Publication::Event(event)) => *event,
        other => panic!("{other:?}"),
    }
}

fn on_the_wire(event: &RoomEvent) -> Value {
    let record = event.encode(Protocol::Json);
    serde_json::from_slice(&record[..record.len() - 1]).unwrap()
}

#[test]
fn a_message_is_created() {
    let text = format!("c\n1767225600000000\n1767225600123456\n0\n1767225600123456\n1\nann\n{CONTENT}");
    let expected = json!({
        "type": 1,
        "target": "MessageCreated",
        "arguments": [{
            "roomId": ROOM,
            "seq": 1_767_225_600_123_456_u64,
            "prev": 0,
            "message": {
                "roomId": ROOM,
                "seq": 1_767_225_600_123_456_u64,
                "version": 1_767_225_600_123_456_u64,
                "clientId": "c-1",
                "senderId": "ann",
                "sentAt": "2026-01-01T00:00:00.123Z",
                "body": "안녕",
                "attachments": [],
                "deleted": false,
                "reactions": [],
            },
        }],
    });
    assert_eq!(on_the_wire(&event(&text)), expected);
}

#[test]
fn a_message_is_edited_and_deleted() {
    let edited = r#"{"senderId":"ann","clientId":"c-1","body":"b","editedAt":"2026-01-01T00:00:01.000Z"}"#;
    let event = event(&format!("e\n5\n30\n20\n10\n7\nann\n{edited}"));
    let wire = on_the_wire(&event);
    assert_eq!(wire["target"], "MessageEdited");
    let message = &wire["arguments"][0]["message"];
    assert_eq!((&message["seq"], &message["version"]), (&json!(10), &json!(30)));
    assert_eq!(message["editedAt"], "2026-01-01T00:00:01.000Z");
    assert_eq!(event.message().unwrap().ordinal, 7);

    let deleted = r#"{"senderId":"ann","clientId":"c-1","body":"","deleted":true}"#;
    let wire = on_the_wire(&self::event(&format!("d\n5\n40\n30\n10\n7\nann\n{deleted}")));
    assert_eq!(wire["target"], "MessageDeleted");
    assert_eq!(wire["arguments"][0]["message"]["deleted"], true);
}

#[test]
fn a_reaction_changes() {
    let body = format!(r#"{{"content":{CONTENT},"emoji":"👍","userId":"bob","on":true}}"#);
    let wire = on_the_wire(&event(&format!("r\n5\n30\n20\n10\n7\nann\n{body}")));
    let expected =
        json!({"roomId": ROOM, "seq": 30, "prev": 20, "messageSeq": 10, "emoji": "👍", "userId": "bob", "on": true});
    assert_eq!((&wire["target"], &wire["arguments"][0]), (&json!("ReactionChanged"), &expected));
}

#[test]
fn a_room_is_updated() {
    let body = json!({
        "change": "membersAdded",
        "users": ["bob"],
        "meta": ["org", "acme", "kind", "group", "name", "방", "case", "", "by", "ann", "at", "1767225600000",
            "v", "9", "epoch", "5", "seq", "30", "trimmed", "0", "last", "0", "count", "0", "members", "2", "archived", "0"],
        "members": ["ann", "o 9 0 Ann", "bob", "m 30 30 Bob B", "old", "x 8 0 Gone"],
        "marks": ["r:ann", "20", "r:bob", "30", "d:bob", "30"],
    });
    let wire = on_the_wire(&event(&format!("u\n5\n30\n20\n0\n0\nann\n{body}")));
    let expected = json!({
        "roomId": ROOM, "seq": 30, "prev": 20, "change": "membersAdded",
        "room": {
            "roomId": ROOM, "kind": "group", "name": "방", "createdBy": "ann", "createdAt": "2026-01-01T00:00:00.000Z",
            "archived": false, "headSeq": 30, "memberCount": 2,
            "members": [
                {"userId": "ann", "displayName": "Ann", "role": "owner", "readSeq": 20, "deliveredSeq": 0},
                {"userId": "bob", "displayName": "Bob B", "role": "member", "readSeq": 30, "deliveredSeq": 30},
            ],
        },
    });
    assert_eq!((&wire["target"], &wire["arguments"][0]), (&json!("RoomUpdated"), &expected));
}

#[test]
fn what_is_not_known_or_broken_is_not_an_event() {
    for text in ["", "c", "c\n1\n2", "z\n5\n30\n20\n10\n7\nann\n{}", "c\n5\n30\n20\n10\n7\nann\n{", "m\nbob\nx\n1"] {
        assert_eq!(Publication::parse(&room(), text), None, "{text:?}");
    }
    let marks = Marks { read_seq: Seq::new(4).unwrap(), delivered_seq: Seq::new(5).unwrap() };
    let user_id = UserId::parse("bob").unwrap();
    assert_eq!(Publication::parse(&room(), "m\nbob\n4\n5"), Some(Publication::Marks { user_id, marks }));
}

#[test]
fn several_events_come_in_one_payload() {
    let events = ["c\n5\n30\n20\n30\n7\nann\n{\"body\":\"안녕\"}", "c\n5\n31\n30\n31\n8\nann\n{}", ""];
    let sizes = events.map(|event| event.len().to_string()).join(" ");
    let payload = format!("b\n{sizes}\n{}", events.concat());
    assert_eq!(Publication::split(&payload).collect::<Vec<_>>(), events);
    assert_eq!(Publication::split(events[0]).collect::<Vec<_>>(), [events[0]]);
    for (payload, whole) in [("b\n3 9\nabc", 1), ("b\n2\n안", 0), ("b\nx\nabc", 0), ("b\n\n", 0), ("b\n3 -1\nabc", 1)]
    {
        assert_eq!(Publication::split(payload).count(), whole, "{payload:?}");
    }
}
