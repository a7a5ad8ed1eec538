//! The fan-out: passes Redis's publications to the sessions of this node.
//!
//! ```text
//! Redis ── one connection per server ──▶ link ──▶ shard ──▶ outboxes of the sessions that listen
//!                                                  │  ▲
//!                                  asks, by a task ▼  │ answers
//!                                            rooms (scripts)
//! ```
//!
//! - **Subscriptions**: sharded pub/sub only. A room's channel is subscribed for the first session that listens, a
//!   user's for their first session, and both are dropped with the last one. Each confirmation, the first and every
//!   later one (a reconnect, a slot that moved), means "from here on", and makes the shard compare with Redis what may
//!   have been missed before.
//! - **Shards**: each owns the rooms and users of its partitions and no lock is held on the path of an event. An event
//!   is encoded once for each protocol, and pushed to outboxes, which never waits.
//! - **Order**: one sequencer per room. Every event names the one before it; a gap stops the room's delivery until the
//!   stream has filled it. A gap that cannot be filled closes the room's sessions and allows them to reconnect, and
//!   their clients resume.
//! - **Membership**: a removal removes the user's sessions before the event is delivered, so that nothing later can
//!   reach them. A room that is new to a user is read while its events are held for them, and the events that the
//!   snapshot lacks follow it.
//!
//! What happens when a party dies:
//! - *Redis, or the way to it*: sessions stay and get no events; links reconnect with backoff forever, all channels are
//!   subscribed again, every room asks for the events after its last one, every user's list of rooms is compared. A
//!   Redis that came back empty is rebuilt by these reads; a rebuilt room that continues at this node's position loses
//!   nothing, any other has its sessions resume.
//! - *A publisher after its script ran*: the script published; nothing is missing here.
//! - *A publisher between a change of members and the lists of rooms*: the room's own event removes users immediately;
//!   added users are notified when the change was stored, or reconciled.
//! - *A client*: its [`Attachment`] is dropped, and every shard forgets it.
//! - *This node*: its subscriptions end with its sockets; nothing else knew of them.
//! - *A shard's task*: that is a bug, and shuts the node down (see its lifecycle).
//!
//! - **Presence**: each user who is watched here has a channel, shared by all watchers of this node and dropped with
//!   the last. It is subscribed first and the status read after, again after every loss, so that no change is missed in
//!   between.
//! - **The canary** shows that publications arrive: each node publishes a tiny message in each group of partitions
//!   every two seconds, and hears its own and all others'.
//! - **Typing** is a publication of the room, sent to the sessions that listen and stored nowhere.

mod canary;
mod coalesce;
mod command;
mod fetch;
mod inner;
mod members;
mod notification;
mod presence;
mod room;
mod shard;
mod subscriber;

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use rts_common::ids::{NodeId, Person};
use rts_common::redis::{Redis, RedisServers, keys};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;

use self::canary::Canary;
use self::command::Command;
use self::inner::{Inner, QUESTIONS_AT_ONCE};
use self::shard::Shard;
use self::subscriber::cluster::{self, LinkParts};
use self::subscriber::connection::Server;
use self::subscriber::subscriptions::Subscriptions;
use crate::connection::{ConnectionId, SessionHandle};
use crate::lifecycle::Lifecycle;
use crate::metrics;
use crate::rooms::Rooms;

pub use self::presence::watch_list::{AnswerUnderWay, WatchError, WatchList};

/// More shards than this do not help: they handle more than Redis delivers.
const SHARDS_MAX: usize = 8;
/// Commands that wait for a shard: about 200 bytes each.
const COMMANDS_MAX: usize = 4096;
/// Publications that wait for a shard: 64 KiB each, the size of many messages at once, are 32 MiB. Beyond it, Redis
/// waits.
const INCOMING_MAX: usize = 512;
/// Time for an attach, the wait for other devices of the same user included. The client is connected meanwhile and only
/// its calls wait, so this is long enough for many users at once whose lists of rooms have to be read from DynamoDB.
const ATTACH_TIMEOUT: Duration = Duration::from_mins(1);

/// A session was not attached, and gets no events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttachError {
    /// Redis, or DynamoDB behind it, did not answer in time.
    #[error("the fan-out cannot be reached")]
    Unavailable,
}

/// A URL that subscriptions cannot use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("subscriptions need redis:// or rediss:// URLs with a host and a port")]
pub struct SubscriberUrlError;

/// The fan-out of this node; a clone is the same fan-out.
#[derive(Clone)]
pub struct Fanout {
    inner: Arc<Inner>,
}

impl Fanout {
    /// Starts to connect, in tasks of the node's lifecycle. Does not wait for Redis.
    pub fn start(
        node: NodeId,
        servers: &RedisServers,
        redis: Arc<Redis>,
        rooms: Arc<Rooms>,
        lifecycle: &Lifecycle,
    ) -> Result<Self, SubscriberUrlError> {
        let nodes: Vec<_> = servers
            .nodes()
            .iter()
            .map(|node| Server::new(node, servers.tls()))
            .collect::<Result<_, _>>()
            .map_err(|_| SubscriberUrlError)?;
        let shards = std::thread::available_parallelism().map_or(1, NonZero::get).min(SHARDS_MAX);
        let (commands, command_inboxes): (Vec<_>, Vec<_>) = (0..shards).map(|_| mpsc::channel(COMMANDS_MAX)).unzip();
        let (incoming, incoming_inboxes): (Vec<_>, Vec<_>) = (0..shards).map(|_| mpsc::channel(INCOMING_MAX)).unzip();
        let incoming: Arc<[_]> = incoming.into();
        let inner = Arc::new(Inner {
            node: node.clone(),
            incoming: Arc::clone(&incoming),
            redis,
            rooms,
            subscriptions: Arc::default(),
            shards: commands,
            questions: Semaphore::new(QUESTIONS_AT_ONCE),
            canary: Canary::new(node),
            lifecycle: lifecycle.clone(),
        });
        for (commands, incoming) in command_inboxes.into_iter().zip(incoming_inboxes) {
            let shard = Shard::new(Arc::clone(&inner));
            lifecycle.spawn_critical("fanout shard", shard.run(commands, incoming));
        }
        inner.subscriptions.want(&keys::node_channel(&inner.node).into());
        for channel in canary::channels() {
            inner.subscriptions.want(&channel.into());
        }
        let singing = Arc::clone(&inner);
        lifecycle.spawn_critical("canary", async move { singing.canary.run(&singing.redis).await });
        let parts =
            LinkParts { subscriptions: Arc::clone(&inner.subscriptions), shards: incoming, on_change: tell_connected };
        if servers.is_cluster() {
            lifecycle.spawn_critical("fanout links", cluster::run_cluster(parts, nodes));
        } else if let Some(server) = nodes.into_iter().next() {
            lifecycle.spawn_critical("fanout link", cluster::run_single(parts, server));
        }
        Ok(Self { inner })
    }

    /// Subscribes a session to all rooms of its user, until the attachment is dropped. Once this returns, the session
    /// misses nothing any more; if it returns after `answer_by`, nothing since then either.
    pub async fn attach(
        &self,
        session: SessionHandle,
        answer_by: std::time::Instant,
    ) -> Result<Attachment, AttachError> {
        let attachment = Attachment {
            fanout: self.clone(),
            connection: session.connection_id,
            person: session.person.clone(),
            watcher: WatchList::new(Arc::clone(&self.inner), session.clone()),
        };
        let shard = self.inner.shard_of_person(&session.person);
        let (reply, attached) = oneshot::channel();
        let attached = async {
            self.inner.send(shard, Command::Attach { session, answer_by, reply }).await;
            attached.await.unwrap_or(Err(AttachError::Unavailable))
        };
        timeout(ATTACH_TIMEOUT, attached).await.unwrap_or(Err(AttachError::Unavailable))?;
        Ok(attachment)
    }

    /// True if every subscription has a server that answers.
    pub fn is_connected(&self) -> bool {
        self.inner.subscriptions.is_connected()
    }

    /// True if most rooms' events arrive: all of them but for a master of several that is away.
    pub fn is_mostly_connected(&self) -> bool {
        self.inner.subscriptions.is_mostly_connected()
    }

    /// Returns the number of publications that wait for a shard.
    pub fn queue_depth(&self) -> usize {
        self.inner.incoming.iter().map(|inbox| inbox.max_capacity() - inbox.capacity()).sum()
    }

    /// True if publications have not reached this node for eight seconds while they reach others.
    pub fn is_deaf(&self) -> bool {
        self.inner.canary.is_deaf()
    }
}

/// A session's registration in the fan-out; dropping it removes the session everywhere.
#[must_use = "dropping it detaches the session"]
pub struct Attachment {
    fanout: Fanout,
    connection: ConnectionId,
    person: Person,
    watcher: WatchList,
}

impl Attachment {
    /// Returns the session's watch list.
    pub fn watcher(&self) -> WatchList {
        self.watcher.clone()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.watcher.end();
        let detach = Command::Detach { person: self.person.clone(), connection: self.connection };
        self.fanout.inner.post_person(detach, &self.person);
    }
}

fn tell_connected(subscriptions: &Subscriptions) {
    metrics::bus_connected(subscriptions.is_connected());
}
