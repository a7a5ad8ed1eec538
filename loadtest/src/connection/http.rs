//! The part of HTTP/1.1 that a SignalR client needs: one request on a fresh connection, one answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::link::Socket;

/// The most bytes of an answer; a negotiate reply or a token has a few hundred.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The most bytes of a node's metrics; they have some hundred thousand.
const METRICS_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The deadline for a node's metrics.
const SCRAPE_DEADLINE: Duration = Duration::from_secs(3);
/// The most header fields of an answer.
const HEADERS_MAX: usize = 64;

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

/// The head of an answer, and its length in bytes.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) bytes: usize,
    /// The value of `Sec-WebSocket-Accept`.
    pub(crate) accept: Option<String>,
    chunked: bool,
}

/// Sends a request, complete with head and body, and reads until the server, which was asked to close, does so.
pub(crate) async fn exchange(stream: Socket, request: &[u8]) -> io::Result<Answer> {
    exchange_within(stream, request, ANSWER_BYTES_MAX).await
}

/// Reads the metrics of a node from its admin address.
pub(crate) async fn scrape(address: SocketAddr) -> io::Result<String> {
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let exchanged = async {
        let stream = TcpStream::connect(address).await?;
        exchange_within(stream, request.as_bytes(), METRICS_BYTES_MAX).await
    };
    let answer = timeout(SCRAPE_DEADLINE, exchanged).await.map_err(|_| io::ErrorKind::TimedOut)??;
    if answer.status != 200 {
        return Err(io::ErrorKind::InvalidData.into());
    }
    String::from_utf8(answer.body).map_err(|_| io::ErrorKind::InvalidData.into())
}

async fn exchange_within<S>(mut stream: S, request: &[u8], bytes_max: usize) -> io::Result<Answer>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(request).await?;
    let mut received = Vec::new();
    (&mut stream).take(bytes_max as u64).read_to_end(&mut received).await?;
    let head = parse_head(&received)?.ok_or(io::ErrorKind::UnexpectedEof)?;
    let rest = &received[head.bytes..];
    let body = if head.chunked { unchunk(rest)? } else { rest.to_vec() };
    Ok(Answer { status: head.status, body })
}

/// Reads a head from the beginning of `received`; `None` if it is incomplete.
pub(crate) fn parse_head(received: &[u8]) -> io::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut response = httparse::Response::new(&mut headers);
    let status = response.parse(received).map_err(invalid)?;
    let httparse::Status::Complete(bytes) = status else {
        return Ok(None);
    };
    let field = |name: &str| {
        let found = response.headers.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(found.value).ok()
    };
    Ok(Some(Head {
        status: response.code.unwrap_or_default(),
        bytes,
        accept: field("sec-websocket-accept").map(str::to_owned),
        chunked: field("transfer-encoding").is_some_and(|value| value.to_ascii_lowercase().contains("chunked")),
    }))
}

fn unchunk(mut rest: &[u8]) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let parsed = httparse::parse_chunk_size(rest)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "bad chunk size"))?;
        let httparse::Status::Complete((start, length)) = parsed else {
            return Err(io::ErrorKind::UnexpectedEof.into());
        };
        if length == 0 {
            return Ok(body);
        }
        let end = usize::try_from(length)
            .ok()
            .and_then(|length| start.checked_add(length))
            .filter(|end| end + 2 <= rest.len())
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        body.extend_from_slice(&rest[start..end]);
        rest = &rest[end + 2..];
    }
}

fn invalid(error: httparse::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined() {
        let body = unchunk(b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n").unwrap();
        assert_eq!(body, b"abcde");
        assert!(unchunk(b"3\r\nab").is_err());
        assert!(unchunk(b"zz\r\n").is_err());
    }

    #[test]
    fn a_head_is_read_once_whole() {
        let text = b"HTTP/1.1 101 Switching Protocols\r\nsec-websocket-accept: abc\r\n\r\nrest";
        assert!(parse_head(&text[..40]).unwrap().is_none());
        let head = parse_head(text).unwrap().unwrap();
        assert_eq!((head.status, head.accept.as_deref()), (101, Some("abc")));
        assert_eq!(&text[head.bytes..], b"rest");
    }
}
