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
        /// Changes of messages of a user.
        Messages = "messages",
        /// Marks of a user, and signs of typing.
        Marks = "marks",
        /// What a user reads.
        Reads = "reads",
        /// Rooms that a user makes.
        Rooms = "rooms",
        /// Other changes of rooms of a user.
        RoomChanges = "room_changes",
        /// People whom a user puts into rooms.
        Members = "members",
        /// URLs of files for a user.
        Files = "files",
        /// Calls of a user about other users.
        People = "people",
        /// Connections that a user begins.
        Connects = "connects",
        /// Searches of a user.
        Searches = "searches",
        /// Uploads of a user.
        Uploads = "uploads",
        /// Rooms that a user makes a day.
        RoomsMade = "rooms_made",
        /// Bytes of files that a user, or an organization, uploads a day.
        UploadedBytes = "uploaded_bytes",
        /// Records of a connection.
        Records = "records",
        /// Streams of a connection.
        Streams = "streams",
        /// Connections of a user.
        Connections = "connections",
        /// Connections of a node that are no sessions yet.
        Sockets = "sockets",
        /// Connections of an address.
        AddressConnections = "address_connections",
    }

    /// The reason why a token is refused.
    TokenFault {
        /// There is none.
        Missing = "missing",
        /// It is too long.
        TooLong = "too_long",
        /// It is no token.
        Malformed = "malformed",
        /// It has an extension that must be understood.
        Extension = "extension",
        /// It is not for access.
        Kind = "kind",
        /// It is signed with another algorithm.
        Algorithm = "algorithm",
        /// It is signed with an unknown key.
        UnknownKey = "unknown_key",
        /// Its signature is wrong.
        Signature = "signature",
        /// Its `exp` has passed.
        Expired = "expired",
        /// Its `nbf` is in the future.
        NotYetValid = "not_yet_valid",
        /// Its `iss` is another.
        Issuer = "issuer",
        /// Its `aud` is another.
        Audience = "audience",
        /// It lacks `exp`, `iss` or `aud`.
        MissingClaim = "missing_claim",
        /// It names no user.
        User = "user",
        /// It names no organization.
        Organization = "organization",
        /// The request claims to come from a node, and does not.
        Node = "node",
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

    /// The fate of a stateful session that lost its socket.
    RejoinOutcome {
        /// No socket came in time.
        GivenUp = "givenUp",
        /// It continued on a new socket.
        Rejoined = "rejoined",
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

/// The groups of partitions that canaries tell apart.
pub const CANARY_GROUPS: [&str; 16] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15"];
