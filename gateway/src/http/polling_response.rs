//! Answers that carry records: the event stream, and polls.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::StreamExt as _;
use futures_util::stream;
use http::{HeaderName, HeaderValue, StatusCode, header};

use super::request_error::RequestError;
use crate::session::{HttpTransport, Reader, Taken};

/// Asks proxies to pass events on without buffering.
const NO_BUFFERING: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
const NO_CACHE: (HeaderName, HeaderValue) = (header::CACHE_CONTROL, HeaderValue::from_static("no-cache,no-store"));
/// A comment: it shows the client immediately that the stream is open.
const OPENING: Bytes = Bytes::from_static(b":\r\n");

/// Streams a reader's events. The stream ends with the session; dropping it with its request ends the session.
pub(super) fn events(mut reader: Reader) -> Response {
    let records = stream::poll_fn(move |cx| {
        reader.poll_take(cx).map(|taken| match taken {
            Taken::Records(records) => Some(Ok::<_, std::convert::Infallible>(event(&records))),
            Taken::Over | Taken::Superseded => None,
        })
    });
    let body = Body::from_stream(stream::once(async { Ok(OPENING) }).chain(records));
    let kind = (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    ([kind, NO_CACHE, NO_BUFFERING], body).into_response()
}

/// Returns records as one event. Line ends in JSON are white space, and every line has to be marked as data.
fn event(records: &[u8]) -> Bytes {
    let mut event = BytesMut::with_capacity(records.len() + 16);
    for line in records.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty()) {
        event.put_slice(b"data: ");
        event.put_slice(line);
        event.put_slice(b"\r\n");
    }
    event.put_slice(b"\r\n");
    event.freeze()
}

/// Answers a poll with the records that wait, or waits for some.
pub(super) async fn poll(idle: Duration, link: &Arc<HttpTransport>) -> Result<Response, RequestError> {
    let mut reader = link.reader().ok_or(RequestError::NoSuchConnection)?;
    // Polled before the timeout: records that wait already are taken even when no time is left.
    let taken = tokio::time::timeout(idle, poll_fn(|cx| reader.poll_take(cx))).await;
    Ok(match taken {
        Err(_) => empty_poll(),
        Ok(Taken::Records(records)) => {
            let kind = (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
            ([kind, NO_CACHE], records).into_response()
        }
        Ok(Taken::Over | Taken::Superseded) => (StatusCode::NO_CONTENT, [NO_CACHE]).into_response(),
    })
}

/// Answers the first poll, and one in whose time nothing happened.
pub(super) fn empty_poll() -> Response {
    ([NO_CACHE], Body::empty()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_has_all_records_and_no_line_that_is_not_data() {
        assert_eq!(event(b"{}\x1e{}\x1e"), "data: {}\x1e{}\x1e\r\n\r\n");
        assert_eq!(event(b"{\n\r\n}\x1e"), "data: {\r\ndata: }\x1e\r\n\r\n");
    }
}
