use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio::task::JoinHandle;

use super::*;
use crate::connection::{ConnectionId, Outbox};
use crate::lifecycle::Part;
use crate::session::Carrier;

const TIMES: DrainConfig = DrainConfig { notice: Duration::from_millis(50), sessions: Duration::from_millis(200) };

/// Returns a session that runs until its outbox is closed; it gives the reason and the time.
fn session(lifecycle: &Lifecycle, registry: &Arc<Registry>) -> JoinHandle<(Option<CloseReason>, Instant)> {
    let outbox = Arc::new(Outbox::default());
    let claim = registry.claim(ConnectionId::random(), Instant::now(), &outbox, Carrier::WebSocket(None)).unwrap();
    lifecycle.spawn(async move {
        let drained = std::future::poll_fn(|cx| outbox.poll_drain(cx)).await;
        drop(claim);
        (drained.closed, Instant::now())
    })
}

#[tokio::test]
async fn the_drain_keeps_its_order() {
    let (lifecycle, readiness, registry) = (Lifecycle::new(), Readiness::new(), Registry::new(1000));
    for part in [Part::Redis, Part::Journal, Part::Fanout] {
        assert!(!readiness.missing().is_empty());
        readiness.set(part, true);
    }
    assert!(readiness.missing().is_empty());
    let sessions: Vec<_> = (0..100).map(|_| session(&lifecycle, &registry)).collect();
    lifecycle.spawn_critical("endless", std::future::pending());

    let drained = lifecycle.spawn({
        let (lifecycle, readiness, registry) = (lifecycle.clone(), readiness.clone(), Arc::clone(&registry));
        async move {
            let flushed = AtomicUsize::new(0);
            let flush = async {
                assert!(registry.is_empty(), "the journal is flushed after the last session");
                assert!(readiness.is_refusing() && !lifecycle.stopping().is_cancelled());
                flushed.fetch_add(1, Ordering::Relaxed);
            };
            lifecycle.shutdown_asked().await;
            let begun = Instant::now();
            close_to_end(&lifecycle, &readiness, &registry, flush).await;
            assert_eq!(flushed.load(Ordering::Relaxed), 1);
            begun
        }
    });
    lifecycle.shut_down();
    while readiness.missing().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(!readiness.is_refusing() && registry.len() == 100, "first only readiness fails");
    let begun = drained.await.unwrap();
    let mut ends = Vec::new();
    for session in sessions {
        let (reason, at) = session.await.unwrap();
        assert_eq!(reason, Some(CloseReason::Drain));
        assert!(at >= begun + TIMES.notice);
        ends.push(at);
    }
    let spread = *ends.iter().max().unwrap() - *ends.iter().min().unwrap();
    assert!(spread >= TIMES.sessions / 2, "spread over {spread:?}");
    assert_eq!(lifecycle.failure(), None);
}

/// Drains without waiting for the task that runs the drain.
async fn close_to_end(
    lifecycle: &Lifecycle,
    readiness: &Readiness,
    registry: &Registry,
    flush: impl Future<Output = ()>,
) {
    tokio::select! {
        () = drain(lifecycle, readiness, registry, TIMES, flush) => {}
        () = async {
            lifecycle.stopping().cancelled().await;
            tokio::task::yield_now().await;
        } => {}
    }
}

#[tokio::test]
async fn a_critical_task_that_ends_or_panics_takes_the_node_down() {
    for panics in [false, true] {
        let lifecycle = Lifecycle::new();
        lifecycle.spawn_critical("fragile", async move { assert!(!panics, "as the test wants it") });
        lifecycle.shutdown_asked().await;
        assert_eq!(lifecycle.failure(), Some("fragile"));
    }
}

#[tokio::test]
async fn a_second_request_ends_the_waits() {
    let (lifecycle, readiness, registry) = (Lifecycle::new(), Readiness::new(), Registry::new(10));
    lifecycle.shut_down();
    lifecycle.shut_down();
    let times = DrainConfig { notice: Duration::from_hours(1), sessions: Duration::from_hours(1) };
    let drained = drain(&lifecycle, &readiness, &registry, times, async {});
    tokio::time::timeout(Duration::from_secs(10), drained).await.unwrap();
}
