//! Opens a connection as the stock client does: negotiate, upgrade with id and token, handshake.

use std::fmt;
use std::io;
use std::time::Duration;

use bytes::Bytes;
use rts_common::signalr::{HandshakeReply, HandshakeReplyDecoder, HandshakeRequest, Protocol};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::http;
use super::link::{Link, Socket};
use super::session::Session;
use super::target::{Sources, Target};
use super::token::TokenError;
use super::ws::{self, Chunk, FrameReader, Opcode};

/// The hub of the gateway.
const HUB_PATH: &str = "/hubs/chat";
/// The most bytes of an upgrade's answer.
const UPGRADE_BYTES_MAX: usize = 16 * 1024;

/// Opens connections.
#[derive(Clone, Debug)]
pub struct Dialer {
    /// Nodes, taken in turn by connection index, or one balancer.
    pub targets: Vec<Target>,
    /// Local addresses.
    pub sources: Sources,
    /// True to negotiate first, as the stock client does unless configured otherwise.
    pub negotiate: bool,
    /// The deadline for all steps together.
    pub deadline: Duration,
}

/// A step of opening a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// TCP, TLS, and the negotiate request.
    Negotiate,
    /// TCP, TLS, and the WebSocket upgrade.
    Upgrade,
    /// The SignalR handshake.
    Handshake,
}

/// The reason why a connection could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// The network failed.
    #[error("{stage}: {error}")]
    Io {
        /// The step that failed.
        stage: Stage,
        /// The error of the network.
        error: io::Error,
    },
    /// The server refused with an HTTP status.
    #[error("{stage}: status {status}")]
    Status {
        /// The step that failed.
        stage: Stage,
        /// The status.
        status: u16,
    },
    /// The server's answer is invalid.
    #[error("{stage}: {what}")]
    Answer {
        /// The step that failed.
        stage: Stage,
        /// The fault of the answer.
        what: String,
    },
    /// There is no token to connect with.
    #[error("{0}")]
    Token(#[from] TokenError),
    /// The connection was not open at the deadline.
    #[error("not open within the deadline")]
    Deadline,
}

impl Dialer {
    /// Returns the target of connection `index`.
    pub fn target(&self, index: usize) -> &Target {
        &self.targets[index % self.targets.len()]
    }

    /// Opens connection `index` with `token`.
    pub async fn open(&self, index: usize, token: &str, protocol: Protocol) -> Result<Session, DialError> {
        tokio::time::timeout(self.deadline, self.steps(index, token, protocol))
            .await
            .map_err(|_| DialError::Deadline)?
    }

    async fn steps(&self, index: usize, token: &str, protocol: Protocol) -> Result<Session, DialError> {
        let target = self.target(index);
        let source = self.sources.pick(index);
        let path = format!("{}{HUB_PATH}", target.base_path);
        let query = if self.negotiate {
            let stream = target.connect(source).await.map_err(at(Stage::Negotiate))?;
            let id = negotiate(stream, target, &path, token).await?;
            format!("{path}?id={id}&access_token={token}")
        } else {
            format!("{path}?access_token={token}")
        };
        let stream = target.connect(source).await.map_err(at(Stage::Upgrade))?;
        let (stream, rest) = upgrade(stream, target, &query).await?;
        handshake(stream, rest, protocol).await
    }
}

/// Requests a connection and returns its token.
async fn negotiate(stream: Socket, target: &Target, path: &str, token: &str) -> Result<String, DialError> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Reply {
        connection_token: Option<String>,
        error: Option<String>,
    }
    let stage = Stage::Negotiate;
    let request = format!(
        "POST {path}/negotiate?negotiateVersion=1 HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n",
        target.authority
    );
    let answer = http::exchange(stream, request.as_bytes()).await.map_err(at(stage))?;
    if answer.status != 200 {
        return Err(DialError::Status { stage, status: answer.status });
    }
    let failed = |what: &str| DialError::Answer { stage, what: what.to_owned() };
    let reply: Reply = serde_json::from_slice(&answer.body).map_err(|_| failed("the reply is not JSON"))?;
    if let Some(error) = reply.error {
        return Err(failed(&error));
    }
    reply.connection_token.ok_or_else(|| failed("the reply has no connectionToken"))
}

/// Turns the connection into a WebSocket; returns the bytes that followed the answer.
async fn upgrade(mut stream: Socket, target: &Target, query: &str) -> Result<(Socket, Vec<u8>), DialError> {
    let stage = Stage::Upgrade;
    let (request, key) = ws::upgrade_request(&target.authority, query);
    stream.write_all(request.as_bytes()).await.map_err(at(stage))?;
    let mut received = Vec::with_capacity(512);
    let head = loop {
        let count = stream.read_buf(&mut received).await.map_err(at(stage))?;
        if let Some(head) = http::parse_head(&received).map_err(at(stage))? {
            break head;
        }
        if count == 0 || received.len() > UPGRADE_BYTES_MAX {
            return Err(at(stage)(io::ErrorKind::UnexpectedEof.into()));
        }
    };
    if head.status != 101 {
        return Err(DialError::Status { stage, status: head.status });
    }
    if head.accept.as_deref() != Some(&ws::accept_key(&key)) {
        return Err(DialError::Answer { stage, what: "the Sec-WebSocket-Accept is wrong".to_owned() });
    }
    Ok((stream, received.split_off(head.bytes)))
}

/// Chooses the protocol. Sent as text whatever the protocol, as the JavaScript client does.
async fn handshake(mut stream: Socket, rest: Vec<u8>, protocol: Protocol) -> Result<Session, DialError> {
    let stage = Stage::Handshake;
    let failed = |what: String| DialError::Answer { stage, what };
    let mut request = Vec::new();
    let hello = HandshakeRequest { protocol, version: 1 };
    ws::write_frame(&mut request, Opcode::Text, &hello.encode(), rand::random());
    stream.write_all(&request).await.map_err(at(stage))?;

    let mut frames = FrameReader::default();
    let mut replies = HandshakeReplyDecoder::new();
    let mut received = rest;
    loop {
        let mut input = &received[..];
        while let Some(chunk) = frames.next(&mut input).map_err(|e| failed(e.to_string()))? {
            let Chunk::Data { bytes, .. } = chunk else {
                return Err(failed("the connection was closed without an answer".to_owned()));
            };
            let reply = replies.push(Bytes::copy_from_slice(bytes)).map_err(|e| failed(e.to_string()))?;
            match reply {
                None => {}
                Some((HandshakeReply::Refused(text), _)) => return Err(failed(text)),
                Some((HandshakeReply::Accepted, follows)) => {
                    let session = Session::new(Link::from(stream), protocol, frames);
                    session.give_back(&follows, input);
                    return Ok(session);
                }
            }
        }
        received.clear();
        if stream.read_buf(&mut received).await.map_err(at(stage))? == 0 {
            return Err(at(stage)(io::ErrorKind::UnexpectedEof.into()));
        }
    }
}

fn at(stage: Stage) -> impl Fn(io::Error) -> DialError {
    move |error| DialError::Io { stage, error }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negotiate => "negotiate",
            Self::Upgrade => "upgrade",
            Self::Handshake => "handshake",
        })
    }
}
