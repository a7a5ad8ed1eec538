//! The part of HTTP/1.1 needed to check that a part is ready, to get a token, and to stand between a function and its
//! runtime API. One message at a time, over plain TCP on loopback; no redirects, no compression, no trailers.

use std::fmt::Write;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The longest head, in bytes.
const HEAD_MAX: usize = 64 * 1024;
/// The longest body, in bytes: a Lambda event is at most 6 MB.
const BODY_MAX: usize = 16 * 1024 * 1024;
/// The deadline of a request by [`get`] or [`post_json`].
const DEADLINE: Duration = Duration::from_secs(5);

/// A request or a response as it was on the wire, with its whole body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// The request line or the status line.
    pub(crate) start: String,
    /// The headers, with names as received.
    pub(crate) headers: Vec<(String, String)>,
    /// The body, without any transfer coding.
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Makes a message with a body.
    pub(crate) fn new(start: impl Into<String>, body: impl Into<Vec<u8>>) -> Self {
        Self { start: start.into(), headers: Vec::new(), body: body.into() }
    }

    /// Returns the status code of a status line.
    pub(crate) fn status(&self) -> Option<u16> {
        self.start.split(' ').nth(1)?.parse().ok()
    }

    /// Returns the value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// Returns the bytes on the wire; writes new framing headers, and has the connection close afterwards.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let framing = ["content-length", "transfer-encoding", "connection"];
        let mut head = format!("{}\r\n", self.start);
        for (name, value) in &self.headers {
            if !framing.iter().any(|known| name.eq_ignore_ascii_case(known)) {
                let _ = write!(head, "{name}: {value}\r\n");
            }
        }
        let length = self.body.len();
        let _ = write!(head, "content-length: {length}\r\nconnection: close\r\n\r\n");
        [head.as_bytes(), &self.body].concat()
    }

    /// Reads one message.
    pub(crate) async fn read(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let mut buffer = Vec::new();
        let head_length = loop {
            if let Some(end) = find(&buffer, b"\r\n\r\n") {
                break end + 4;
            }
            if buffer.len() > HEAD_MAX {
                return Err(io::Error::other("the head is too long"));
            }
            more(stream, &mut buffer).await?;
        };
        let mut message = parse_head(&buffer[..head_length])?;
        let mut rest = buffer.split_off(head_length);
        message.body =
            if message.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
                read_chunks(stream, rest).await?
            } else {
                let length = message.header("content-length").unwrap_or("0");
                let length: usize =
                    length.parse().map_err(|_| io::Error::other("the content-length is not a number"))?;
                fill(stream, &mut rest, length).await?;
                rest.truncate(length);
                rest
            };
        Ok(message)
    }
}

/// Sends one request on a connection of its own.
pub(crate) async fn exchange(address: &str, request: &Message) -> io::Result<Message> {
    let mut stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    stream.write_all(&request.encode()).await?;
    Message::read(&mut stream).await
}

/// Sends a GET request to an `http://` address.
pub(crate) async fn get(url: &str) -> io::Result<Message> {
    send("GET", url, Vec::new()).await
}

/// Posts JSON to an `http://` address.
pub(crate) async fn post_json(url: &str, body: &serde_json::Value) -> io::Result<Message> {
    send("POST", url, body.to_string().into_bytes()).await
}

async fn send(method: &str, url: &str, body: Vec<u8>) -> io::Result<Message> {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    let (address, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut request = Message::new(format!("{method} /{path} HTTP/1.1"), body);
    request.headers =
        vec![("host".to_owned(), address.to_owned()), ("content-type".to_owned(), "application/json".to_owned())];
    timeout(DEADLINE, exchange(address, &request))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no answer in time"))?
}

fn parse_head(head: &[u8]) -> io::Result<Message> {
    let text = std::str::from_utf8(head).map_err(|_| io::Error::other("the head is not UTF-8"))?;
    let mut lines = text.split("\r\n");
    let mut message = Message::new(lines.next().unwrap_or_default(), Vec::new());
    for line in lines.filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(|| io::Error::other("a header has no colon"))?;
        message.headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(message)
}

async fn read_chunks(stream: &mut (impl AsyncRead + Unpin), mut buffer: Vec<u8>) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line_end = loop {
            match find(&buffer, b"\r\n") {
                Some(end) => break end,
                None => more(stream, &mut buffer).await?,
            }
        };
        let size = std::str::from_utf8(&buffer[..line_end])
            .ok()
            .and_then(|line| usize::from_str_radix(line.split(';').next()?.trim(), 16).ok())
            .filter(|size| body.len() + size <= BODY_MAX)
            .ok_or_else(|| io::Error::other("a chunk has no usable size"))?;
        buffer.drain(..line_end + 2);
        fill(stream, &mut buffer, size + 2).await?;
        body.extend(buffer.drain(..size));
        buffer.drain(..2);
        if size == 0 {
            return Ok(body);
        }
    }
}

async fn fill(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>, length: usize) -> io::Result<()> {
    if length > BODY_MAX + 2 {
        return Err(io::Error::other("the body is too long"));
    }
    while buffer.len() < length {
        more(stream, buffer).await?;
    }
    Ok(())
}

async fn more(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> io::Result<()> {
    buffer.reserve(4096);
    if stream.read_buf(buffer).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

fn find(buffer: &[u8], needle: &[u8]) -> Option<usize> {
    buffer.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(bytes: &str) -> io::Result<Message> {
        Message::read(&mut bytes.as_bytes()).await
    }

    #[tokio::test]
    async fn bodies_by_length_and_by_chunks() {
        let by_length = read("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc").await;
        let by_chunks = read("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n2;x=y\r\nbc\r\n0\r\n\r\n")
            .await
            .unwrap();
        let by_length = by_length.unwrap();
        assert_eq!(by_length.body, b"abc");
        assert_eq!(by_length.body, by_chunks.body);
        assert_eq!(by_chunks.status(), Some(200));
        assert_eq!(by_chunks.header("TRANSFER-encoding"), Some("chunked"));
    }

    #[tokio::test]
    async fn what_is_encoded_reads_the_same() {
        let mut message = Message::new("POST /x HTTP/1.1", "body");
        message.headers =
            vec![("a".to_owned(), "b".to_owned()), ("Transfer-Encoding".to_owned(), "chunked".to_owned())];
        let bytes = message.encode();
        let read = Message::read(&mut bytes.as_slice()).await.unwrap();
        assert_eq!(read.body, message.body);
        assert_eq!(read.header("transfer-encoding"), None);
        assert_eq!(read.header("a"), Some("b"));
    }

    #[tokio::test]
    async fn broken_messages_are_errors() {
        for bytes in [
            "",
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        ] {
            assert!(read(bytes).await.is_err(), "{bytes:?}");
        }
    }
}
