//! What a failed call answers: one kind that is the client's code, the log's level and the metric's label.

use std::fmt;
use std::time::Duration;

use crate::metrics::{self, Limit};

/// Why a call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request has a wrong type or value.
    InvalidArgument,
    /// Unknown, or not the caller's to see.
    NotFound,
    /// Seen, but not the caller's to do.
    Forbidden,
    /// A text, list or record over its limit.
    TooLarge,
    /// Too many too fast; may be retried after the time told.
    RateLimited,
    /// The room is read-only.
    Archived,
    /// The present state does not allow it.
    Conflict,
    /// A part behind the gateway did not answer; may be retried.
    Unavailable,
    /// A fault of ours.
    Internal,
}

impl ErrorKind {
    /// The code in the client's error text, also the label of metrics.
    pub const fn code(self) -> &'static str {
        match self {
            Self::InvalidArgument => "invalidArgument",
            Self::NotFound => "notFound",
            Self::Forbidden => "forbidden",
            Self::TooLarge => "tooLarge",
            Self::RateLimited => "rateLimited",
            Self::Archived => "archived",
            Self::Conflict => "conflict",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A failed call: its kind and the sentence that the client is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubError {
    /// Why.
    pub kind: ErrorKind,
    sentence: String,
}

impl HubError {
    /// With a sentence chosen for the client.
    pub fn new(kind: ErrorKind, sentence: impl Into<String>) -> Self {
        Self { kind, sentence: sentence.into() }
    }

    /// A wrong type or value in the request.
    pub fn invalid(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, sentence)
    }

    /// A room that is unknown or not the caller's to see: both look alike.
    pub fn room_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "There is no such room.")
    }

    /// A file that is unknown or not the caller's to see.
    pub fn attachment_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "There is no such attachment.")
    }

    /// A part behind the gateway did not answer.
    pub fn unavailable() -> Self {
        Self::new(ErrorKind::Unavailable, "The service cannot do this right now; try again.")
    }

    /// Refuses for now. The sentence ends in the time after which the client may come again.
    pub fn retry_after(kind: ErrorKind, sentence: &str, wait: Duration) -> Self {
        Self::new(kind, format!("{sentence}; retryAfterMs={}", wait.as_millis().max(1)))
    }

    /// Refuses what a rate limit does not allow yet, and counts it.
    pub fn rate_limited(limit: Limit, wait: Duration) -> Self {
        metrics::rate_limited(limit);
        let sentence = match limit {
            Limit::Messages => "Too many messages at once",
            Limit::Searches => "Too many searches at once",
            Limit::Uploads => "Too many uploads at once",
            Limit::Streams => "Too many streams at once",
            Limit::People | Limit::Records | Limit::Connections | Limit::AddressConnections => "Too many calls at once",
        };
        Self::retry_after(ErrorKind::RateLimited, sentence, wait)
    }

    /// A fault of ours; the cause is in the log.
    pub fn internal() -> Self {
        Self::new(ErrorKind::Internal, "Something went wrong on the server.")
    }
}

impl fmt::Display for HubError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.kind.code(), self.sentence)
    }
}

impl std::error::Error for HubError {}
