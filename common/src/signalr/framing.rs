//! Cuts a sequence of frames into record bodies, independently of the frames' boundaries.

use std::fmt;

use bytes::{Buf, Bytes};

use super::msgpack::LengthPrefix;
use super::{Protocol, ProtocolError};

/// Ends every JSON record. It cannot occur inside: JSON escapes control characters.
pub(super) const RECORD_SEPARATOR: u8 = 0x1E;

/// Returns the length of the first record in some bytes, including its framing; `None` if it is incomplete. Intended
/// for bytes encoded here: it has no limit.
pub fn first_record_bytes(protocol: Protocol, bytes: &[u8]) -> Option<usize> {
    match protocol {
        Protocol::Json => bytes.iter().position(|&byte| byte == RECORD_SEPARATOR).map(|end| end + 1),
        Protocol::MessagePack => {
            let length = LengthPrefix::parse(bytes, usize::MAX).ok()??.record_bytes();
            Some(length).filter(|length| *length <= bytes.len())
        }
    }
}

/// The bytes that were received and not yet handed out. Records that lie entirely in one frame are slices of it; only a
/// record cut by a frame's end is copied, so an idle connection holds no allocation.
#[derive(Default)]
pub(super) struct Framer {
    /// The rest of the frame pushed last.
    frame: Bytes,
    /// The beginning of a record whose end has not arrived. Grows with the bytes that actually arrived, never by the
    /// length that a prefix announces.
    partial: Vec<u8>,
}

impl Framer {
    /// Takes the bytes that a transport received.
    pub(super) fn push(&mut self, frame: Bytes) {
        if self.frame.is_empty() {
            self.frame = frame;
        } else {
            self.frame = [&self.frame[..], &frame[..]].concat().into();
        }
    }

    /// Returns the next body that ends in a separator, without it. At most `limit` bytes count as a record, including
    /// its separator.
    pub(super) fn next_text(&mut self, limit: usize) -> Result<Option<Bytes>, ProtocolError> {
        let end = self.frame.iter().position(|&b| b == RECORD_SEPARATOR);
        // Without a separator in sight, at least one more byte must follow.
        let length = self.partial.len() + end.unwrap_or(self.frame.len()) + 1;
        if length > limit {
            return Err(ProtocolError::TooLarge);
        }
        let Some(end) = end else {
            self.stash(self.frame.len());
            return Ok(None);
        };
        if self.partial.is_empty() {
            let mut body = self.take(end + 1);
            body.truncate(end);
            return Ok(Some(body));
        }
        self.stash(end);
        let _separator = self.take(1);
        Ok(Some(std::mem::take(&mut self.partial).into()))
    }

    /// Returns the next body that follows its length prefix, without it, at most `limit` bytes long.
    pub(super) fn next_binary(&mut self, limit: usize) -> Result<Option<Bytes>, ProtocolError> {
        if self.partial.is_empty() {
            if let Some(prefix) = LengthPrefix::parse(&self.frame, limit)?
                && self.frame.len() >= prefix.record_bytes()
            {
                let mut record = self.take(prefix.record_bytes());
                record.advance(prefix.prefix_bytes);
                return Ok(Some(record));
            }
            self.stash(self.frame.len());
            return Ok(None);
        }
        loop {
            let prefix = LengthPrefix::parse(&self.partial, limit)?;
            let missing = prefix.map_or(1, |prefix| prefix.record_bytes() - self.partial.len());
            if let (Some(prefix), 0) = (prefix, missing) {
                let mut record = Bytes::from(std::mem::take(&mut self.partial));
                record.advance(prefix.prefix_bytes);
                return Ok(Some(record));
            }
            if self.frame.is_empty() {
                return Ok(None);
            }
            self.stash(missing.min(self.frame.len()));
        }
    }

    /// Takes the length prefix of a body that is read over, not kept, at most `limit` bytes long; gives its length.
    pub(super) fn take_prefix(&mut self, limit: usize) -> Result<usize, ProtocolError> {
        let received = if self.partial.is_empty() { &self.frame[..] } else { &self.partial[..] };
        let prefix = LengthPrefix::parse(received, limit)?.ok_or(ProtocolError::TooLarge)?;
        if self.partial.is_empty() {
            let _prefix = self.take(prefix.prefix_bytes);
        } else {
            self.partial.drain(..prefix.prefix_bytes);
        }
        Ok(prefix.body_bytes)
    }

    /// Takes what was received, a piece at a time; an empty one when there is no more.
    pub(super) fn take_piece(&mut self) -> Bytes {
        if self.partial.is_empty() { std::mem::take(&mut self.frame) } else { std::mem::take(&mut self.partial).into() }
    }

    /// Takes back what of a piece belongs to the next record.
    pub(super) fn give_back(&mut self, rest: Bytes) {
        if self.frame.is_empty() {
            self.frame = rest;
        } else if !rest.is_empty() {
            self.frame = [&rest[..], &self.frame[..]].concat().into();
        }
    }

    /// Gives back what was not handed out, once nothing more is cut here.
    pub(super) fn into_rest(self) -> Bytes {
        if self.partial.is_empty() { self.frame } else { [&self.partial[..], &self.frame[..]].concat().into() }
    }

    /// Returns the number of bytes held of incomplete records.
    pub(super) fn partial_bytes(&self) -> usize {
        self.partial.len()
    }

    #[cfg(test)]
    pub(super) fn partial_capacity(&self) -> usize {
        self.partial.capacity()
    }

    /// Moves the first `count` bytes of the frame to the partial record.
    fn stash(&mut self, count: usize) {
        let head = self.take(count);
        self.partial.extend_from_slice(&head);
    }

    /// Takes the first `count` bytes of the frame, and releases its memory with the last.
    fn take(&mut self, count: usize) -> Bytes {
        if count == self.frame.len() { std::mem::take(&mut self.frame) } else { self.frame.split_to(count) }
    }
}

/// Shows no content, which may be a user's message.
impl fmt::Debug for Framer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Framer")
            .field("frame_bytes", &self.frame.len())
            .field("partial_bytes", &self.partial.len())
            .finish()
    }
}
