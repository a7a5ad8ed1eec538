//! The errors that make a connection's input unacceptable.

/// Input that is not a valid record. The connection ends with a Close record; the text says what was wrong with the
/// record's form and never repeats its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ProtocolError {
    /// The record exceeds the limit, or its announced length does.
    #[error("the record is too large")]
    TooLarge,
    /// The record is not a JSON object or MessagePack array, or is not framed as one.
    #[error("the record is malformed")]
    Malformed,
    /// `type` is missing or not an integer.
    #[error("the record has no valid type")]
    Type,
    /// `headers` is not a map of strings.
    #[error("the record has invalid headers")]
    Headers,
    /// `invocationId` is not a string, or is missing where the record refers to an invocation.
    #[error("the record has no valid invocation id")]
    InvocationId,
    /// `target` is missing or not a string.
    #[error("the invocation has no valid target")]
    Target,
    /// `arguments` is missing or not an array.
    #[error("the invocation has no valid arguments")]
    Arguments,
    /// `streamIds` is not an array of strings.
    #[error("the invocation has invalid stream ids")]
    StreamIds,
    /// `item` is missing.
    #[error("the stream item has no item")]
    Item,
    /// A completion with both result and error, an error that is not a string, or an unknown kind.
    #[error("the completion has no valid result")]
    Completion,
    /// A close whose `error` is not a string or whose `allowReconnect` is not a boolean.
    #[error("the close record is invalid")]
    Close,
    /// `sequenceId` is missing or not a whole number.
    #[error("the record has no valid sequence id")]
    SequenceId,
}

impl ProtocolError {
    /// Returns its metric label.
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
