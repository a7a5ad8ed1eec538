//! The other nodes: finds the node of a connection, and forwards requests that reached the wrong node.
//!
//! A client need not reconnect to the node it was on. A connection belongs to the node that opened it; the node's
//! address is in Redis under a lease, and a request that reaches another node is forwarded to that address. It goes
//! from node to node over HTTP rather than through Redis: bodies stream, a slow reader slows its writer by TCP's own
//! means, an open poll is given up by closing its connection, and all that needs no second framing and no capacity of
//! the fan-out.
//!
//! A WebSocket reaches another node only when a client with stateful reconnect opens the next socket of its session:
//! then the upgrade is forwarded, and the bytes of both sockets pass through (`tunnel`).
//!
//! When the owner dies, its kernel resets its connections, which the client notices. A host that vanishes silently is
//! found by the probes of TCP, within `PROBE_AFTER` and some seconds, and by the connect timeout of new requests.
//!
//! A request is forwarded once. It carries no token of the client, but a mark that only a node can make: it says who the
//! user is, to one node, for this request. An address in the directory is signed, too: nobody but a node has requests
//! sent to it.

mod directory;
mod forward;
mod hop;
#[cfg(test)]
mod tests;
mod tunnel;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rts_common::config::Secret;
use rts_common::redis::Redis;
use tokio::sync::Semaphore;

use self::directory::Directory;
use self::hop::HopSigner;
use crate::connection::ConnectionId;
use crate::session::Quota;

pub use self::directory::{NoDirectory, NodeLocation};
pub use self::forward::{Hop, Unreachable};
pub use self::tunnel::Tunnel;

/// Lifetime of an address without renewal: for that long, requests of a connection whose node died are forwarded to a
/// dead address, and get their 404 from that.
const LEASE: Duration = Duration::from_secs(30);
const RENEW_EVERY: Duration = Duration::from_secs(10);
/// Time for another node to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);
/// The silence of a connection to another node after which its host is probed, the interval of probes, and the time
/// that data may stay unacknowledged; and the number of probes that may be lost.
const PROBE_AFTER: Duration = Duration::from_secs(5);
const PROBE_EVERY: Duration = Duration::from_secs(1);
const PROBES_LOST_MAX: u32 = 3;
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(8);
/// The most tunnels at once, at two buffers of 8 KiB each: beyond it, a client starts over with a new session.
const TUNNELS_MAX: usize = 10_000;
/// Requests of one connection on their way to its node at once: a careful client sends one after the other, beside its
/// poll, but it may also send a burst without waiting, which the owner takes one after the other. Each
/// of those that wait there for their turn holds sockets on both nodes.
const FORWARDS_MAX: usize = 32;
/// Time for which an idle connection to another node is kept for the next request.
const POOL_IDLE: Duration = Duration::from_mins(1);
/// Idle connections that are kept for each node.
const POOL_SIZE: usize = 256;

/// The peers of a node.
pub struct Peers {
    own: SocketAddr,
    directory: Directory,
    hops: HopSigner,
    client: Client<HttpConnector, Body>,
    tunnels: Arc<Semaphore>,
    forwards: Arc<Quota<ConnectionId>>,
}

impl Peers {
    /// Returns the peers of a node that others reach at an address, with the secret that all nodes share.
    pub fn new(own: SocketAddr, redis: Arc<Redis>, secret: &Secret) -> Self {
        Self::with(own, Directory::Redis(redis, HopSigner::new(secret)), secret)
    }

    fn with(own: SocketAddr, directory: Directory, secret: &Secret) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_keepalive(Some(PROBE_AFTER));
        connector.set_keepalive_interval(Some(PROBE_EVERY));
        connector.set_keepalive_retries(Some(PROBES_LOST_MAX));
        connector.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .pool_max_idle_per_host(POOL_SIZE)
            .build(connector);
        let tunnels = Arc::new(Semaphore::new(TUNNELS_MAX));
        let forwards = Quota::new(FORWARDS_MAX);
        Self { own, directory, hops: HopSigner::new(secret), client, tunnels, forwards }
    }

    /// Claims a connection for this node and a time; or returns its location.
    pub async fn claim(&self, id: ConnectionId, time: Duration) -> Result<Option<NodeLocation>, NoDirectory> {
        match self.directory.claim(id, self.own, time).await? {
            None => Ok(None),
            Some(owner) => Ok(Some(self.place(owner))),
        }
    }

    /// Returns the location of a connection, if it is open.
    pub async fn find(&self, id: ConnectionId) -> Result<Option<NodeLocation>, NoDirectory> {
        Ok(self.directory.find(id).await?.map(|owner| self.place(owner)))
    }

    /// Keeps a connection's address while its session is open, then forgets it once its token has expired: until then
    /// others still have to find out here that it has ended.
    pub async fn keep_while(&self, id: ConnectionId, token_ends: Instant, session: impl Future<Output = ()>) {
        tokio::select! {
            () = session => {}
            () = self.keep(id) => {}
        }
        self.release(id, token_ends.saturating_duration_since(Instant::now())).await;
    }

    async fn keep(&self, id: ConnectionId) {
        loop {
            // Renewed by setting it: a Redis that lost its data has it again.
            if let Err(error) = self.directory.set(id, self.own, LEASE).await {
                tracing::warn!(connection = %id, %error, "failed to renew the address of a connection");
            }
            tokio::time::sleep(RENEW_EVERY).await;
        }
    }

    async fn release(&self, id: ConnectionId, token_left: Duration) {
        let released = if token_left.is_zero() {
            self.directory.remove(id).await
        } else {
            self.directory.set(id, self.own, token_left).await
        };
        if let Err(error) = released {
            tracing::debug!(connection = %id, %error, "the address of a connection expires only with its lease");
        }
    }

    fn place(&self, owner: SocketAddr) -> NodeLocation {
        if owner == self.own { NodeLocation::Local } else { NodeLocation::Remote(owner) }
    }
}

#[cfg(test)]
pub(crate) use self::directory::MemoryDirectory;

#[cfg(test)]
impl Peers {
    /// Returns peers with a directory that the nodes of a test share.
    pub(crate) fn in_memory(own: SocketAddr, directory: &MemoryDirectory, secret: &Secret) -> Self {
        Self::with(own, Directory::Memory(directory.clone()), secret)
    }
}
