//! Frames: read piecewise, written masked.

/// The most bytes of a frame's head that a server sends: two, and eight of length.
const HEAD_BYTES_MAX: usize = 10;
/// RFC 6455, section 5.5.
const CONTROL_BYTES_MAX: u64 = 125;

/// The type of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

/// A piece of the received bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Chunk<'a> {
    /// The next bytes of a message; `end` with the last of them.
    Data { bytes: &'a [u8], binary: bool, end: bool },
    /// A complete control frame.
    Control { opcode: Opcode, payload: Vec<u8> },
}

/// The reason why a server's bytes are not valid frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("a frame with reserved bits or an unknown opcode")]
    Reserved,
    #[error("a masked frame from a server")]
    Masked,
    #[error("a control frame that is too long or in pieces")]
    Control,
    #[error("a continuation without a beginning, or a message inside a message")]
    Fragment,
}

/// Reads the frames of one connection.
#[derive(Debug, Default)]
pub(crate) struct FrameReader {
    head: [u8; HEAD_BYTES_MAX],
    head_len: usize,
    /// The frame whose payload is being read.
    frame: Option<Frame>,
    /// The type of the message in progress; true for binary.
    message_binary: Option<bool>,
    control: Vec<u8>,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    opcode: Opcode,
    fin: bool,
    missing: u64,
}

impl FrameReader {
    /// Takes the next piece from the front of `input`; `None` once more bytes are needed.
    pub(crate) fn next<'a>(&mut self, input: &mut &'a [u8]) -> Result<Option<Chunk<'a>>, FrameError> {
        loop {
            let Some(frame) = self.frame.as_mut() else {
                if !self.read_head(input)? {
                    return Ok(None);
                }
                continue;
            };
            let available = usize::try_from(frame.missing).map_or(input.len(), |m| m.min(input.len()));
            if available == 0 && frame.missing > 0 {
                return Ok(None);
            }
            let (bytes, rest) = input.split_at(available);
            *input = rest;
            frame.missing -= available as u64;
            let frame = *frame;
            if frame.missing == 0 {
                self.frame = None;
            }
            match frame.opcode {
                Opcode::Close | Opcode::Ping | Opcode::Pong => {
                    self.control.extend_from_slice(bytes);
                    if frame.missing == 0 {
                        return Ok(Some(Chunk::Control {
                            opcode: frame.opcode,
                            payload: std::mem::take(&mut self.control),
                        }));
                    }
                }
                Opcode::Continuation | Opcode::Text | Opcode::Binary => {
                    let end = frame.fin && frame.missing == 0;
                    let binary = self.message_binary.unwrap_or_default();
                    if end {
                        self.message_binary = None;
                    }
                    if end || !bytes.is_empty() {
                        return Ok(Some(Chunk::Data { bytes, binary, end }));
                    }
                }
            }
        }
    }

    /// Reads a frame's head; `false` if it is incomplete.
    fn read_head(&mut self, input: &mut &[u8]) -> Result<bool, FrameError> {
        loop {
            let needed = match (self.head_len, self.head[1] & 0x7f) {
                (0 | 1, _) => 2,
                (_, 126) => 4,
                (_, 127) => HEAD_BYTES_MAX,
                _ => 2,
            };
            if self.head_len == needed {
                break;
            }
            let Some((&byte, rest)) = input.split_first() else {
                return Ok(false);
            };
            self.head[self.head_len] = byte;
            self.head_len += 1;
            *input = rest;
        }
        let length = match self.head_len {
            2 => u64::from(self.head[1] & 0x7f),
            4 => u64::from(u16::from_be_bytes([self.head[2], self.head[3]])),
            _ => self.head[2..].iter().fold(0, |n, &b| n << 8 | u64::from(b)),
        };
        self.head_len = 0;
        self.begin(self.head[0], self.head[1] & 0x80 != 0, length)?;
        Ok(true)
    }

    fn begin(&mut self, first: u8, masked: bool, length: u64) -> Result<(), FrameError> {
        let opcode = match first & 0x7f {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(FrameError::Reserved),
        };
        if masked {
            return Err(FrameError::Masked);
        }
        let fin = first & 0x80 != 0;
        match opcode {
            Opcode::Close | Opcode::Ping | Opcode::Pong => {
                if !fin || length > CONTROL_BYTES_MAX {
                    return Err(FrameError::Control);
                }
            }
            Opcode::Continuation => {
                if self.message_binary.is_none() {
                    return Err(FrameError::Fragment);
                }
            }
            Opcode::Text | Opcode::Binary => {
                if self.message_binary.is_some() {
                    return Err(FrameError::Fragment);
                }
                self.message_binary = Some(opcode == Opcode::Binary);
            }
        }
        self.frame = Some(Frame { opcode, fin, missing: length });
        Ok(())
    }
}

/// Appends one complete frame, masked as a client's must be.
pub(crate) fn write_frame(out: &mut Vec<u8>, opcode: Opcode, payload: &[u8], mask: [u8; 4]) {
    let code: u8 = match opcode {
        Opcode::Continuation => 0,
        Opcode::Text => 1,
        Opcode::Binary => 2,
        Opcode::Close => 8,
        Opcode::Ping => 9,
        Opcode::Pong => 10,
    };
    out.push(0x80 | code);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(length @ ..=125), _) => out.push(0x80 | length),
        (_, Ok(length)) => {
            out.push(0xfe);
            out.extend_from_slice(&length.to_be_bytes());
        }
        _ => {
            out.push(0xff);
            out.extend_from_slice(&(payload.len() as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    let masked = payload.iter().zip(mask.iter().cycle()).map(|(b, m)| b ^ m);
    out.extend(masked);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes an unmasked frame, as a server sends it.
    fn server_frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first];
        match payload.len() {
            n @ 0..=125 => frame.push(u8::try_from(n).unwrap()),
            n @ 126..=0xffff => {
                frame.push(126);
                frame.extend(u16::try_from(n).unwrap().to_be_bytes());
            }
            n => {
                frame.push(127);
                frame.extend((n as u64).to_be_bytes());
            }
        }
        frame.extend(payload);
        frame
    }

    fn read_all(bytes: &[u8], piece: usize) -> (Vec<u8>, usize, Vec<Opcode>) {
        let mut reader = FrameReader::default();
        let (mut data, mut ends, mut controls) = (Vec::new(), 0, Vec::new());
        for mut input in bytes.chunks(piece) {
            while let Some(chunk) = reader.next(&mut input).unwrap() {
                match chunk {
                    Chunk::Data { bytes, end, .. } => {
                        data.extend(bytes);
                        ends += usize::from(end);
                    }
                    Chunk::Control { opcode, .. } => controls.push(opcode),
                }
            }
            assert!(input.is_empty());
        }
        (data, ends, controls)
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let long = vec![b'x'; 70_000];
        let mut stream = server_frame(0x81, b"one");
        stream.extend(server_frame(0x01, b"t"));
        stream.extend(server_frame(0x89, b"ping"));
        stream.extend(server_frame(0x80, b"wo"));
        stream.extend(server_frame(0x82, &long[..300]));
        stream.extend(server_frame(0x82, &long));
        stream.extend(server_frame(0x81, b""));
        let expected = ["onetwo".as_bytes(), &long[..300], &long].concat();
        for piece in [1, 2, 3, 7, 1000, stream.len()] {
            let (data, ends, controls) = read_all(&stream, piece);
            assert_eq!((data.len(), ends), (expected.len(), 5), "piece {piece}");
            assert!(data == expected);
            assert_eq!(controls, [Opcode::Ping]);
        }
    }

    #[test]
    fn what_no_server_may_send_is_an_error() {
        let cases: [(&[u8], FrameError); 5] = [
            (&[0x81, 0x81, 0, 0, 0, 0, 0], FrameError::Masked),
            (&[0xc1, 0], FrameError::Reserved),
            (&[0x80, 0], FrameError::Fragment),
            (&[0x09, 0], FrameError::Control),
            (&[0x89, 126, 0, 200], FrameError::Control),
        ];
        for (mut bytes, error) in cases {
            assert_eq!(FrameReader::default().next(&mut bytes), Err(error));
        }
    }

    #[test]
    fn written_frames_are_masked() {
        let mut out = Vec::new();
        write_frame(&mut out, Opcode::Text, b"abc", [1, 2, 3, 4]);
        assert_eq!(out, [0x81, 0x83, 1, 2, 3, 4, b'a' ^ 1, b'b' ^ 2, b'c' ^ 3]);
        for (length, head) in [(125, 6), (126, 8), (65_535, 8), (65_536, 14)] {
            out.clear();
            write_frame(&mut out, Opcode::Binary, &vec![0; length], [0; 4]);
            assert_eq!(out.len(), head + length);
        }
    }
}
