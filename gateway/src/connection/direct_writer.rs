//! Writing to a client's socket without waking its session.
//!
//! Most of the time a session waits and has nothing on its way. Whoever has a record for it then writes the
//! frame to the socket at once: the session's task is not scheduled, and looks at nothing.
//!
//! Who may write is settled under the outbox's lock. A session that waits with its socket flushed lets go
//! of it ([`DirectWriter::release`]); whoever pushes writes then, and never waits: what the socket does not take at
//! once is the session's to write, which is woken, and holds the socket until it waits again. A session
//! takes its socket back before it writes anything of its own. So frames never mix, and what was pushed
//! first goes out first.

use bytes::{Bytes, BytesMut};
use rts_common::signalr::TransferFormat;

use super::SharedStream;
use super::compact_queue::CompactQueue;
use super::websocket_frame::put_frame_header;

/// Records beyond this many bytes are left to the session: to copy them is no gain any more.
const BYTES_MAX: usize = 16 * 1024;

/// A socket that may be written without its session.
#[derive(Debug)]
pub(crate) struct DirectWriter {
    stream: SharedStream,
    /// Of its frames.
    format: TransferFormat,
    /// The session waits, and has nothing on its way.
    is_free: bool,
    /// The end of a frame that the socket did not take whole.
    rest: Option<Bytes>,
    records: u64,
    bytes: u64,
}

/// What was written without the session.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    /// The end of a frame whose beginning is out: it has to be written before anything else.
    pub rest: Option<Bytes>,
    /// Whole records.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl DirectWriter {
    /// The session holds it until it waits.
    pub(crate) fn new(stream: SharedStream, format: TransferFormat) -> Self {
        Self { stream, format, is_free: false, rest: None, records: 0, bytes: 0 }
    }

    /// The session waits.
    pub(crate) fn release(&mut self) {
        self.is_free = true;
    }

    /// The session holds its socket from here on; it writes this first.
    pub(crate) fn reclaim(&mut self) -> Option<Bytes> {
        self.is_free = false;
        self.rest.take()
    }

    /// Whether the session has to finish a frame.
    pub(crate) fn has_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// Writes records as one frame, if the session waits. True if they are out, or their beginning is; else the
    /// session has to be woken for them. `frame` is room to build it in.
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
                if count < frame.len() {
                    self.is_free = false;
                    self.rest = Some(Bytes::copy_from_slice(&frame[count..]));
                }
                true
            }
            // Full, or broken: the session sees to either.
            Ok(_) | Err(_) => {
                self.is_free = false;
                false
            }
        }
    }

    /// The session ends, or goes on without this socket.
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

    /// A session's outbox and socket, and its client.
    async fn connected() -> (Arc<Outbox>, WebSocket, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = SharedStream::new(listener.accept().await.unwrap().0);
        let outbox = Arc::new(Outbox::with_bounds(usize::MAX, usize::MAX));
        (outbox, WebSocket::new(stream, &[]), client)
    }

    /// What a session does when it is polled: takes what there is, or waits.
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
    async fn what_the_socket_does_not_take_is_the_sessions_to_write_first() {
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
        // The session's own record may stand before those that it took with the rest.
        seen.sort_unstable();
        assert_eq!(seen, (0..=pushed).collect::<Vec<_>>());
    }
}
