//! The codec against frozen bytes, against bad input, and against itself.

mod bad_input;
mod framing;
mod handshake;
mod oversized;
mod properties;
mod values;
mod vectors;

use bytes::Bytes;
use serde_json::Value;

use super::{Arguments, CompletionResult, Decoder, Protocol, ProtocolError, Record};

const BOTH: [Protocol; 2] = [Protocol::Json, Protocol::MessagePack];
const LIMIT: usize = 32_768;

/// Decodes all complete records in `bytes`, as one frame.
fn decode(protocol: Protocol, bytes: &[u8]) -> Result<Vec<Record>, ProtocolError> {
    let mut decoder = Decoder::new(protocol, LIMIT);
    decoder.push(Bytes::copy_from_slice(bytes));
    let mut records = Vec::new();
    while let Some(record) = decoder.next_record()? {
        records.push(record);
    }
    Ok(records)
}

/// Decodes the one JSON record of `text`, which lacks its separator.
fn decode_json(text: &str) -> Result<Vec<Record>, ProtocolError> {
    decode(Protocol::Json, format!("{text}\u{1e}").as_bytes())
}

/// Decodes the one MessagePack record whose body `hex` spells.
fn decode_body(hex: &str) -> Result<Vec<Record>, ProtocolError> {
    let body = from_hex(hex);
    let mut record = vec![u8::try_from(body.len()).unwrap()];
    assert!(body.len() < 128, "one byte of length");
    record.extend(body);
    decode(Protocol::MessagePack, &record)
}

/// The arguments of an invocation.
fn arguments(record: &Record) -> &Arguments {
    match record {
        Record::Invocation { arguments, .. } | Record::StreamInvocation { arguments, .. } => arguments,
        other => panic!("not an invocation: {other:?}"),
    }
}

fn from_hex(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}

/// Formats a record with its payloads, in the notation of the fixtures.
fn show(record: &Record) -> String {
    let call = |name: &str, id: &str, target: &str, arguments: &Arguments, streams: &[String]| {
        let values: Vec<Value> = (0..arguments.len()).map(|index| arguments.decode(index).unwrap()).collect();
        let values = Value::Array(values);
        let streams = serde_json::to_string(streams).unwrap();
        format!("{name} id={id} target={target} arguments={values} streams={streams}")
    };
    match record {
        Record::Invocation { invocation_id, target, arguments, stream_ids } => {
            let id = invocation_id.as_deref().unwrap_or("-");
            call("Invocation", id, target, arguments, stream_ids)
        }
        Record::StreamInvocation { invocation_id, target, arguments, stream_ids } => {
            call("StreamInvocation", invocation_id, target, arguments, stream_ids)
        }
        Record::StreamItem { invocation_id, item } => {
            let item: Value = item.decode().unwrap();
            format!("StreamItem id={invocation_id} item={item}")
        }
        Record::Completion { invocation_id, result } => {
            let result = match result {
                CompletionResult::Void => "void".to_owned(),
                CompletionResult::Value(value) => {
                    format!("value={}", value.decode::<Value>().unwrap())
                }
                CompletionResult::Error(error) => format!("error={error}"),
            };
            format!("Completion id={invocation_id} {result}")
        }
        Record::CancelInvocation { invocation_id } => {
            format!("CancelInvocation id={invocation_id}")
        }
        Record::Oversized { invocation_id, target } => format!("Oversized id={invocation_id} target={target}"),
        Record::Ping => "Ping".to_owned(),
        Record::Close { error, allow_reconnect } => {
            let error = error.as_deref().unwrap_or("-");
            format!("Close error={error} allowReconnect={allow_reconnect}")
        }
        Record::Ack(id) => format!("Ack {id}"),
        Record::Sequence(id) => format!("Sequence {id}"),
    }
}
