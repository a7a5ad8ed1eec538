//! The times of a planned shutdown.

use std::time::Duration;

use rts_common::config::Environment;

/// Times of a drain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainConfig {
    /// `RTS_DRAIN_NOTICE_SECONDS`: time for which the node still serves after `/readyz` fails, until the balancer has
    /// noticed. Default 10.
    pub notice: Duration,
    /// `RTS_DRAIN_SECONDS`: time over which the sessions are closed then. Default 30; less than the balancer's
    /// deregistration delay.
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
