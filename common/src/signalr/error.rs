//! What makes a connection's input unacceptable.

/// Input that is no valid record. The connection ends with a Close record; the text says what was
/// wrong with the record's form and never repeats its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProtocolError {
    /// Over the record limit, or announced so.
    #[error("the record is too large")]
    TooLarge,
    /// No JSON object, no MessagePack array, or not framed as one.
    #[error("the record is malformed")]
    Malformed,
    /// `type` is missing or no integer.
    #[error("the record has no valid type")]
    Type,
    /// `headers` is no map of strings.
    #[error("the record has invalid headers")]
    Headers,
    /// `invocationId` is no string, or is missing where an answer belongs to an invocation.
    #[error("the record has no valid invocation id")]
    InvocationId,
    /// `target` is missing or no string.
    #[error("the invocation has no valid target")]
    Target,
    /// `arguments` is missing or no array.
    #[error("the invocation has no valid arguments")]
    Arguments,
    /// `streamIds` is no array of strings.
    #[error("the invocation has invalid stream ids")]
    StreamIds,
    /// `item` is missing.
    #[error("the stream item has no item")]
    Item,
    /// A completion with both result and error, an error that is no string, or an unknown kind.
    #[error("the completion has no valid result")]
    Completion,
    /// A close whose `error` is no string or whose `allowReconnect` is no boolean.
    #[error("the close record is invalid")]
    Close,
    /// `sequenceId` is missing or no whole number.
    #[error("the record has no valid sequence id")]
    SequenceId,
}

impl ProtocolError {
    /// Its metric label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::Type => "type",
            Self::Headers => "headers",
            Self::InvocationId => "invocation_id",
            Self::Target => "target",
            Self::Arguments => "arguments",
            Self::StreamIds => "stream_ids",
            Self::Item => "item",
            Self::Completion => "completion",
            Self::Close => "close",
            Self::SequenceId => "sequence_id",
        }
    }
}
