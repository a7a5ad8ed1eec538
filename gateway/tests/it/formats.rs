//! Two builds on one Redis: the one that cannot read what the other writes drains itself.

use std::time::Duration;

use rts_common::ids::NodeId;
use rts_common::redis::format::Formats;
use rts_gateway::format_watch::{self, FormatTimes};
use rts_gateway::lifecycle::Lifecycle;
use tokio::time::timeout;

use crate::support::RedisServer;

const TIMES: FormatTimes = FormatTimes { look: Duration::from_millis(50), lease: Duration::from_millis(500) };

/// A node of a build, which only watches.
fn node(server: &RedisServer, writes: u32, reads: u32) -> (NodeId, Lifecycle) {
    let (id, lifecycle) = (NodeId::random(), Lifecycle::new());
    let watch = format_watch::watch(id.clone(), Formats { writes, reads }, server.client(), TIMES, lifecycle.clone());
    lifecycle.spawn_critical("formats", watch);
    (id, lifecycle)
}

async fn drains(lifecycle: &Lifecycle) -> bool {
    timeout(Duration::from_secs(1), lifecycle.shutdown_asked()).await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_too_old_for_what_it_sees_drains_and_no_other() {
    let server = RedisServer::start();
    let (_, old) = node(&server, 1, 1);
    // The release between reads what the next one writes.
    let (_, between) = node(&server, 1, 2);
    assert!(!drains(&old).await && !drains(&between).await);
    let (newer_id, newer) = node(&server, 2, 2);
    assert!(drains(&old).await);
    assert!(!drains(&between).await && !drains(&newer).await);
    assert_eq!(old.failure(), None, "it ends as one that is asked to");

    // One that is started again does not begin; after the newer one has left, it does.
    let (_, again) = node(&server, 1, 1);
    assert!(drains(&again).await);
    newer.stop().await;
    format_watch::leave(&newer_id, Formats { writes: 2, reads: 2 }, &server.client()).await;
    let (_, back) = node(&server, 1, 1);
    assert!(!drains(&back).await);
    for lifecycle in [old, between, again, back] {
        lifecycle.stop().await;
    }
}
