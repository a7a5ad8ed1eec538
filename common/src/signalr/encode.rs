//! Records ready to be sent. Each is made once per protocol and shared by all who get it.

use bytes::Bytes;
use serde::Serialize;

use super::record::kind;
use super::{Protocol, json, msgpack};

/// A value that a protocol cannot hold, like a map whose keys are no strings. Never a client's
/// fault.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// In JSON.
    #[error("the value cannot be written as JSON")]
    Json(#[from] serde_json::Error),
    /// In MessagePack.
    #[error("the value cannot be written as MessagePack")]
    MessagePack(#[from] rmp_serde::encode::Error),
}

/// An event: an invocation with one argument that nobody answers.
pub fn encode_invocation<T: Serialize>(protocol: Protocol, target: &str, argument: &T) -> Result<Bytes, EncodeError> {
    encode_client_invocation(protocol, None, target, argument)
}

/// A call with one argument; answered if it has an id.
pub fn encode_client_invocation<T: Serialize>(
    protocol: Protocol,
    invocation_id: Option<&str>,
    target: &str,
    argument: &T,
) -> Result<Bytes, EncodeError> {
    invocation(protocol, kind::INVOCATION, invocation_id, target, argument)
}

/// A call with one argument that is answered with a stream.
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

/// One item of a stream.
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

/// The answer of a method that succeeded.
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

/// The answer of a method without a result, or the end of a stream.
pub fn encode_completion_void(protocol: Protocol, invocation_id: &str) -> Bytes {
    match protocol {
        Protocol::Json => json::completion_void(invocation_id),
        Protocol::MessagePack => msgpack::completion_void(invocation_id),
    }
}

/// The answer of a method that failed; `error` is shown to the client as it stands.
pub fn encode_completion_error(protocol: Protocol, invocation_id: &str, error: &str) -> Bytes {
    match protocol {
        Protocol::Json => json::completion_error(invocation_id, error),
        Protocol::MessagePack => msgpack::completion_error(invocation_id, error),
    }
}

/// The wish for no more items of a stream.
pub fn encode_cancel(protocol: Protocol, invocation_id: &str) -> Bytes {
    match protocol {
        Protocol::Json => json::cancel(invocation_id),
        Protocol::MessagePack => msgpack::cancel(invocation_id),
    }
}

/// A ping, without an allocation.
pub fn ping(protocol: Protocol) -> Bytes {
    Bytes::from_static(match protocol {
        Protocol::Json => b"{\"type\":6}\x1E",
        Protocol::MessagePack => msgpack::PING,
    })
}

/// The end of a connection. Only this one, without `allow_reconnect`, stops the JavaScript client's
/// automatic reconnect; the end of the socket does not.
pub fn close(protocol: Protocol, error: Option<&str>, allow_reconnect: bool) -> Bytes {
    match protocol {
        Protocol::Json => json::close(error, allow_reconnect),
        Protocol::MessagePack => msgpack::close(error, allow_reconnect),
    }
}

/// Stateful reconnect: everything up to `sequence_id` has been processed.
pub fn ack(protocol: Protocol, sequence_id: u64) -> Bytes {
    match protocol {
        Protocol::Json => json::ack(sequence_id),
        Protocol::MessagePack => msgpack::ack(sequence_id),
    }
}

/// Stateful reconnect: the next numbered record is `sequence_id`, the first unacknowledged one.
pub fn sequence(protocol: Protocol, sequence_id: u64) -> Bytes {
    match protocol {
        Protocol::Json => json::sequence(sequence_id),
        Protocol::MessagePack => msgpack::sequence(sequence_id),
    }
}
