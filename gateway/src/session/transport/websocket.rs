//! A WebSocket over TCP: frames in, frames out, and no buffer while idle.

use std::io::{self, IoSlice};
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use rts_common::signalr::TransferFormat;
use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};

use crate::connection::CompactQueue;
use crate::connection::SharedStream;
use crate::connection::websocket_frame::{
    FrameReader, MalformedFrame, Opcode, Piece, header, header_bytes, opcode_of, put_header,
};

/// Bytes read at once: on the stack, so that waiting costs nothing. The data is copied into buffers of the exact size.
const READ_BYTES: usize = 8 * 1024;
/// Records up to this size are copied into one buffer with their header; larger ones are written without a copy.
const COPY_BYTES: usize = 2 * 1024;
/// The size up to which records are sent as one frame.
const FRAME_BYTES: usize = 32 * 1024;
/// Buffers of one write to the socket.
const SLICES: usize = 32;
/// The close code for an invalid WebSocket frame.
const CODE_PROTOCOL_ERROR: u16 = 1002;
/// The close code of a normal end.
const CODE_NORMAL: u16 = 1000;

/// Incoming data of the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Incoming {
    /// Bytes of records, cut anywhere.
    Data(Bytes),
    /// A sign of life without data.
    Sign,
    /// The client closes the WebSocket; the answer is queued.
    Close,
}

/// The reason why the connection cannot continue.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The socket failed, or ended without a close frame.
    #[error("the connection is lost")]
    Lost(#[from] io::Error),
    /// The client does not speak WebSocket.
    #[error("malformed WebSocket frame")]
    Malformed,
}

impl From<MalformedFrame> for TransportError {
    fn from(_: MalformedFrame) -> Self {
        Self::Malformed
    }
}

/// The server's end of a WebSocket.
#[derive(Debug)]
pub struct WebSocket {
    stream: SharedStream,
    reader: FrameReader,
    /// Received and not yet read: more than one frame arrived at once, or the beginning of a header.
    received: BytesMut,
    /// Queued frames. Senders check [`Self::is_flushed`] first, so that the queue is bounded by what one turn of the
    /// session sends.
    outgoing: CompactQueue<Bytes>,
    /// The payload of the last ping that is not answered; earlier ones need no answer.
    ping: Option<Bytes>,
    /// The server's close frame is sent or queued; nothing may follow it.
    closing: bool,
    /// The client's close frame was read.
    client_closed: bool,
}

impl WebSocket {
    /// Returns its stream, for writers other than its session.
    pub fn stream(&self) -> SharedStream {
        self.stream.clone()
    }

    /// Returns a WebSocket over a stream whose HTTP upgrade is done, with the bytes received after it.
    pub fn new(stream: SharedStream, received: &[u8]) -> Self {
        Self {
            stream,
            reader: FrameReader::default(),
            received: received.into(),
            outgoing: CompactQueue::default(),
            ping: None,
            closing: false,
            client_closed: false,
        }
    }

    /// Returns the client's next data. Pings are answered with the next flush.
    pub fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        loop {
            if let Some(piece) = self.reader.next_piece(&mut self.received)? {
                return Poll::Ready(Ok(self.take(piece)));
            }
            let mut buffer = [MaybeUninit::uninit(); READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut buffer);
            ready!(Pin::new(&mut self.stream).poll_read(cx, &mut buffer))?;
            if buffer.filled().is_empty() {
                return Poll::Ready(Err(TransportError::Lost(io::ErrorKind::UnexpectedEof.into())));
            }
            if self.received.is_empty() {
                self.received = buffer.filled().into();
            } else {
                self.received.extend_from_slice(buffer.filled());
            }
        }
    }

    fn take(&mut self, piece: Piece) -> Incoming {
        if self.received.is_empty() {
            // Releases the memory that it shares with the piece.
            self.received = BytesMut::new();
        }
        match piece {
            Piece::Data(bytes) => Incoming::Data(bytes),
            Piece::Ping(payload) => {
                self.ping = Some(payload);
                Incoming::Sign
            }
            Piece::Pong => Incoming::Sign,
            Piece::Close(code) => {
                self.client_closed = true;
                self.close_with(code.unwrap_or(CODE_NORMAL));
                Incoming::Close
            }
        }
    }

    /// Puts the end of a frame, whose beginning others wrote, before what is on its way. None of that has
    /// begun: the session did not hold its socket.
    pub(crate) fn finish(&mut self, rest: Bytes) {
        self.outgoing.push_front(rest);
    }

    /// Queues complete records, in as few frames as is sensible; none is ever cut.
    pub fn send(&mut self, format: TransferFormat, records: impl IntoIterator<Item = Bytes>) {
        if self.closing {
            return;
        }
        let opcode = opcode_of(format);
        let mut records = records.into_iter();
        let Some(first) = records.next() else { return };
        let Some(second) = records.next() else {
            let payload_bytes = first.len();
            self.send_frame(opcode, std::iter::once(first), payload_bytes);
            return;
        };
        let mut frame_bytes = 0;
        let mut frame = Vec::new();
        for record in [first, second].into_iter().chain(records) {
            if frame_bytes + record.len() > FRAME_BYTES && !frame.is_empty() {
                self.send_frame(opcode, frame.drain(..), frame_bytes);
                frame_bytes = 0;
            }
            frame_bytes += record.len();
            frame.push(record);
        }
        self.send_frame(opcode, frame.drain(..), frame_bytes);
    }

    fn send_frame(&mut self, opcode: Opcode, parts: impl Iterator<Item = Bytes>, payload_bytes: usize) {
        if payload_bytes > COPY_BYTES {
            self.outgoing.push_back(header(opcode, payload_bytes));
            self.outgoing.extend(parts);
        } else {
            self.send_small(opcode, payload_bytes, parts);
        }
    }

    fn send_small(&mut self, opcode: Opcode, payload_bytes: usize, parts: impl Iterator<Item = Bytes>) {
        // Of the exact size: it becomes `Bytes` without another allocation.
        let mut frame = BytesMut::with_capacity(header_bytes(payload_bytes) + payload_bytes);
        put_header(&mut frame, opcode, payload_bytes);
        for part in parts {
            frame.extend_from_slice(&part);
        }
        self.outgoing.push_back(frame.freeze());
    }

    /// Queues a ping, which every WebSocket client answers automatically.
    pub fn send_ping(&mut self) {
        if !self.closing {
            self.send_small(Opcode::Ping, 0, std::iter::empty());
        }
    }

    /// Queues the close frame of a normal end.
    pub fn close(&mut self) {
        self.close_with(CODE_NORMAL);
    }

    /// Queues the close frame for a client that does not speak WebSocket.
    pub fn close_malformed(&mut self) {
        self.close_with(CODE_PROTOCOL_ERROR);
    }

    fn close_with(&mut self, code: u16) {
        if !self.closing {
            let code = Bytes::copy_from_slice(&code.to_be_bytes());
            self.send_small(Opcode::Close, code.len(), std::iter::once(code));
            self.closing = true;
        }
    }

    /// True if the client closed the WebSocket; nothing follows.
    pub fn is_closed_by_client(&self) -> bool {
        self.client_closed
    }

    /// True if all queued data was passed to the kernel.
    pub fn is_flushed(&self) -> bool {
        self.outgoing.is_empty() && self.ping.is_none()
    }

    /// Writes the queued data.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Some(payload) = self.ping.take()
            && !self.closing
        {
            self.send_small(Opcode::Pong, payload.len(), std::iter::once(payload));
        }
        while !self.outgoing.is_empty() {
            let written = ready!(self.poll_write(cx))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written(written);
        }
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let stream = Pin::new(&mut self.stream);
        if self.outgoing.len() == 1
            && let Some(only) = self.outgoing.front_mut()
        {
            return stream.poll_write(cx, only);
        }
        let mut slices = [IoSlice::new(&[]); SLICES];
        let mut count = 0;
        for (slice, bytes) in slices.iter_mut().zip(&self.outgoing) {
            *slice = IoSlice::new(bytes);
            count += 1;
        }
        stream.poll_write_vectored(cx, &slices[..count])
    }

    fn written(&mut self, mut count: usize) {
        while let Some(first) = self.outgoing.front_mut() {
            if first.len() > count {
                first.advance(count);
                return;
            }
            count -= first.len();
            self.outgoing.pop_front();
        }
    }
}
