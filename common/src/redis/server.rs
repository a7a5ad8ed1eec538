//! One server, and the connections to it that carry commands.
//!
//! A connection is made by one caller at a time, while the others wait for it. It is dropped, and made anew by whoever comes
//! next, once it cannot serve any more: it broke, or what is at its other end is no master any more. Behind one address (a
//! DNS name, a virtual address) a former master keeps its connections when it becomes a replica, and only a new connection
//! leads to its successor.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use deadpool_redis::{Manager, Pool, Runtime};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, Pipeline, RedisError, ServerErrorKind, Value,
};
use tokio::time::timeout;

use super::RedisFailure;

/// The deadline for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The deadline of one command. The library's default, half a second, is shorter than a slow fork of a busy server.
pub(super) const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of connections to a server. Each pipelines any number of callers; the fewer there are, the more calls share
/// a packet, and two spread the parsing of replies over cores.
const LANES: usize = 2;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    pub(super) host: String,
    pub(super) port: u16,
}

impl Address {
    /// Returns the address of a server that was named by a URL.
    pub(super) fn of(info: &ConnectionInfo) -> Option<Self> {
        match info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                Some(Self { host: host.clone(), port: *port })
            }
            _ => None,
        }
    }

    /// Reads `host:port`, of which the host may be missing: then it is that of whoever says so.
    pub(super) fn parse(text: &str, said_by: &Self) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let host = if matches!(host, "" | "?") { &said_by.host } else { host };
        Some(Self { host: host.to_owned(), port: port.parse().ok()? })
    }

    /// Returns what is needed to connect to it as to another server of its cluster.
    fn info(&self, other: &ConnectionInfo) -> ConnectionInfo {
        let (host, port) = (self.host.clone(), self.port);
        let address = match other.addr() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
            }
            _ => ConnectionAddr::Tcp(host, port),
        };
        other.clone().set_addr(address)
    }
}

/// A connection, shared by its callers.
#[derive(Clone)]
pub(super) struct Connection {
    inner: MultiplexedConnection,
    /// True if each command concerns a slot that is on its way to this server.
    is_asking: bool,
}

impl Connection {
    /// Returns the same connection for commands about a slot that the server is about to get.
    pub(super) fn asking(self) -> Self {
        Self { is_asking: true, ..self }
    }
}

impl ConnectionLike for Connection {
    fn req_packed_command<'a>(&'a mut self, command: &'a Cmd) -> redis::RedisFuture<'a, Value> {
        if !self.is_asking {
            return self.inner.req_packed_command(command);
        }
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(2);
            pipeline.cmd("ASKING").add_command(command.clone());
            let answers = self.inner.req_packed_commands(&pipeline, 1, 1).await?;
            answers.into_iter().next().unwrap_or(Value::Nil).extract_error()
        })
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        pipeline: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<Value>> {
        self.inner.req_packed_commands(pipeline, offset, count)
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// A connection, and its place among those of its server.
pub(super) struct Lane {
    pub(super) connection: Connection,
    place: usize,
    number: usize,
}

#[derive(Default)]
struct Place {
    held: Mutex<Option<(usize, MultiplexedConnection)>>,
    maker: tokio::sync::Mutex<()>,
}

impl Place {
    fn held(&self) -> MutexGuard<'_, Option<(usize, MultiplexedConnection)>> {
        self.held.lock().expect("no holder of this lock panics")
    }
}

/// A server.
pub(super) struct Server {
    pub(super) address: Address,
    pool: Pool,
    places: [Place; LANES],
    /// Calls begun, by which they take turns.
    calls: AtomicUsize,
    /// Connections made, which tells one from its successor.
    made: AtomicUsize,
}

impl Server {
    /// Returns a server at an address, to be spoken to like another one; connects on first use.
    pub(super) fn new(address: Address, like: &ConnectionInfo) -> Result<Arc<Self>, RedisFailure> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT));
        let manager = Manager::new_with_config(address.info(like), config)?;
        let pool = Pool::builder(manager)
            .max_size(LANES)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(CONNECT_TIMEOUT))
            .create_timeout(Some(CONNECT_TIMEOUT))
            .build()
            .map_err(|error| RedisFailure::Unexpected(error.to_string()))?;
        let (calls, made) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Arc::new(Self { address, pool, places: Default::default(), calls, made }))
    }

    /// Returns its next connection.
    pub(super) async fn lane(&self) -> Result<Lane, RedisFailure> {
        let place = self.calls.fetch_add(1, Ordering::Relaxed) % LANES;
        let lane = |(number, inner)| Lane { connection: Connection { inner, is_asking: false }, place, number };
        let held = self.places[place].held().clone();
        if let Some(held) = held {
            return Ok(lane(held));
        }
        let no_connection = |_| RedisFailure::Unavailable("no connection in time".to_owned());
        let _maker = timeout(CONNECT_TIMEOUT, self.places[place].maker.lock()).await.map_err(no_connection)?;
        let held = self.places[place].held().clone();
        if let Some(held) = held {
            return Ok(lane(held));
        }
        let connection = self.pool.get().await.map_err(|error| RedisFailure::Unavailable(error.to_string()))?;
        let fresh = (self.made.fetch_add(1, Ordering::Relaxed), deadpool_redis::Connection::take(connection));
        *self.places[place].held() = Some(fresh.clone());
        Ok(lane(fresh))
    }

    /// Drops a connection, unless it was replaced already.
    pub(super) fn drop_lane(&self, lane: &Lane) {
        let mut held = self.places[lane.place].held();
        if held.as_ref().is_some_and(|(number, _)| *number == lane.number) {
            *held = None;
        }
    }
}

/// True if nothing can be had from a connection after this error: it broke, or leads to a server that is no master, or is
/// not ready to be anything.
pub(super) fn is_useless_after(error: &RedisError) -> bool {
    use ServerErrorKind::{BusyLoading, ClusterDown, MasterDown, ReadOnly};
    error.is_unrecoverable_error()
        || error.is_io_error()
        || matches!(error.kind(), ErrorKind::Server(ReadOnly | MasterDown | BusyLoading | ClusterDown))
}
