//! This node's leases, one in each partition, and the reaping of users whose lease has expired.

use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use rts_common::ids::Person;
use rts_common::redis::keys::{PARTITIONS, Partition};
use rts_common::redis::{RedisFailure, read, scripts};
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Inner;
use crate::metrics;

/// The most users that one script reaps: some milliseconds of Redis's time.
const BURIED_AT_ONCE: usize = 100;
/// The most such scripts of one partition in one round; the next round, of any node, continues.
const BURIALS_PER_ROUND: usize = 50;
/// Partitions in a round whose users are compared with Redis's.
const AUDITS_PER_ROUND: usize = 2;

/// The state of the leases.
pub(super) struct Leases([Mutex<Held>; PARTITIONS]);

#[derive(Clone, Copy, Default)]
struct Held {
    /// The last renewal (ms of Redis's clock).
    renewed: u64,
    /// The time since when every renewal found the lease as it was left.
    since: Option<Instant>,
}

impl Default for Leases {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }
}

/// Renews all leases round by round, until it is cancelled.
pub(super) async fn run(presence: Arc<Inner>) {
    let mut rounds = interval(presence.settings.renew_every);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut audited = Partition::all().collect::<Vec<_>>().into_iter().cycle();
    let mut is_well = true;
    loop {
        rounds.tick().await;
        // All at once: a server that hangs does not hold up the leases of the others, nor the next round.
        let renewals = join_all(Partition::all().map(|partition| Box::pin(presence.renew(partition))));
        let audits = join_all(audited.by_ref().take(AUDITS_PER_ROUND).map(|partition| presence.audit(partition)));
        let (renewals, audits) = tokio::join!(renewals, audits);
        let failure = renewals.into_iter().chain(audits).find_map(Result::err);
        metrics::presence_online(presence.people.online());
        match &failure {
            Some(error) if is_well => tracing::warn!(%error, "cannot renew leases of presence"),
            None if !is_well => tracing::info!("leases of presence are renewed again"),
            _ => {}
        }
        is_well = failure.is_none();
    }
}

impl Inner {
    /// Renews the lease in a partition, and reaps users of other nodes if this node may.
    pub(super) async fn renew(&self, partition: Partition) -> Result<(), RedisFailure> {
        for _ in 0..BURIALS_PER_ROUND {
            let reaped = self.renew_once(partition).await?;
            if reaped > 0 {
                metrics::presence_buried(reaped);
            }
            if reaped < BURIED_AT_ONCE {
                break;
            }
        }
        Ok(())
    }

    async fn renew_once(&self, partition: Partition) -> Result<usize, RedisFailure> {
        let known = *self.held(partition);
        let (lease, renewed, most) = (self.lease_millis(), known.renewed.to_string(), BURIED_AT_ONCE.to_string());
        // Only after it has held its own lease for as long as one lasts: after a time without Redis, all live nodes
        // renew before any user is reaped.
        let may_judge = known.since.is_some_and(|since| since.elapsed() >= self.settings.lease);
        let may_judge = if may_judge { "1" } else { "0" };
        let arguments = [self.node.as_str(), &lease, &renewed, may_judge, &most];
        let reply = self.redis.run(&scripts::PRESENCE_RENEW, &partition.presence_nodes(), &arguments).await?;
        let words: [String; 3] = read(reply)?;
        let number = |word: &str| {
            word.parse::<u64>().map_err(|_| RedisFailure::Unexpected("a renewal that is no number".to_owned()))
        };
        let is_kept = words[0] == "kept";
        let renewed = number(&words[1])?;
        {
            let mut held = self.held(partition);
            held.renewed = renewed;
            held.since = held.since.filter(|_| is_kept).or_else(|| Some(Instant::now()));
        }
        if !is_kept {
            self.people.tell_all(partition);
            self.audit(partition).await?;
        }
        Ok(usize::try_from(number(&words[2])?).unwrap_or(usize::MAX))
    }

    /// Compares this node's users of a partition with those that Redis has for it.
    async fn audit(&self, partition: Partition) -> Result<(), RedisFailure> {
        let mut members = redis::cmd("SMEMBERS");
        members.arg(partition.presence_people(&self.node));
        let recorded: Vec<String> = read(self.redis.command("presence_people", &members).await?)?;
        let recorded: Vec<_> = recorded.iter().filter_map(|key| Person::from_key(key).ok()).collect();
        self.people.compare(partition, &recorded);
        Ok(())
    }

    fn held(&self, partition: Partition) -> std::sync::MutexGuard<'_, Held> {
        self.leases.0[partition.index()].lock().expect("no holder of this lock panics")
    }
}
