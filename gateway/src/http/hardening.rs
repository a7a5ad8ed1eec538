//! Headers that every answer to clients has.

use axum::extract::Request;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use http::header;

/// Half a year. Browsers heed it over TLS only, so that it does no harm where the balancer speaks plain HTTP.
const ONLY_TLS: HeaderValue = HeaderValue::from_static("max-age=15768000");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFFING: HeaderValue = HeaderValue::from_static("nosniff");

/// Tells browsers to come back over TLS only, to take answers for what they say they are, and not to keep those that do
/// not say how long: they may hold tokens, or what a user may see.
pub(super) async fn harden(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    headers.insert(header::STRICT_TRANSPORT_SECURITY, ONLY_TLS);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, NO_SNIFFING);
    headers.entry(header::CACHE_CONTROL).or_insert(NO_STORE);
    response
}
