//! Records over the limit: whoever can be told is told, and nothing of them is kept.

use bytes::Bytes;

use super::{BOTH, Decoder, Protocol, ProtocolError, Record, decode};
use crate::signalr::{encode_client_invocation, encode_stream_invocation, ping};

const SMALL_LIMIT: usize = 256;

fn oversized(id: &str, target: &str) -> Record {
    Record::Oversized { invocation_id: id.to_owned(), target: target.to_owned() }
}

/// Decodes bytes that come in frames of one size.
fn decode_in(protocol: Protocol, bytes: &[u8], frame: usize) -> Result<Vec<Record>, ProtocolError> {
    let mut decoder = Decoder::new(protocol, SMALL_LIMIT);
    let mut records = Vec::new();
    for frame in bytes.chunks(frame) {
        decoder.push(Bytes::copy_from_slice(frame));
        while let Some(record) = decoder.next_record()? {
            records.push(record);
        }
        assert!(decoder.partial_bytes() <= SMALL_LIMIT + 5, "{} bytes", decoder.partial_bytes());
    }
    assert_eq!(decoder.partial_bytes(), 0);
    Ok(records)
}

#[test]
fn a_call_over_the_limit_is_told_by_its_id_and_what_follows_goes_on() {
    let argument = serde_json::json!({"body": "\"]}{[\\ 한글 \u{1}\n".repeat(100), "ids": vec!["[{"; 50], "type": 6});
    for protocol in BOTH {
        let call = encode_client_invocation(protocol, Some("c\"1"), "Send", &argument).unwrap();
        let stream = encode_stream_invocation(protocol, "s", "Stream", &argument).unwrap();
        let bytes =
            [&ping(protocol), &call, &ping(protocol), &stream, &call, &ping(protocol)].map(|it| &it[..]).concat();
        let expected = [
            Record::Ping,
            oversized("c\"1", "Send"),
            Record::Ping,
            oversized("s", "Stream"),
            oversized("c\"1", "Send"),
            Record::Ping,
        ];
        for frame in [1, 2, 3, 7, 100, SMALL_LIMIT, SMALL_LIMIT + 1, 4096, bytes.len()] {
            assert_eq!(decode_in(protocol, &bytes, frame).unwrap(), expected, "{protocol:?} in frames of {frame}");
        }
    }
}

#[test]
fn the_id_may_stand_behind_the_arguments_and_blanks_anywhere() {
    let arguments = format!("[{{\"a\":\"{}\"}},[[1]],\"x\"]", "\\\"}".repeat(200));
    for text in [
        format!("{{\"target\":\"A\",\"arguments\":{arguments},\"invocationId\":\"7\",\"type\":1}}"),
        format!(
            " {{ \"headers\":{{\"b\":\"c\"}},\"type\" : 1 ,\"invocationId\":\"7\", \"arguments\":{arguments} ,\"target\":\"A\"}} "
        ),
        format!("{{\"type\":1,\"target\":\"A\",\"arguments\":[],\"invocationId\":\"7\"}}{}", " ".repeat(SMALL_LIMIT)),
    ] {
        let bytes = format!("{text}\u{1e}");
        for frame in [1, 5, bytes.len()] {
            assert_eq!(decode_in(Protocol::Json, bytes.as_bytes(), frame), Ok(vec![oversized("7", "A")]), "{text}");
        }
    }
}

#[test]
fn whoever_cannot_be_told_is_cut_off() {
    let long = "x".repeat(2 * SMALL_LIMIT);
    for text in [
        format!("{{\"type\":1,\"target\":\"A\",\"arguments\":[\"{long}\"]}}"),
        format!("{{\"type\":1,\"target\":\"A\",\"arguments\":[\"{long}\"],\"invocationId\":\"\"}}"),
        format!("{{\"type\":1,\"target\":\"A\",\"arguments\":[\"{long}\"],\"invocationId\":7}}"),
        format!("{{\"type\":1,\"target\":\"A\",\"arguments\":[],\"invocationId\":\"{long}\"}}"),
        format!("{{\"type\":2,\"item\":[\"{long}\"],\"invocationId\":\"7\"}}"),
        format!("{{\"type\":6,\"more\":[\"{long}\"]}}"),
        format!("[{{\"type\":1,\"target\":\"A\",\"arguments\":[\"{long}\"],\"invocationId\":\"7\"}}]"),
        format!("{{\"type\":1,\"target\":\"A\",\"arguments\":[\"{long}\"],\"invocationId\":\"7\"}}x"),
        long.clone(),
    ] {
        let bytes = format!("{text}\u{1e}");
        for frame in [1, 100, bytes.len()] {
            assert_eq!(decode_in(Protocol::Json, bytes.as_bytes(), frame), Err(ProtocolError::TooLarge), "{text}");
        }
    }
    for id in [None, Some("")] {
        let call = encode_client_invocation(Protocol::MessagePack, id, "A", &long).unwrap();
        for frame in [1, 100, call.len()] {
            assert_eq!(decode_in(Protocol::MessagePack, &call, frame), Err(ProtocolError::TooLarge));
        }
    }
}

#[test]
fn what_is_read_over_has_a_bound() {
    for protocol in BOTH {
        let fits = encode_client_invocation(protocol, Some("7"), "A", &"x".repeat(15 * SMALL_LIMIT)).unwrap();
        assert_eq!(decode_in(protocol, &fits, 100), Ok(vec![oversized("7", "A")]));
        let more = encode_client_invocation(protocol, Some("7"), "A", &"x".repeat(16 * SMALL_LIMIT)).unwrap();
        for frame in [1, 100, more.len()] {
            assert_eq!(decode_in(protocol, &more, frame), Err(ProtocolError::TooLarge));
        }
    }
}

#[test]
fn the_limit_itself_is_not_over_it() {
    let call = |bytes: usize| {
        let head = "{\"type\":1,\"target\":\"A\",\"invocationId\":\"7\",\"arguments\":[";
        format!("{head}{}]}}\u{1e}", " ".repeat(bytes - head.len() - 3))
    };
    assert!(matches!(decode(Protocol::Json, call(super::LIMIT).as_bytes()).unwrap()[..], [Record::Invocation { .. }]));
    assert_eq!(decode(Protocol::Json, call(super::LIMIT + 1).as_bytes()), Ok(vec![oversized("7", "A")]));
}
