//! The SignalR hub protocol, sans-IO: bytes in, records out, in JSON and in MessagePack.
//!
//! A session feeds the bytes that its transport received to a [`HandshakeDecoder`], the bytes that this returns and all
//! that follow to a [`Decoder`], and sends the output of the `encode_*` functions. A load generator and the tests use
//! the same codec from the other side. Frames may be cut and joined anywhere on the way in; on the way out every
//! function makes complete records, which a transport must never split.
//!
//! Deliberately absent: transports, timers, numbering for stateful reconnect, and the meaning of methods and their
//! arguments. Arguments stay undecoded until they are read as a type. Headers are checked and dropped: a client was
//! seen to copy its bearer token into them.

mod any_case;
mod arguments;
mod decoder;
mod encode;
mod error;
mod explain;
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
pub use explain::Fault;
pub use framing::first_record_bytes;
pub use handshake::{
    HANDSHAKE_BYTES_MAX, HandshakeDecoder, HandshakeError, HandshakeReply, HandshakeReplyDecoder, HandshakeRequest,
    handshake_response_error, handshake_response_ok,
};
pub use record::{CompletionResult, Record};

/// A hub protocol: the form of records once the handshake chose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// JSON objects, each ended by byte 0x1E.
    Json,
    /// MessagePack arrays, each after its length as LEB128.
    MessagePack,
}

/// The kind of frames that a transport carries, as a negotiate reply and a WebSocket opcode name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TransferFormat {
    /// UTF-8 text frames.
    Text,
    /// Binary frames.
    Binary,
}

impl Protocol {
    /// Returns its name in a handshake and as a metric label.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::MessagePack => "messagepack",
        }
    }

    /// Returns the protocol of a handshake's name; case is ignored, as by the reference server.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Json, Self::MessagePack].into_iter().find(|protocol| protocol.name().eq_ignore_ascii_case(name))
    }

    /// Returns the format that frames must be sent in: the JavaScript client fails on the other opcode. On receipt the
    /// opcode means nothing.
    pub const fn transfer_format(self) -> TransferFormat {
        match self {
            Self::Json => TransferFormat::Text,
            Self::MessagePack => TransferFormat::Binary,
        }
    }
}

impl TransferFormat {
    /// Returns its name in a negotiate reply.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Text => "Text",
            Self::Binary => "Binary",
        }
    }

    /// True if frames are binary.
    pub const fn is_binary(self) -> bool {
        matches!(self, Self::Binary)
    }
}
