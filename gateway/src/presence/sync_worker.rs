//! Sends the updates of users to Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::redis::keys::{self, Partition};
use rts_common::redis::{RedisFailure, read, scripts};
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Inner;
use super::local_users::{PresenceUpdate, SyncResult};
use crate::metrics::{self, Limit};

/// Interval of checks for connections whose grace has passed.
const TICK: Duration = Duration::from_millis(100);
/// Pause after a failure: keeps the load low on a Redis that does not answer.
const FAILED_PAUSE: Duration = Duration::from_millis(50);

/// Sends one update after the other, until it is cancelled.
pub(super) async fn run(presence: Arc<Inner>) {
    loop {
        let telling = presence.people.next().await;
        let told = presence.tell(&telling).await;
        let has_failed = matches!(told, SyncResult::Again { has_failed: true });
        presence.people.finish(telling, &told);
        if has_failed {
            sleep(FAILED_PAUSE).await;
        }
    }
}

/// Ends the grace of closed connections, until it is cancelled.
pub(super) async fn run_clock(presence: Arc<Inner>) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        presence.people.tick(Instant::now());
    }
}

impl Inner {
    async fn tell(&self, telling: &PresenceUpdate) -> SyncResult {
        let told = match self.sync(telling).await {
            Ok(Some(rejected)) => {
                for _ in &rejected {
                    metrics::rate_limited(Limit::Connections);
                }
                return SyncResult::Done { rejected };
            }
            // The lease has expired, or was not taken yet.
            Ok(None) => self.renew(Partition::of_person(&telling.person)).await,
            Err(error) => Err(error),
        };
        match told {
            Ok(()) => SyncResult::Again { has_failed: false },
            Err(error) => {
                tracing::warn!(%error, "cannot update presence; trying again");
                SyncResult::Again { has_failed: true }
            }
        }
    }

    /// Returns the rejected connections; `None` if this node's lease has expired.
    async fn sync(&self, telling: &PresenceUpdate) -> Result<Option<Vec<String>>, RedisFailure> {
        let person = telling.person.key();
        let (lease, most) = (self.lease_millis(), self.settings.connections_max.to_string());
        let mut arguments = vec![self.node.as_str(), &person, &lease, &most];
        arguments.extend(telling.connections.iter().flatten().map(String::as_str));
        let reply = self.redis.run(&scripts::PRESENCE_SYNC, &keys::person(&telling.person), &arguments).await?;
        let mut words: Vec<String> = read(reply)?;
        if words.first().map(String::as_str) == Some("lost") {
            return Ok(None);
        }
        Ok(Some(words.split_off(1)))
    }

    pub(super) fn lease_millis(&self) -> String {
        self.settings.lease.as_millis().to_string()
    }
}
