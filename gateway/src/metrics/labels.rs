//! Values of labels, as enums: a value that is not listed does not compile.

/// Makes an enum of which each variant is a label's value, and lists the values.
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
        /// Messages a user sends.
        Messages = "messages",
        /// Calls about people a user makes.
        People = "people",
        /// Searches of a user.
        Searches = "searches",
        /// Uploads that a user begins.
        Uploads = "uploads",
        /// Records that a connection sends.
        Records = "records",
        /// Streams of a connection.
        Streams = "streams",
        /// Connections of a user.
        Connections = "connections",
        /// Connections of an address.
        AddressConnections = "address_connections",
    }

    /// How sending to SQS failed.
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
        /// No answer in time.
        Timeout = "timeout",
        /// SQS has a fault.
        Unavailable = "unavailable",
        /// There was no connection.
        Unreachable = "unreachable",
    }

    /// What the reconciler did about an entry that was unstored for too long.
    ReconcileOutcome {
        /// It failed, and will try again.
        Failed = "failed",
        /// It journaled the entry again.
        Journaled = "journaled",
        /// Nobody has it any more.
        Lost = "lost",
        /// It was stored.
        Stored = "stored",
    }

    /// What a resume was answered.
    ResumeOutcome {
        /// Some room has more than a resume replays.
        Truncated = "truncated",
        /// All that was missed.
        Whole = "whole",
    }

    /// Where messages of a queue are.
    QueueState {
        /// They wait.
        Visible = "visible",
        /// A function has them.
        InFlight = "inFlight",
    }

    /// What carries a connection.
    Transport {
        /// A WebSocket.
        WebSockets = "websockets",
        /// Server-Sent Events.
        ServerSentEvents = "server_sent_events",
        /// Long polls.
        LongPolling = "long_polling",
    }
}
