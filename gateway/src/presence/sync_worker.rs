//! Sends the updates of users to Redis.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use rts_common::redis::keys::{self, PARTITIONS, Partition};
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
        let partition = Partition::of_person(&telling.person);
        if !presence.troubles.may_try(partition) {
            presence.people.finish(telling, &SyncResult::Again { has_failed: true });
            continue;
        }
        let told = presence.tell(&telling).await;
        let has_failed = matches!(told, SyncResult::Again { has_failed: true });
        presence.troubles.tried(partition, has_failed);
        presence.people.finish(telling, &told);
        if has_failed {
            sleep(FAILED_PAUSE).await;
        }
    }
}

/// The partitions whose last update failed. One worker at a time tries such a partition, and the other updates fail at
/// once: a server that hangs must not hold up the workers that the other servers need.
pub(super) struct Troubles([AtomicU8; PARTITIONS]);

const SOUND: u8 = 0;
const FAILED: u8 = 1;
const BEING_TRIED: u8 = 2;

impl Default for Troubles {
    fn default() -> Self {
        Self(std::array::from_fn(|_| AtomicU8::new(SOUND)))
    }
}

impl Troubles {
    /// True if an update may be sent; [`Self::tried`] has to follow.
    fn may_try(&self, partition: Partition) -> bool {
        let state = &self.0[partition.index()];
        state.load(Ordering::Relaxed) == SOUND
            || state.compare_exchange(FAILED, BEING_TRIED, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn tried(&self, partition: Partition, has_failed: bool) {
        self.0[partition.index()].store(if has_failed { FAILED } else { SOUND }, Ordering::Relaxed);
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
        let partition = Partition::of_person(&telling.person);
        let keys = [
            partition.presence_nodes(),
            keys::person_connections(&telling.person),
            keys::person_status(&telling.person),
            partition.presence_people(&self.node),
        ];
        let reply = self.redis.run_on(&scripts::PRESENCE_SYNC, &keys, &arguments).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_that_fails_is_tried_by_one_until_it_works_again() {
        let troubles = Troubles::default();
        let mut partitions = Partition::all();
        let (here, there) = (partitions.next().unwrap(), partitions.next().unwrap());
        assert!(troubles.may_try(here) && troubles.may_try(here));
        troubles.tried(here, true);
        assert!(troubles.may_try(here), "one tries");
        assert!(!troubles.may_try(here), "and the others do not wait for it");
        assert!(troubles.may_try(there));
        troubles.tried(here, true);
        assert!(troubles.may_try(here));
        troubles.tried(here, false);
        assert!(troubles.may_try(here) && troubles.may_try(here));
    }
}
