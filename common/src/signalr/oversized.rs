//! Records over the limit: read over, and not kept. Of a call its head is told all the same, so that whoever made it
//! hears why it failed, and the connection goes on.
//!
//! Of JSON it keeps the record's outer object with a `0` in place of each array and object in it, since the
//! JavaScript client writes the id behind the arguments; of MessagePack the first bytes. Both have a bound, and so has
//! what is read over.

use std::fmt;

use bytes::Bytes;

use super::framing::{Framer, RECORD_SEPARATOR};
use super::{Protocol, ProtocolError, Record, json, msgpack};

/// Bytes of a head, if the limit is not smaller: an id, a name, and a bearer token in the headers.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// The largest record that is read over, in multiples of the limit.
const TIMES_MAX: usize = 16;

/// A record that is read over.
pub(super) struct Oversized {
    head: Vec<u8>,
    head_bytes_max: usize,
    form: Form,
}

enum Form {
    Json {
        /// Bytes of it that may come.
        left: usize,
        /// Blanks that may come before it begins.
        blanks_left: usize,
        nesting: Nesting,
    },
    MessagePack {
        /// Bytes of it that are still to come.
        left: usize,
        call: Option<Call>,
    },
}

/// A call's invocation id and target.
pub(super) type Call = (String, String);

impl Oversized {
    /// Of a record whose beginning a framer has, and found to be over the limit.
    pub(super) fn begin(protocol: Protocol, limit: usize, framer: &mut Framer) -> Result<Self, ProtocolError> {
        let left = limit.saturating_mul(TIMES_MAX);
        let form = match protocol {
            Protocol::Json => Form::Json { left, blanks_left: limit, nesting: Nesting::default() },
            Protocol::MessagePack => Form::MessagePack { left: framer.take_prefix(left)?, call: None },
        };
        Ok(Self { head: Vec::new(), head_bytes_max: HEAD_BYTES_MAX.min(limit), form })
    }

    /// Reads on in what a framer has. Gives the record once it is over, if it is a call that can be answered.
    pub(super) fn read(&mut self, framer: &mut Framer) -> Result<Option<Record>, ProtocolError> {
        loop {
            let mut piece = framer.take_piece();
            if piece.is_empty() {
                return Ok(None);
            }
            if let Some((end, call)) = self.feed(&piece)? {
                framer.give_back(piece.split_off(end));
                let (invocation_id, target) = call;
                return Ok(Some(Record::Oversized { invocation_id, target }));
            }
        }
    }

    /// Bytes that are kept.
    pub(super) fn held_bytes(&self) -> usize {
        self.head.len()
    }

    /// Reads a piece, and returns the record's end in it and its call, once it ends.
    fn feed(&mut self, piece: &[u8]) -> Result<Option<(usize, Call)>, ProtocolError> {
        let head = &mut self.head;
        match &mut self.form {
            Form::Json { left, blanks_left, nesting } => {
                for (at, &byte) in piece.iter().enumerate() {
                    if byte == RECORD_SEPARATOR {
                        let call = json::call_head(head).ok_or(ProtocolError::TooLarge)?;
                        return Ok(Some((at + 1, call)));
                    }
                    *left = left.checked_sub(1).ok_or(ProtocolError::TooLarge)?;
                    if let Some(kept) = nesting.keep(byte) {
                        if head.len() == self.head_bytes_max || (head.is_empty() && kept != b'{') {
                            return Err(ProtocolError::TooLarge);
                        }
                        head.push(kept);
                    } else if head.is_empty() {
                        *blanks_left = blanks_left.checked_sub(1).ok_or(ProtocolError::TooLarge)?;
                    }
                }
                Ok(None)
            }
            Form::MessagePack { left, call } => {
                let end = piece.len().min(*left);
                *left -= end;
                // One by one: then it grows to a power of two, and not beyond its bound.
                for &byte in piece[..end].iter().take(self.head_bytes_max - head.len()) {
                    head.push(byte);
                }
                if call.is_none() && (*left == 0 || head.len() == self.head_bytes_max) {
                    let found = msgpack::call_head(&Bytes::copy_from_slice(head)).ok_or(ProtocolError::TooLarge)?;
                    *call = Some(found);
                }
                Ok(if *left == 0 { call.take().map(|call| (end, call)) } else { None })
            }
        }
    }
}

/// Without content, which may be anyone's message.
impl fmt::Debug for Oversized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Oversized").field("head_bytes", &self.head.len()).finish_non_exhaustive()
    }
}

/// The place of a byte in a JSON text.
#[derive(Default)]
struct Nesting {
    depth: usize,
    in_text: bool,
    is_escaped: bool,
}

impl Nesting {
    /// Takes a byte, and returns what is kept of it.
    fn keep(&mut self, byte: u8) -> Option<u8> {
        let is_outer = self.depth <= 1;
        if self.in_text {
            match byte {
                _ if self.is_escaped => self.is_escaped = false,
                b'\\' => self.is_escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return is_outer.then_some(byte);
        }
        match byte {
            b'[' | b'{' => {
                self.depth += 1;
                match self.depth {
                    1 => Some(byte),
                    2 => Some(b'0'),
                    _ => None,
                }
            }
            b']' | b'}' => {
                self.depth = self.depth.saturating_sub(1);
                (self.depth == 0).then_some(byte)
            }
            b' ' | b'\t' | b'\r' | b'\n' => None,
            _ => {
                self.in_text = byte == b'"';
                is_outer.then_some(byte)
            }
        }
    }
}
