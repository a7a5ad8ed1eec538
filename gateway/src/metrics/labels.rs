//! Values of labels, as enums: a value that is not listed does not compile.

/// Makes an enum whose variants are a label's values, and lists the values.
macro_rules! labels {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $label:literal,)* })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
            pub enum $name {
                $($(#[$variant_doc])* $variant,)*
            }

            impl $name {
                /// Every value.
                pub const LABELS: &[&str] = &[$($label),*];

                /// Returns its value in metrics.
                pub const fn label(self) -> &'static str {
                    match self {
                        $(Self::$variant => $label,)*
                    }
                }
            }
        )*
    };
}

labels! {
    /// A limit of rate or number.
    Limit {
        /// New messages of a user.
        Messages = "messages",
        /// Calls of a user about other users.
        People = "people",
        /// Searches of a user.
        Searches = "searches",
        /// Uploads of a user.
        Uploads = "uploads",
        /// Records of a connection.
        Records = "records",
        /// Streams of a connection.
        Streams = "streams",
        /// Connections of a user.
        Connections = "connections",
        /// Connections of an address.
        AddressConnections = "address_connections",
    }

    /// The way that sending to SQS failed.
    JournalErrorKind {
        /// An entry was not accepted in time.
        Deadline = "deadline",
        /// SQS failed to take an entry of a batch.
        EntryFailed = "entry_failed",
        /// SQS will never take an entry of a batch.
        EntryRefused = "entry_refused",
        /// SQS refused a batch.
        Refused = "refused",
        /// SQS wants fewer calls.
        Throttled = "throttled",
        /// SQS did not answer in time.
        Timeout = "timeout",
        /// SQS has an internal error.
        Unavailable = "unavailable",
        /// There was no connection.
        Unreachable = "unreachable",
    }

    /// The outcome for an entry that was unstored for too long.
    ReconcileOutcome {
        /// The attempt failed, and will be repeated.
        Failed = "failed",
        /// The entry was journaled again.
        Journaled = "journaled",
        /// No node has the entry any more.
        Lost = "lost",
        /// The entry was stored.
        Stored = "stored",
    }

    /// The answer to a resume.
    ResumeOutcome {
        /// A room has more events than a resume replays.
        Truncated = "truncated",
        /// All missed events.
        Whole = "whole",
    }

    /// The state of messages in a queue.
    QueueState {
        /// Messages that wait.
        Visible = "visible",
        /// Messages that a function has received.
        InFlight = "inFlight",
    }

    /// The transport of a connection.
    Transport {
        /// A WebSocket.
        WebSockets = "websockets",
        /// Server-Sent Events.
        ServerSentEvents = "server_sent_events",
        /// Long polls.
        LongPolling = "long_polling",
    }
}
