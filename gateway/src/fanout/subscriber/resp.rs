//! The part of RESP3 that a subscriber needs: bytes in, frames out.

use bytes::{Bytes, BytesMut};

/// The longest frame accepted: a publication is one event of at most some 100 KiB, and a cluster's map is smaller
/// still.
const FRAME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// The deepest nesting accepted: a cluster's map nests four deep.
const DEPTH_MAX: usize = 8;

/// The server's data is not RESP3, or too large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the server sent what is no RESP3 frame")]
pub(in crate::fanout) struct Malformed;

/// One frame of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::fanout) enum Frame {
    /// A text: simple, bulk, verbatim, or a number as it was written.
    Text(Bytes),
    Error(Bytes),
    Null,
    /// Arrays, sets, and maps as flat lists of keys and values.
    List(Vec<Frame>),
    /// Out of band: subscriptions and publications.
    Push(Vec<Frame>),
}

impl Frame {
    /// Returns the text, if it is one.
    pub(in crate::fanout) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => std::str::from_utf8(text).ok(),
            _ => None,
        }
    }

    /// Returns the items, if it is a list.
    pub(in crate::fanout) fn list(&self) -> Option<&[Frame]> {
        match self {
            Self::List(items) => Some(items),
            _ => None,
        }
    }
}

/// Takes the next frame from the front, if it is complete. Its texts share the buffer's memory.
pub(in crate::fanout) fn decode(buffer: &mut BytesMut) -> Result<Option<Frame>, Malformed> {
    let Some(length) = measure(buffer, 0, 0)? else {
        return if buffer.len() > FRAME_BYTES_MAX { Err(Malformed) } else { Ok(None) };
    };
    let bytes = buffer.split_to(length).freeze();
    let mut at = 0;
    read(&bytes, &mut at).map(Some)
}

/// Adds a command to `out`, as a list of bulk strings.
pub(in crate::fanout) fn encode<'a>(out: &mut BytesMut, words: impl ExactSizeIterator<Item = &'a str>) {
    out.extend_from_slice(format!("*{}\r\n", words.len()).as_bytes());
    for word in words {
        out.extend_from_slice(format!("${}\r\n", word.len()).as_bytes());
        out.extend_from_slice(word.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
}

enum Head {
    Line(usize),
    Bulk(usize),
    Null,
    Items { count: usize, is_push: bool },
    Attribute { count: usize },
}

/// Returns the end of the frame at `at`; `None` if it is incomplete.
fn measure(bytes: &[u8], at: usize, depth: usize) -> Result<Option<usize>, Malformed> {
    if depth > DEPTH_MAX {
        return Err(Malformed);
    }
    let Some((head, mut at)) = head(bytes, at)? else {
        return Ok(None);
    };
    let (items, depth) = match head {
        Head::Line(_) | Head::Null => return Ok(Some(at)),
        Head::Bulk(length) => {
            let end = at + length + 2;
            return Ok((bytes.len() >= end).then_some(end));
        }
        Head::Items { count, .. } => (count, depth + 1),
        // The frame that it describes follows it.
        Head::Attribute { count } => (count + 1, depth + 1),
    };
    for _ in 0..items {
        match measure(bytes, at, depth)? {
            Some(end) => at = end,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

fn head(bytes: &[u8], at: usize) -> Result<Option<(Head, usize)>, Malformed> {
    let Some(rest) = bytes.get(at..) else {
        return Ok(None);
    };
    let Some(line) = rest.iter().position(|byte| *byte == b'\n') else {
        return Ok(None);
    };
    let [kind, text @ .., b'\r'] = &rest[..line] else {
        return Err(Malformed);
    };
    let after = at + line + 1;
    let head = match kind {
        b'+' | b'-' | b':' | b',' | b'#' | b'(' => Head::Line(text.len()),
        b'_' => Head::Null,
        b'$' | b'=' | b'!' => number(text)?.map_or(Head::Null, Head::Bulk),
        b'*' | b'~' | b'>' => number(text)?.map_or(Head::Null, |count| Head::Items { count, is_push: *kind == b'>' }),
        b'%' => Head::Items { count: number(text)?.ok_or(Malformed)? * 2, is_push: false },
        b'|' => Head::Attribute { count: number(text)?.ok_or(Malformed)? * 2 },
        _ => return Err(Malformed),
    };
    Ok(Some((head, after)))
}

/// Parses a length; `None` for the -1 of RESP2's null.
fn number(text: &[u8]) -> Result<Option<usize>, Malformed> {
    if text == b"-1" {
        return Ok(None);
    }
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .filter(|length| *length <= FRAME_BYTES_MAX)
        .map(Some)
        .ok_or(Malformed)
}

/// Reads a frame that was measured.
fn read(bytes: &Bytes, at: &mut usize) -> Result<Frame, Malformed> {
    let start = *at;
    let (head, after) = head(bytes, start)?.ok_or(Malformed)?;
    *at = after;
    Ok(match head {
        Head::Null => Frame::Null,
        Head::Line(length) => texts(bytes, start, start + 1, length),
        Head::Bulk(length) => {
            *at = after + length + 2;
            texts(bytes, start, after, length)
        }
        Head::Items { count, is_push } => {
            let mut items = Vec::with_capacity(count.min(16));
            for _ in 0..count {
                items.push(read(bytes, at)?);
            }
            if is_push { Frame::Push(items) } else { Frame::List(items) }
        }
        Head::Attribute { count } => {
            for _ in 0..count {
                read(bytes, at)?;
            }
            read(bytes, at)?
        }
    })
}

fn texts(bytes: &Bytes, start: usize, from: usize, length: usize) -> Frame {
    let text = bytes.slice(from..from + length);
    match bytes[start] {
        b'-' | b'!' => Frame::Error(text),
        // A verbatim string begins with its format, `txt:`.
        b'=' if length >= 4 => Frame::Text(text.slice(4..)),
        _ => Frame::Text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &'static str) -> Frame {
        Frame::Text(Bytes::from_static(text.as_bytes()))
    }

    fn all(input: &[u8]) -> Vec<Frame> {
        let mut buffer = BytesMut::from(input);
        let mut frames = Vec::new();
        while let Some(frame) = decode(&mut buffer).unwrap() {
            frames.push(frame);
        }
        assert!(buffer.is_empty());
        frames
    }

    const STREAM: &[u8] = b">3\r\n$8\r\nsmessage\r\n$2\r\nch\r\n$4\r\na\r\nb\r\n+PONG\r\n-MOVED 1 h:2\r\n\
        %1\r\n+proto\r\n:3\r\n_\r\n*-1\r\n=7\r\ntxt:abc\r\n|1\r\n+k\r\n+v\r\n:7\r\n*2\r\n*0\r\n#t\r\n";

    fn expected() -> Vec<Frame> {
        vec![
            Frame::Push(vec![text("smessage"), text("ch"), text("a\r\nb")]),
            text("PONG"),
            Frame::Error(Bytes::from_static(b"MOVED 1 h:2")),
            Frame::List(vec![text("proto"), text("3")]),
            Frame::Null,
            Frame::Null,
            text("abc"),
            text("7"),
            Frame::List(vec![Frame::List(vec![]), text("t")]),
        ]
    }

    #[test]
    fn frames_of_every_kind_are_read() {
        assert_eq!(all(STREAM), expected());
    }

    #[test]
    fn frames_may_arrive_in_any_pieces() {
        let mut buffer = BytesMut::new();
        let mut frames = Vec::new();
        for byte in STREAM {
            buffer.extend_from_slice(&[*byte]);
            frames.extend(decode(&mut buffer).unwrap());
        }
        assert_eq!(frames, expected());
    }

    #[test]
    fn malformed_and_too_large_frames_are_refused() {
        let deep = "*1\r\n".repeat(20);
        for bad in ["hello\r\n", "$99999999999\r\n", "$x\r\n", "+no return\n", "*-2\r\n", &deep] {
            assert_eq!(decode(&mut BytesMut::from(bad.as_bytes())), Err(Malformed), "{bad}");
        }
    }

    #[test]
    fn commands_are_lists_of_bulk_strings() {
        let mut out = BytesMut::new();
        encode(&mut out, ["SSUBSCRIBE", "é"].into_iter());
        assert_eq!(&out[..], "*2\r\n$10\r\nSSUBSCRIBE\r\n$2\r\né\r\n".as_bytes());
    }

    proptest! {
        #[test]
        fn no_input_panics(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut buffer = BytesMut::from(&input[..]);
            while let Ok(Some(_)) = decode(&mut buffer) {}
        }
    }
}
