//! Answers to requests that are not served.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::auth::AuthError;
use crate::peers::NoDirectory;
use crate::session::ClaimError;

/// When to come again after a refusal for lack of room, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// Why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    /// No token, or a bad one.
    Unauthorized,
    /// A web page that may not.
    ForeignOrigin,
    /// The id of no connection, or of one that is over or somebody else's.
    NoSuchConnection,
    /// Its id is missing.
    NoConnectionId,
    /// Its connection is live.
    AlreadyConnected,
    /// It has another transport, or needs one that is not offered.
    WrongTransport,
    /// The method is not for this.
    WrongMethod,
    /// The request is wrong in another way.
    Malformed(&'static str),
    /// The body is larger than any that is taken, or broke off.
    TooLarge,
    /// Its address has as many connections as it may.
    TooMany,
    /// The node is full, going down, or cannot check tokens now.
    Unavailable,
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "The origin is not allowed"),
            Self::NoSuchConnection => (StatusCode::NOT_FOUND, "No Connection with that ID"),
            Self::NoConnectionId => (StatusCode::BAD_REQUEST, "Connection ID required"),
            Self::AlreadyConnected => (StatusCode::CONFLICT, "The connection is in use"),
            Self::WrongTransport => (StatusCode::BAD_REQUEST, "The connection cannot be used with this transport"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::Malformed(text) => (StatusCode::BAD_REQUEST, text),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Too many connections from this address"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "The server cannot take this connection now"),
        };
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Self::Unavailable | Self::TooMany => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            _ => {}
        }
        response
    }
}

impl From<AuthError> for RequestError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(reason) => {
                tracing::debug!(reason, "a token was refused");
                Self::Unauthorized
            }
            AuthError::NoKeys => Self::Unavailable,
        }
    }
}

impl From<NoDirectory> for RequestError {
    fn from(error: NoDirectory) -> Self {
        tracing::debug!(%error, "the place of a connection is not known now");
        Self::Unavailable
    }
}

impl From<ClaimError> for RequestError {
    fn from(error: ClaimError) -> Self {
        match error {
            ClaimError::InUse => Self::AlreadyConnected,
            ClaimError::Ended => Self::NoSuchConnection,
            ClaimError::Full => Self::Unavailable,
        }
    }
}
