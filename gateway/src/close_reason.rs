//! Why sessions end: one reason is the client's text, whether it may reconnect, and the metric's label.

/// Makes the enum of close reasons from their table.
macro_rules! close_reasons {
    ($($(#[$doc:meta])* $reason:ident = $label:literal, $text:expr, $reconnect:ident;)*) => {
        /// Why a session ended.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum CloseReason {
            $($(#[$doc])* $reason,)*
        }

        impl CloseReason {
            /// Every reason.
            pub const ALL: &[Self] = &[$(Self::$reason),*];
            /// The label of every reason.
            pub const LABELS: &[&str] = &[$($label),*];

            /// Returns the text that the Close record tells the client; `None` where it is not told by a Close record: it
            /// left, is gone, or the handshake's answer said it.
            pub const fn text(self) -> Option<&'static str> {
                match self {
                    $(Self::$reason => $text,)*
                }
            }

            /// True if the client may reconnect by itself. Without it the JavaScript client gives up for good.
            pub const fn allows_reconnect(self) -> bool {
                match self {
                    $(Self::$reason => Reconnect::$reconnect.is_allowed(),)*
                }
            }

            /// Returns the label of metrics and logs.
            pub const fn label(self) -> &'static str {
                match self {
                    $(Self::$reason => $label,)*
                }
            }
        }
    };
}

/// Whether a client that was closed is welcome again.
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
    /// The client said goodbye.
    ClientLeft = "client_left", None, Refused;
    /// The socket broke, or ended without a goodbye.
    ConnectionLost = "connection_lost", None, Allowed;
    /// This node is going down; another one takes over.
    Drain = "drain", Some("The server is going down; reconnect."), Allowed;
    /// The node, or a part behind it, cannot carry this session now.
    Overload = "overload", Some("The server cannot serve this connection now; reconnect."), Allowed;
    /// The client reads slower than its rooms speak: its outbox is full.
    Slow = "slow", Some("The connection is too slow for its events; reconnect and resume."), Allowed;
    /// The token's `exp` has come.
    TokenExpired = "token_expired", Some("Token expired."), Allowed;
    /// The person's access was taken away.
    Revoked = "revoked", Some("Access was revoked."), Refused;
    /// The user has as many connections as are allowed.
    TooManyConnections = "too_many_connections", Some("The user has too many connections."), Refused;
    /// The client broke the protocol. The text is the reference server's, for its own faults too.
    ProtocolError = "protocol_error", Some("Connection closed with an error."), Allowed;
    /// There was no valid handshake, or it asked for what the server does not have.
    HandshakeFailed = "handshake_failed", None, Allowed;
    /// The handshake did not come in time.
    HandshakeTimeout = "handshake_timeout", None, Allowed;
    /// Nothing was heard of the client for too long.
    KeepAliveTimeout = "keep_alive_timeout", Some("The client was silent for too long."), Allowed;
    /// The client sends more records than any client needs to.
    TooManyRecords = "too_many_records", Some("The client sends too much too fast; reconnect."), Allowed;
    /// A stateful session's socket was lost, and no other came in time.
    NotRejoined = "not_rejoined", None, Allowed;
    /// More happened than a stateful session without a socket keeps to be sent again.
    ReplayFull = "replay_full", None, Allowed;
    /// The session may have missed events that the node cannot replay to it; the client resumes.
    Resync = "resync", Some("Events may be missing; reconnect and resume."), Allowed;
    /// The server has a fault.
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
