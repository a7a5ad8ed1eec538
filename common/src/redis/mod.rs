//! The Redis model: keys, scripts, and the connections to one server or a cluster.
//!
//! Pub/sub subscriptions belong to the gateway's fan-out and are not here.

mod fitness;
pub mod journaled;
pub mod keys;
pub mod room_hash;
pub mod scripts;
mod servers;
pub mod stored;
pub mod stream;

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_redis::{Manager, Pool, Runtime};
use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{AsyncConnectionConfig, Cmd, Pipeline, ProtocolVersion, Value};

pub use self::fitness::Unfit;
pub use self::scripts::NamedScript;
pub use self::servers::{RedisServers, RedisServersError, RedisTrust, tcp_settings};

/// The deadline for opening a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// The deadline of one command. The library's default, half a second, is shorter than a slow fork of a busy server.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);
/// The number of connections that carry commands. Each pipelines any number of callers; the fewer there are, the more
/// calls share a packet, and two spread the parsing of replies over cores.
const LANES: usize = 2;

/// Error codes of a server that refuses now what it will do later: its memory is full, a script holds it, its disk or its
/// replicas are not there.
const PASSING_CODES: [&str; 5] = ["OOM", "BUSY", "MISCONF", "NOREPLICAS", "UNKILLABLE"];

/// A call that failed. Its effect is unknown unless the kind says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum RedisFailure {
    /// No connection, no answer in time, or a server that cannot serve now.
    #[error("redis is not reachable: {0}")]
    Unavailable(String),
    /// A reply or a script error that should not occur.
    #[error("redis answered unexpectedly: {0}")]
    Unexpected(String),
}

impl From<redis::RedisError> for RedisFailure {
    fn from(error: redis::RedisError) -> Self {
        use redis::{ErrorKind, ServerErrorKind};
        let passing = error.is_io_error()
            || error.is_timeout()
            || error.is_connection_dropped()
            || error.is_connection_refusal()
            || error.is_cluster_error()
            || error.code().is_some_and(|code| PASSING_CODES.contains(&code))
            || matches!(
                error.kind(),
                ErrorKind::Server(
                    ServerErrorKind::BusyLoading
                        | ServerErrorKind::TryAgain
                        | ServerErrorKind::ClusterDown
                        | ServerErrorKind::MasterDown
                        | ServerErrorKind::ReadOnly
                )
            );
        if passing { Self::Unavailable(error.to_string()) } else { Self::Unexpected(error.to_string()) }
    }
}

enum Servers {
    Single(Pool),
    Cluster(Box<ClusterClient>),
}

/// One connection, shared by its callers.
#[derive(Clone)]
enum Lane {
    Single(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl ConnectionLike for Lane {
    fn req_packed_command<'a>(&'a mut self, cmd: &'a Cmd) -> redis::RedisFuture<'a, Value> {
        match self {
            Self::Single(connection) => connection.req_packed_command(cmd),
            Self::Cluster(connection) => connection.req_packed_command(cmd),
        }
    }

    fn req_packed_commands<'a>(
        &'a mut self,
        cmd: &'a Pipeline,
        offset: usize,
        count: usize,
    ) -> redis::RedisFuture<'a, Vec<Value>> {
        match self {
            Self::Single(connection) => connection.req_packed_commands(cmd, offset, count),
            Self::Cluster(connection) => connection.req_packed_commands(cmd, offset, count),
        }
    }

    fn get_db(&self) -> i64 {
        0
    }
}

/// Called after each call with its name and its duration.
pub type CallObserver = fn(&'static str, Duration);

/// Sends commands to Redis. Connects on first use, and again after a connection broke; many tasks can call it at once,
/// since their commands are pipelined.
pub struct Redis {
    servers: Servers,
    lanes: [Mutex<Option<Lane>>; LANES],
    next: AtomicUsize,
    observe: CallObserver,
}

impl Redis {
    /// Makes a client that connects on first use.
    pub fn new(servers: &RedisServers, observe: CallObserver) -> Result<Self, RedisFailure> {
        let servers = if servers.is_cluster() {
            let mut builder = ClusterClientBuilder::new(servers.nodes().to_vec())
                .use_protocol(ProtocolVersion::RESP3)
                .tcp_settings(tcp_settings())
                .connection_timeout(CONNECT_TIMEOUT)
                .response_timeout(RESPONSE_TIMEOUT);
            if let Some(certificates) = servers.certificates() {
                builder = builder.certs(certificates);
            }
            Servers::Cluster(Box::new(builder.build()?))
        } else {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_TIMEOUT))
                .set_response_timeout(Some(RESPONSE_TIMEOUT));
            let manager = Manager::new_with_config(servers.nodes()[0].clone(), config)?;
            let pool = Pool::builder(manager)
                .max_size(LANES)
                .runtime(Runtime::Tokio1)
                .wait_timeout(Some(CONNECT_TIMEOUT))
                .create_timeout(Some(CONNECT_TIMEOUT))
                .build()
                .map_err(|error| RedisFailure::Unexpected(error.to_string()))?;
            Servers::Single(pool)
        };
        Ok(Self { servers, lanes: Default::default(), next: AtomicUsize::new(0), observe })
    }

    /// Runs a script on the keys of one base key.
    pub async fn run(&self, script: &NamedScript, key: &str, arguments: &[&str]) -> Result<Value, RedisFailure> {
        self.run_on(script, &[key], arguments).await
    }

    /// Runs a script on several base keys; on a cluster, all of them must be in one slot.
    pub async fn run_on(
        &self,
        script: &NamedScript,
        keys: &[impl AsRef<str>],
        arguments: &[&str],
    ) -> Result<Value, RedisFailure> {
        let mut call = script.script().prepare_invoke();
        for key in keys {
            call.key(key.as_ref());
        }
        for argument in arguments {
            call.arg(*argument);
        }
        Box::pin(self.observed(script.name, async |lane| call.invoke_async(lane).await)).await
    }

    /// True for a cluster, where one call must stay within a slot.
    pub fn is_cluster(&self) -> bool {
        matches!(self.servers, Servers::Cluster(_))
    }

    /// Runs one command.
    pub async fn command(&self, name: &'static str, command: &Cmd) -> Result<Value, RedisFailure> {
        Box::pin(self.observed(name, async |lane| command.query_async(lane).await)).await
    }

    /// Checks that the server answers.
    pub async fn ping(&self) -> Result<(), RedisFailure> {
        self.command("ping", &redis::cmd("PING")).await.map(drop)
    }

    /// Callers box this future: the library's futures are kilobytes, and every future that awaits one would be as
    /// large.
    async fn observed(
        &self,
        name: &'static str,
        call: impl AsyncFnOnce(&mut Lane) -> Result<Value, redis::RedisError>,
    ) -> Result<Value, RedisFailure> {
        let begun = Instant::now();
        let place = self.next.fetch_add(1, Ordering::Relaxed) % LANES;
        let mut lane = self.lane(place).await?;
        let result = call(&mut lane).await;
        (self.observe)(name, begun.elapsed());
        result.map_err(|error| {
            if error.is_unrecoverable_error() || error.is_io_error() {
                self.forget(place);
            }
            RedisFailure::from(error)
        })
    }

    async fn lane(&self, place: usize) -> Result<Lane, RedisFailure> {
        let held = self.lanes[place].lock().expect("no holder of this lock panics").clone();
        if let Some(lane) = held {
            return Ok(lane);
        }
        let lane = match &self.servers {
            Servers::Single(pool) => {
                let connection = pool.get().await.map_err(|error| RedisFailure::Unavailable(error.to_string()))?;
                Lane::Single(deadpool_redis::Connection::take(connection))
            }
            Servers::Cluster(client) => Lane::Cluster(client.get_async_connection().await?),
        };
        *self.lanes[place].lock().expect("no holder of this lock panics") = Some(lane.clone());
        Ok(lane)
    }

    fn forget(&self, place: usize) {
        *self.lanes[place].lock().expect("no holder of this lock panics") = None;
    }
}

/// Reads a reply as a type; a reply of any other form is a bug of ours.
pub fn read<T: redis::FromRedisValue>(value: Value) -> Result<T, RedisFailure> {
    redis::from_redis_value(value).map_err(|error| RedisFailure::Unexpected(error.to_string()))
}
