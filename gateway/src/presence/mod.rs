//! Presence: who is connected anywhere in the cluster, and how many connections each person has.
//!
//! ```text
//! session comes, goes, is away ──▶ people (this node's truth) ──▶ worker ──one script──▶ Redis: connections, status
//!                                                                                         └──SPUBLISH on a change──▶ bus: watchers
//! every 2 s: lease of this node in each partition; those whose lease is over are reaped by whoever renews next
//! ```
//!
//! A node holds its connections in memory and tells Redis of a person's **whole** list each time anything about it
//! changed: states, not differences, so a lost reply, a repetition or a rollback of Redis is made good by the next
//! telling. The script counts the person's connections over all nodes (the limit), works out the status (online if any
//! device is, away if all are), and publishes it if it is another than was told last. Everything that it needs lies in
//! the person's partition, the leases too: a node renews one lease in each of the 128.
//!
//! A connection that went is shown for [`PresenceSettings::grace`] longer, and counts for nothing else: whoever comes
//! back in that time, on any node, was never away. What costs is change: nobody is told of anybody they do not
//! watch (see the fan-out), and readers read one small hash.
//!
//! | who dies, when | what happens |
//! |---|---|
//! | a client, silently | its session ends by keep-alive (30 s), then as if it had left |
//! | this node, `kill -9` | its leases run out 6 s after their last renewal; the next renewal of any other node (2 s) reaps its people, a hundred a script; last seen is when the lease was last renewed |
//! | this node between a session's end and telling of it, or within the grace | the same |
//! | this node, at a drain | its clients come back elsewhere within the grace; who does not is reaped when the lease is over |
//! | all nodes | nobody reads; the first to start reaps all after it has held its lease for 6 s |
//! | this node is paused, or cut from Redis, for longer than its lease | it is reaped as above; without a lease the script refuses everything it says; its next renewal tells it so, and it tells of all its people again |
//! | a node that starts under an old name | presence knows it by an id of its own, new for each start |
//! | Redis, for less than the lease | tellings are repeated until they get through |
//! | Redis, for longer, with its data | all leases are over: nobody reaps anyone until they have held their own for 6 s, so those who were only waiting renew first |
//! | Redis, without its data | each node's next renewal says so, and it tells of all its people again: offline for 2 s or so; when somebody was last seen is forgotten |
//! | a failover to a replica that lacks the newest | an older renewal shows it: as above; should the lease be there and a telling lost, the audit (every partition in about 2 min) compares the node's people with Redis's |
//! | a slot moves | everything of a person moves with it; commands in between fail and are repeated |
//! | a watcher's subscription is cut | everyone watched is read again once it is back (see the fan-out) |
//! | the one who reaps, half-way | each script reaps whole people; the next renewal of any node goes on |
//!
//! So a status is stale for at most lease + renewal, 8 s, plus what Redis takes. Deliberately absent: presence in
//! DynamoDB. When somebody was last seen lives in Redis alone, for 90 days; it is worth no write a connection.

mod lease;
mod local_users;
mod status;
mod sync_worker;

use std::sync::Arc;
use std::time::Duration;

use rts_common::ids::{NodeId, Person};
use rts_common::redis::{Redis, RedisFailure};
use tokio::time::timeout;

use self::lease::Leases;
use self::local_users::LocalUsers;
use crate::connection::ConnectionId;
use crate::lifecycle::Lifecycle;

pub use self::status::{PersonStatus, Status, UserStatus, status_of};

/// Scripts about people under way at once.
const WORKERS: usize = 32;
/// How long a connection waits to be let in. Redis away is told sooner.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How patient presence is.
#[derive(Clone, Copy, Debug)]
pub struct PresenceSettings {
    /// How long a node is believed without renewing its lease: two renewals may fail.
    pub lease: Duration,
    /// How often it does.
    pub renew_every: Duration,
    /// How long a connection that went is shown as if it were there: the first two attempts of a client to reconnect
    /// come after 0 and 2 s.
    pub grace: Duration,
    /// Connections that a person may have on all nodes together.
    pub connections_max: usize,
}

impl PresenceSettings {
    /// Those of production, with a limit.
    pub fn new(connections_max: usize) -> Self {
        Self {
            lease: Duration::from_secs(6),
            renew_every: Duration::from_secs(2),
            grace: Duration::from_secs(5),
            connections_max,
        }
    }
}

/// Why a connection is not let in, or a status not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// The person has as many connections as are allowed.
    #[error("too many connections")]
    TooMany,
    /// Redis did not answer.
    #[error("presence cannot be reached")]
    Unavailable,
}

/// The presence of people on this node; a clone is the same.
#[derive(Clone)]
pub struct Presence {
    inner: Arc<Inner>,
}

/// What the tasks share.
struct Inner {
    /// This node's id in presence: new for each start, whatever the node is called.
    node: NodeId,
    redis: Arc<Redis>,
    settings: PresenceSettings,
    people: LocalUsers,
    leases: Leases,
}

impl Presence {
    /// Starts to renew leases and to tell of people, in tasks of the node's lifecycle. Does not wait for Redis.
    pub fn start(redis: Arc<Redis>, settings: PresenceSettings, lifecycle: &Lifecycle) -> Self {
        let node = NodeId::random();
        let inner = Arc::new(Inner { node, redis, settings, people: LocalUsers::default(), leases: Leases::default() });
        lifecycle.spawn_critical("presence leases", lease::run(Arc::clone(&inner)));
        lifecycle.spawn_critical("presence clock", sync_worker::run_clock(Arc::clone(&inner)));
        for _ in 0..WORKERS {
            lifecycle.spawn_critical("presence", sync_worker::run(Arc::clone(&inner)));
        }
        Self { inner }
    }

    /// Lets a connection of a person in, until its place is dropped.
    pub async fn open(&self, person: &Person, connection: ConnectionId) -> Result<PresenceGuard, PresenceError> {
        // Before the wait: whatever becomes of it, the connection is taken out again.
        let place = PresenceGuard { inner: Arc::clone(&self.inner), person: person.clone(), connection };
        let opened = self.inner.people.arrive(person, connection);
        match timeout(OPEN_TIMEOUT, opened).await {
            Ok(Ok(Ok(()))) => Ok(place),
            Ok(Ok(Err(reason))) => Err(reason),
            Ok(Err(_)) | Err(_) => Err(PresenceError::Unavailable),
        }
    }

    /// The status of somebody, wherever they are.
    pub async fn status_of(&self, person: &Person) -> Result<PersonStatus, RedisFailure> {
        status_of(&self.inner.redis, person).await
    }

    /// Says of one connection whether its person is there or away; returns once it is told.
    pub async fn set(&self, person: &Person, connection: ConnectionId, is_away: bool) -> Result<(), PresenceError> {
        let told = self.inner.people.set(person, connection, is_away);
        timeout(OPEN_TIMEOUT, told).await.ok().and_then(Result::ok).unwrap_or(Err(PresenceError::Unavailable))
    }
}

/// A connection's place among those of its person, given up when dropped.
#[must_use = "dropping it takes the connection out"]
pub struct PresenceGuard {
    inner: Arc<Inner>,
    person: Person,
    connection: ConnectionId,
}

impl Drop for PresenceGuard {
    fn drop(&mut self) {
        self.inner.people.leave(&self.person, self.connection, self.inner.settings.grace);
    }
}
