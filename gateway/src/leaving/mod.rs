//! Drains the node when it is leaving.
//!
//! Beanstalk and Auto Scaling first take a node out of the balancer, wait, let the balancer cut every socket, and only then
//! stop the process: the signal comes too late for a drain. So the node itself watches two states: what Auto Scaling wants of
//! the instance, from the instance metadata, and the health of its targets, from the load balancer.
//!
//! A drained node stays down until it is in service again: whoever keeps the process alive would start it anew, ready where
//! no client comes any more. A failed call changes nothing: it never drains a node.

mod balancer;
mod place;
mod query;
mod signs;

use std::io;
use std::time::Duration;

use aws_config::SdkConfig;

use self::place::{LookError, Place};
use crate::config::LeavingConfig;
use crate::lifecycle::{Lifecycle, Readiness};

/// Interval of looks.
const WATCH_INTERVAL: Duration = Duration::from_secs(5);
/// Longest wait after repeated failures: all nodes share the API limits of the account.
const WATCH_INTERVAL_MAX: Duration = Duration::from_mins(1);
/// Time within which the first look has to succeed, or the node becomes ready without one.
const FIRST_LOOK: Duration = Duration::from_secs(15);

/// Watches the signs of a node that is leaving.
#[derive(Clone)]
pub struct LeavingWatch {
    place: Place,
    failures: u32,
}

impl LeavingWatch {
    /// Returns the watch of the configured signs; `None` if there are none.
    pub fn new(signs: LeavingConfig, aws: &SdkConfig) -> io::Result<Option<Self>> {
        if signs == LeavingConfig::default() {
            return Ok(None);
        }
        Ok(Some(Self { place: Place::new(signs, aws)?, failures: 0 }))
    }

    /// Requests the drain once the node is leaving. Until the first look the node is not ready: it may have been started
    /// again on an instance that has left.
    pub async fn watch(mut self, lifecycle: Lifecycle, readiness: Readiness) {
        let first = tokio::time::timeout(FIRST_LOOK, self.first_look()).await;
        if first != Ok(Some(true)) {
            readiness.set_looking(false);
            self.until(true).await;
        }
        tracing::info!("the node is leaving");
        lifecycle.leave();
        // The end of a critical task is an alarm.
        std::future::pending::<()>().await;
    }

    /// Waits until the node is in service.
    pub async fn back(mut self) {
        self.until(false).await;
        tracing::info!("the node is in service again");
    }

    async fn first_look(&mut self) -> Option<bool> {
        loop {
            match self.look().await {
                Ok(is_leaving) => return is_leaving,
                Err(_) => tokio::time::sleep(self.interval()).await,
            }
        }
    }

    /// Looks until the answer is this one.
    async fn until(&mut self, is_leaving: bool) {
        while self.look().await.ok().flatten() != Some(is_leaving) {
            tokio::time::sleep(self.interval()).await;
        }
    }

    /// Returns true if the node is leaving, false if it serves, `None` if neither is known.
    async fn look(&mut self) -> Result<Option<bool>, LookError> {
        let looked = self.place.look().await;
        match &looked {
            Ok(_) => self.failures = 0,
            Err(error) => {
                self.failures += 1;
                // The 1st, 2nd, 4th, 8th, … failure in a row.
                if self.failures.is_power_of_two() {
                    tracing::warn!(%error, failures = self.failures, "cannot tell if the node is leaving");
                }
            }
        }
        looked.map(|signs| signs.is_leaving())
    }

    fn interval(&self) -> Duration {
        interval(self.failures).mul_f64(rand::random_range(0.9..1.1))
    }
}

/// Returns the time until the next look after failures in a row.
fn interval(failures: u32) -> Duration {
    (WATCH_INTERVAL * 2_u32.pow(failures.min(6))).min(WATCH_INTERVAL_MAX)
}

#[cfg(test)]
mod tests;
