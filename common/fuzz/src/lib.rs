//! Fuzz targets for the code that a hostile client reaches first: both codecs, the handshake, and the bodies of long
//! polls. Each target takes the bytes of a connection and checks three things: nothing panics, the decoded records do
//! not depend on where the bytes were cut, and memory stays within the limits.
//!
//! The engine is libFuzzer, guided by coverage, on stable Rust; `common/fuzz/run` starts it.

mod held;
mod split;

/// The limits that the codec enforces.
#[path = "../../src/limits.rs"]
pub mod limits;
/// The codec itself, compiled into this crate so that a build for fuzzing takes seconds.
#[path = "../../src/signalr/mod.rs"]
pub mod signalr;

use bytes::Bytes;
use serde_json::Value;

use self::held::Held;
use self::signalr::{
    CompletionResult, Decoder, HandshakeDecoder, HandshakeError, HandshakeReply, HandshakeReplyDecoder,
    HandshakeRequest, Protocol, ProtocolError, Record, ack, close, encode_cancel, encode_completion_error,
    encode_completion_void, ping, sequence,
};
use self::split::split;

/// A record limit that inputs of a fuzzer's usual size exceed.
const RECORD_BYTES_MAX: usize = 1024;
/// A MessagePack prefix precedes the body to which the limit applies.
const PREFIX_BYTES_MAX: usize = 5;
/// The longest answer to a handshake: 100 characters of a made-up name, all escaped, in a sentence.
const REFUSAL_BYTES_MAX: usize = 1024;

/// Decodes JSON records.
pub fn json(data: &[u8]) {
    codec(Protocol::Json, data);
}

/// Decodes MessagePack records.
pub fn messagepack(data: &[u8]) {
    codec(Protocol::MessagePack, data);
}

/// Reads a handshake as a server, and the same bytes as an answer, as a client.
pub fn handshake(data: &[u8]) {
    let _bounded = Held::bounded(data.len());
    let whole = shake_hands(&[Bytes::copy_from_slice(data)]);
    assert_eq!(shake_hands(&split(data)), whole, "the result depends on the cuts");
    match whole {
        Ok(None) => {}
        Ok(Some((request, _))) => {
            let again = HandshakeDecoder::new().push(request.encode());
            assert_eq!(again, Ok(Some((request, Bytes::new()))));
        }
        Err(error) => check_refusal(&error),
    }
    let mut reply = HandshakeReplyDecoder::new();
    let _any = reply.push(Bytes::copy_from_slice(data));
}

/// Reads the bodies that a long-polling client posts: a handshake, then records of the protocol it chose, cut anywhere.
pub fn long_poll(data: &[u8]) {
    let _bounded = Held::bounded(data.len());
    let whole = connection(&[Bytes::copy_from_slice(data)]);
    assert_eq!(connection(&split(data)), whole, "the result depends on the cuts");
}

/// The outcome of a connection: the records decoded before it ended, and the reason for its end.
#[derive(Debug, PartialEq)]
enum Connection {
    Silent,
    Refused(HandshakeError),
    Joined(Protocol, Vec<Record>, Option<ProtocolError>),
}

fn connection(bodies: &[Bytes]) -> Connection {
    let mut handshake = HandshakeDecoder::new();
    for (index, body) in bodies.iter().enumerate() {
        match handshake.push(body.clone()) {
            Ok(None) => {}
            Err(error) => return Connection::Refused(error),
            Ok(Some((request, rest))) => {
                let frames: Vec<Bytes> = std::iter::once(rest).chain(bodies[index + 1..].iter().cloned()).collect();
                let (records, error) = decode(request.protocol, &frames);
                return Connection::Joined(request.protocol, records, error);
            }
        }
    }
    Connection::Silent
}

fn shake_hands(frames: &[Bytes]) -> Result<Option<(HandshakeRequest, Bytes)>, HandshakeError> {
    let mut decoder = HandshakeDecoder::new();
    for (index, frame) in frames.iter().enumerate() {
        if let Some((request, rest)) = decoder.push(frame.clone())? {
            let all = std::iter::once(&rest).chain(&frames[index + 1..]).flat_map(|bytes| bytes.iter().copied());
            return Ok(Some((request, all.collect())));
        }
    }
    Ok(None)
}

fn check_refusal(error: &HandshakeError) {
    let answer = error.response();
    assert!(answer.len() <= REFUSAL_BYTES_MAX, "a refusal of {} bytes", answer.len());
    let read = HandshakeReplyDecoder::new().push(answer);
    assert_eq!(read, Ok(Some((HandshakeReply::Refused(error.to_string()), Bytes::new()))));
}

fn codec(protocol: Protocol, data: &[u8]) {
    let frames = split(data);
    check_held(protocol, &frames);
    let _bounded = Held::bounded(data.len());
    let whole = decode(protocol, &[Bytes::copy_from_slice(data)]);
    assert_eq!(decode(protocol, &frames), whole, "the result depends on the cuts");
    for record in whole.0 {
        check_values(&record);
        check_again(protocol, record);
    }
}

/// Decodes all records up to the first error.
fn decode(protocol: Protocol, frames: &[Bytes]) -> (Vec<Record>, Option<ProtocolError>) {
    let mut decoder = Decoder::new(protocol, RECORD_BYTES_MAX);
    let mut records = Vec::new();
    for frame in frames {
        decoder.push(frame.clone());
        loop {
            match decoder.next_record() {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Some(error)),
            }
        }
        assert!(decoder.partial_bytes() <= RECORD_BYTES_MAX + PREFIX_BYTES_MAX);
    }
    (records, None)
}

/// Checks that between frames a decoder holds at most one incomplete record, whatever length was announced.
fn check_held(protocol: Protocol, frames: &[Bytes]) {
    let held = Held::from_now();
    let mut decoder = Decoder::new(protocol, RECORD_BYTES_MAX);
    for frame in frames {
        // A separate copy, so that only the decoder holds it.
        decoder.push(Bytes::copy_from_slice(frame));
        while let Ok(Some(_)) = decoder.next_record() {}
        assert!(held.bytes() <= 2 * (RECORD_BYTES_MAX + PREFIX_BYTES_MAX), "{} bytes held", held.bytes());
    }
}

/// Checks that asking for a value gives it or an error.
fn check_values(record: &Record) {
    match record {
        Record::Invocation { arguments, .. } | Record::StreamInvocation { arguments, .. } => {
            for index in 0..arguments.len() {
                let _any = arguments.decode::<Value>(index);
                let _any = arguments.decode_object::<Value>(index);
            }
            assert!(arguments.decode::<Value>(arguments.len()).is_err());
        }
        Record::StreamItem { item, .. } => drop(item.decode::<Value>()),
        Record::Completion { result: CompletionResult::Value(value), .. } => drop(value.decode::<Value>()),
        _ => {}
    }
}

/// Checks that a record that can be encoded again decodes to the same record.
fn check_again(protocol: Protocol, record: Record) {
    let encoded = match &record {
        Record::Completion { invocation_id, result: CompletionResult::Void } => {
            encode_completion_void(protocol, invocation_id)
        }
        Record::Completion { invocation_id, result: CompletionResult::Error(error) } => {
            encode_completion_error(protocol, invocation_id, error)
        }
        Record::CancelInvocation { invocation_id } => encode_cancel(protocol, invocation_id),
        Record::Ping => ping(protocol),
        Record::Close { error, allow_reconnect } => close(protocol, error.as_deref(), *allow_reconnect),
        Record::Ack(id) => ack(protocol, *id),
        Record::Sequence(id) => sequence(protocol, *id),
        _ => return,
    };
    // Escapes may make it longer than the text it was read from.
    let mut decoder = Decoder::new(protocol, 8 * RECORD_BYTES_MAX);
    decoder.push(encoded);
    assert_eq!(decoder.next_record(), Ok(Some(record)));
    assert_eq!((decoder.next_record(), decoder.partial_bytes()), (Ok(None), 0));
}
