//! The handshake: one JSON record in each direction before anything else, whatever protocol it chooses.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::framing::Framer;
use super::{Protocol, json};

/// The most bytes of a handshake, including its separator.
pub const HANDSHAKE_BYTES_MAX: usize = 32 * 1024;
/// The number of characters of an unknown protocol name that the answer repeats to the client.
const NAME_CHARS_MAX: usize = 100;

/// The request of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HandshakeRequest {
    /// The protocol of everything that follows.
    pub protocol: Protocol,
    /// 1, or 2 for stateful reconnect; 2 counts as 1 if that was not granted. Lower ones are read as 1.
    pub version: u8,
}

/// The reason why a handshake failed. Its text is sent to the client, word for word that of the reference server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The protocol is unknown.
    #[error("The protocol '{0}' is not supported.")]
    UnsupportedProtocol(String),
    /// The protocol is known, but this version of it is not.
    #[error("The server does not support version {version} of the '{}' protocol.", protocol.name())]
    UnsupportedVersion {
        /// The requested protocol.
        protocol: Protocol,
        /// The requested version.
        version: i64,
    },
    /// The protocol has binary records, and the transport carries text.
    #[error(
        "Cannot use the '{}' protocol on the current transport. The transport does not support 'Binary' transfer format.",
        protocol.name()
    )]
    NeedsBinary {
        /// The requested protocol.
        protocol: Protocol,
    },
    /// No valid handshake: bad JSON, a field missing or of the wrong type, another record first.
    #[error("An unexpected error occurred during connection handshake.")]
    Malformed,
    /// Incomplete at the deadline (the caller's clock), or longer than [`HANDSHAKE_BYTES_MAX`].
    #[error("Handshake was canceled.")]
    Canceled,
}

/// The server's answer, as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HandshakeReply {
    /// The handshake succeeded: records may follow.
    Accepted,
    /// The handshake was refused with this text; the connection ends.
    Refused(String),
}

/// Reads a client's handshake, however it is cut. Holds no allocation if it arrives in one frame.
#[derive(Debug, Default)]
pub struct HandshakeDecoder {
    framer: Framer,
}

/// Reads the server's answer, however it is cut.
#[derive(Debug, Default)]
pub struct HandshakeReplyDecoder {
    framer: Framer,
}

impl HandshakeDecoder {
    /// Makes a decoder that has received nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that a transport received, text or binary: the JavaScript client sends the handshake before
    /// MessagePack as text. Once the request is complete, returns it with the bytes that follow, which belong to the
    /// [`super::Decoder`]; the handshake decoder is then spent.
    pub fn push(&mut self, frame: Bytes) -> Result<Option<(HandshakeRequest, Bytes)>, HandshakeError> {
        match next_body(&mut self.framer, frame)? {
            Some((body, rest)) => Ok(Some((HandshakeRequest::parse(&body)?, rest))),
            None => Ok(None),
        }
    }
}

impl HandshakeReplyDecoder {
    /// Makes a decoder that has received nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the bytes that a transport received. Once the answer is complete, returns it with the bytes that follow.
    pub fn push(&mut self, frame: Bytes) -> Result<Option<(HandshakeReply, Bytes)>, HandshakeError> {
        match next_body(&mut self.framer, frame)? {
            Some((body, rest)) => Ok(Some((HandshakeReply::parse(&body)?, rest))),
            None => Ok(None),
        }
    }
}

impl HandshakeRequest {
    /// Encodes the record that a client sends first.
    pub fn encode(self) -> Bytes {
        #[derive(Serialize)]
        struct Fields {
            protocol: &'static str,
            version: u8,
        }
        record(&Fields { protocol: self.protocol.name(), version: self.version })
    }

    fn parse(body: &[u8]) -> Result<Self, HandshakeError> {
        #[derive(Deserialize)]
        struct Fields {
            protocol: String,
            version: i64,
        }
        let Fields { protocol, version } = object(body)?;
        let Some(protocol) = Protocol::from_name(&protocol) else {
            let name = protocol.chars().take(NAME_CHARS_MAX).collect();
            return Err(HandshakeError::UnsupportedProtocol(name));
        };
        // Like the reference server, accepts every version up to the highest: a Python client sends the version of its
        // negotiation, which is 0.
        match version {
            ..=1 => Ok(Self { protocol, version: 1 }),
            2 => Ok(Self { protocol, version: 2 }),
            _ => Err(HandshakeError::UnsupportedVersion { protocol, version }),
        }
    }
}

impl HandshakeReply {
    fn parse(body: &[u8]) -> Result<Self, HandshakeError> {
        #[derive(Deserialize)]
        struct Fields {
            error: Option<String>,
            /// Every record except the answer has one.
            #[serde(rename = "type")]
            kind: Option<serde::de::IgnoredAny>,
        }
        let fields: Fields = object(body)?;
        match (fields.kind, fields.error) {
            (Some(_), _) => Err(HandshakeError::Malformed),
            (None, None) => Ok(Self::Accepted),
            (None, Some(error)) => Ok(Self::Refused(error)),
        }
    }
}

impl HandshakeError {
    /// Returns the record that tells the client, sent as text even if it asked for MessagePack.
    pub fn response(&self) -> Bytes {
        handshake_response_error(&self.to_string())
    }

    /// Returns its metric label.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::UnsupportedProtocol(_) => "unsupported_protocol",
            Self::UnsupportedVersion { .. } => "unsupported_version",
            Self::NeedsBinary { .. } => "needs_binary",
            Self::Malformed => "malformed",
            Self::Canceled => "canceled",
        }
    }
}

/// Encodes the answer to a good handshake; sent in the protocol's own frame type.
pub fn handshake_response_ok() -> Bytes {
    Bytes::from_static(b"{}\x1E")
}

/// Encodes the answer to a bad handshake.
pub fn handshake_response_error(text: &str) -> Bytes {
    #[derive(Serialize)]
    struct Fields<'a> {
        error: &'a str,
    }
    record(&Fields { error: text })
}

fn record(fields: &impl Serialize) -> Bytes {
    json::record(fields).expect("strings and numbers always have a JSON text")
}

/// Returns the handshake's record, and the bytes that follow it.
fn next_body(framer: &mut Framer, frame: Bytes) -> Result<Option<(Bytes, Bytes)>, HandshakeError> {
    framer.push(frame);
    let body = framer.next_text(HANDSHAKE_BYTES_MAX).map_err(|_| HandshakeError::Canceled)?;
    Ok(body.map(|body| (body, std::mem::take(framer).into_rest())))
}

fn object<T: DeserializeOwned>(body: &[u8]) -> Result<T, HandshakeError> {
    // A derived struct would also accept an array.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(HandshakeError::Malformed);
    }
    serde_json::from_slice(body).map_err(|_| HandshakeError::Malformed)
}
