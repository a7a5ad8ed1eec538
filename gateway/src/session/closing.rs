//! The last phase: pending calls are answered, the client gets the reason, and the transport is closed.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::{io, time::Duration};

use rts_common::signalr::{Protocol, close as close_record};

use super::calls::Calls;
use super::transport::{Incoming, TransportError};
use super::{Settings, Transport};
use crate::close_reason::CloseReason;

/// Ends the session after the handshake.
pub(super) async fn say(
    settings: &Settings,
    socket: &mut Transport,
    protocol: Protocol,
    reason: CloseReason,
    calls: &mut Calls,
) {
    if socket.is_gone() {
        return;
    }
    let is_there = !matches!(reason, CloseReason::ConnectionLost | CloseReason::KeepAliveTimeout | CloseReason::Slow);
    if is_there && !calls.is_empty() {
        let answered = poll_fn(|cx| poll_answered(cx, socket, protocol, calls));
        // In time or not: a client sends unanswered calls again, and they are not duplicated.
        let _in_time = within(settings.finish_timeout, answered).await;
    }
    if reason == CloseReason::ConnectionLost {
        return;
    }
    if let Some(text) = reason.text() {
        let record = close_record(protocol, Some(text), reason.allows_reconnect());
        socket.send(protocol.transfer_format(), [record]);
    }
    close(settings, socket).await;
}

/// Closes the transport after the data that is being sent, and waits a little for the client to do so too.
pub(super) async fn close(settings: &Settings, socket: &mut Transport) {
    socket.close();
    let _in_time = within(settings.close_timeout, poll_fn(|cx| poll_closed(cx, socket))).await;
}

async fn within(time: Duration, work: impl Future<Output = io::Result<()>>) -> bool {
    matches!(tokio::time::timeout(time, work).await, Ok(Ok(())))
}

/// Ready when all calls are answered and the answers sent.
fn poll_answered(
    cx: &mut Context<'_>,
    socket: &mut Transport,
    protocol: Protocol,
    calls: &mut Calls,
) -> Poll<io::Result<()>> {
    loop {
        if !socket.is_flushed() {
            ready!(socket.poll_flush(cx))?;
        }
        let (effect, reads) = (calls.poll_effect(cx), calls.poll_reads(cx));
        match calls.poll_answers(cx) {
            Poll::Ready(answers) => socket.send(protocol.transfer_format(), answers),
            Poll::Pending if calls.is_empty() => return Poll::Ready(Ok(())),
            Poll::Pending if effect.is_pending() && reads.is_pending() => return Poll::Pending,
            Poll::Pending => {}
        }
    }
}

/// Ready when the client closed, or is gone. Anything that it still sends is ignored.
fn poll_closed(cx: &mut Context<'_>, socket: &mut Transport) -> Poll<io::Result<()>> {
    if !socket.is_flushed() {
        ready!(socket.poll_flush(cx))?;
    }
    if socket.is_closed_by_client() {
        return Poll::Ready(Ok(()));
    }
    loop {
        match ready!(socket.poll_incoming(cx)) {
            Ok(Incoming::Data(_) | Incoming::Sign) => {}
            Ok(Incoming::Close) | Err(TransportError::Malformed) => return Poll::Ready(Ok(())),
            Err(TransportError::Lost(error)) => return Poll::Ready(Err(error)),
        }
    }
}
