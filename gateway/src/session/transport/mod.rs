//! The transport of a session: a WebSocket, or HTTP requests of Server-Sent Events or long polls.

mod http_stream;
mod websocket;

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use rts_common::signalr::TransferFormat;

pub use self::http_stream::{HttpTransport, HttpTransportEnd, HttpTransportKind, Over, Reader, Taken};
pub use self::websocket::WebSocket;
pub(super) use self::websocket::{Incoming, TransportError};
use crate::metrics;

/// The session's end of its transport.
#[derive(Debug)]
pub enum Transport {
    /// A WebSocket.
    WebSocket(WebSocket),
    /// HTTP requests.
    Http(HttpTransportEnd),
    /// No socket: it was lost, and another may replace it.
    Gone,
}

impl Transport {
    /// Returns its label in metrics.
    pub(super) fn label(&self) -> metrics::Transport {
        match self {
            Self::WebSocket(_) | Self::Gone => metrics::Transport::WebSockets,
            Self::Http(link) => match link.kind() {
                HttpTransportKind::EventStream => metrics::Transport::ServerSentEvents,
                HttpTransportKind::LongPoll => metrics::Transport::LongPolling,
            },
        }
    }

    /// True if there is no socket.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }

    /// True if it cannot carry binary records.
    pub(super) fn is_text_only(&self) -> bool {
        self.label() == metrics::Transport::ServerSentEvents
    }

    /// True if its own requests show that both sides are alive: then no pings are needed.
    pub(super) fn is_its_own_keep_alive(&self) -> bool {
        self.label() == metrics::Transport::LongPolling
    }

    /// True if a client that never pings can be pinged. Otherwise only its socket shows that it is gone.
    pub(super) fn can_ask(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// Returns the client's next data.
    pub(super) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        match self {
            Self::WebSocket(socket) => socket.poll_incoming(cx),
            Self::Http(link) => link.poll_incoming(cx),
            // A session without a socket is woken by the next one.
            Self::Gone => Poll::Pending,
        }
    }

    /// Queues complete records. The caller checks [`Self::is_flushed`] first.
    pub(super) fn send(&mut self, format: TransferFormat, records: impl IntoIterator<Item = Bytes>) {
        match self {
            Self::WebSocket(socket) => socket.send(format, records),
            Self::Http(link) => link.send(records),
            Self::Gone => records.into_iter().for_each(drop),
        }
    }

    /// Queues the end of a frame that others began: it is sent before all else.
    pub(super) fn finish(&mut self, rest: Option<Bytes>) {
        if let (Self::WebSocket(socket), Some(rest)) = (self, rest) {
            socket.finish(rest);
        }
    }

    /// Sends a ping, if clients answer it automatically.
    pub(super) fn send_ping(&mut self) {
        if let Self::WebSocket(socket) = self {
            socket.send_ping();
        }
    }

    /// Closes after the queued data.
    pub(super) fn close(&mut self) {
        match self {
            Self::WebSocket(socket) => socket.close(),
            Self::Http(link) => link.close(),
            Self::Gone => {}
        }
    }

    /// Closes because the client does not speak the transport.
    pub(super) fn close_malformed(&mut self) {
        match self {
            Self::WebSocket(socket) => socket.close_malformed(),
            Self::Http(link) => link.close(),
            Self::Gone => {}
        }
    }

    /// True if the client closed too.
    pub(super) fn is_closed_by_client(&self) -> bool {
        match self {
            Self::WebSocket(socket) => socket.is_closed_by_client(),
            Self::Http(link) => link.is_closed_by_client(),
            Self::Gone => true,
        }
    }

    /// True if no data is queued.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::WebSocket(socket) => socket.is_flushed(),
            Self::Http(link) => link.is_flushed(),
            Self::Gone => true,
        }
    }

    /// Ready when no data is queued.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::WebSocket(socket) => socket.poll_flush(cx),
            Self::Http(link) => link.poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
