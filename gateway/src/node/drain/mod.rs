//! Shuts the node down, in this order:
//! 1. `/readyz` fails, and nothing else changes, while the balancer notices.
//! 2. Negotiates and upgrades are refused with 503.
//! 3. Sessions are closed and allowed to reconnect, spread over the drain time.
//! 4. The journal is flushed.
//! 5. All tasks are stopped and waited for; the process ends with 0.
//!
//! The first wait is left out after a critical task has ended on its own.

use std::future::Future;
use std::time::Duration;

use crate::close_reason::CloseReason;
use crate::config::DrainConfig;
use crate::lifecycle::{Lifecycle, Readiness};
use crate::session::Registry;

/// Time for the journal's flush.
pub(super) const FLUSH_TIMEOUT: Duration = Duration::from_secs(20);

/// Shuts the node down in order, once that is requested.
pub(crate) async fn drain(
    lifecycle: &Lifecycle,
    readiness: &Readiness,
    sessions: &Registry,
    times: DrainConfig,
    flush_journal: impl Future<Output = ()>,
) {
    tracing::info!(sessions = sessions.len(), "draining");
    readiness.begin_draining();
    if lifecycle.failure().is_none() {
        lifecycle.pause(times.notice).await;
    }
    readiness.refuse();
    close_sessions(lifecycle, sessions, times.sessions).await;
    flush_journal.await;
    lifecycle.stop().await;
    tracing::info!("drained");
}

/// Closes all sessions, evenly over a time, so that their clients do not all reconnect to the other nodes at once.
async fn close_sessions(lifecycle: &Lifecycle, sessions: &Registry, over: Duration) {
    const STEP: Duration = Duration::from_millis(50);
    /// Time for the last sessions to finish their answers and the close handshake.
    const LAST: Duration = Duration::from_secs(10);
    let mut open = sessions.outboxes();
    let steps = u32::try_from(over.as_millis() / STEP.as_millis()).unwrap_or(u32::MAX).max(1);
    for left in (1..=steps).rev() {
        let share = open.len().div_ceil(usize::try_from(left).unwrap_or(usize::MAX));
        for outbox in open.drain(open.len() - share..) {
            outbox.close(CloseReason::Drain);
        }
        if open.is_empty() || sessions.is_empty() {
            break;
        }
        lifecycle.pause(STEP).await;
    }
    // Sessions that were accepted in the meantime.
    for outbox in sessions.outboxes() {
        outbox.close(CloseReason::Drain);
    }
    if tokio::time::timeout(LAST, sessions.emptied()).await.is_err() {
        tracing::warn!(sessions = sessions.len(), "sessions did not end in time");
    }
}

#[cfg(test)]
mod tests;
