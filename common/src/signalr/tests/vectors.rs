//! Frozen bytes: input that clients were seen to send, and output that the encoders must keep writing.

use serde::Serialize;

use super::{BOTH, Protocol, decode, from_hex, show};
use crate::signalr::{
    ack, close, encode_cancel, encode_client_invocation, encode_completion, encode_completion_error,
    encode_completion_void, encode_invocation, encode_stream_invocation, encode_stream_item, ping, sequence,
};

fn lines(fixture: &str) -> impl Iterator<Item = &str> {
    fixture.lines().filter(|line| !line.starts_with('#'))
}

#[test]
fn json_of_real_clients_decodes() {
    let mut all = String::new();
    let mut expected = Vec::new();
    for line in lines(include_str!("fixtures/decoded_json.txt")) {
        let (record, text) = line.split_once(" | ").unwrap();
        all.push_str(text);
        all.push('\u{1e}');
        expected.push(record);
    }
    let records = decode(Protocol::Json, all.as_bytes()).unwrap();
    assert_eq!(records.iter().map(show).collect::<Vec<_>>(), expected);
}

#[test]
fn message_pack_of_real_clients_decodes() {
    for line in lines(include_str!("fixtures/decoded_messagepack.txt")) {
        let (record, hex) = line.split_once(" | ").unwrap();
        let records = decode(Protocol::MessagePack, &from_hex(hex));
        let shown: Vec<_> = records.iter().flatten().map(show).collect();
        assert_eq!(shown, [record], "{hex} gave {records:?}");
    }
}

#[test]
fn length_prefix_of_two_bytes() {
    let text = "a".repeat(200);
    let record = encode_client_invocation(Protocol::MessagePack, Some("0"), "E", &text).unwrap();
    assert_eq!(record[..2], [0xd3, 0x01], "a body of 211 bytes");
    assert_eq!(record.len(), 2 + 211);
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    room_id: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    absent: Option<u8>,
    typing: bool,
}

fn encoded(what: &str, protocol: Protocol) -> bytes::Bytes {
    let event = Event { room_id: "r", absent: None, typing: true };
    match what {
        "event" => encode_invocation(protocol, "Typing", &event).unwrap(),
        "call" => encode_client_invocation(protocol, Some("0"), "Echo", &"x").unwrap(),
        "call without id" => encode_client_invocation(protocol, None, "Echo", &"x").unwrap(),
        "stream call" => encode_stream_invocation(protocol, "4", "S", &1).unwrap(),
        "stream item" => encode_stream_item(protocol, "4", &1).unwrap(),
        "value" => encode_completion(protocol, "0", &42).unwrap(),
        "null" => encode_completion(protocol, "2", &()).unwrap(),
        "void" => encode_completion_void(protocol, "1"),
        "error" => encode_completion_error(protocol, "3", "bad"),
        "cancel" => encode_cancel(protocol, "5"),
        "ping" => ping(protocol),
        "close" => close(protocol, None, false),
        "close with error" => close(protocol, Some("bad"), true),
        "ack" => ack(protocol, 300),
        "sequence" => sequence(protocol, 1),
        other => panic!("no such record: {other}"),
    }
}

#[test]
fn encoders_write_what_they_always_wrote() {
    let mut count = 0;
    for line in lines(include_str!("fixtures/encoded.txt")) {
        let [what, json, hex] = line.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("three parts: {line}");
        };
        let text = format!("{json}\u{1e}");
        assert_eq!(encoded(what, Protocol::Json), text.as_bytes(), "{what}");
        assert_eq!(encoded(what, Protocol::MessagePack), from_hex(hex), "{what}");
        // Both protocols mean the same record.
        let [json, message_pack] = BOTH.map(|protocol| {
            let records = decode(protocol, &encoded(what, protocol)).unwrap();
            records.iter().map(show).collect::<Vec<_>>()
        });
        assert_eq!(json, message_pack, "{what}");
        count += 1;
    }
    assert_eq!(count, 15);
}

#[test]
fn a_separator_inside_text_is_escaped() {
    let record = encode_completion_error(Protocol::Json, "0", "a\u{1e}b");
    let end = record.iter().position(|&b| b == 0x1E);
    assert_eq!(end, Some(record.len() - 1));
    let records = decode(Protocol::Json, &record).unwrap();
    assert_eq!(show(&records[0]), "Completion id=0 error=a\u{1e}b");
}
