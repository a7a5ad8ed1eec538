//! What carries a session's bytes: a WebSocket, or a link that Server-Sent Events or long polls feed.

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

/// The session's end of what carries it.
#[derive(Debug)]
pub enum Transport {
    /// A WebSocket.
    WebSocket(WebSocket),
    /// HTTP requests.
    Http(HttpTransportEnd),
    /// Nothing: its socket is gone, and another may take its place.
    Gone,
}

impl Transport {
    /// What metrics call it.
    pub(super) fn label(&self) -> metrics::Transport {
        match self {
            Self::WebSocket(_) | Self::Gone => metrics::Transport::WebSockets,
            Self::Http(link) => match link.kind() {
                HttpTransportKind::EventStream => metrics::Transport::ServerSentEvents,
                HttpTransportKind::LongPoll => metrics::Transport::LongPolling,
            },
        }
    }

    /// Whether there is no socket.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Gone)
    }

    /// Whether it cannot carry binary records.
    pub(super) fn is_text_only(&self) -> bool {
        self.label() == metrics::Transport::ServerSentEvents
    }

    /// Whether its own requests show that both sides are there: then nobody pings.
    pub(super) fn is_its_own_keep_alive(&self) -> bool {
        self.label() == metrics::Transport::LongPolling
    }

    /// Whether a client that never pings can be asked for a sign of life. If not, only its socket tells.
    pub(super) fn can_ask(&self) -> bool {
        matches!(self, Self::WebSocket(_))
    }

    /// What comes next from the client.
    pub(super) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        match self {
            Self::WebSocket(socket) => socket.poll_incoming(cx),
            Self::Http(link) => link.poll_incoming(cx),
            // Whoever waits for another socket is woken by that.
            Self::Gone => Poll::Pending,
        }
    }

    /// Puts whole records on their way. Whoever sends looks at [`Self::is_flushed`] first.
    pub(super) fn send(&mut self, format: TransferFormat, records: impl IntoIterator<Item = Bytes>) {
        match self {
            Self::WebSocket(socket) => socket.send(format, records),
            Self::Http(link) => link.send(records),
            Self::Gone => records.into_iter().for_each(drop),
        }
    }

    /// The end of a frame that others began: it goes out before all else.
    pub(super) fn finish(&mut self, rest: Option<Bytes>) {
        if let (Self::WebSocket(socket), Some(rest)) = (self, rest) {
            socket.finish(rest);
        }
    }

    /// Asks for a sign of life, where clients give one by themselves.
    pub(super) fn send_ping(&mut self) {
        if let Self::WebSocket(socket) = self {
            socket.send_ping();
        }
    }

    /// Closes after what is on its way.
    pub(super) fn close(&mut self) {
        match self {
            Self::WebSocket(socket) => socket.close(),
            Self::Http(link) => link.close(),
            Self::Gone => {}
        }
    }

    /// Closes: the client does not speak the transport.
    pub(super) fn close_malformed(&mut self) {
        match self {
            Self::WebSocket(socket) => socket.close_malformed(),
            Self::Http(link) => link.close(),
            Self::Gone => {}
        }
    }

    /// Whether the client closed too.
    pub(super) fn is_closed_by_client(&self) -> bool {
        match self {
            Self::WebSocket(socket) => socket.is_closed_by_client(),
            Self::Http(link) => link.is_closed_by_client(),
            Self::Gone => true,
        }
    }

    /// Whether nothing is on its way.
    pub(super) fn is_flushed(&self) -> bool {
        match self {
            Self::WebSocket(socket) => socket.is_flushed(),
            Self::Http(link) => link.is_flushed(),
            Self::Gone => true,
        }
    }

    /// Ready when nothing is on its way.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::WebSocket(socket) => socket.poll_flush(cx),
            Self::Http(link) => link.poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}
