//! The owner of each partition in a cluster, and a link to each server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rts_common::redis::keys::Partition;
use tokio::sync::{Notify, mpsc};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::connection::{Connection, ConnectionError, Server};
use super::link::{Arrived, Link};
use super::resp::Frame;
use super::subscriptions::{LinkId, Subscriptions};

/// Interval of readings of the map when nothing seems wrong with it.
const REFRESH_EVERY: Duration = Duration::from_secs(30);
/// The least time between two readings.
const REFRESH_PAUSE: Duration = Duration::from_millis(200);

/// The parts that links are built from.
pub(in crate::fanout) struct LinkParts {
    pub(in crate::fanout) subscriptions: Arc<Subscriptions>,
    pub(in crate::fanout) shards: Arc<[mpsc::Sender<Arrived>]>,
    pub(in crate::fanout) on_change: fn(&Subscriptions),
}

impl LinkParts {
    fn link(&self, server: Server, stale: &Arc<Notify>) -> Link {
        let (id, wake) = self.subscriptions.add_link();
        Link {
            id,
            server,
            subscriptions: Arc::clone(&self.subscriptions),
            wake,
            shards: Arc::clone(&self.shards),
            stale: Arc::clone(stale),
            on_change: self.on_change,
        }
    }
}

/// Runs the one link to a single server, until it is cancelled.
pub(in crate::fanout) async fn run_single(parts: LinkParts, server: Server) {
    let link = parts.link(server, &Arc::default());
    let routes = Partition::all().map(|partition| (partition.index(), link.id)).collect();
    parts.subscriptions.route(routes);
    link.run().await;
}

/// Runs a link to each master of a cluster, following its map, until it is cancelled.
pub(in crate::fanout) async fn run_cluster(parts: LinkParts, seeds: Vec<Server>) {
    let mut cluster = Cluster { parts, seeds, stale: Arc::default(), links: HashMap::new(), tasks: JoinSet::new() };
    loop {
        cluster.refresh().await;
        sleep(REFRESH_PAUSE).await;
        // A timeout is as good a reason to read the map again.
        let _ = timeout(REFRESH_EVERY, cluster.stale.notified()).await;
        cluster.reap();
    }
}

struct Cluster {
    parts: LinkParts,
    seeds: Vec<Server>,
    stale: Arc<Notify>,
    links: HashMap<Server, RunningLink>,
    tasks: JoinSet<()>,
}

struct RunningLink {
    id: LinkId,
    task: AbortHandle,
}

impl Drop for RunningLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Cluster {
    /// Removes links that were aborted; one that panicked makes this task panic.
    fn reap(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Err(error) = ended
                && error.is_panic()
            {
                std::panic::resume_unwind(error.into_panic());
            }
        }
    }

    async fn refresh(&mut self) {
        let candidates: Vec<_> = self.links.keys().chain(&self.seeds).cloned().collect();
        for candidate in candidates {
            match owners(&candidate).await {
                Ok(owners) => return self.apply(&owners),
                Err(error) => {
                    tracing::warn!(host = %candidate.host, port = candidate.port, %error, "no cluster map from this server");
                }
            }
        }
        self.stale.notify_one();
    }

    fn apply(&mut self, owners: &HashMap<usize, Server>) {
        for server in owners.values() {
            if !self.links.contains_key(server) {
                let link = self.parts.link(server.clone(), &self.stale);
                let id = link.id;
                let task = self.tasks.spawn(link.run());
                self.links.insert(server.clone(), RunningLink { id, task });
            }
        }
        let routes =
            owners.iter().filter_map(|(partition, server)| Some((*partition, self.links.get(server)?.id))).collect();
        self.parts.subscriptions.route(routes);
        let subscriptions = &self.parts.subscriptions;
        self.links.retain(|server, link| {
            let owns_something = owners.values().any(|owner| owner == server);
            if !owns_something {
                subscriptions.remove_link(link.id);
            }
            owns_something
        });
        (self.parts.on_change)(subscriptions);
    }
}

/// Returns the master of each partition, as one server sees it.
async fn owners(asked: &Server) -> Result<HashMap<usize, Server>, ConnectionError> {
    let mut connection = Connection::open(asked).await?;
    let map = connection.request(&["CLUSTER", "SLOTS"]).await?;
    let ranges: Vec<_> = map.list().unwrap_or_default().iter().filter_map(|range| parse_range(range, asked)).collect();
    if ranges.is_empty() {
        return Err(ConnectionError::Refused("an empty cluster map".to_owned()));
    }
    Ok(Partition::all()
        .filter_map(|partition| {
            let slot = partition.slot();
            let (_, _, owner) = ranges.iter().find(|(first, last, _)| (*first..=*last).contains(&slot))?;
            Some((partition.index(), owner.clone()))
        })
        .collect())
}

/// Returns first slot, last slot and master of `[first, last, [host, port, …], replicas…]`.
fn parse_range(range: &Frame, asked: &Server) -> Option<(u16, u16, Server)> {
    let range = range.list()?;
    let number = |index: usize| range.get(index)?.text()?.parse().ok();
    let master = range.get(2)?.list()?;
    // A server that does not know its own name leaves it out.
    let host = master.first()?.text().filter(|host| !host.is_empty() && *host != "?");
    let host = host.unwrap_or(&asked.host).to_owned();
    let port = master.get(1)?.text()?.parse().ok()?;
    Some((number(0)?, number(1)?, asked.at(host, port)))
}
