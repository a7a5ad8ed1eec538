//! The wire format of events is frozen: old clients read the events of newer gateways.

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
    match Publication::read(&room(), text).remove(0) {
        Decoded::Known(Publication::Event(event)) => *event,
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
fn unknown_and_broken_payloads_are_not_events() {
    for text in ["", "c", "c\n1\n2", "z\n5\n30\n20\n10\n7\nann\n{}", "c\n5\n30\n20\n10\n7\nann\n{", "m\nbob\nx\n1"] {
        assert!(matches!(Publication::read(&room(), text)[..], [Decoded::Unreadable(_)]), "{text:?}");
    }
    let marks = Marks { read_seq: Seq::new(4).unwrap(), delivered_seq: Seq::new(5).unwrap() };
    let user_id = UserId::parse("bob").unwrap();
    let marks = Decoded::Known(Publication::Marks { user_id, marks });
    assert_eq!(Publication::read(&room(), "m\nbob\n4\n5"), [marks]);
}

#[test]
fn several_new_messages_come_in_one_payload() {
    let bodies = [CONTENT, "{", CONTENT];
    let payload =
        format!("b\n5 20 7\n30 {} 31 {} 40 {}\n{}", bodies[0].len(), bodies[1].len(), bodies[2].len(), bodies.concat());
    let heard = Publication::read(&room(), &payload);
    let single = |seq: u64, prev: u64, ordinal: u64| {
        Publication::read(&room(), &format!("c\n5\n{seq}\n{prev}\n{seq}\n{ordinal}\nann\n{CONTENT}")).remove(0)
    };
    let seq = |seq| Seq::new(seq).unwrap();
    let unreadable = Decoded::Unreadable(Some(EventPosition { epoch: seq(5), seq: seq(31), prev: seq(30) }));
    assert_eq!(heard, [single(30, 20, 7), unreadable, single(40, 31, 9)]);
    for broken in ["b\n", "b\n5 20 7\n30 1\n", "b\n5 20 7\n30\n{}", "b\n5 20 x\n30 2\n{}", "b\n5 20 7\n30 1\n안"] {
        assert_eq!(Publication::read(&room(), broken), [Decoded::Unreadable(None)], "{broken:?}");
    }
}
