//! Presence: the users who are connected anywhere in the cluster, and the number of connections of each.
//!
//! ```text
//! session opens, closes, is away ─▶ local users ─▶ worker ──one script──▶ Redis: connections, status
//!                                                                         └──SPUBLISH on a change──▶ fan-out: watchers
//! every 2 s: lease of this node in each partition; users whose lease is over are reaped by the next node that renews
//! ```
//!
//! A node holds its connections in memory and sends Redis a user's **whole** list each time any of it changes: states,
//! not differences, so that the next update makes up for a lost reply, a repetition or a rollback of Redis. The script
//! counts the user's connections over all nodes (the limit), derives the status (online if any device is, away if all
//! are), and publishes it if it differs from the last one published. All its data is in the user's partition, the
//! leases too: a node renews one lease in each of the 128.
//!
//! A closed connection is shown for [`PresenceSettings::grace`] longer, and counts for nothing else: a user who comes
//! back in that time, on any node, was never away. The cost is in changes: nobody is notified of a user they do not
//! watch (see the fan-out), and readers read one small hash.
//!
//! | failure | effect |
//! |---|---|
//! | a client, silently | its session ends by keep-alive (30 s), then as if it had left |
//! | this node, `kill -9` | its leases expire 6 s after their last renewal; the next renewal of any other node (2 s) reaps its users, a hundred per script; last seen is the time of the lease's last renewal |
//! | this node between a session's end and the update of Redis, or within the grace | the same |
//! | this node, at a drain | its clients reconnect to other nodes within the grace; the others are reaped when the lease has expired |
//! | all nodes | nobody reads; the first to start reaps all after it has held its lease for 6 s |
//! | this node is paused, or cut from Redis, for longer than its lease | it is reaped as above; without a lease the script refuses all its updates; its next renewal shows that, and it sends all its users again |
//! | a node that starts under an old name | presence uses a separate id for it, new for each start |
//! | Redis, for less than the lease | updates are repeated until they succeed |
//! | Redis, for longer, with its data | all leases have expired: no node reaps until it has held its own for 6 s, so that those that only waited renew first |
//! | Redis, without its data | each node's next renewal shows it, and the node sends all its users again: offline for 2 s or so; the last seen times are lost |
//! | a failover to a replica that lacks the newest | an older renewal shows it: as above; if the lease is there and an update lost, the audit (every partition in about 2 min) compares the node's users with Redis's |
//! | one server of a cluster does not answer | one worker a partition of it waits; new connections of its users are refused, other users notice nothing |
//! | a slot moves | all data of a user moves with it; commands in between fail and are repeated |
//! | a watcher's subscription is cut | all watched users are read again once it is back (see the fan-out) |
//! | the node that reaps, half-way | each script reaps whole users; the next renewal of any node continues |
//!
//! So a status is stale for at most lease + renewal, 8 s, plus Redis's own time. Deliberately absent: presence in
//! DynamoDB. The last seen times are only in Redis, for 90 days; they are not worth a write per connection.

mod lease;
mod local_users;
mod status;
mod sync_worker;

use std::sync::Arc;
use std::time::Duration;

use rts_common::ids::{NodeId, Person};
use rts_common::redis::keys::PARTITIONS;
use rts_common::redis::{Redis, RedisFailure};
use tokio::time::timeout;

use self::lease::Leases;
use self::local_users::LocalUsers;
use self::sync_worker::Troubles;
use crate::connection::ConnectionId;
use crate::lifecycle::Lifecycle;

pub use self::status::{PersonStatus, Status, UserStatus, status_of};

/// Scripts of updates under way at once. A partition whose server does not answer takes one at most, so there are 32 for the
/// others even if most servers of a cluster are away.
const WORKERS: usize = PARTITIONS + 32;
/// Time that a connection waits to be accepted. An unreachable Redis is reported sooner.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// The times and the limit of presence.
#[derive(Clone, Copy, Debug)]
pub struct PresenceSettings {
    /// Time for which a node counts as alive without renewing its lease: two renewals may fail.
    pub lease: Duration,
    /// Interval of renewals.
    pub renew_every: Duration,
    /// Time for which a closed connection is shown as if it were open: the first two attempts of a client to reconnect
    /// come after 0 and 2 s.
    pub grace: Duration,
    /// The most connections of a user on all nodes together.
    pub connections_max: usize,
}

impl PresenceSettings {
    /// Returns the settings of production, with a limit.
    pub fn new(connections_max: usize) -> Self {
        Self {
            lease: Duration::from_secs(6),
            renew_every: Duration::from_secs(2),
            grace: Duration::from_secs(5),
            connections_max,
        }
    }
}

/// The reason why a connection is not accepted, or a status not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PresenceError {
    /// The user has the maximum number of connections.
    #[error("too many connections")]
    TooMany,
    /// Redis did not answer.
    #[error("presence cannot be reached")]
    Unavailable,
}

/// The presence of users on this node; a clone is the same.
#[derive(Clone)]
pub struct Presence {
    inner: Arc<Inner>,
}

/// The state that the tasks share.
struct Inner {
    /// This node's id in presence: new for each start, independent of the node's name.
    node: NodeId,
    redis: Arc<Redis>,
    settings: PresenceSettings,
    people: LocalUsers,
    leases: Leases,
    troubles: Troubles,
}

impl Presence {
    /// Starts to renew leases and to update users, in tasks of the node's lifecycle. Does not wait for Redis.
    pub fn start(redis: Arc<Redis>, settings: PresenceSettings, lifecycle: &Lifecycle) -> Self {
        let node = NodeId::random();
        let inner = Inner {
            node,
            redis,
            settings,
            people: LocalUsers::default(),
            leases: Leases::default(),
            troubles: Troubles::default(),
        };
        let inner = Arc::new(inner);
        lifecycle.spawn_critical("presence leases", lease::run(Arc::clone(&inner)));
        lifecycle.spawn_critical("presence clock", sync_worker::run_clock(Arc::clone(&inner)));
        for _ in 0..WORKERS {
            lifecycle.spawn_critical("presence", sync_worker::run(Arc::clone(&inner)));
        }
        Self { inner }
    }

    /// Accepts a connection of a user, until its guard is dropped.
    pub async fn open(&self, person: &Person, connection: ConnectionId) -> Result<PresenceGuard, PresenceError> {
        // Before the wait: the connection is removed again whatever the result is.
        let place = PresenceGuard { inner: Arc::clone(&self.inner), person: person.clone(), connection };
        let opened = self.inner.people.arrive(person, connection);
        match timeout(OPEN_TIMEOUT, opened).await {
            Ok(Ok(Ok(()))) => Ok(place),
            Ok(Ok(Err(reason))) => Err(reason),
            Ok(Err(_)) | Err(_) => Err(PresenceError::Unavailable),
        }
    }

    /// Returns the status of a user, wherever they are connected.
    pub async fn status_of(&self, person: &Person) -> Result<PersonStatus, RedisFailure> {
        status_of(&self.inner.redis, person).await
    }

    /// Sets a connection's user present or away; returns once Redis has it.
    pub async fn set(&self, person: &Person, connection: ConnectionId, is_away: bool) -> Result<(), PresenceError> {
        let told = self.inner.people.set(person, connection, is_away);
        timeout(OPEN_TIMEOUT, told).await.ok().and_then(Result::ok).unwrap_or(Err(PresenceError::Unavailable))
    }
}

/// A connection's guard; dropping it removes the connection from its user's.
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
