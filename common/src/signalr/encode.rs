//! Encoders of records. Each record is encoded once per protocol and shared by all its receivers.

use bytes::Bytes;
use serde::Serialize;

use super::record::kind;
use super::{Protocol, json, msgpack};

/// A value that a protocol cannot represent, such as a map whose keys are not strings. Never caused by a client.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// The value has no form in JSON.
    #[error("the value cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// The value has no form in MessagePack.
    #[error("the value cannot be written as MessagePack")]
    MessagePack(#[from] rmp_serde::encode::Error),
}

/// Encodes an event: an invocation with one argument that nobody answers.
pub fn encode_invocation<T: Serialize>(protocol: Protocol, target: &str, argument: &T) -> Result<Bytes, EncodeError> {
    encode_client_invocation(protocol, None, target, argument)
}

/// Encodes a call with one argument; it is answered if it has an id.
pub fn encode_client_invocation<T: Serialize>(
    protocol: Protocol,
    invocation_id: Option<&str>,
    target: &str,
    argument: &T,
) -> Result<Bytes, EncodeError> {
    invocation(protocol, kind::INVOCATION, invocation_id, target, argument)
}

/// Encodes a call with one argument that is answered with a stream.
pub fn encode_stream_invocation<T: Serialize>(
    protocol: Protocol,
    invocation_id: &str,
    target: &str,
    argument: &T,
) -> Result<Bytes, EncodeError> {
    let kind = kind::STREAM_INVOCATION;
    invocation(protocol, kind, Some(invocation_id), target, argument)
}

fn invocation<T: Serialize>(
    protocol: Protocol,
    kind: u8,
    invocation_id: Option<&str>,
    target: &str,
    argument: &T,
) -> Result<Bytes, EncodeError> {
    Ok(match protocol {
        Protocol::Json => json::invocation(kind, invocation_id, target, argument)?,
        Protocol::MessagePack => msgpack::invocation(kind, invocation_id, target, argument)?,
    })
}

/// Encodes one item of a stream.
pub fn encode_stream_item<T: Serialize>(
    protocol: Protocol,
    invocation_id: &str,
    item: &T,
) -> Result<Bytes, EncodeError> {
    Ok(match protocol {
        Protocol::Json => json::stream_item(invocation_id, item)?,
        Protocol::MessagePack => msgpack::stream_item(invocation_id, item)?,
    })
}

/// Encodes the answer of a method that succeeded.
pub fn encode_completion<T: Serialize>(
    protocol: Protocol,
    invocation_id: &str,
    result: &T,
) -> Result<Bytes, EncodeError> {
    Ok(match protocol {
        Protocol::Json => json::completion_value(invocation_id, result)?,
        Protocol::MessagePack => msgpack::completion_value(invocation_id, result)?,
    })
}

/// Encodes the answer of a method without a result, or the end of a stream.
pub fn encode_completion_void(protocol: Protocol, invocation_id: &str) -> Bytes {
    match protocol {
        Protocol::Json => json::completion_void(invocation_id),
        Protocol::MessagePack => msgpack::completion_void(invocation_id),
    }
}

/// Encodes the answer of a method that failed; `error` is shown to the client unchanged.
pub fn encode_completion_error(protocol: Protocol, invocation_id: &str, error: &str) -> Bytes {
    match protocol {
        Protocol::Json => json::completion_error(invocation_id, error),
        Protocol::MessagePack => msgpack::completion_error(invocation_id, error),
    }
}

/// Encodes the request for no more items of a stream.
pub fn encode_cancel(protocol: Protocol, invocation_id: &str) -> Bytes {
    match protocol {
        Protocol::Json => json::cancel(invocation_id),
        Protocol::MessagePack => msgpack::cancel(invocation_id),
    }
}

/// Returns a ping, without an allocation.
pub fn ping(protocol: Protocol) -> Bytes {
    Bytes::from_static(match protocol {
        Protocol::Json => b"{\"type\":6}\x1E",
        Protocol::MessagePack => msgpack::PING,
    })
}

/// Encodes the end of a connection. Only this record without `allow_reconnect` stops the JavaScript client's automatic
/// reconnect; the end of the socket does not.
pub fn close(protocol: Protocol, error: Option<&str>, allow_reconnect: bool) -> Bytes {
    match protocol {
        Protocol::Json => json::close(error, allow_reconnect),
        Protocol::MessagePack => msgpack::close(error, allow_reconnect),
    }
}

/// Encodes the acknowledgement of a stateful reconnect: everything up to `sequence_id` has been processed.
pub fn ack(protocol: Protocol, sequence_id: u64) -> Bytes {
    match protocol {
        Protocol::Json => json::ack(sequence_id),
        Protocol::MessagePack => msgpack::ack(sequence_id),
    }
}

/// Encodes the start of a replay of a stateful reconnect: the next numbered record is `sequence_id`, the first
/// unacknowledged one.
pub fn sequence(protocol: Protocol, sequence_id: u64) -> Bytes {
    match protocol {
        Protocol::Json => json::sequence(sequence_id),
        Protocol::MessagePack => msgpack::sequence(sequence_id),
    }
}
