//! The reasons why sessions end: each has the text for the client, a flag that says if it may reconnect, and the
//! metric's label.

/// Makes the enum of close reasons from their table.
macro_rules! close_reasons {
    ($($(#[$doc:meta])* $reason:ident = $label:literal, $text:expr, $reconnect:ident;)*) => {
        /// The reason why a session ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseReason {
            $($(#[$doc])* $reason,)*
        }

        impl CloseReason {
            /// All reasons.
            pub const ALL: &[Self] = &[$(Self::$reason),*];
            /// The labels of all reasons.
            pub const LABELS: &[&str] = &[$($label),*];

            /// Returns the text that the Close record gives the client; `None` where there is no Close record: the
            /// client left, is gone, or has the reason from the handshake's answer.
            pub const fn text(self) -> Option<&'static str> {
                match self {
                    $(Self::$reason => $text,)*
                }
            }

            /// True if the client may reconnect automatically. Otherwise the JavaScript client gives up for good.
            pub const fn allows_reconnect(self) -> bool {
                match self {
                    $(Self::$reason => Reconnect::$reconnect.is_allowed(),)*
                }
            }

            /// Returns the label for metrics and logs.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$reason => $label,)*
                }
            }
        }
    };
}

/// Says if a closed client may reconnect.
enum Reconnect {
    Allowed,
    Refused,
}

impl Reconnect {
    const fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed)
    }
}

close_reasons! {
    /// The client closed the connection.
    ClientLeft = "client_left", None, Refused;
    /// The socket broke, or ended without a close.
    ConnectionLost = "connection_lost", None, Allowed;
    /// This node is shutting down; another one takes over.
    Drain = "drain", Some("The server is going down; reconnect."), Allowed;
    /// The node, or a service behind it, cannot carry this session now.
    Overload = "overload", Some("The server cannot serve this connection now; reconnect."), Allowed;
    /// The client reads more slowly than events arrive: its outbox is full.
    Slow = "slow", Some("The connection is too slow for its events; reconnect and resume."), Allowed;
    /// The token's `exp` has passed.
    TokenExpired = "token_expired", Some("Token expired."), Allowed;
    /// The session has lasted for the longest time.
    SessionOver = "session_over", Some("The session has lasted for long; reconnect."), Allowed;
    /// The user's access was revoked.
    Revoked = "revoked", Some("Access was revoked."), Refused;
    /// The user has the maximum number of connections.
    TooManyConnections = "too_many_connections", Some("The user has too many connections."), Refused;
    /// The client broke the protocol. The text is the reference server's, which uses it for internal errors too.
    ProtocolError = "protocol_error", Some("Connection closed with an error."), Allowed;
    /// There was no valid handshake, or it asked for something that the server does not support.
    HandshakeFailed = "handshake_failed", None, Allowed;
    /// The handshake did not arrive in time.
    HandshakeTimeout = "handshake_timeout", None, Allowed;
    /// Nothing was received from the client for too long.
    KeepAliveTimeout = "keep_alive_timeout", Some("The client was silent for too long."), Allowed;
    /// The client sends more records than any client needs to send.
    TooManyRecords = "too_many_records", Some("The client sends too much too fast; reconnect."), Allowed;
    /// The socket of a stateful session was lost, and no other replaced it in time.
    NotRejoined = "not_rejoined", None, Allowed;
    /// More happened than a stateful session without a socket keeps for replay.
    ReplayFull = "replay_full", None, Allowed;
    /// The session may have missed events that the node cannot replay to it; the client resumes.
    Resync = "resync", Some("Events may be missing; reconnect and resume."), Allowed;
    /// The server failed.
    Internal = "internal", Some("Connection closed with an error."), Allowed;
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn labels_are_distinct() {
        let labels: HashSet<_> = CloseReason::LABELS.iter().collect();
        assert_eq!(labels.len(), CloseReason::ALL.len());
    }
}
