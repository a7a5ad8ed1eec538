//! Addresses of connections: in Redis, signed by the node that wrote them, or in memory for the nodes of one test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, cmd};
use rts_common::redis::{Redis, RedisFailure, keys, read};
use rts_common::seq::Timestamp;

use super::hop::HopSigner;
use crate::connection::ConnectionId;

/// The node of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeLocation {
    /// On this node, or it did.
    Local,
    /// On the node of this address.
    Remote(SocketAddr),
}

/// The directory did not answer: the node of a connection is unknown.
#[derive(Debug, thiserror::Error)]
#[error("no directory: {0}")]
pub struct NoDirectory(#[from] RedisFailure);

/// The addresses.
pub(super) enum Directory {
    Redis(Arc<Redis>, HopSigner),
    #[cfg(test)]
    Memory(MemoryDirectory),
}

impl Directory {
    /// Sets an address if there is none; otherwise returns the existing one.
    pub(super) async fn claim(
        &self,
        id: ConnectionId,
        own: SocketAddr,
        time: Duration,
    ) -> Result<Option<SocketAddr>, NoDirectory> {
        match self {
            Self::Redis(redis, signer) => {
                let reply = redis.command("connection_claim", set(signer, id, own, time).arg("NX")).await?;
                if read::<Option<String>>(reply)?.is_some() {
                    return Ok(None);
                }
                // A connection that ended in between is not opened again: its token was used.
                Ok(Some(self.find(id).await?.unwrap_or(own)))
            }
            #[cfg(test)]
            Self::Memory(memory) => Ok(memory.claim(id, own)),
        }
    }

    pub(super) async fn find(&self, id: ConnectionId) -> Result<Option<SocketAddr>, NoDirectory> {
        match self {
            Self::Redis(redis, signer) => {
                let reply = redis.command("connection_find", cmd("GET").arg(key(id))).await?;
                let found: Option<String> = read(reply)?;
                Ok(found.and_then(|address| signer.read_address(id, &address, Timestamp::now())))
            }
            #[cfg(test)]
            Self::Memory(memory) => Ok(memory.find(id)),
        }
    }

    pub(super) async fn set(&self, id: ConnectionId, own: SocketAddr, time: Duration) -> Result<(), NoDirectory> {
        match self {
            Self::Redis(redis, signer) => {
                Ok(redis.command("connection_set", &set(signer, id, own, time)).await.map(drop)?)
            }
            #[cfg(test)]
            Self::Memory(memory) => {
                memory.set(id, own);
                Ok(())
            }
        }
    }

    pub(super) async fn remove(&self, id: ConnectionId) -> Result<(), NoDirectory> {
        match self {
            Self::Redis(redis, _) => Ok(redis.command("connection_remove", cmd("DEL").arg(key(id))).await.map(drop)?),
            #[cfg(test)]
            Self::Memory(memory) => {
                memory.remove(id);
                Ok(())
            }
        }
    }
}

fn key(id: ConnectionId) -> String {
    keys::connection(&id.to_string())
}

fn set(signer: &HopSigner, id: ConnectionId, own: SocketAddr, time: Duration) -> Cmd {
    let mut set = cmd("SET");
    let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
    set.arg(key(id)).arg(signer.sign_address(id, own, Timestamp::now())).arg("PX").arg(millis);
    set
}

#[cfg(test)]
pub(crate) use self::memory::MemoryDirectory;

#[cfg(test)]
mod memory {
    use std::collections::HashMap;
    use std::sync::Mutex;

    use super::{Arc, ConnectionId, SocketAddr};

    /// Without leases: no node of a test dies silently.
    #[derive(Clone, Debug, Default)]
    pub(crate) struct MemoryDirectory(Arc<Mutex<HashMap<ConnectionId, SocketAddr>>>);

    impl MemoryDirectory {
        pub(super) fn claim(&self, id: ConnectionId, own: SocketAddr) -> Option<SocketAddr> {
            let mut places = self.0.lock().unwrap();
            let found = places.get(&id).copied();
            places.entry(id).or_insert(own);
            found
        }

        pub(super) fn find(&self, id: ConnectionId) -> Option<SocketAddr> {
            self.0.lock().unwrap().get(&id).copied()
        }

        pub(crate) fn set(&self, id: ConnectionId, own: SocketAddr) {
            self.0.lock().unwrap().insert(id, own);
        }

        pub(super) fn remove(&self, id: ConnectionId) {
            self.0.lock().unwrap().remove(&id);
        }
    }
}
