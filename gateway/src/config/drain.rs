//! How the node goes down.

use std::time::Duration;

use rts_common::config::Environment;

/// Times of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainConfig {
    /// `RTS_DRAIN_NOTICE_SECONDS`: how long the node serves on after `/readyz` fails, until the
    /// balancer has noticed. Default 10.
    pub notice: Duration,
    /// `RTS_DRAIN_SECONDS`: over how long sessions are closed then. Default 30; less than the
    /// balancer's deregistration delay.
    pub sessions: Duration,
}

impl DrainConfig {
    pub(super) fn read(environment: &mut Environment) -> Self {
        Self {
            notice: environment.seconds("RTS_DRAIN_NOTICE_SECONDS", Duration::from_secs(10)),
            sessions: environment.seconds("RTS_DRAIN_SECONDS", Duration::from_secs(30)),
        }
    }
}
