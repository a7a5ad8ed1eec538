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
    /// All kinds.
    pub const ALL: [Self; 9] = [
        Self::InvalidArgument,
        Self::NotFound,
        Self::Forbidden,
        Self::TooLarge,
        Self::RateLimited,
        Self::Archived,
        Self::Conflict,
        Self::Unavailable,
        Self::Internal,
    ];

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

/// The sentence for a caller who lacks a right.
const NOT_ALLOWED: &str = "You may not do this here.";

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

    /// Returns the error for a method that does not exist.
    pub fn no_method() -> Self {
        Self::new(ErrorKind::NotFound, "Method does not exist.")
    }

    /// Returns the error for a call that has another number of arguments than one.
    pub fn one_object() -> Self {
        Self::invalid("A method takes one argument, an object.")
    }

    /// Returns the error for a caller who lacks a right. The hub puts the method's rule in its place.
    pub fn not_allowed() -> Self {
        Self::new(ErrorKind::Forbidden, NOT_ALLOWED)
    }

    /// True if it says that a right is lacking, and not which.
    pub fn is_unexplained(&self) -> bool {
        self.kind == ErrorKind::Forbidden && self.sentence == NOT_ALLOWED
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
            Limit::Messages => "Too many messages or changes of them at once",
            Limit::Marks => "Too many marks at once",
            Limit::Reads => "Too much to read at once",
            Limit::Rooms => "Too many rooms at once",
            Limit::RoomChanges => "Too many changes of rooms at once",
            Limit::Members => "Too many people added at once",
            Limit::Files => "Too many files at once",
            Limit::Searches => "Too many searches at once",
            Limit::Uploads => "Too many uploads at once",
            Limit::Streams => "Too many streams at once",
            Limit::RoomsMade => "Too many rooms today",
            Limit::UploadedBytes => "Too many bytes of files today",
            Limit::Connects => "Too many connections at once",
            Limit::People | Limit::Sockets | Limit::Records | Limit::Connections | Limit::AddressConnections => {
                "Too many calls at once"
            }
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
