//! WebSocket frames from a server's view (RFC 6455), sans-IO: received bytes in, unmasked payload out.
//!
//! Payload is passed on as it arrives, regardless of the borders of frames and messages: the records inside have their
//! own borders, and their decoder bounds them. So nothing is ever collected here, an idle connection holds no buffer,
//! and opcode and UTF-8 of data frames have no meaning (the records' decoder checks them). Deliberately absent:
//! extensions, hence no compression.

use bytes::{Buf, Bytes, BytesMut};
use rts_common::signalr::TransferFormat;

/// The longest header of a client: two bytes, eight of length, four of mask.
const HEADER_BYTES_MAX: usize = 14;
/// The largest payload of a control frame.
const CONTROL_BYTES_MAX: u64 = 125;

const FIN: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;

/// A decoded piece of the received bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Some payload of a data frame.
    Data(Bytes),
    /// A ping, to be answered with the same payload.
    Ping(Bytes),
    /// The answer to the server's ping.
    Pong,
    /// The other side closes, perhaps with a code.
    Close(Option<u16>),
}

/// The bytes are not a valid frame of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed WebSocket frame")]
pub(crate) struct MalformedFrame;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation = 0x0,
    Text = 0x1,
    Binary = 0x2,
    Close = 0x8,
    Ping = 0x9,
    Pong = 0xA,
}

impl Opcode {
    fn parse(bits: u8) -> Option<Self> {
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong]
            .into_iter()
            .find(|opcode| *opcode as u8 == bits)
    }

    fn is_control(self) -> bool {
        self as u8 >= Self::Close as u8
    }
}

/// Reads the frames of one connection.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    /// The frame whose payload is arriving.
    frame: Option<Frame>,
    /// A data frame without FIN came last: only its continuation, or control frames, may follow.
    in_message: bool,
}

#[derive(Debug)]
struct Frame {
    opcode: Opcode,
    /// Bytes of payload that have not arrived yet.
    missing: u64,
    mask: [u8; 4],
}

impl FrameReader {
    /// Returns the next piece of the received bytes; `None` once more is needed. The rest of `received` then is the
    /// beginning of a header or of a control frame, and has to be there the next time.
    pub(crate) fn next_piece(&mut self, received: &mut BytesMut) -> Result<Option<Piece>, MalformedFrame> {
        loop {
            if self.frame.is_none() {
                match self.header(received)? {
                    Some(frame) => self.frame = Some(frame),
                    None => return Ok(None),
                }
            }
            let Some(frame) = &mut self.frame else { return Ok(None) };
            let ready = usize::try_from(frame.missing).unwrap_or(usize::MAX).min(received.len());
            if frame.opcode.is_control() && (ready as u64) < frame.missing {
                return Ok(None);
            }
            let mut payload = received.split_to(ready);
            unmask(&mut payload, &mut frame.mask);
            frame.missing -= ready as u64;
            let opcode = frame.opcode;
            if frame.missing == 0 {
                self.frame = None;
            } else if ready == 0 {
                return Ok(None);
            }
            if let Some(piece) = piece(opcode, payload.freeze())? {
                return Ok(Some(piece));
            }
        }
    }

    /// Takes a header from the received bytes, if it is complete.
    fn header(&mut self, received: &mut BytesMut) -> Result<Option<Frame>, MalformedFrame> {
        let [first, second, ..] = received[..] else { return Ok(None) };
        let opcode = Opcode::parse(first & 0x0F).ok_or(MalformedFrame)?;
        let is_last = first & FIN != 0;
        if first & RESERVED != 0 || second & MASKED == 0 {
            return Err(MalformedFrame);
        }
        let length_bytes = match second & !MASKED {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let header_bytes = 2 + length_bytes + 4;
        debug_assert!(header_bytes <= HEADER_BYTES_MAX);
        if received.len() < header_bytes {
            return Ok(None);
        }
        received.advance(2);
        let missing = match length_bytes {
            0 => u64::from(second & !MASKED),
            _ => received.get_uint(length_bytes),
        };
        let mut mask = [0; 4];
        received.copy_to_slice(&mut mask);
        if opcode.is_control() {
            if !is_last || missing > CONTROL_BYTES_MAX {
                return Err(MalformedFrame);
            }
        } else {
            if (opcode == Opcode::Continuation) != self.in_message || missing > i64::MAX as u64 {
                return Err(MalformedFrame);
            }
            self.in_message = !is_last;
        }
        Ok(Some(Frame { opcode, missing, mask }))
    }
}

/// Returns the piece of a frame's payload; `None` for an empty piece of data.
fn piece(opcode: Opcode, mut payload: Bytes) -> Result<Option<Piece>, MalformedFrame> {
    Ok(Some(match opcode {
        Opcode::Ping => Piece::Ping(payload),
        Opcode::Pong => Piece::Pong,
        Opcode::Close => match payload.len() {
            0 => Piece::Close(None),
            1 => return Err(MalformedFrame),
            _ => Piece::Close(Some(payload.get_u16())),
        },
        _ if payload.is_empty() => return Ok(None),
        _ => Piece::Data(payload),
    }))
}

/// Removes the mask, and rotates it to the frame's next payload byte.
fn unmask(payload: &mut [u8], mask: &mut [u8; 4]) {
    for four in payload.chunks_mut(4) {
        for (byte, mask) in four.iter_mut().zip(*mask) {
            *byte ^= mask;
        }
    }
    mask.rotate_left(payload.len() % 4);
}

/// Returns the header of a whole frame to a client.
pub(crate) fn header(opcode: Opcode, payload_bytes: usize) -> Bytes {
    let mut header = BytesMut::with_capacity(HEADER_BYTES_MAX);
    put_header(&mut header, opcode, payload_bytes);
    header.freeze()
}

/// Returns the length of such a header.
pub(crate) fn header_bytes(payload_bytes: usize) -> usize {
    match payload_bytes {
        0..=125 => 2,
        126..=0xFFFF => 4,
        _ => 10,
    }
}

/// Writes the header of a whole frame to a client.
pub(crate) fn put_header(buffer: &mut BytesMut, opcode: Opcode, payload_bytes: usize) {
    use bytes::BufMut as _;
    buffer.put_u8(FIN | opcode as u8);
    match (u8::try_from(payload_bytes), u16::try_from(payload_bytes)) {
        (Ok(short @ 0..=125), _) => buffer.put_u8(short),
        (_, Ok(medium)) => {
            buffer.put_u8(126);
            buffer.put_u16(medium);
        }
        _ => {
            buffer.put_u8(127);
            buffer.put_u64(payload_bytes as u64);
        }
    }
}

/// Writes the header of a frame of records.
pub(crate) fn put_frame_header(frame: &mut BytesMut, format: TransferFormat, payload_bytes: usize) {
    put_header(frame, opcode_of(format), payload_bytes);
}

pub(crate) fn opcode_of(format: TransferFormat) -> Opcode {
    if format.is_binary() { Opcode::Binary } else { Opcode::Text }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a frame as a client sends it.
    fn client_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xFA, 0x21, 0x3D];
        let mut plain = BytesMut::new();
        put_header(&mut plain, Opcode::Text, payload.len());
        let mut frame = plain.to_vec();
        frame[0] = first;
        frame[1] |= MASKED;
        frame.extend(mask);
        frame.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// Returns all pieces of bytes that arrive in chunks of one size, data joined.
    fn read(bytes: &[u8], chunk: usize) -> Result<Vec<Piece>, MalformedFrame> {
        let mut reader = FrameReader::default();
        let mut received = BytesMut::new();
        let mut pieces: Vec<Piece> = Vec::new();
        for chunk in bytes.chunks(chunk) {
            received.extend_from_slice(chunk);
            while let Some(piece) = reader.next_piece(&mut received)? {
                match (pieces.last_mut(), piece) {
                    (Some(Piece::Data(before)), Piece::Data(more)) => *before = [&before[..], &more].concat().into(),
                    (_, piece) => pieces.push(piece),
                }
            }
            assert!(received.len() < HEADER_BYTES_MAX + 125, "payload is never collected");
        }
        Ok(pieces)
    }

    #[test]
    fn frames_cut_anywhere_read_the_same() {
        let long: Vec<u8> = (0..70_000_u32).map(|at| at.to_le_bytes()[0]).collect();
        let bytes = [
            client_frame(0x81, b"hello"),
            client_frame(0x89, b"still there?"),
            client_frame(0x82, &long[..300]),
            client_frame(0x02, &long),
            client_frame(0x8A, b""),
            client_frame(0x80, b""),
            client_frame(0x88, &[0x03, 0xE8, b'b', b'y', b'e']),
        ]
        .concat();
        let expected = vec![
            Piece::Data(Bytes::from_static(b"hello")),
            Piece::Ping(Bytes::from_static(b"still there?")),
            Piece::Data([&long[..300], &long].concat().into()),
            Piece::Pong,
            Piece::Close(Some(1000)),
        ];
        for chunk in [1, 2, 3, 7, 13, 4096, bytes.len()] {
            assert_eq!(read(&bytes, chunk).unwrap(), expected, "in chunks of {chunk}");
        }
    }

    #[test]
    fn invalid_frames_of_a_client_are_refused() {
        let unmasked = vec![0x81, 0x02, b'h', b'i'];
        let mut endless = client_frame(0x82, b"");
        endless[1] = MASKED | 127;
        endless.splice(2..2, [0xFF; 8]);
        for (what, bytes) in [
            ("no mask", unmasked),
            ("a reserved bit", client_frame(0xC1, b"x")),
            ("an unknown opcode", client_frame(0x83, b"x")),
            ("a cut control frame", client_frame(0x09, b"x")),
            ("a long control frame", client_frame(0x89, &[0; 126])),
            ("a continuation of nothing", client_frame(0x80, b"x")),
            ("a message within a message", [client_frame(0x01, b"x"), client_frame(0x81, b"y")].concat()),
            ("half a close code", client_frame(0x88, b"x")),
            ("a length beyond 63 bits", endless),
        ] {
            assert_eq!(read(&bytes, 1), Err(MalformedFrame), "{what}");
        }
    }

    #[test]
    fn headers_to_clients_have_the_shortest_length() {
        for payload_bytes in [0, 125, 126, 65_535, 65_536] {
            assert_eq!(header(Opcode::Text, payload_bytes).len(), header_bytes(payload_bytes));
        }
        assert_eq!(header(Opcode::Text, 125)[..], [0x81, 125]);
        assert_eq!(header(Opcode::Binary, 126)[..], [0x82, 126, 0, 126]);
        assert_eq!(header(Opcode::Binary, 65_536)[..], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
}
