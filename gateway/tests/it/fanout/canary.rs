//! The canary on a real Redis, with a proxy that swallows publications.

use std::time::{Duration, Instant};

use rts_local::{Proxy, Traffic};

use super::redis;
use super::world::{Node, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_hears_nothing_is_deaf_while_others_hear() {
    let cluster = redis().await;
    let port = cluster.redis_url().rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
    let proxies = [Proxy::start(port).await.unwrap(), Proxy::start(port).await.unwrap()];
    let mut nodes = Vec::new();
    for proxy in &proxies {
        nodes.push(Node::start(&format!("redis://127.0.0.1:{}", proxy.port())).await);
    }
    for node in &nodes {
        node.wait_connected().await;
    }
    // Both have heard canaries, and neither is deaf.
    tokio::time::sleep(Duration::from_secs(3)).await;

    proxies[0].set(Traffic::Mute);
    let begun = Instant::now();
    eventually("the node behind the proxy is deaf", || nodes[0].fanout.is_deaf()).await;
    println!("deaf after {:?}", begun.elapsed());
    assert!(!nodes[1].fanout.is_deaf());
    assert!(nodes[0].fanout.is_connected(), "nothing else shows it");

    // Now none hears: then none may be taken out.
    proxies[1].set(Traffic::Mute);
    eventually("none is deaf where all are", || nodes.iter().all(|node| !node.fanout.is_deaf())).await;
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(12) {
        assert!(nodes.iter().all(|node| !node.fanout.is_deaf()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    // One hears again, so the other is deaf; then that one is well, too.
    proxies[1].set(Traffic::Pass);
    eventually("the other hears", || nodes[0].fanout.is_deaf()).await;
    assert!(!nodes[1].fanout.is_deaf());
    proxies[0].set(Traffic::Pass);
    eventually("both hear", || nodes.iter().all(|node| !node.fanout.is_deaf())).await;
}
