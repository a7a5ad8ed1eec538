//! The life of the node: its tasks, its readiness, and its end.
//!
//! A critical task that ends by itself, by a panic too, asks for the node's end, and the process then ends with 1.
//! A second signal does away with what is left of the waits.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

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

    /// Waits, unless a quick end was asked for.
    pub async fn pause(&self, time: Duration) {
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
    Fanout,
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
    fanout: AtomicBool,
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

    /// The node is going down: `/readyz` fails from here on.
    pub fn begin_draining(&self) {
        self.flags.draining.store(true, Ordering::Relaxed);
    }

    /// New connections are refused from here on.
    pub fn refuse(&self) {
        self.flags.refusing.store(true, Ordering::Relaxed);
    }

    /// What keeps the node from being ready; nothing if it is.
    pub fn missing(&self) -> Vec<&'static str> {
        let parts = [(Part::Redis, "redis"), (Part::Journal, "journal"), (Part::Fanout, "bus")];
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
            Part::Fanout => &self.flags.fanout,
        }
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
