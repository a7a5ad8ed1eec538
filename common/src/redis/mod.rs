//! The Redis model: keys, scripts, and the connections to one server or a cluster.
//!
//! Pub/sub subscriptions belong to the gateway's fan-out and are not here.

mod fitness;
pub mod format;
pub mod journaled;
pub mod keys;
pub mod room_hash;
mod routes;
pub mod scripts;
mod server;
mod servers;
pub mod stored;
pub mod stream;
pub mod upkeep;

use std::time::{Duration, Instant};

use futures_util::future::{select_ok, try_join_all};
use redis::{Arg, Cmd, ErrorKind, RedisError, ScriptInvocation, ServerErrorKind, Value};
use tokio::time::sleep;

use self::routes::Routes;
use self::server::{Connection, RESPONSE_TIMEOUT, Server, is_useless_after};

pub use self::fitness::Unfit;
pub use self::scripts::NamedScript;
pub use self::servers::{RedisServers, RedisServersError, RedisTrust};

/// Pause before a call is made again whose slot is on its way, or whose cluster is about to agree.
const AGAIN_AFTER: Duration = Duration::from_millis(50);
/// Redirections that a call follows without a pause: to the new owner of a slot, and to the one that is about to get it.
const REDIRECTIONS_AT_ONCE: u32 = 2;

/// Keys that a server looks at in one step of reading all: some milliseconds.
const KEYS_AT_ONCE: usize = 1000;

/// Error codes of a server that refuses now what it will do later: its memory is full, a script holds it, its disk or its
/// replicas are not there.
const PASSING_CODES: [&str; 5] = ["OOM", "BUSY", "MISCONF", "NOREPLICAS", "UNKILLABLE"];

/// The answer to a script that looks for a key that is not there, while its slot moves.
const MOVING: &str = "attempted to access a non local key";

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

impl From<RedisError> for RedisFailure {
    fn from(error: RedisError) -> Self {
        let passing = error.is_io_error()
            || error.is_timeout()
            || error.is_connection_dropped()
            || error.is_connection_refusal()
            || error.is_cluster_error()
            || error.code().is_some_and(|code| PASSING_CODES.contains(&code))
            || error.detail().is_some_and(|detail| detail.contains(MOVING))
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

/// Called after each call with its name and its duration.
pub type CallObserver = fn(&'static str, Duration);

/// Sends commands to Redis. Connects on first use, and again after a connection broke; many tasks can call it at once,
/// since their commands are pipelined.
pub struct Redis {
    routes: Routes,
    observe: CallObserver,
}

impl Redis {
    /// Makes a client that connects on first use.
    pub fn new(servers: &RedisServers, observe: CallObserver) -> Result<Self, RedisFailure> {
        Ok(Self { routes: Routes::new(servers)?, observe })
    }

    /// Runs a script on a room, by its base key, or on one key.
    pub async fn run(&self, script: &NamedScript, key: &str, arguments: &[&str]) -> Result<Value, RedisFailure> {
        self.run_on(script, &[key], arguments).await
    }

    /// Runs a script on several rooms or keys; on a cluster, all of them must be in one slot.
    pub async fn run_on(
        &self,
        script: &NamedScript,
        keys: &[impl AsRef<str>],
        arguments: &[&str],
    ) -> Result<Value, RedisFailure> {
        let mut call = script.script().prepare_invoke();
        for key in script.keys(keys, self.is_cluster()) {
            call.key(key);
        }
        for argument in arguments {
            call.arg(*argument);
        }
        let key = keys.first().map_or("", AsRef::as_ref);
        Box::pin(self.call(script.name, key, &Request::Script(&call))).await
    }

    /// True for a cluster, where one call must stay within a slot.
    pub fn is_cluster(&self) -> bool {
        self.routes.is_cluster()
    }

    /// Runs one command, whose first argument is its key.
    pub async fn command(&self, name: &'static str, command: &Cmd) -> Result<Value, RedisFailure> {
        let key = match command.args_iter().nth(1) {
            Some(Arg::Simple(key)) => std::str::from_utf8(key).unwrap_or_default(),
            _ => "",
        };
        Box::pin(self.call(name, key, &Request::Command(command))).await
    }

    /// Runs one command, which concerns no key, on each server.
    pub async fn on_each(&self, name: &'static str, command: &Cmd) -> Result<Vec<Value>, RedisFailure> {
        let servers = self.routes.all().await?;
        let request = Request::Command(command);
        let calls = servers.iter().map(|server| Box::pin(self.attempt(name, server, false, &request)));
        try_join_all(calls).await.map_err(Failed::reason)
    }

    /// Reads the keys of a pattern, page by page of all servers, and hands each page on. A key may come twice.
    pub async fn each_key<E: From<RedisFailure>>(
        &self,
        pattern: &str,
        mut take: impl AsyncFnMut(Vec<String>) -> Result<(), E>,
    ) -> Result<(), E> {
        for server in self.routes.all().await? {
            let mut cursor = "0".to_owned();
            loop {
                let mut scan = redis::cmd("SCAN");
                scan.arg(&cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(KEYS_AT_ONCE);
                let request = Request::Command(&scan);
                let page = Box::pin(self.attempt("scan", &server, false, &request)).await.map_err(Failed::reason)?;
                let (next, keys): (String, Vec<String>) = read(page)?;
                take(keys).await?;
                if next == "0" {
                    break;
                }
                cursor = next;
            }
        }
        Ok(())
    }

    /// True if any server answers.
    pub async fn answers(&self) -> bool {
        let Ok(servers) = self.routes.all().await else { return false };
        let ping = redis::cmd("PING");
        let request = Request::Command(&ping);
        let pings = servers.iter().map(|server| Box::pin(self.attempt("ping", server, false, &request)));
        select_ok(pings).await.is_ok()
    }

    /// Makes a call at the server of a key. One that the server has not carried out, because the slot is elsewhere or on its
    /// way, is made again. Callers box this future: the library's futures are kilobytes, and every future that awaits one
    /// would be as large.
    async fn call(&self, name: &'static str, key: &str, request: &Request<'_>) -> Result<Value, RedisFailure> {
        let begun = Instant::now();
        let mut server = self.routes.of(key).await?;
        let mut is_asking = false;
        let mut redirections = 0;
        loop {
            let failed = match self.attempt(name, &server, is_asking, request).await {
                Ok(value) => return Ok(value),
                Err(failed) if begun.elapsed() > RESPONSE_TIMEOUT => return Err(failed.reason()),
                Err(failed) => failed,
            };
            let Failed::Refused(error) = &failed else { return Err(failed.reason()) };
            if error.redirect_node().is_some() {
                redirections += 1;
                // Servers that do not agree yet send a call back and forth.
                if redirections > REDIRECTIONS_AT_ONCE {
                    sleep(AGAIN_AFTER).await;
                }
            }
            match (error.kind(), error.redirect_node()) {
                (ErrorKind::Server(ServerErrorKind::Moved), Some((address, _))) => {
                    server = self.routes.named(&server, address, Some(key))?;
                    is_asking = false;
                }
                (ErrorKind::Server(ServerErrorKind::Ask), Some((address, _))) => {
                    server = self.routes.named(&server, address, None)?;
                    is_asking = true;
                }
                (ErrorKind::Server(ServerErrorKind::TryAgain | ServerErrorKind::ClusterDown), _) => {
                    sleep(AGAIN_AFTER).await;
                    server = self.routes.of(key).await?;
                    is_asking = false;
                }
                _ => return Err(failed.reason()),
            }
        }
    }

    async fn attempt(
        &self,
        name: &'static str,
        server: &Server,
        is_asking: bool,
        request: &Request<'_>,
    ) -> Result<Value, Failed> {
        let begun = Instant::now();
        let lane = server.lane().await.inspect_err(|_| self.routes.doubt()).map_err(Failed::Unmade)?;
        let connection = lane.connection.clone();
        let mut connection = if is_asking { connection.asking() } else { connection };
        let result = request.make(&mut connection).await;
        (self.observe)(name, begun.elapsed());
        result.map_err(|error| {
            if is_useless_after(&error) {
                server.drop_lane(&lane);
                self.routes.doubt();
            }
            Failed::Refused(error)
        })
    }
}

/// The request of a call.
enum Request<'a> {
    Script(&'a ScriptInvocation<'a>),
    Command(&'a Cmd),
}

impl Request<'_> {
    async fn make(&self, connection: &mut Connection) -> Result<Value, RedisError> {
        match self {
            Self::Script(script) => script.invoke_async(connection).await,
            Self::Command(command) => command.query_async(connection).await,
        }
    }
}

/// An attempt at a call that failed.
enum Failed {
    /// There was no connection.
    Unmade(RedisFailure),
    /// The server refused, or the connection broke.
    Refused(RedisError),
}

impl Failed {
    fn reason(self) -> RedisFailure {
        match self {
            Self::Unmade(failure) => failure,
            Self::Refused(error) => error.into(),
        }
    }
}

/// Reads a reply as a type; a reply of any other form is a bug of ours.
pub fn read<T: redis::FromRedisValue>(value: Value) -> Result<T, RedisFailure> {
    redis::from_redis_value(value).map_err(|error| RedisFailure::Unexpected(error.to_string()))
}
