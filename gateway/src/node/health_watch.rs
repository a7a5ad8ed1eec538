//! Watches the services that the node cannot work without, for its readiness.

use std::sync::Arc;
use std::time::Duration;

use rts_common::redis::Redis;

use crate::fanout::Fanout;
use crate::lifecycle::{Part, Readiness};

/// Interval of checks of Redis.
const WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Sets the readiness of Redis and of the subscriptions; logs when it changes.
pub(super) async fn watch_redis(redis: Arc<Redis>, fanout: Fanout, readiness: Readiness) {
    let mut was = (false, false);
    let mut is_first = true;
    loop {
        let is = (redis.ping().await.is_ok(), fanout.is_connected());
        readiness.set(Part::Redis, is.0);
        readiness.set(Part::Fanout, is.1);
        if is != was || is_first {
            match is {
                (true, true) => tracing::info!("Redis answers"),
                (false, _) => tracing::warn!("waiting for Redis: it does not answer"),
                (true, false) => tracing::warn!("waiting for Redis: subscriptions are not up"),
            }
        }
        (was, is_first) = (is, false);
        tokio::time::sleep(WATCH_INTERVAL).await;
    }
}
