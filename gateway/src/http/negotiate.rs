//! Negotiation: the transports that are offered, and a token for the connection.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderMap;
use rts_common::seq::Timestamp;
use rts_common::signalr::TransferFormat;
use serde::Serialize;

use super::App;
use super::identify::identify;
use super::query::QueryPairs;
use super::request_error::RequestError;
use crate::connection::ConnectionId;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Negotiated {
    negotiate_version: u8,
    connection_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_token: Option<String>,
    available_transports: [OfferedTransport; 3],
    /// Present only where it was requested and granted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    use_stateful_reconnect: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OfferedTransport {
    transport: &'static str,
    transfer_formats: &'static [&'static str],
}

#[derive(Serialize)]
struct NotNegotiated {
    error: String,
}

/// The transports that are offered, best first.
const TRANSPORTS: [OfferedTransport; 3] = [
    OfferedTransport {
        transport: "WebSockets",
        transfer_formats: &[TransferFormat::Text.name(), TransferFormat::Binary.name()],
    },
    OfferedTransport { transport: "ServerSentEvents", transfer_formats: &[TransferFormat::Text.name()] },
    OfferedTransport {
        transport: "LongPolling",
        transfer_formats: &[TransferFormat::Text.name(), TransferFormat::Binary.name()],
    },
];

pub(super) async fn negotiate(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    query: QueryPairs,
) -> Result<Response, RequestError> {
    if app.readiness.is_refusing() || app.registry.is_full() {
        return Err(RequestError::Unavailable);
    }
    let identity = identify(&app, &headers, &query).await?;
    let version = match version(query.get("negotiateVersion")) {
        Ok(version) => version,
        // A 200 all the same: the client shows the text only then.
        Err(error) => return Ok(Json(NotNegotiated { error }).into_response()),
    };
    let id = ConnectionId::random();
    let use_stateful_reconnect = version > 0 && asks_for_stateful_reconnect(&query);
    let (tokens, now) = (&app.connection_tokens, Timestamp::now());
    let token = if use_stateful_reconnect {
        tokens.sign_stateful(id, &identity.person, now)
    } else {
        tokens.sign(id, &identity.person, now)
    };
    // Clients of version 0 know no token, and connect with the id.
    let (connection_id, connection_token) = match version {
        0 => (token, None),
        _ => (id.to_string(), Some(token)),
    };
    Ok(Json(Negotiated {
        negotiate_version: version,
        connection_id,
        connection_token,
        available_transports: TRANSPORTS,
        use_stateful_reconnect,
    })
    .into_response())
}

fn asks_for_stateful_reconnect(query: &QueryPairs) -> bool {
    query.get("useStatefulReconnect").is_some_and(|asked| asked.eq_ignore_ascii_case("true"))
}

/// Returns the version to speak, or the error text of the reference server.
fn version(asked: Option<&str>) -> Result<u8, String> {
    let Some(asked) = asked else { return Ok(0) };
    match asked.trim().parse::<i32>() {
        Ok(0) => Ok(0),
        Ok(1..) => Ok(1),
        Ok(version) => {
            Err(format!("The client requested version '{version}', but the server does not support this version."))
        }
        Err(_) => Err("The client requested a non-integer protocol version.".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_reference_server() {
        assert_eq!(version(None), Ok(0));
        assert_eq!((version(Some("0")), version(Some("1")), version(Some("99"))), (Ok(0), Ok(1), Ok(1)));
        for odd in ["-1", "one", "", "1.5"] {
            assert!(version(Some(odd)).is_err(), "{odd}");
        }
    }
}
