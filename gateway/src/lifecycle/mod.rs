//! The life of the node: its tasks, its readiness, and the order in which it goes down.
//!
//! Going down, in this order ([`drain`]):
//! 1. `/readyz` fails, and nothing else changes, while the balancer notices.
//! 2. Negotiates and upgrades are refused with 503.
//! 3. Sessions are closed with leave to reconnect, spread over the drain time.
//! 4. The journal is flushed.
//! 5. All tasks are stopped and waited for; the process ends with 0.
//!
//! A critical task that ends by itself, by a panic too, starts the same without the first wait; the
//! process then ends with 1. A second signal does away with what is left of the waits.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::close_reason::CloseReason;
use crate::session::Registry;

/// How long the journal may take to be flushed: its own deadline is shorter.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(30);
/// How long tasks may take to end once they are told.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Every task of the node is spawned through this. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tasks: TaskTracker,
    /// The node is to go down.
    shutdown: CancellationToken,
    /// And quickly.
    hurry: CancellationToken,
    /// Everything ends now.
    stop: CancellationToken,
    failed: OnceLock<&'static str>,
}

impl Lifecycle {
    /// Of a node that begins.
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task that ends by itself: one connection, one session. It is waited for at the end.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.tasks.spawn(task)
    }

    /// Spawns a task that lasts as long as the node. If it ends by itself, the node goes down rather
    /// than rot.
    pub fn spawn_critical(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let alarm = Alarm { lifecycle: self.clone(), name };
        self.inner.tasks.spawn(async move {
            // Dropped at the end, and by a panic.
            let alarm = alarm;
            alarm.lifecycle.inner.stop.run_until_cancelled(task).await;
        });
    }

    /// Asks for the node's end; asked again, for a quick one.
    pub fn shut_down(&self) {
        if self.inner.shutdown.is_cancelled() {
            self.inner.hurry.cancel();
        }
        self.inner.shutdown.cancel();
    }

    /// Waits until somebody asks for the node's end.
    pub async fn shutdown_asked(&self) {
        self.inner.shutdown.cancelled().await;
    }

    /// Cancelled when all tasks are to end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// The critical task that ended too soon, if one did.
    pub fn failure(&self) -> Option<&'static str> {
        self.inner.failed.get().copied()
    }

    /// Tells all tasks to end, and waits for them.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.inner.tasks.len(), "tasks did not end in time");
        }
    }

    async fn pause(&self, time: Duration) {
        let _ = self.inner.hurry.run_until_cancelled(tokio::time::sleep(time)).await;
    }
}

/// Goes off when its task is over, unless everything is.
struct Alarm {
    lifecycle: Lifecycle,
    name: &'static str,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let inner = &self.lifecycle.inner;
        if !inner.stop.is_cancelled() {
            tracing::error!(task = self.name, "a critical task ended; the node goes down");
            let _first_stays = inner.failed.set(self.name);
            inner.shutdown.cancel();
        }
    }
}

/// What a node needs before it takes clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Redis answered.
    Redis,
    /// SQS knows the queues.
    Journal,
    /// The bus's subscriptions are up.
    Bus,
}

/// Whether the node takes clients; its parts and the drain say so. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    redis: AtomicBool,
    journal: AtomicBool,
    bus: AtomicBool,
    draining: AtomicBool,
    refusing: AtomicBool,
}

impl Readiness {
    /// Of a node of which nothing is ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// A part is there, or is not.
    pub fn set(&self, part: Part, is_ready: bool) {
        self.flag(part).store(is_ready, Ordering::Relaxed);
    }

    /// What keeps the node from being ready; nothing if it is.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [(Part::Redis, "redis"), (Part::Journal, "journal"), (Part::Bus, "bus")];
        let absent = parts.into_iter().filter(|(part, _)| !self.flag(*part).load(Ordering::Relaxed));
        let mut missing: Vec<_> = absent.map(|(_, name)| name).collect();
        if self.flags.draining.load(Ordering::Relaxed) {
            missing.push("draining");
        }
        missing
    }

    /// Whether new connections are refused: the node is going down.
    pub fn is_refusing(&self) -> bool {
        self.flags.refusing.load(Ordering::Relaxed)
    }

    fn flag(&self, part: Part) -> &AtomicBool {
        match part {
            Part::Redis => &self.flags.redis,
            Part::Journal => &self.flags.journal,
            Part::Bus => &self.flags.bus,
        }
    }
}

/// How long the steps of a drain take.
#[derive(Clone, Copy, Debug)]
pub struct DrainTimes {
    /// From failing readiness until connections are refused: how long a balancer takes to notice.
    pub notice: Duration,
    /// Over which sessions are closed.
    pub sessions: Duration,
}

/// Takes the node down in order, once that is asked for.
pub async fn drain(
    lifecycle: &Lifecycle,
    readiness: &Readiness,
    sessions: &Registry,
    times: DrainTimes,
    flush_journal: impl Future<Output = ()>,
) {
    tracing::info!(sessions = sessions.len(), "draining");
    readiness.flags.draining.store(true, Ordering::Relaxed);
    if lifecycle.failure().is_none() {
        lifecycle.pause(times.notice).await;
    }
    readiness.flags.refusing.store(true, Ordering::Relaxed);
    close_sessions(lifecycle, sessions, times.sessions).await;
    if tokio::time::timeout(FLUSH_TIMEOUT, flush_journal).await.is_err() {
        tracing::error!("the journal was not flushed in time; what it held is left to the reconcilers of other nodes");
    }
    lifecycle.stop().await;
    tracing::info!("drained");
}

/// Closes every session, evenly over a time, so that their reconnects do not hit the other nodes at
/// once.
async fn close_sessions(lifecycle: &Lifecycle, sessions: &Registry, over: Duration) {
    const STEP: Duration = Duration::from_millis(50);
    /// What the last ones get to be answered and to say goodbye.
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
    // Whoever was let in while the door closed.
    for outbox in sessions.outboxes() {
        outbox.close(CloseReason::Drain);
    }
    if tokio::time::timeout(LAST, sessions.emptied()).await.is_err() {
        tracing::warn!(sessions = sessions.len(), "sessions did not end in time");
    }
}

/// Asks for shutdown on SIGTERM and SIGINT, each time they come.
pub async fn watch_signals(lifecycle: Lifecycle) {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = signal(SignalKind::terminate()).and_then(|term| Ok((term, signal(SignalKind::interrupt())?)));
    let Ok((mut terminate, mut interrupt)) = signals else {
        tracing::error!("signals cannot be watched");
        return;
    };
    loop {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "asked to go down");
        lifecycle.shut_down();
    }
}

#[cfg(test)]
mod tests;
