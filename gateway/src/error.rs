//! The error of a failed call: its kind is the client's code, the log's level and the metric's label.

use std::fmt;
use std::time::Duration;

use crate::metrics::{self, Limit};

/// The kind of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request has a wrong type or value.
    InvalidArgument,
    /// Unknown, or not visible to the caller.
    NotFound,
    /// Visible, but not allowed for the caller.
    Forbidden,
    /// A text, list or record exceeds its limit.
    TooLarge,
    /// Too many calls in a short time; may be retried after the time given.
    RateLimited,
    /// The room is read-only.
    Archived,
    /// The current state does not allow it.
    Conflict,
    /// A service behind the gateway did not answer; may be retried.
    Unavailable,
    /// An internal error.
    Internal,
}

impl ErrorKind {
    /// Returns the code in the client's error text, which is also the label of metrics.
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

/// A failed call: its kind and the sentence for the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubError {
    /// The kind of the failure.
    pub kind: ErrorKind,
    sentence: String,
}

impl HubError {
    /// Returns an error with a sentence chosen for the client.
    pub fn new(kind: ErrorKind, sentence: impl Into<String>) -> Self {
        Self { kind, sentence: sentence.into() }
    }

    /// Returns the error for a wrong type or value in the request.
    pub fn invalid(sentence: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArgument, sentence)
    }

    /// Returns the error for a room that is unknown or not visible to the caller: both look alike.
    pub fn room_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "There is no such room.")
    }

    /// Returns the error for a file that is unknown or not visible to the caller.
    pub fn attachment_not_found() -> Self {
        Self::new(ErrorKind::NotFound, "There is no such attachment.")
    }

    /// Returns the error for a service behind the gateway that did not answer.
    pub fn unavailable() -> Self {
        Self::new(ErrorKind::Unavailable, "The service cannot do this right now; try again.")
    }

    /// Returns an error that may be retried. The sentence ends in the time after which the client may try again.
    pub fn retry_after(kind: ErrorKind, sentence: &str, wait: Duration) -> Self {
        Self::new(kind, format!("{sentence}; retryAfterMs={}", wait.as_millis().max(1)))
    }

    /// Returns the error for a call over a rate limit, and counts it.
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

    /// Returns the internal error; its cause is in the log.
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
