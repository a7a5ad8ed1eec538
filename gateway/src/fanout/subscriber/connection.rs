//! One connection to a Redis server, for subscriptions.
//!
//! It is not the command client's, because that one answers the oldest command under way with any `sunsubscribe` that
//! arrives (a slot that moves sends one unasked), and passes publications on without a bound or with losses. This
//! reader reads no more than the shards take from it: behind a slow node are TCP, then Redis's limit for a subscriber's
//! buffer, then a closed connection, after which everything is compared with Redis again.

use std::hash::{Hash, Hasher};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use redis::{ConnectionAddr, ConnectionInfo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::pki_types::ServerName;

use super::resp::{self, Frame, Malformed};

/// Time for a connection to come up, with its greeting.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// Time for a command to be written or answered.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(5);
/// Space allocated for reads at a time. Publications share it until the shards have parsed them.
const READ_BYTES: usize = 32 * 1024;
/// Space below which more is allocated.
const READ_BYTES_MIN: usize = 4 * 1024;

/// The reason why the connection failed.
#[derive(Debug, thiserror::Error)]
pub(in crate::fanout) enum ConnectionError {
    /// It broke.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// There was no answer in time.
    #[error("no answer in time")]
    Timeout,
    /// The data is not RESP3.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The server has become a replica.
    #[error("the server is a replica")]
    Replica,
    /// The server refused a command.
    #[error("the server refused: {0}")]
    Refused(String),
    /// The URL is of a kind that subscriptions cannot use.
    #[error("subscriptions need a redis:// or rediss:// URL with a host and a port")]
    Address,
}

/// A server's address, and the user to sign in as.
#[derive(Clone)]
pub(in crate::fanout) struct Server {
    pub(in crate::fanout) host: String,
    pub(in crate::fanout) port: u16,
    username: Option<String>,
    password: Option<String>,
    tls: Option<Arc<ClientConfig>>,
}

impl Server {
    fn identity(&self) -> (&str, u16, Option<&str>, Option<&str>) {
        (&self.host, self.port, self.username.as_deref(), self.password.as_deref())
    }

    pub(in crate::fanout) fn new(
        info: &ConnectionInfo,
        tls: Option<&Arc<ClientConfig>>,
    ) -> Result<Self, ConnectionError> {
        let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) = info.addr() else {
            return Err(ConnectionError::Address);
        };
        let settings = info.redis_settings();
        Ok(Self {
            host: host.clone(),
            port: *port,
            username: settings.username().map(str::to_owned),
            password: settings.password().map(str::to_owned),
            tls: tls.cloned(),
        })
    }

    /// Returns another server of the same cluster.
    pub(in crate::fanout) fn at(&self, host: String, port: u16) -> Self {
        Self { host, port, ..self.clone() }
    }
}

/// Two are the same if they listen at the same place: all are spoken to in the same way.
impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Eq for Server {}

impl Hash for Server {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

/// The socket of a connection.
enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Stream {
    async fn open(server: &Server) -> io::Result<Self> {
        let stream = TcpStream::connect((server.host.as_str(), server.port)).await?;
        stream.set_nodelay(true)?;
        let Some(config) = &server.tls else { return Ok(Self::Plain(stream)) };
        let name = ServerName::try_from(server.host.clone()).map_err(io::Error::other)?;
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        Ok(Self::Tls(Box::new(stream)))
    }

    /// Writes all of it, and keeps nothing back.
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes).await,
            Self::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
        }
    }

    async fn read_buf(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read_buf(buffer).await,
            Self::Tls(stream) => stream.read_buf(buffer).await,
        }
    }
}

/// An open connection, greeted in RESP3.
pub(in crate::fanout) struct Connection {
    stream: Stream,
    received: BytesMut,
    sending: BytesMut,
}

impl Connection {
    pub(in crate::fanout) async fn open(server: &Server) -> Result<Self, ConnectionError> {
        timeout(CONNECT_TIMEOUT, Self::greet(server)).await.map_err(|_| ConnectionError::Timeout)?
    }

    async fn greet(server: &Server) -> Result<Self, ConnectionError> {
        let stream = Stream::open(server).await?;
        let mut connection = Self { stream, received: BytesMut::with_capacity(READ_BYTES), sending: BytesMut::new() };
        let mut hello = vec!["HELLO", "3"];
        if let Some(password) = &server.password {
            let username = server.username.as_deref().unwrap_or("default");
            hello.extend(["AUTH", username, password]);
        }
        connection.request(&hello).await?;
        Ok(connection)
    }

    /// Sends one command and returns its answer. Only before the first subscription.
    pub(in crate::fanout) async fn request(&mut self, words: &[&str]) -> Result<Frame, ConnectionError> {
        self.put(words.iter().copied());
        self.flush().await?;
        let answer = timeout(COMMAND_TIMEOUT, self.next()).await.map_err(|_| ConnectionError::Timeout)??;
        match answer {
            Frame::Error(text) => {
                let text = String::from_utf8_lossy(&text).into_owned();
                Err(ConnectionError::Refused(text))
            }
            answer => Ok(answer),
        }
    }

    /// Adds a command to the next [`Self::flush`].
    pub(in crate::fanout) fn put<'a>(&mut self, words: impl ExactSizeIterator<Item = &'a str>) {
        resp::encode(&mut self.sending, words);
    }

    /// Sends the added commands.
    pub(in crate::fanout) async fn flush(&mut self) -> Result<(), ConnectionError> {
        let bytes = self.sending.split().freeze();
        timeout(COMMAND_TIMEOUT, self.stream.write_all(&bytes)).await.map_err(|_| ConnectionError::Timeout)??;
        Ok(())
    }

    /// Returns the next frame. Nothing is lost when the wait is cancelled.
    pub(in crate::fanout) async fn next(&mut self) -> Result<Frame, ConnectionError> {
        loop {
            if let Some(frame) = resp::decode(&mut self.received)? {
                return Ok(frame);
            }
            if self.received.capacity() - self.received.len() < READ_BYTES_MIN {
                self.received.reserve(READ_BYTES);
            }
            if self.stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
        }
    }
}
