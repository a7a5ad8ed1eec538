//! Redis alone: the supervisor's handling of one part, and a Redis Cluster.

use std::time::Duration;

use rts_local::{Cluster, ClusterOptions, PartError, State};

use crate::support::{processes_below, redis, until};

#[tokio::test]
async fn two_clusters_at_once_are_apart_and_leave_nothing_behind() {
    let (one, two) =
        tokio::try_join!(Cluster::start(ClusterOptions::redis_only()), Cluster::start(ClusterOptions::redis_only()))
            .unwrap();
    redis(&one.redis_url(), "SET name one").await.unwrap();
    assert!(redis(&two.redis_url(), "GET name").await.unwrap().starts_with("$-1"));
    // The requirements of sharded publish and subscribe.
    assert!(redis(&one.redis_url(), "HELLO 3").await.unwrap().starts_with('%'));
    assert!(redis(&one.redis_url(), "SPUBLISH channel text").await.unwrap().starts_with(":0"));

    let (run, pid) = (one.directory().to_owned(), one.pid("redis").unwrap());
    assert_eq!(processes_below(&run), [pid]);
    drop(one);
    assert!(processes_below(&run).is_empty());
    assert!(!run.exists());
    two.shut_down().await;
}

#[tokio::test]
async fn a_part_that_dies_comes_back_and_one_that_is_stopped_does_not() {
    let cluster =
        Cluster::start(ClusterOptions { restart_after: Duration::from_millis(200), ..ClusterOptions::redis_only() })
            .await
            .unwrap();
    let first = cluster.pid("redis").unwrap();
    let killed = std::process::Command::new("kill").args(["-KILL", &first.to_string()]).status();
    assert!(killed.unwrap().success());
    until("another process", async || cluster.pid("redis").is_some_and(|pid| pid != first)).await;
    cluster.wait_ready("redis").await.unwrap();

    cluster.stop("redis").await.unwrap();
    assert_eq!(cluster.status()[0].state, State::Stopped);
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert_eq!(cluster.pid("redis"), None);
    assert!(redis(&cluster.redis_url(), "PING").await.is_err());
    cluster.start_part("redis").await.unwrap();
    cluster.kill("redis").await.unwrap();
    assert_eq!(cluster.status()[0].state, State::Stopped);
    cluster.start_part("redis").await.unwrap();
    assert!(redis(&cluster.redis_url(), "PING").await.unwrap().contains("PONG"));

    let unknown = cluster.stop("radish").await.unwrap_err().to_string();
    assert_eq!(unknown, PartError::Unknown("radish".to_owned()).to_string());
}

#[tokio::test]
async fn a_paused_part_answers_later() {
    let cluster = Cluster::start(ClusterOptions::redis_only()).await.unwrap();
    let url = cluster.redis_url();
    cluster.pause("redis").await.unwrap();
    let answer = tokio::spawn(async move { redis(&url, "PING").await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!answer.is_finished());
    cluster.resume("redis").await.unwrap();
    assert!(answer.await.unwrap().unwrap().contains("PONG"));
    // Even a paused one ends when it is told to.
    cluster.pause("redis").await.unwrap();
    cluster.stop("redis").await.unwrap();
}

#[tokio::test]
async fn three_servers_make_a_redis_cluster() {
    let options = ClusterOptions { redis_servers: 3, ..ClusterOptions::redis_only() };
    let cluster = Cluster::start(options).await.unwrap();
    let urls = cluster.redis_url();
    assert_eq!(urls.split(',').count(), 3);
    for url in urls.split(',') {
        let info = redis(url, "CLUSTER INFO").await.unwrap();
        assert!(info.contains("cluster_state:ok") && info.contains("cluster_size:3"), "{info}");
    }
    // One of them returns to the cluster.
    cluster.kill("redis-2").await.unwrap();
    cluster.start_part("redis-2").await.unwrap();
    for url in urls.split(',') {
        until("all agree again", async || {
            redis(url, "CLUSTER INFO").await.is_ok_and(|info| info.contains("cluster_state:ok"))
        })
        .await;
    }
}

#[tokio::test]
async fn a_part_that_cannot_start_is_named_with_its_log() {
    let options = ClusterOptions::redis_only().with_variable("redis", "LD_PRELOAD", "/dev/null/x");
    // It starts all the same; the variable only reaches that part.
    Cluster::start(options).await.unwrap().shut_down().await;

    let cluster = Cluster::start(ClusterOptions::redis_only()).await.unwrap();
    cluster.stop("redis").await.unwrap();
    let port: u16 = cluster.redis_url().rsplit(':').next().unwrap().parse().unwrap();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = cluster.start_part("redis").await.unwrap_err().to_string();
    assert!(error.starts_with("redis did not come up: exit code 1"), "{error}");
    assert!(error.contains("Address already in use"), "{error}");
}
