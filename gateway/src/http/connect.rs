//! The hub's route, for all transports.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use http::{HeaderMap, Method, header};

use super::App;
use super::identify::identify_any;
use super::query::QueryPairs;
use super::request_error::RequestError;
use super::{polling, websocket};

/// Accepts a WebSocket, or a request of another transport.
pub(super) async fn connect(
    State(app): State<Arc<App>>,
    query: QueryPairs,
    request: Request,
) -> Result<Response, RequestError> {
    match *request.method() {
        Method::GET if asks_for_websocket(request.headers()) => websocket::upgrade(app, &query, request).await,
        Method::GET | Method::POST | Method::DELETE => {
            let known = identify_any(&app, app.peers.hop(&request), request.headers(), &query).await?;
            polling::serve(app, &query, known, request).await
        }
        _ => Err(RequestError::WrongMethod),
    }
}

fn asks_for_websocket(headers: &HeaderMap) -> bool {
    headers.get(header::UPGRADE).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
