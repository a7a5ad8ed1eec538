//! Why sessions end: one reason is the client's text, its leave to reconnect, and the metric's label.

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client said goodbye.
    ClientLeft,
    /// The socket broke, or ended without a goodbye.
    ConnectionLost,
    /// This node is going down; another one takes over.
    Drain,
    /// The node, or a part behind it, cannot carry this session now.
    Overload,
    /// The client reads slower than its rooms speak: its outbox is full.
    Slow,
    /// The token's `exp` has come.
    TokenExpired,
    /// The person's access was taken away.
    Revoked,
    /// The user has as many connections as are allowed.
    TooManyConnections,
    /// What the client sent is not the protocol.
    ProtocolError,
    /// The handshake was none, or asked for what is not there.
    HandshakeFailed,
    /// The handshake did not come in time.
    HandshakeTimeout,
    /// Nothing was heard of the client for too long.
    KeepAliveTimeout,
    /// The client sends more records than any client needs to.
    TooManyRecords,
    /// A stateful session's socket was lost, and no other came in time.
    NotRejoined,
    /// More happened than a stateful session without a socket keeps to be sent again.
    ReplayFull,
    /// The session may have missed events that the node cannot replay to it; the client resumes.
    Resync,
    /// A fault of ours.
    Internal,
}

impl CloseReason {
    /// Every one of them.
    pub const ALL: [Self; 17] = [
        Self::ClientLeft,
        Self::ConnectionLost,
        Self::Drain,
        Self::Overload,
        Self::Slow,
        Self::TokenExpired,
        Self::Revoked,
        Self::TooManyConnections,
        Self::ProtocolError,
        Self::HandshakeFailed,
        Self::HandshakeTimeout,
        Self::KeepAliveTimeout,
        Self::TooManyRecords,
        Self::NotRejoined,
        Self::ReplayFull,
        Self::Resync,
        Self::Internal,
    ];

    /// What the Close record tells the client; `None` where it is not told by a Close record: it
    /// left, is gone, or the handshake's answer said it.
    pub const fn text(self) -> Option<&'static str> {
        match self {
            Self::ClientLeft
            | Self::ConnectionLost
            | Self::HandshakeFailed
            | Self::HandshakeTimeout
            | Self::NotRejoined
            | Self::ReplayFull => None,
            Self::Drain => Some("The server is going down; reconnect."),
            Self::Overload => Some("The server cannot serve this connection now; reconnect."),
            Self::Slow => Some("The connection is too slow for its events; reconnect and resume."),
            Self::TokenExpired => Some("Token expired."),
            Self::Revoked => Some("Access was revoked."),
            Self::TooManyConnections => Some("The user has too many connections."),
            // The text of the reference server, for its own faults too.
            Self::ProtocolError | Self::Internal => Some("Connection closed with an error."),
            Self::KeepAliveTimeout => Some("The client was silent for too long."),
            Self::TooManyRecords => Some("The client sends too much too fast; reconnect."),
            Self::Resync => Some("Events may be missing; reconnect and resume."),
        }
    }

    /// Whether an automatic reconnect is welcome. Without it the JavaScript client gives up for good.
    pub const fn may_reconnect(self) -> bool {
        !matches!(self, Self::ClientLeft | Self::Revoked | Self::TooManyConnections)
    }

    /// The label of metrics and logs.
    pub const fn label(self) -> &'static str {
        match self {
            Self::ClientLeft => "client_left",
            Self::ConnectionLost => "connection_lost",
            Self::Drain => "drain",
            Self::Overload => "overload",
            Self::Slow => "slow",
            Self::TokenExpired => "token_expired",
            Self::Revoked => "revoked",
            Self::TooManyConnections => "too_many_connections",
            Self::ProtocolError => "protocol_error",
            Self::HandshakeFailed => "handshake_failed",
            Self::HandshakeTimeout => "handshake_timeout",
            Self::KeepAliveTimeout => "keep_alive_timeout",
            Self::TooManyRecords => "too_many_records",
            Self::NotRejoined => "not_rejoined",
            Self::ReplayFull => "replay_full",
            Self::Resync => "resync",
            Self::Internal => "internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn labels_are_distinct() {
        let labels: HashSet<_> = CloseReason::ALL.into_iter().map(CloseReason::label).collect();
        assert_eq!(labels.len(), CloseReason::ALL.len());
    }
}
