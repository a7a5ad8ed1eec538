//! Encodes a record's parts as JSON text, in one buffer. Absent fields are left out: a null `invocationId` kills the
//! JavaScript client, and the Java client rejects null strings.

use bytes::Bytes;
use serde::Serialize;

use crate::signalr::framing::RECORD_SEPARATOR;
use crate::signalr::record::kind;

/// Room for most events, so that a record is rarely copied as it grows.
const CAPACITY: usize = 512;

type Encoded = Result<Bytes, serde_json::Error>;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Call<'a, T> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<&'a str>,
    target: &'a str,
    arguments: [&'a T; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StreamItem<'a, T> {
    #[serde(rename = "type")]
    kind: u8,
    invocation_id: &'a str,
    item: &'a T,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Completion<'a, T> {
    #[serde(rename = "type")]
    kind: u8,
    invocation_id: &'a str,
    result: &'a T,
}

/// A record that only has strings, numbers and flags.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Plain<'a> {
    #[serde(rename = "type")]
    kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    invocation_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    allow_reconnect: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence_id: Option<u64>,
}

/// Encodes an invocation or, with that `kind`, a stream invocation.
pub(in crate::signalr) fn invocation<T: Serialize>(
    kind: u8,
    invocation_id: Option<&str>,
    target: &str,
    argument: &T,
) -> Encoded {
    record(&Call { kind, invocation_id, target, arguments: [argument] })
}

pub(in crate::signalr) fn stream_item<T: Serialize>(invocation_id: &str, item: &T) -> Encoded {
    record(&StreamItem { kind: kind::STREAM_ITEM, invocation_id, item })
}

pub(in crate::signalr) fn completion_value<T: Serialize>(invocation_id: &str, result: &T) -> Encoded {
    record(&Completion { kind: kind::COMPLETION, invocation_id, result })
}

pub(in crate::signalr) fn completion_void(invocation_id: &str) -> Bytes {
    plain(&Plain { kind: kind::COMPLETION, invocation_id: Some(invocation_id), ..Plain::default() })
}

pub(in crate::signalr) fn completion_error(invocation_id: &str, error: &str) -> Bytes {
    plain(&Plain { kind: kind::COMPLETION, invocation_id: Some(invocation_id), error: Some(error), ..Plain::default() })
}

pub(in crate::signalr) fn cancel(invocation_id: &str) -> Bytes {
    plain(&Plain { kind: kind::CANCEL_INVOCATION, invocation_id: Some(invocation_id), ..Plain::default() })
}

pub(in crate::signalr) fn close(error: Option<&str>, allow_reconnect: bool) -> Bytes {
    plain(&Plain { kind: kind::CLOSE, error, allow_reconnect, ..Plain::default() })
}

pub(in crate::signalr) fn ack(sequence_id: u64) -> Bytes {
    plain(&Plain { kind: kind::ACK, sequence_id: Some(sequence_id), ..Plain::default() })
}

pub(in crate::signalr) fn sequence(sequence_id: u64) -> Bytes {
    plain(&Plain { kind: kind::SEQUENCE, sequence_id: Some(sequence_id), ..Plain::default() })
}

fn plain(fields: &Plain<'_>) -> Bytes {
    record(fields).expect("strings, numbers and flags always have a JSON text")
}

/// Writes any value as a record; handshakes share this form.
pub(in crate::signalr) fn record<T: Serialize>(value: &T) -> Encoded {
    let mut text = Vec::with_capacity(CAPACITY);
    serde_json::to_writer(&mut text, value)?;
    text.push(RECORD_SEPARATOR);
    Ok(text.into())
}
