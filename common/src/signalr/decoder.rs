//! The decoder of one connection: frames in, records out.

use bytes::Bytes;

use super::framing::Framer;
use super::oversized::Oversized;
use super::{Protocol, ProtocolError, Record, json, msgpack};

/// Decodes the records of one direction of a connection after its handshake.
///
/// Frames may cut records anywhere, even inside a UTF-8 character, and hold any number of them. Holds no allocation
/// while no record is cut, and at most `record_bytes_max` (and a growth factor of two) of one that is. After an error
/// it keeps returning that error.
///
/// ```
/// # use rts_common::signalr::{Decoder, Protocol, Record};
/// let mut decoder = Decoder::new(Protocol::Json, 32 * 1024);
/// decoder.push("{\"type\":6}\u{1e}{\"ty".into());
/// assert_eq!(decoder.next_record(), Ok(Some(Record::Ping)));
/// assert_eq!(decoder.next_record(), Ok(None));
/// ```
#[derive(Debug)]
pub struct Decoder {
    protocol: Protocol,
    record_bytes_max: usize,
    pub(super) framer: Framer,
    /// The record that is being read over.
    oversized: Option<Box<Oversized>>,
    failed: Option<ProtocolError>,
    seen: u32,
}

impl Decoder {
    /// Makes a decoder of `protocol`. A JSON record may have `record_bytes_max` bytes including its separator, a
    /// MessagePack body as many without its prefix.
    pub fn new(protocol: Protocol, record_bytes_max: usize) -> Self {
        Self { protocol, record_bytes_max, framer: Framer::default(), oversized: None, failed: None, seen: 0 }
    }

    /// Takes the bytes that a transport received. Call [`Self::next_record`] until it returns `None` before the next
    /// frame: a frame pushed earlier is kept, and copied.
    pub fn push(&mut self, frame: Bytes) {
        if self.failed.is_none() {
            self.framer.push(frame);
        }
    }

    /// Returns the next complete record; `None` once more bytes are needed. Records of unknown types are skipped.
    pub fn next_record(&mut self) -> Result<Option<Record>, ProtocolError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.advance().inspect_err(|error| {
            self.failed = Some(*error);
            self.framer = Framer::default();
            self.oversized = None;
        })
    }

    /// Returns the number of bytes held of an incomplete record.
    pub fn partial_bytes(&self) -> usize {
        self.framer.partial_bytes() + self.oversized.as_ref().map_or(0, |oversized| oversized.held_bytes())
    }

    /// Returns the number of records read since the last call, including those that were skipped.
    pub fn take_seen(&mut self) -> u32 {
        std::mem::take(&mut self.seen)
    }

    fn advance(&mut self) -> Result<Option<Record>, ProtocolError> {
        let limit = self.record_bytes_max;
        loop {
            if let Some(oversized) = &mut self.oversized {
                let Some(record) = oversized.read(&mut self.framer)? else { return Ok(None) };
                self.oversized = None;
                self.seen = self.seen.saturating_add(1);
                return Ok(Some(record));
            }
            let body = match self.protocol {
                Protocol::Json => self.framer.next_text(limit),
                Protocol::MessagePack => self.framer.next_binary(limit),
            };
            if body == Err(ProtocolError::TooLarge) {
                self.oversized = Some(Box::new(Oversized::begin(self.protocol, limit, &mut self.framer)?));
                continue;
            }
            let Some(body) = body? else { return Ok(None) };
            self.seen = self.seen.saturating_add(1);
            let decoded = match self.protocol {
                Protocol::Json => json::decode(&body)?,
                Protocol::MessagePack => msgpack::decode(&body)?,
            };
            if decoded.is_some() {
                return Ok(decoded);
            }
        }
    }
}
