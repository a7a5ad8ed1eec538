//! Watches the services that the node cannot work without, for its readiness.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::redis::Redis;

use crate::fanout::Fanout;
use crate::lifecycle::{Part, Readiness};

/// Interval of checks of Redis.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);
/// Interval at which it is asked what it is.
const FITNESS_INTERVAL: Duration = Duration::from_mins(1);

/// Sets the readiness of Redis and of the subscriptions; logs when it changes. A Redis that must not be used counts as
/// absent until it has been fit once: a setting that is changed under a running cluster must not end it.
pub(super) async fn watch_redis(redis: Arc<Redis>, fanout: Fanout, readiness: Readiness) {
    let mut was = (false, false);
    let mut is_first = true;
    let mut fitness = Fitness::default();
    loop {
        let is_there = redis.ping().await.is_ok();
        let is = (is_there && fitness.check(&redis).await, fanout.is_connected());
        readiness.set(Part::Redis, is.0);
        readiness.set(Part::Fanout, is.1);
        if is != was || is_first {
            match is {
                (true, true) => tracing::info!("Redis answers"),
                (false, _) if is_there => tracing::warn!("waiting for Redis: it must not be used as it is"),
                (false, _) => tracing::warn!("waiting for Redis: it does not answer"),
                (true, false) => tracing::warn!("waiting for Redis: subscriptions are not up"),
            }
        }
        (was, is_first) = (is, false);
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}

/// Asks Redis from time to time whether it may be used.
#[derive(Default)]
struct Fitness {
    asked: Option<Instant>,
    has_been_fit: bool,
}

impl Fitness {
    /// True once Redis has been fit. One that does not say what it is gets the benefit of the doubt.
    async fn check(&mut self, redis: &Redis) -> bool {
        if self.asked.is_none_or(|asked| asked.elapsed() >= FITNESS_INTERVAL) {
            self.asked = Some(Instant::now());
            match redis.unfit().await {
                Ok(Some(reason)) => tracing::error!(%reason, "this Redis must not be used"),
                Ok(None) => self.has_been_fit = true,
                Err(error) => {
                    tracing::warn!(%error, "Redis does not say what it is");
                    self.has_been_fit = true;
                }
            }
        }
        self.has_been_fit
    }
}
