//! The life of the node: its tasks, its readiness, and its end.
//!
//! A critical task that ends on its own, also by a panic, shuts the node down, and the process then exits with 1. A
//! second signal cuts the remaining waits short.

use std::future::Future;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Time that tasks have to end after they are cancelled.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Every task of the node is spawned through this. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Lifecycle {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    tasks: TaskTracker,
    /// The node is shutting down.
    shutdown: CancellationToken,
    /// The node is shutting down without waits.
    hurry: CancellationToken,
    /// All tasks end now.
    stop: CancellationToken,
    failed: OnceLock<&'static str>,
    /// The shutdown was requested because the node is leaving.
    leaving: AtomicBool,
}

impl Lifecycle {
    /// Returns the lifecycle of a starting node.
    pub fn new() -> Self {
        Self::default()
    }

    /// Spawns a task that ends on its own: one connection, one session. The shutdown waits for it.
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        self.inner.tasks.spawn(task)
    }

    /// Spawns a task that runs as long as the node. If it ends on its own, the node shuts down: it would not work
    /// without the task.
    pub fn spawn_critical(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_watched(Alarm { lifecycle: self.clone(), name, may_end: false }, task);
    }

    /// Spawns a task that ends on its own. If it panics, the node shuts down: others wait for its result.
    pub fn spawn_sound(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.spawn_watched(Alarm { lifecycle: self.clone(), name, may_end: true }, task);
    }

    fn spawn_watched(&self, alarm: Alarm, task: impl Future<Output = ()> + Send + 'static) {
        self.inner.tasks.spawn(async move {
            // Dropped at the end, also by a panic.
            let alarm = alarm;
            alarm.lifecycle.inner.stop.run_until_cancelled(task).await;
        });
    }

    /// Requests the node's shutdown; called again, one without waits.
    pub fn shut_down(&self) {
        if self.inner.shutdown.is_cancelled() {
            self.inner.hurry.cancel();
        }
        self.inner.shutdown.cancel();
    }

    /// Requests the node's shutdown because it is leaving; does not hurry one that has begun.
    pub fn leave(&self) {
        if !self.inner.shutdown.is_cancelled() {
            self.inner.leaving.store(true, Ordering::Relaxed);
            self.inner.shutdown.cancel();
        }
    }

    /// True if that is why the node is shutting down.
    pub fn is_leaving(&self) -> bool {
        self.inner.leaving.load(Ordering::Relaxed)
    }

    /// Waits until a shutdown is requested.
    pub async fn shutdown_asked(&self) {
        self.inner.shutdown.cancelled().await;
    }

    /// Returns the token that is cancelled when all tasks have to end.
    pub fn stopping(&self) -> &CancellationToken {
        &self.inner.stop
    }

    /// Returns the name of the critical task that ended too soon, if one did.
    pub fn failure(&self) -> Option<&'static str> {
        self.inner.failed.get().copied()
    }

    /// Cancels all tasks, and waits for them.
    pub async fn stop(&self) {
        self.inner.stop.cancel();
        self.inner.tasks.close();
        if tokio::time::timeout(STOP_TIMEOUT, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(tasks = self.inner.tasks.len(), "tasks did not end in time");
        }
    }

    /// Waits for `time`, or not at all after a second request for shutdown.
    pub async fn pause(&self, time: Duration) {
        let _ = self.inner.hurry.run_until_cancelled(tokio::time::sleep(time)).await;
    }
}

/// Raises the alarm when its task ends, or panics, unless all tasks are ending.
struct Alarm {
    lifecycle: Lifecycle,
    name: &'static str,
    /// Only a panic is an alarm.
    may_end: bool,
}

impl Drop for Alarm {
    fn drop(&mut self) {
        let inner = &self.lifecycle.inner;
        let is_alarm = !self.may_end || std::thread::panicking();
        if is_alarm && !inner.stop.is_cancelled() {
            tracing::error!(task = self.name, "a critical task ended; shutting the node down");
            let _first_stays = inner.failed.set(self.name);
            inner.shutdown.cancel();
        }
    }
}

/// A part that a node needs before it accepts clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Redis answers.
    Redis,
    /// SQS knows the queues.
    Journal,
    /// The fan-out's subscriptions are up.
    Fanout,
}

/// Says if the node accepts clients; its parts and the drain set it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    flags: Arc<Flags>,
}

#[derive(Debug, Default)]
struct Flags {
    redis: AtomicBool,
    journal: AtomicBool,
    fanout: AtomicBool,
    deaf: AtomicBool,
    looking: AtomicBool,
    draining: AtomicBool,
    refusing: AtomicBool,
}

impl Readiness {
    /// Returns the readiness of a node of which no part is ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes that a part is ready, or is not.
    pub fn set(&self, part: Part, is_ready: bool) {
        self.flag(part).store(is_ready, Ordering::Relaxed);
    }

    /// Notes that publications do not reach this node while they reach others, or that they do again.
    pub fn set_deaf(&self, is_deaf: bool) {
        self.flags.deaf.store(is_deaf, Ordering::Relaxed);
    }

    /// Notes that it is not known yet if the node is leaving, or that it is.
    pub fn set_looking(&self, is_looking: bool) {
        self.flags.looking.store(is_looking, Ordering::Relaxed);
    }

    /// Notes that the node is shutting down: `/readyz` fails from here on.
    pub fn begin_draining(&self) {
        self.flags.draining.store(true, Ordering::Relaxed);
    }

    /// Refuses new connections from here on.
    pub fn refuse(&self) {
        self.flags.refusing.store(true, Ordering::Relaxed);
    }

    /// Returns the names of the parts that are not ready; empty if the node is ready.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [(Part::Redis, "redis"), (Part::Journal, "journal"), (Part::Fanout, "bus")];
        let absent = parts.into_iter().filter(|(part, _)| !self.flag(*part).load(Ordering::Relaxed));
        let mut missing: Vec<_> = absent.map(|(_, name)| name).collect();
        if self.flags.deaf.load(Ordering::Relaxed) {
            missing.push("canary");
        }
        if self.flags.looking.load(Ordering::Relaxed) {
            missing.push("place");
        }
        if self.flags.draining.load(Ordering::Relaxed) {
            missing.push("draining");
        }
        missing
    }

    /// True if new connections are refused because the node is shutting down.
    pub fn is_refusing(&self) -> bool {
        self.flags.refusing.load(Ordering::Relaxed)
    }

    fn flag(&self, part: Part) -> &AtomicBool {
        match part {
            Part::Redis => &self.flags.redis,
            Part::Journal => &self.flags.journal,
            Part::Fanout => &self.flags.fanout,
        }
    }
}

/// The signals that end the process: SIGTERM and SIGINT.
#[derive(Debug)]
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from here on.
    pub fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one, and returns its name.
    pub async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Requests a shutdown on each signal.
pub async fn watch_signals(mut signals: Signals, lifecycle: Lifecycle) {
    loop {
        let name = signals.next().await;
        tracing::info!(signal = name, "shutdown requested");
        lifecycle.shut_down();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_on_its_own_is_no_alarm_and_a_panic_is() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_sound("job", async {});
        tokio::task::yield_now().await;
        assert_eq!(lifecycle.failure(), None);
        lifecycle.spawn_sound("job", async { panic!("on purpose") });
        lifecycle.shutdown_asked().await;
        assert_eq!(lifecycle.failure(), Some("job"));
    }

    #[tokio::test]
    async fn a_critical_task_that_ends_is_an_alarm_unless_all_end() {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_critical("forever", std::future::pending());
        lifecycle.stop().await;
        assert_eq!(lifecycle.failure(), None);
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_critical("forever", async {});
        lifecycle.shutdown_asked().await;
        assert_eq!(lifecycle.failure(), Some("forever"));
    }
}
