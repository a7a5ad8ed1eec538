//! The records of the hub protocol, in both directions.

use super::{Arguments, Payload};

/// One record, its payloads undecoded. An empty invocation id counts as none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Calls a method.
    Invocation {
        /// The id that the answer refers to; without one nothing is ever answered, not even an error.
        invocation_id: Option<String>,
        /// The method's name, in any case.
        target: String,
        /// Its arguments.
        arguments: Arguments,
        /// The streams that the caller will send as further arguments.
        stream_ids: Vec<String>,
    },
    /// Calls a method that answers with a stream.
    StreamInvocation {
        /// The id that the items and the completion refer to.
        invocation_id: String,
        /// The method's name, in any case.
        target: String,
        /// Its arguments.
        arguments: Arguments,
        /// The streams that the caller will send as further arguments.
        stream_ids: Vec<String>,
    },
    /// One item of a stream.
    StreamItem {
        /// The stream's invocation.
        invocation_id: String,
        /// The item.
        item: Payload,
    },
    /// The answer to an invocation, and the end of a stream.
    Completion {
        /// The invocation answered.
        invocation_id: String,
        /// The outcome of the invocation.
        result: CompletionResult,
    },
    /// The caller wants no more items of a stream.
    CancelInvocation {
        /// The stream's invocation.
        invocation_id: String,
    },
    /// A call over the limit of records, which was read over: it cannot be made, but answered.
    Oversized {
        /// The id that the answer refers to.
        invocation_id: String,
        /// The method, as far as it could be read.
        target: String,
    },
    /// Keeps the connection alive.
    Ping,
    /// The end of the connection.
    Close {
        /// The reason, if it is not a requested end.
        error: Option<String>,
        /// True if the client may reconnect automatically.
        allow_reconnect: bool,
    },
    /// Stateful reconnect: the highest id the sender has processed.
    Ack(u64),
    /// Stateful reconnect: the id of the first record that follows.
    Sequence(u64),
}

/// The outcome in a [`Record::Completion`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CompletionResult {
    /// The method succeeded without a value.
    Void,
    /// The method succeeded with this value, which may be null.
    Value(Payload),
    /// The method failed with this text.
    Error(String),
}

/// The numbers of the record types on the wire.
pub(super) mod kind {
    pub(in crate::signalr) const INVOCATION: u8 = 1;
    pub(in crate::signalr) const STREAM_ITEM: u8 = 2;
    pub(in crate::signalr) const COMPLETION: u8 = 3;
    pub(in crate::signalr) const STREAM_INVOCATION: u8 = 4;
    pub(in crate::signalr) const CANCEL_INVOCATION: u8 = 5;
    pub(in crate::signalr) const PING: u8 = 6;
    pub(in crate::signalr) const CLOSE: u8 = 7;
    pub(in crate::signalr) const ACK: u8 = 8;
    pub(in crate::signalr) const SEQUENCE: u8 = 9;
}
