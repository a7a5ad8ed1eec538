//! Which server has which partition: one server all of them, or the masters of a cluster.
//!
//! All keys of a partition are in one slot, so a call goes to one master, over connections of its own. That is why the
//! library's client for clusters is not used: while one of its servers does not answer, it reconnects and reads the
//! cluster's map, and no call to any server goes anywhere meanwhile.
//!
//! The map is read from whoever answers first, in the background, after a call failed. A server that was asked for a slot
//! that it does not have any more names its new master; that is believed at once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::select_ok;
use redis::{ConnectionInfo, Value};
use tokio::time::{sleep, timeout};

use super::keys::{PARTITIONS, Partition, slot_of};
use super::server::{Address, RESPONSE_TIMEOUT, Server};
use super::{RedisFailure, RedisServers};

/// The least time between two readings of the map.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// The way to each partition's server.
pub(super) enum Routes {
    /// One server has everything.
    Single(Arc<Server>),
    /// Several masters.
    Cluster(Arc<Cluster>),
}

impl Routes {
    pub(super) fn new(servers: &RedisServers) -> Result<Self, RedisFailure> {
        let unusable = || RedisFailure::Unexpected("a server without a host and a port".to_owned());
        let named = servers.nodes().iter().map(|info| Address::of(info).ok_or_else(unusable));
        let named = named.collect::<Result<Vec<_>, _>>()?;
        let like = &servers.nodes()[0];
        if !servers.is_cluster() {
            return Ok(Self::Single(Server::new(named[0].clone(), like)?));
        }
        let servers = named.iter().map(|address| Ok((address.clone(), Server::new(address.clone(), like)?)));
        let servers = servers.collect::<Result<_, RedisFailure>>()?;
        let map = Mutex::new(Map { servers, owners: HashMap::new() });
        let (reading, is_read) = (AtomicBool::new(false), tokio::sync::Mutex::new(()));
        Ok(Self::Cluster(Arc::new(Cluster { like: like.clone(), named, map, reading, is_read })))
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Returns the server of a key.
    pub(super) async fn of(&self, key: &str) -> Result<Arc<Server>, RedisFailure> {
        match self {
            Self::Single(server) => Ok(Arc::clone(server)),
            Self::Cluster(cluster) => cluster.owner(partition(key)).await,
        }
    }

    /// Returns all servers that have a part of the keys.
    pub(super) async fn all(&self) -> Result<Vec<Arc<Server>>, RedisFailure> {
        match self {
            Self::Single(server) => Ok(vec![Arc::clone(server)]),
            Self::Cluster(cluster) => {
                cluster.owner(0).await?;
                let map = cluster.map();
                let mut all: HashMap<&Address, &Arc<Server>> = HashMap::new();
                all.extend(map.owners.values().map(|server| (&server.address, server)));
                Ok(all.into_values().cloned().collect())
            }
        }
    }

    /// Returns the server that another one named, as the new owner of a key's partition if it has moved for good.
    pub(super) fn named(&self, by: &Server, text: &str, moved: Option<&str>) -> Result<Arc<Server>, RedisFailure> {
        let Self::Cluster(cluster) = self else {
            return Err(RedisFailure::Unavailable("the server is one of a cluster".to_owned()));
        };
        let unreadable = || RedisFailure::Unexpected("a redirection that cannot be read".to_owned());
        let address = Address::parse(text, &by.address).ok_or_else(unreadable)?;
        let server = cluster.server(&mut cluster.map(), address)?;
        if let Some(key) = moved {
            cluster.map().owners.insert(partition(key), Arc::clone(&server));
        }
        Ok(server)
    }

    /// Reads the map again, soon and once: a call failed.
    pub(super) fn doubt(&self) {
        if let Self::Cluster(cluster) = self
            && !cluster.reading.swap(true, Ordering::SeqCst)
        {
            let cluster = Arc::clone(cluster);
            tokio::spawn(async move {
                if let Err(error) = cluster.read().await {
                    tracing::warn!(%error, "no server of the cluster tells its map");
                }
                sleep(READ_PAUSE).await;
                cluster.reading.store(false, Ordering::SeqCst);
            });
        }
    }
}

fn partition(key: &str) -> usize {
    usize::from(slot_of(key)) * PARTITIONS / 16_384
}

/// A cluster as it was last seen.
pub(super) struct Cluster {
    /// The way to speak to its servers: user, TLS and settings of the first that was named.
    like: ConnectionInfo,
    /// The servers in the configuration.
    named: Vec<Address>,
    map: Mutex<Map>,
    /// True while the map is read in the background.
    reading: AtomicBool,
    /// Held while it is read for the first time.
    is_read: tokio::sync::Mutex<()>,
}

struct Map {
    servers: HashMap<Address, Arc<Server>>,
    owners: HashMap<usize, Arc<Server>>,
}

impl Cluster {
    async fn owner(&self, partition: usize) -> Result<Arc<Server>, RedisFailure> {
        let known = |map: &Map| map.owners.get(&partition).cloned();
        let owner = known(&self.map());
        if let Some(owner) = owner {
            return Ok(owner);
        }
        // One reads; whoever waits for it longer than for an answer gives up, and does not read once more.
        let one_reads = timeout(RESPONSE_TIMEOUT, self.is_read.lock()).await;
        let _one_reads = one_reads.map_err(|_| RedisFailure::Unavailable("no cluster map in time".to_owned()))?;
        let owner = known(&self.map());
        if let Some(owner) = owner {
            return Ok(owner);
        }
        self.read().await?;
        let owner = known(&self.map());
        owner.ok_or_else(|| RedisFailure::Unavailable("no server of the cluster has this slot".to_owned()))
    }

    /// Reads the map from the server that answers first.
    async fn read(&self) -> Result<(), RedisFailure> {
        let asked: Vec<_> = self.map().servers.values().cloned().collect();
        let answers = asked.iter().map(|server| Box::pin(owners(server)));
        let (owners, _) = select_ok(answers).await?;
        let mut map = self.map();
        for (partition, address) in owners {
            let server = self.server(&mut map, address)?;
            map.owners.insert(partition, server);
        }
        let used: Vec<_> = map.owners.values().map(|server| server.address.clone()).collect();
        map.servers.retain(|address, _| used.contains(address) || self.named.contains(address));
        Ok(())
    }

    fn server(&self, map: &mut Map, address: Address) -> Result<Arc<Server>, RedisFailure> {
        if let Some(server) = map.servers.get(&address) {
            return Ok(Arc::clone(server));
        }
        let server = Server::new(address.clone(), &self.like)?;
        map.servers.insert(address, Arc::clone(&server));
        Ok(server)
    }

    fn map(&self) -> MutexGuard<'_, Map> {
        self.map.lock().expect("no holder of this lock panics")
    }
}

/// Returns the master of each partition, as one server sees it.
async fn owners(asked: &Server) -> Result<Vec<(usize, Address)>, RedisFailure> {
    let mut lane = asked.lane().await?;
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let answer: Result<Value, _> = command.query_async(&mut lane.connection).await;
    let answer = answer.inspect_err(|_| asked.drop_lane(&lane))?;
    let Value::Array(ranges) = answer else {
        return Err(RedisFailure::Unavailable("no cluster map".to_owned()));
    };
    let ranges: Vec<_> = ranges.iter().filter_map(|range| parse_range(range, &asked.address)).collect();
    let owner_of = |partition: Partition| {
        let (_, _, owner) =
            ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&i64::from(partition.slot())))?;
        Some((partition.index(), owner.clone()))
    };
    let owners: Vec<_> = Partition::all().filter_map(owner_of).collect();
    if owners.is_empty() {
        return Err(RedisFailure::Unavailable("an empty cluster map".to_owned()));
    }
    Ok(owners)
}

/// Returns first slot, last slot and master of `[first, last, [host, port, …], replicas…]`.
fn parse_range(range: &Value, asked: &Address) -> Option<(i64, i64, Address)> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(master), ..] = parts.as_slice() else { return None };
    let [host, Value::Int(port), ..] = master.as_slice() else { return None };
    let host = match host {
        Value::BulkString(host) => String::from_utf8_lossy(host).into_owned(),
        Value::SimpleString(host) => host.clone(),
        _ => String::new(),
    };
    let address = Address::parse(&format!("{host}:{port}"), asked)?;
    Some((*first, *last, address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_does_not_know_its_own_name_is_where_it_was_asked() {
        let asked = Address { host: "10.0.0.1".to_owned(), port: 6379 };
        let at = |host: &str, port| Some(Address { host: host.to_owned(), port });
        assert_eq!(Address::parse("10.0.0.2:7000", &asked), at("10.0.0.2", 7000));
        assert_eq!(Address::parse("::1:7000", &asked), at("::1", 7000));
        for nameless in [":7000", "?:7000"] {
            assert_eq!(Address::parse(nameless, &asked), at("10.0.0.1", 7000));
        }
        assert_eq!(Address::parse("nothing", &asked), None);
        let master = |host: Value| Value::Array(vec![host, Value::Int(7001), Value::Nil]);
        let range = |host| Value::Array(vec![Value::Int(0), Value::Int(5460), master(host)]);
        let found = parse_range(&range(Value::Nil), &asked);
        assert_eq!(found, Some((0, 5460, Address { host: "10.0.0.1".to_owned(), port: 7001 })));
        assert_eq!(parse_range(&Value::Nil, &asked), None);
    }

    #[test]
    fn a_key_is_in_the_partition_of_its_tag() {
        for one in Partition::all() {
            assert_eq!(partition(&one.unstored()), one.index());
        }
    }
}
