//! An open connection: records in and out, with no task or timer of its own.
//!
//! Sending never waits: bytes that the socket does not take at once are kept and sent by [`Session::flush`]. Receiving
//! reads into a buffer that all connections of a thread share, so that a connection holds only the bytes of an
//! incomplete record.

use std::cell::RefCell;
use std::io;

use bytes::Bytes;
use rts_common::signalr::{self, Decoder, Protocol, ProtocolError, Record};

use super::link::Link;
use super::ws::{self, Chunk, FrameError, FrameReader, Opcode};

/// The most bytes of one record from a server: a history page of the largest bodies has 3 MiB.
const RECORD_BYTES_MAX: usize = 16 << 20;
/// Unsent bytes at which a connection counts as dead: the server no longer reads.
const UNSENT_BYTES_MAX: usize = 8 << 20;

/// An open connection of one thread.
#[derive(Debug)]
pub struct Session {
    link: Link,
    protocol: Protocol,
    incoming: RefCell<Incoming>,
    unsent: RefCell<Vec<u8>>,
}

#[derive(Debug)]
struct Incoming {
    frames: FrameReader,
    decoder: Decoder,
    /// Frames that came with the handshake's answer; records that did are in the decoder.
    early: Option<Vec<u8>>,
}

/// The reason why a connection ended.
#[derive(Debug, thiserror::Error)]
pub enum SessionEnd {
    /// The socket ended without a Close record or frame.
    #[error("the connection was cut")]
    Cut,
    /// The socket failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The server sent a Close record.
    #[error("closed by the server: {}", error.as_deref().unwrap_or("no reason"))]
    Closed {
        /// The reason given.
        error: Option<String>,
        /// True if the client may reconnect.
        allow_reconnect: bool,
    },
    /// The server closed the WebSocket without a preceding Close record.
    #[error("WebSocket closed with {0}")]
    SocketClosed(u16),
    /// The server's frames are invalid.
    #[error("bad frame: {0}")]
    Frame(String),
    /// The server's records are invalid.
    #[error("bad record: {0}")]
    Record(#[from] ProtocolError),
    /// A record that extends beyond the end of its frame, which the stock clients do not survive.
    #[error("a record was split over two WebSocket messages")]
    SplitRecord,
    /// JSON in a binary frame or MessagePack in a text frame, which the stock client does not survive.
    #[error("a frame of the wrong type")]
    WrongOpcode,
    /// Nothing was received for longer than the stock client waits.
    #[error("the server sent nothing for too long")]
    Silent,
}

impl SessionEnd {
    /// Returns its label in reports.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Io(_) => "socket error",
            Self::Closed { allow_reconnect: true, .. } => "closed, reconnect allowed",
            Self::Closed { .. } => "closed for good",
            Self::SocketClosed(_) => "websocket close",
            Self::Frame(_) => "bad frame",
            Self::Record(_) => "bad record",
            Self::SplitRecord => "split record",
            Self::WrongOpcode => "wrong opcode",
            Self::Silent => "silent server",
        }
    }
}

impl Session {
    pub(super) fn new(link: Link, protocol: Protocol, frames: FrameReader) -> Self {
        Self {
            link,
            protocol,
            incoming: RefCell::new(Incoming { frames, decoder: Decoder::new(protocol, RECORD_BYTES_MAX), early: None }),
            unsent: RefCell::default(),
        }
    }

    /// Keeps the bytes that followed the handshake's answer: records, then raw frames.
    pub(super) fn give_back(&self, records: &[u8], frames: &[u8]) {
        if records.is_empty() && frames.is_empty() {
            return;
        }
        let mut incoming = self.incoming.borrow_mut();
        incoming.decoder.push(Bytes::copy_from_slice(records));
        incoming.early = Some(frames.to_vec());
    }

    /// Returns the hub protocol in use.
    pub fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// Sends one record, or keeps it until [`Self::flush`]; `false` if it was kept.
    pub fn send(&self, record: &[u8]) -> io::Result<bool> {
        let opcode = if self.protocol.transfer_format().is_binary() { Opcode::Binary } else { Opcode::Text };
        self.send_frame(opcode, record)
    }

    /// Sends a ping record.
    pub fn ping(&self) -> io::Result<bool> {
        self.send(&signalr::ping(self.protocol))
    }

    /// Sends the bytes that were kept; `true` once nothing is left.
    pub fn flush(&self) -> io::Result<bool> {
        let mut unsent = self.unsent.borrow_mut();
        while !unsent.is_empty() {
            match self.link.try_write(&unsent) {
                Ok(count) => drop(unsent.drain(..count)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        match self.link.try_flush() {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            flushed => flushed?,
        }
        // An idle connection keeps no memory from a busy moment.
        *unsent = Vec::new();
        Ok(true)
    }

    /// Waits until something can be received, or the connection has ended.
    pub async fn readable(&self) -> io::Result<()> {
        if self.has_early() {
            return Ok(());
        }
        self.link.readable().await
    }

    /// Reads once into `scratch` and passes every complete record to `on_record`, with whether it ends the frame it
    /// came in. WebSocket pings are answered. Returns the number of bytes received.
    pub fn receive(&self, scratch: &mut [u8], mut on_record: impl FnMut(Record)) -> Result<usize, SessionEnd> {
        let mut incoming = self.incoming.borrow_mut();
        let incoming = &mut *incoming;
        if let Some(early) = incoming.early.take() {
            drain(&mut incoming.decoder, &mut on_record)?;
            self.take(incoming, &early, &mut on_record)?;
            return Ok(early.len());
        }
        match self.link.try_read(scratch) {
            Ok(0) => Err(SessionEnd::Cut),
            Ok(count) => {
                self.take(incoming, &scratch[..count], &mut on_record)?;
                Ok(count)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    fn take(
        &self,
        incoming: &mut Incoming,
        mut input: &[u8],
        on_record: &mut impl FnMut(Record),
    ) -> Result<(), SessionEnd> {
        let expects_binary = self.protocol.transfer_format().is_binary();
        loop {
            let chunk = incoming.frames.next(&mut input);
            match chunk.map_err(|error: FrameError| SessionEnd::Frame(error.to_string()))? {
                None => return Ok(()),
                Some(Chunk::Data { bytes, binary, end }) => {
                    if binary != expects_binary {
                        return Err(SessionEnd::WrongOpcode);
                    }
                    incoming.decoder.push(Bytes::copy_from_slice(bytes));
                    drain(&mut incoming.decoder, on_record)?;
                    if end && incoming.decoder.partial_bytes() > 0 {
                        return Err(SessionEnd::SplitRecord);
                    }
                }
                Some(Chunk::Control { opcode, payload }) => match opcode {
                    Opcode::Ping => {
                        self.send_frame(Opcode::Pong, &payload)?;
                    }
                    Opcode::Close => {
                        let code = payload.first_chunk().map_or(1005, |c| u16::from_be_bytes(*c));
                        return Err(SessionEnd::SocketClosed(code));
                    }
                    _ => {}
                },
            }
        }
    }

    fn has_early(&self) -> bool {
        self.incoming.borrow().early.is_some()
    }

    fn send_frame(&self, opcode: Opcode, payload: &[u8]) -> io::Result<bool> {
        let mut unsent = self.unsent.borrow_mut();
        if unsent.len() > UNSENT_BYTES_MAX {
            return Err(io::ErrorKind::TimedOut.into());
        }
        ws::write_frame(&mut unsent, opcode, payload, rand::random());
        drop(unsent);
        self.flush()
    }
}

/// Passes on all complete records; a Close record is the end.
fn drain(decoder: &mut Decoder, on_record: &mut impl FnMut(Record)) -> Result<(), SessionEnd> {
    while let Some(record) = decoder.next_record()? {
        if let Record::Close { error, allow_reconnect } = record {
            return Err(SessionEnd::Closed { error, allow_reconnect });
        }
        on_record(record);
    }
    Ok(())
}
