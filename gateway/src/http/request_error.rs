//! Answers to requests that are not served.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use crate::auth::AuthError;
use crate::metrics::TokenFault;
use crate::peers::NoDirectory;
use crate::session::ClaimError;

/// Time after which to try again when there is no capacity, in seconds.
const RETRY_AFTER: HeaderValue = HeaderValue::from_static("2");

/// The reason why a request is not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RequestError {
    /// No token, or an invalid one.
    Unauthorized(TokenFault),
    /// A web page that is not allowed.
    ForeignOrigin,
    /// A token for development that is asked for from beyond the machine.
    NotFromHere,
    /// The id of no connection, or of one that has ended or belongs to another user.
    NoSuchConnection,
    /// Its id is missing.
    NoConnectionId,
    /// Its connection is live.
    AlreadyConnected,
    /// It has another transport, or needs one that is not offered.
    WrongTransport,
    /// The method is wrong for this connection.
    WrongMethod,
    /// The request is invalid in another way.
    Malformed(&'static str),
    /// The body is too large, or was cut off.
    TooLarge,
    /// Its address has the maximum number of connections.
    TooMany,
    /// Its user has the maximum number of connections that have not finished their handshake.
    TooManyOfUser,
    /// Its user begins too many connections.
    TooOften,
    /// The node is full, shutting down, or cannot check tokens now.
    Unavailable,
}

impl IntoResponse for RequestError {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::Unauthorized(_) => (StatusCode::UNAUTHORIZED, "Unauthorized"),
            Self::ForeignOrigin => (StatusCode::FORBIDDEN, "The origin is not allowed"),
            Self::NotFromHere => (StatusCode::FORBIDDEN, "Only from this machine"),
            Self::NoSuchConnection => (StatusCode::NOT_FOUND, "No Connection with that ID"),
            Self::NoConnectionId => (StatusCode::BAD_REQUEST, "Connection ID required"),
            Self::AlreadyConnected => (StatusCode::CONFLICT, "The connection is in use"),
            Self::WrongTransport => (StatusCode::BAD_REQUEST, "The connection cannot be used with this transport"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "Method not allowed"),
            Self::Malformed(text) => (StatusCode::BAD_REQUEST, text),
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "The body is too large"),
            Self::TooMany => (StatusCode::TOO_MANY_REQUESTS, "Too many connections from this address"),
            Self::TooManyOfUser => (StatusCode::TOO_MANY_REQUESTS, "Too many connections without a handshake"),
            Self::TooOften => (StatusCode::TOO_MANY_REQUESTS, "Too many connections at once"),
            Self::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "The server cannot take this connection now"),
        };
        let mut response = (status, text).into_response();
        let headers = response.headers_mut();
        match self {
            Self::Unauthorized(fault) => {
                headers.insert(header::WWW_AUTHENTICATE, challenge(fault));
            }
            Self::Unavailable | Self::TooMany | Self::TooManyOfUser | Self::TooOften => {
                headers.insert(header::RETRY_AFTER, RETRY_AFTER);
            }
            _ => {}
        }
        response
    }
}

/// Says what is wrong with a token, as RFC 6750 has it: nothing more than `Bearer` where there is none.
fn challenge(fault: TokenFault) -> HeaderValue {
    if matches!(fault, TokenFault::Missing | TokenFault::Node) {
        return HeaderValue::from_static("Bearer");
    }
    let text = format!("Bearer error=\"invalid_token\", error_description=\"{}\"", fault.sentence());
    HeaderValue::from_str(&text).expect("the sentences are ASCII without quotes")
}

impl From<AuthError> for RequestError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Refused(fault) => Self::Unauthorized(fault),
            AuthError::NoKeys => Self::Unavailable,
        }
    }
}

impl From<NoDirectory> for RequestError {
    fn from(error: NoDirectory) -> Self {
        tracing::debug!(%error, "cannot look up the node of a connection");
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
