//! The accept loop of a listener, and one HTTP connection.

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rts_common::limits::{HTTP_HEAD_BYTES, HTTP_HEAD_TIME, HTTP_HEADERS, HTTP_IDLE};
use tokio::net::{TcpListener, TcpStream};
use tower::ServiceExt as _;

use super::client_address::Peer;
use super::router::as_routed;
use crate::lifecycle::Lifecycle;

/// Pause after an error of accept, such as a lack of file descriptors.
const BACKOFF: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Serves a listener until the node stops.
pub async fn serve(listener: TcpListener, router: Router, lifecycle: Lifecycle) {
    let mut backoff = BACKOFF;
    loop {
        let accepted = lifecycle.stopping().run_until_cancelled(listener.accept()).await;
        match accepted {
            None => return,
            Some(Ok((stream, peer))) => {
                backoff = BACKOFF;
                lifecycle.spawn(connection(stream, Peer(peer), router.clone(), lifecycle.clone()));
            }
            Some(Err(error)) if is_of_one_connection(&error) => {}
            Some(Err(error)) => {
                tracing::warn!(%error, "cannot accept connections; trying again");
                tokio::time::sleep(backoff).await;
                backoff = (backoff * 2).min(BACKOFF_MAX);
            }
        }
    }
}

/// True if the error concerns only the connection, which was gone before it was accepted.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}

async fn connection(stream: TcpStream, peer: Peer, router: Router, lifecycle: Lifecycle) {
    // Small records must not wait for the acknowledgement of others.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let has_asked = Arc::new(AtomicBool::new(false));
    let service = service_fn({
        let has_asked = Arc::clone(&has_asked);
        move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            has_asked.store(true, Ordering::Relaxed);
            answer(router.clone(), request)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HTTP_IDLE)
        .max_headers(HTTP_HEADERS)
        .max_buf_size(HTTP_HEAD_BYTES);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service).with_upgrades());
    let mut first_head = pin!(tokio::time::sleep(HTTP_HEAD_TIME));
    let mut is_new = true;
    let mut is_stopping = false;
    loop {
        tokio::select! {
            // An error of one connection only concerns its client.
            _ended = connection.as_mut() => return,
            () = first_head.as_mut(), if is_new => {
                if !has_asked.load(Ordering::Relaxed) {
                    return;
                }
                is_new = false;
            }
            () = lifecycle.stopping().cancelled(), if !is_stopping => {
                connection.as_mut().graceful_shutdown();
                is_stopping = true;
            }
        }
    }
}

async fn answer(router: Router, mut request: hyper::Request<Incoming>) -> Result<axum::response::Response, Infallible> {
    if let Some(uri) = as_routed(request.uri()) {
        *request.uri_mut() = uri;
    }
    router.oneshot(request.map(axum::body::Body::new) as Request).await
}
