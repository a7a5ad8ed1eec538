//! The first phase: the handshake, and its answer. The answer waits for the session to be connected, so that nothing
//! is missed after it.

use std::future::{poll_fn, ready};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use rts_common::signalr::{
    HandshakeDecoder, HandshakeError, HandshakeRequest, Protocol, TransferFormat, handshake_response_ok,
};

use super::service::Connecting;
use super::transport::{Incoming, TransportError};
use super::{NewConnection, Settings, Transport};
use crate::close_reason::CloseReason;

/// Waits for the client's handshake; if it is refused, queues the answer. Returns the handshake, and the bytes received
/// after it.
pub(super) async fn shake_hands(
    settings: &Settings,
    arrival: &NewConnection,
    socket: &mut Transport,
) -> Result<(HandshakeRequest, Bytes), CloseReason> {
    let mut decoder = HandshakeDecoder::new();
    let deadline = (arrival.arrived + settings.handshake_timeout).into();
    let asked = tokio::time::timeout_at(deadline, poll_fn(|cx| poll_request(cx, arrival, socket, &mut decoder)));
    let refused = match asked.await {
        Ok(Ok((request, _))) if socket.is_text_only() && request.protocol.transfer_format().is_binary() => {
            HandshakeError::NeedsBinary { protocol: request.protocol }
        }
        Ok(Ok(received)) => return Ok(received),
        Ok(Err(Failure::Ended(reason))) => return Err(reason),
        Ok(Err(Failure::Refused(error))) => error,
        Err(_) => HandshakeError::Canceled,
    };
    tracing::debug!(connection = %arrival.connection_id, kind = refused.label(), "handshake refused");
    socket.send(TransferFormat::Text, [refused.response()]);
    Err(match refused {
        HandshakeError::Canceled => CloseReason::HandshakeTimeout,
        _ => CloseReason::HandshakeFailed,
    })
}

/// Queues the answer to a handshake once the session is connected, or ends, or the client has waited for long enough.
/// Returns the connecting, which may be done.
pub(super) async fn answer(
    mut connecting: Connecting,
    answer_by: Instant,
    protocol: Protocol,
    arrival: &NewConnection,
    socket: &mut Transport,
) -> Connecting {
    let connected = poll_fn(|cx| match connecting.as_mut().poll(cx) {
        Poll::Ready(connected) => Poll::Ready(Some(connected)),
        Poll::Pending => arrival.outbox.poll_closed(cx).map(|_| None),
    });
    if let Ok(Some(connected)) = tokio::time::timeout_at(answer_by.into(), connected).await {
        connecting = Box::pin(ready(connected));
    }
    socket.send(protocol.transfer_format(), [handshake_response_ok()]);
    connecting
}

enum Failure {
    /// The client gets the reason.
    Refused(HandshakeError),
    /// The session ends without an answer.
    Ended(CloseReason),
}

fn poll_request(
    cx: &mut Context<'_>,
    arrival: &NewConnection,
    socket: &mut Transport,
    decoder: &mut HandshakeDecoder,
) -> Poll<Result<(HandshakeRequest, Bytes), Failure>> {
    if let Poll::Ready(reason) = arrival.outbox.poll_closed(cx) {
        return Poll::Ready(Err(Failure::Ended(reason)));
    }
    loop {
        if !socket.is_flushed()
            && let Poll::Ready(Err(_)) = socket.poll_flush(cx)
        {
            return Poll::Ready(Err(Failure::Ended(CloseReason::ConnectionLost)));
        }
        let bytes = match std::task::ready!(socket.poll_incoming(cx)) {
            Ok(Incoming::Data(bytes)) => bytes,
            Ok(Incoming::Sign) => continue,
            Ok(Incoming::Close) => return Poll::Ready(Err(Failure::Ended(CloseReason::ClientLeft))),
            Err(TransportError::Lost(_)) => {
                return Poll::Ready(Err(Failure::Ended(CloseReason::ConnectionLost)));
            }
            Err(TransportError::Malformed) => {
                socket.close_malformed();
                return Poll::Ready(Err(Failure::Ended(CloseReason::ProtocolError)));
            }
        };
        match decoder.push(bytes) {
            Ok(None) => {}
            Ok(Some(asked)) => return Poll::Ready(Ok(asked)),
            Err(error) => return Poll::Ready(Err(Failure::Refused(error))),
        }
    }
}
