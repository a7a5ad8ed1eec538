//! A client's connection for the rest of the node: its id, and the outbox of its session.
//!
//! This is the lowest layer: sessions, the fan-out, presence and the hub depend on it, and it on none of them.

mod compact_queue;
mod direct_writer;
mod outbox;
mod shared_stream;
pub(crate) mod websocket_frame;

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rts_common::ids::Person;
use rts_common::signalr::Protocol;

pub(crate) use self::compact_queue::CompactQueue;
pub use self::outbox::{Drained, FlushList, OUTBOX_BYTES_MAX, OUTBOX_RECORDS_MAX, Outbox};
pub use self::shared_stream::SharedStream;

/// A connection's id: random, and the same as long as the connection exists. Shown as 22 characters of base64url.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId([u8; 16]);

impl ConnectionId {
    /// Returns a new id.
    pub fn random() -> Self {
        Self(*uuid::Uuid::new_v4().as_bytes())
    }

    /// Returns the id in a connection token.
    pub const fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// Returns its bytes.
    pub const fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A user and the name in their token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// The authenticated user.
    pub person: Person,
    /// The name in their token; their id if it has none.
    pub display_name: String,
    /// True if the token is a service's.
    pub is_service: bool,
    /// When the token was issued, in seconds since the Unix epoch, if it says so.
    pub issued_at: Option<u64>,
}

/// One live session, for its senders. Cheap to clone: a copy and three counters.
#[derive(Clone, Debug)]
pub struct SessionHandle {
    /// The session's connection.
    pub connection_id: ConnectionId,
    /// The session's user.
    pub person: Person,
    /// The protocol in which pushed records must be encoded.
    pub protocol: Protocol,
    /// The outbox for pushed records.
    pub outbox: Arc<Outbox>,
}
