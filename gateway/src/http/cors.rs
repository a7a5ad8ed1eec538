//! Cross-origin requests: every answer, also a refusal, has the headers for allowed pages: otherwise a page could not
//! tell an invalid token from a broken network.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};

use super::App;
use super::origin_policy::OriginCheck;
use super::request_error::RequestError;

/// The headers that the SignalR clients send.
const HEADERS: HeaderValue =
    HeaderValue::from_static("authorization, content-type, x-requested-with, x-signalr-user-agent");
const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");
/// Time for which a browser may cache the answer, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

pub(super) async fn allow(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let standing = app.origins.check(request.headers());
    if standing == OriginCheck::NotAPage {
        return next.run(request).await;
    }
    let origin = request.headers().get(header::ORIGIN).cloned().filter(|_| standing == OriginCheck::Allowed);
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = match (is_preflight, standing) {
        (true, OriginCheck::Foreign) => RequestError::ForeignOrigin.into_response(),
        (true, _) => preflight(),
        (false, _) => next.run(request).await,
    };
    mark(response.headers_mut(), origin);
    response
}

fn preflight() -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
    response
}

/// Sets the headers. The JavaScript client includes credentials, so the origin has to be named: `*` would not do.
fn mark(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
}
