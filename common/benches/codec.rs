//! The cost of the codec per message: `cargo bench -p rts-common`.

use bytes::Bytes;
use divan::{Bencher, black_box};
use rts_common::ids::RoomId;
use rts_common::message::{Message, MessageState};
use rts_common::seq::Seq;
use rts_common::signalr::{Decoder, Protocol, Record, encode_client_invocation, encode_completion, encode_invocation};
use serde_json::{Value, json};

const PROTOCOLS: [Protocol; 2] = [Protocol::Json, Protocol::MessagePack];

fn main() {
    divan::main();
}

fn message() -> Message {
    let seq = Seq::new(1_767_225_600_123_456).expect("a seq of 2026");
    MessageState {
        room_id: RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").expect("a room"),
        seq,
        version: seq,
        ordinal: 7,
        content: serde_json::from_value(json!({
            "senderId": "ann",
            "clientId": "5a000001-0001-4000-8000-000000000001",
            "body": "x".repeat(64),
        }))
        .expect("the content of a message"),
    }
    .into()
}

/// Decodes a call from its frame to its typed request.
#[divan::bench(args = PROTOCOLS)]
fn decode_a_call(bencher: Bencher, protocol: Protocol) {
    let request = json!({
        "roomId": "g_AAAAAAAAAAAAAAAAAAAAAA",
        "clientId": "5a000001-0001-4000-8000-000000000001",
        "body": "x".repeat(64),
    });
    let frame = encode_client_invocation(protocol, Some("1"), "SendMessage", &request).expect("plain values");
    bencher.bench_local(|| {
        let mut decoder = Decoder::new(protocol, 32 * 1024);
        decoder.push(black_box(&frame).clone());
        match decoder.next_record() {
            Ok(Some(Record::Invocation { arguments, .. })) => arguments.decode_object::<Value>(0).expect("an object"),
            other => panic!("{other:?}"),
        }
    });
}

/// Encodes an event as its record.
#[divan::bench(args = PROTOCOLS)]
fn encode_an_event(bencher: Bencher, protocol: Protocol) {
    let message = message();
    bencher.bench_local(|| -> Bytes {
        encode_invocation(protocol, "MessageCreated", black_box(&message)).expect("plain values")
    });
}

/// Encodes an answer as its record.
#[divan::bench(args = PROTOCOLS)]
fn encode_an_answer(bencher: Bencher, protocol: Protocol) {
    let answer = json!({"seq": 1_767_225_600_123_456_u64, "sentAt": "2026-01-01T00:00:00.123Z", "duplicate": false});
    bencher.bench_local(|| -> Bytes { encode_completion(protocol, "1", black_box(&answer)).expect("plain values") });
}
