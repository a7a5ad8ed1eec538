//! The length before each record: LEB128, 1 to 5 bytes.

use crate::signalr::ProtocolError;

/// The most bytes of a prefix; its last may hold the three highest bits of 31.
pub(super) const PREFIX_BYTES_MAX: usize = 5;

/// A complete length prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::signalr) struct LengthPrefix {
    /// The length of the prefix itself.
    pub(in crate::signalr) prefix_bytes: usize,
    /// The length of the body that follows.
    pub(in crate::signalr) body_bytes: usize,
}

impl LengthPrefix {
    /// Reads the prefix that `bytes` start with; `None` if it continues beyond them. An empty body is not a record, and
    /// one of more than `body_bytes_max` is refused before anything is held for it.
    pub(in crate::signalr) fn parse(bytes: &[u8], body_bytes_max: usize) -> Result<Option<Self>, ProtocolError> {
        let mut length = 0_usize;
        for (index, &byte) in bytes.iter().take(PREFIX_BYTES_MAX).enumerate() {
            if index == PREFIX_BYTES_MAX - 1 && byte > 7 {
                return Err(ProtocolError::TooLarge);
            }
            length |= usize::from(byte & 0x7F) << (7 * index);
            if byte & 0x80 == 0 {
                return match length {
                    0 => Err(ProtocolError::Malformed),
                    body_bytes if body_bytes > body_bytes_max => Err(ProtocolError::TooLarge),
                    body_bytes => Ok(Some(Self { prefix_bytes: index + 1, body_bytes })),
                };
            }
        }
        Ok(None)
    }

    /// Returns the length of prefix and body together.
    pub(in crate::signalr) fn record_bytes(self) -> usize {
        self.prefix_bytes + self.body_bytes
    }

    /// Writes the prefix of a body so that it ends at the end of its space; returns the number of bytes it took.
    pub(super) fn write(body_bytes: usize, room: &mut [u8; PREFIX_BYTES_MAX]) -> usize {
        let mut prefix = [0; PREFIX_BYTES_MAX];
        let mut prefix_bytes = 0;
        let mut rest = body_bytes;
        loop {
            let low = u8::try_from(rest & 0x7F).expect("seven bits fit a byte");
            rest >>= 7;
            prefix[prefix_bytes] = if rest == 0 { low } else { low | 0x80 };
            prefix_bytes += 1;
            if rest == 0 {
                break;
            }
        }
        room[PREFIX_BYTES_MAX - prefix_bytes..].copy_from_slice(&prefix[..prefix_bytes]);
        prefix_bytes
    }
}
