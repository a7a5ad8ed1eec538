//! Writing to a client's socket without waking its session.
//!
//! Most of the time a session waits and has nothing to send. The pusher of a record then writes the frame to the socket
//! immediately: the session's task is not scheduled at all.
//!
//! The right to write is guarded by the outbox's lock. A session that waits with its socket flushed releases it
//! ([`DirectWriter::release`]); pushers write then, and never wait: bytes that the socket does not accept immediately
//! are left to the session, which is woken, and holds the socket until it waits again. A session reclaims its socket
//! before it writes anything itself. So frames never mix, and records are sent in the order they were pushed.

use bytes::{Bytes, BytesMut};
use rts_common::signalr::TransferFormat;

use super::SharedStream;
use super::compact_queue::CompactQueue;
use super::websocket_frame::put_frame_header;
use crate::metrics;

/// Records beyond this many bytes are left to the session: copying them is no gain any more.
const BYTES_MAX: usize = 16 * 1024;

/// A socket that may be written without its session.
#[derive(Debug)]
pub(crate) struct DirectWriter {
    stream: SharedStream,
    /// The format of its frames.
    format: TransferFormat,
    /// The session waits, and has nothing to send.
    is_free: bool,
    /// The end of a frame that the socket did not accept completely.
    rest: Option<Bytes>,
    records: u64,
    bytes: u64,
}

/// The writes that were made without the session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The end of a frame whose beginning is sent: it has to be written before anything else.
    pub rest: Option<Bytes>,
    /// Complete records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl DirectWriter {
    /// Returns a writer that the session holds until it waits.
    pub(crate) fn new(stream: SharedStream, format: TransferFormat) -> Self {
        Self { stream, format, is_free: false, rest: None, records: 0, bytes: 0 }
    }

    /// Releases the socket: the session waits.
    pub(crate) fn release(&mut self) {
        self.is_free = true;
    }

    /// Reclaims the socket for the session, which has to write the returned bytes first.
    pub(crate) fn reclaim(&mut self) -> Option<Bytes> {
        self.is_free = false;
        self.rest.take()
    }

    /// True if the session has to finish a frame.
    pub(crate) fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// Writes records as one frame, if the session waits. True if they are sent, or their beginning is; otherwise the
    /// session has to be woken for them. `frame` is a buffer to build it in.
    pub(crate) fn write(&mut self, records: &CompactQueue<Bytes>, bytes: usize, frame: &mut BytesMut) -> bool {
        if !self.is_free || bytes > BYTES_MAX {
            return false;
        }
        frame.clear();
        put_frame_header(frame, self.format, bytes);
        records.iter().for_each(|record| frame.extend_from_slice(record));
        match self.stream.try_write(frame) {
            Ok(count) if count > 0 => {
                self.records += records.len() as u64;
                self.bytes += bytes as u64;
                metrics::bytes_sent(metrics::Transport::WebSockets, bytes);
                if count < frame.len() {
                    self.is_free = false;
                    self.rest = Some(Bytes::copy_from_slice(&frame[count..]));
                }
                true
            }
            // Full, or broken: the session handles both.
            Ok(_) | Err(_) => {
                self.is_free = false;
                false
            }
        }
    }

    /// Ends direct writes: the session ends, or continues without this socket.
    pub(crate) fn end(self) -> Written {
        Written { rest: self.rest, records: self.records, bytes: self.bytes }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;
    use std::task::Poll;

    use tokio::io::AsyncReadExt as _;
    use tokio::net::{TcpListener, TcpStream};

    use super::super::outbox::{Drained, FlushList, Outbox};
    use super::*;
    use crate::session::WebSocket;

    const FORMAT: TransferFormat = TransferFormat::Text;

    /// Returns a session's outbox and socket, and its client.
    async fn connected() -> (Arc<Outbox>, WebSocket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = SharedStream::new(listener.accept().await.unwrap().0);
        let outbox = Arc::new(Outbox::with_bounds(usize::MAX, usize::MAX));
        (outbox, WebSocket::new(stream, &[]), client)
    }

    /// Polls like a session: takes the records, or waits.
    async fn poll_drain(outbox: &Outbox) -> Option<Drained> {
        poll_fn(|cx| {
            Poll::Ready(match outbox.poll_drain(cx) {
                Poll::Ready(drained) => Some(drained),
                Poll::Pending => None,
            })
        })
        .await
    }

    async fn payload_of_a_frame(client: &mut TcpStream) -> Vec<u8> {
        let (first, second) = (client.read_u8().await.unwrap(), client.read_u8().await.unwrap());
        assert_eq!(first, 0x81, "a whole frame of text");
        let length = match second {
            126 => client.read_u16().await.unwrap().into(),
            127 => client.read_u64().await.unwrap().try_into().unwrap(),
            short => usize::from(short),
        };
        let mut payload = vec![0; length];
        client.read_exact(&mut payload).await.unwrap();
        payload
    }

    #[tokio::test]
    async fn only_while_the_session_waits() {
        let (outbox, socket, mut client) = connected().await;
        assert!(outbox.try_push("early".into()));
        outbox.begin_direct(socket.stream(), FORMAT);
        assert!(outbox.try_push("too".into()));
        let drained = poll_drain(&outbox).await.unwrap();
        assert_eq!((drained.records.len(), drained.rest), (2, None), "the session has not let go of it");

        assert_eq!(poll_drain(&outbox).await, None);
        let mut later = FlushList::default();
        assert!(outbox.try_push_listed("a".into(), &mut later) && outbox.try_push_listed("b".into(), &mut later));
        drop(later);
        assert_eq!(payload_of_a_frame(&mut client).await, b"ab");
        assert_eq!(poll_drain(&outbox).await, None, "nothing is left for the session");

        assert_eq!(outbox.reclaim(), None);
        assert!(outbox.try_push("c".into()));
        assert_eq!(poll_drain(&outbox).await.unwrap().records.len(), 1);
        assert_eq!(outbox.end_direct(), Written { rest: None, records: 2, bytes: 2 });
    }

    #[tokio::test]
    async fn bytes_that_the_socket_does_not_accept_are_written_first_by_the_session() {
        let (outbox, mut socket, mut client) = connected().await;
        outbox.begin_direct(socket.stream(), FORMAT);
        assert_eq!(poll_drain(&outbox).await, None);
        let record = |number: usize| Bytes::from(format!("{number:08}").repeat(1000));
        let mut pushed = 0;
        let drained = loop {
            assert!(outbox.try_push(record(pushed)));
            pushed += 1;
            if let Some(drained) = poll_drain(&outbox).await {
                break drained;
            }
        };
        assert!(drained.rest.is_some() || !drained.records.is_empty());
        socket.send(FORMAT, [record(pushed)]);
        if let Some(rest) = drained.rest {
            socket.finish(rest);
        }
        socket.send(FORMAT, drained.records);
        let reading = tokio::spawn(async move {
            let mut seen = Vec::new();
            while seen.len() <= pushed {
                let payload = payload_of_a_frame(&mut client).await;
                assert_eq!(payload.len(), 8000);
                seen.push(String::from_utf8(payload[..8].to_vec()).unwrap().parse::<usize>().unwrap());
            }
            seen
        });
        poll_fn(|cx| socket.poll_flush(cx)).await.unwrap();
        let mut seen = reading.await.unwrap();
        // The session's own record may precede those that it took with the rest.
        seen.sort_unstable();
        assert_eq!(seen, (0..=pushed).collect::<Vec<_>>());
    }
}
