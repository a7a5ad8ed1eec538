//! The accept loop of a listener, and one HTTP connection.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
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

use super::arrivals::{Arrivals, Heads, WatchedStream};
use super::client_address::Peer;
use super::router::as_routed;
use crate::lifecycle::Lifecycle;

/// Pause after an error of accept, such as a lack of file descriptors.
const BACKOFF: Duration = Duration::from_millis(10);
const BACKOFF_MAX: Duration = Duration::from_secs(1);

/// Serves a listener until the node stops. A connection that is one too many is closed at once.
pub async fn serve(listener: TcpListener, router: Router, lifecycle: Lifecycle, arrivals: Arc<Arrivals>) {
    let mut backoff = BACKOFF;
    loop {
        let accepted = lifecycle.stopping().run_until_cancelled(listener.accept()).await;
        match accepted {
            None => return,
            Some(Ok((stream, peer))) => {
                backoff = BACKOFF;
                let Some(arrival) = arrivals.open(Peer(peer)) else { continue };
                let (router, ends_with) = (router.clone(), lifecycle.clone());
                lifecycle.spawn(async move {
                    connection(stream, Peer(peer), router, ends_with).await;
                    drop(arrival);
                });
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
    let heads = Heads::new();
    let service = service_fn({
        let heads = Arc::clone(&heads);
        move |mut request: hyper::Request<Incoming>| {
            request.extensions_mut().insert(peer);
            heads.complete();
            let (heads, answering) = (Arc::clone(&heads), answer(router.clone(), request));
            async move {
                let answer = answering.await;
                heads.answered();
                answer
            }
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new())
        .header_read_timeout(HTTP_IDLE)
        .max_headers(HTTP_HEADERS)
        .max_buf_size(HTTP_HEAD_BYTES);
    let stream = TokioIo::new(WatchedStream::new(stream, Arc::clone(&heads)));
    let mut connection = pin!(http.serve_connection(stream, service).with_upgrades());
    let mut head_time = pin!(tokio::time::sleep(HTTP_HEAD_TIME));
    let mut stopping = pin!(lifecycle.stopping().cancelled());
    let mut is_stopping = false;
    poll_fn(|cx| {
        if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
            connection.as_mut().graceful_shutdown();
            is_stopping = true;
        }
        // An error of one connection only concerns its client.
        if connection.as_mut().poll(cx).is_ready() {
            return Poll::Ready(());
        }
        // Whatever arrived just now is seen by `heads`.
        let Some(due) = heads.due() else { return Poll::Pending };
        if head_time.deadline() != due.into() {
            head_time.as_mut().reset(due.into());
        }
        head_time.as_mut().poll(cx)
    })
    .await;
}

async fn answer(router: Router, mut request: hyper::Request<Incoming>) -> Result<axum::response::Response, Infallible> {
    if let Some(uri) = as_routed(request.uri()) {
        *request.uri_mut() = uri;
    }
    router.oneshot(request.map(axum::body::Body::new) as Request).await
}
