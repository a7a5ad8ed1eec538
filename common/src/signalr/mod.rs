//! The SignalR hub protocol, sans-IO: bytes in, records out, in JSON and in MessagePack.
//!
//! A session feeds what its transport received to a [`HandshakeDecoder`], what that gives back and
//! all that follows to a [`Decoder`], and sends what the `encode_*` functions made. A load generator
//! and the tests use the same codec from the other side. Frames may be cut and joined anywhere on the
//! way in; on the way out every function makes whole records, which a transport must never split.
//!
//! Deliberately absent: transports, timers, numbering for stateful reconnect, and what a method or
//! its arguments mean. Arguments stay undecoded until somebody asks for them with a type. Headers
//! are checked and dropped: a client was seen to copy its bearer token into them.

mod any_case;
mod arguments;
mod decoder;
mod encode;
mod error;
mod framing;
mod handshake;
mod json;
mod msgpack;
mod oversized;
mod record;
#[cfg(test)]
mod tests;

pub use arguments::{ArgumentError, Arguments, Payload};
pub use decoder::Decoder;
pub use encode::{
    EncodeError, ack, close, encode_cancel, encode_client_invocation, encode_completion, encode_completion_error,
    encode_completion_void, encode_invocation, encode_stream_invocation, encode_stream_item, ping, sequence,
};
pub use error::ProtocolError;
pub use framing::first_record_bytes;
pub use handshake::{
    HANDSHAKE_BYTES_MAX, HandshakeDecoder, HandshakeError, HandshakeReply, HandshakeReplyDecoder, HandshakeRequest,
    handshake_response_error, handshake_response_ok,
};
pub use record::{CompletionResult, Record};

/// A hub protocol: how records are written once the handshake chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// JSON objects, each ended by byte 0x1E.
    Json,
    /// MessagePack arrays, each after its length as LEB128.
    MessagePack,
}

/// What a transport carries, as a negotiate reply and a WebSocket opcode name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferFormat {
    /// UTF-8 text frames.
    Text,
    /// Binary frames.
    Binary,
}

impl Protocol {
    /// Its name in a handshake and as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }

    /// The protocol of a handshake's name; names compare without case, as at the reference server.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Json, Self::MessagePack].into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// What frames must be sent as: the JavaScript client dies of the other opcode. On receive the
    /// opcode means nothing.
    pub const fn transfer_format(self) -> TransferFormat {
        match self {
            Self::Json => TransferFormat::Text,
            Self::MessagePack => TransferFormat::Binary,
        }
    }
}

impl TransferFormat {
    /// Its name in a negotiate reply.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Binary => "Binary",
        }
    }

    /// Whether frames are binary.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Binary)
    }
}
