//! Budgets of a user on several nodes, with a real Redis.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::ids::{OrgId, Person, UserId};
use rts_common::redis::{Redis, RedisServers, keys};
use rts_gateway::budgets::{Budget, Budgets, Rate, Rates};
use rts_gateway::lifecycle::Lifecycle;

use crate::support::RedisServer;

const RATE: Rate = Rate { per_second: 20, burst: 40 };

fn person(name: &str) -> Person {
    Person { org: OrgId::parse("o").unwrap(), user: UserId::parse(name).unwrap() }
}

fn nodes(redis: &[Arc<Redis>], lifecycle: &Lifecycle) -> Vec<Arc<Budgets>> {
    redis.iter().map(|redis| Budgets::start(Rates::of(|_| RATE), redis, lifecycle)).collect()
}

/// Takes one from every node again and again; returns how many there were, and what a single node would have given.
async fn flood(nodes: &[Arc<Budgets>], who: &Person, time: Duration) -> (f64, f64) {
    let begun = Instant::now();
    let mut taken = 0.0;
    while begun.elapsed() < time {
        for node in nodes {
            if node.take(who, Budget::Messages, 1).is_ok() {
                taken += 1.0;
            }
        }
        // About what a call takes.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    (taken, begun.elapsed().as_secs_f64().mul_add(RATE.per_second.into(), RATE.burst.into()))
}

#[tokio::test]
async fn a_user_on_several_nodes_has_one_budget() {
    let (server, lifecycle) = (RedisServer::start(), Lifecycle::new());
    let clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    let nodes = nodes(&clients, &lifecycle);
    for on in [1, 2, 4] {
        let who = person(&format!("on-{on}"));
        let (taken, single) = flood(&nodes[..on], &who, Duration::from_secs(3)).await;
        assert!(taken <= single * 1.3, "{taken} of {single} on {on} nodes");
        assert!(taken >= single * 0.8, "{taken} of {single} on {on} nodes");
    }
    // To go from one node to the next is no way around it.
    let who = person("hops");
    let first = flood(&nodes[..1], &who, Duration::from_millis(500)).await;
    let second = flood(&nodes[1..2], &who, Duration::from_secs(2)).await;
    let (taken, single) = (first.0 + second.0, first.1 + second.1 - f64::from(RATE.burst));
    assert!(taken <= single * 1.3, "{taken} of {single}");
}

#[tokio::test]
async fn a_burst_on_all_nodes_at_the_same_moment_is_shared_out() {
    let (server, lifecycle) = (RedisServer::start(), Lifecycle::new());
    let clients: Vec<_> = (0..4).map(|_| server.client()).collect();
    let (nodes, who) = (nodes(&clients, &lifecycle), person("burst"));
    let mut connect = redis::cmd("HSET");
    connect.arg(format!("{}:connections", keys::person(&who)));
    for node in 0..4 {
        connect.arg(format!("connection-{node}")).arg(format!("node-{node} o"));
    }
    clients[0].command("test", &connect).await.unwrap();
    for node in &nodes {
        node.learn(&who).await;
    }
    // Each node gives a little of a newcomer's burst at once, and the rest when it has heard of the others.
    let (begun, mut taken) = (Instant::now(), 0.0);
    for _ in 0..10 {
        let calls = nodes.iter().flat_map(|node| std::iter::repeat_n(node, 40));
        taken += calls.filter(|node| node.take(&who, Budget::Messages, 1).is_ok()).count() as f64;
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    let single = begun.elapsed().as_secs_f64().mul_add(RATE.per_second.into(), RATE.burst.into());
    assert!(taken <= single * 1.3, "{taken} of {single}");
    assert!(taken >= single * 0.7, "{taken} of {single}");
}

#[tokio::test]
async fn without_redis_each_node_has_a_budget_of_its_own() {
    let lifecycle = Lifecycle::new();
    let servers = RedisServers::parse("redis://127.0.0.1:9").unwrap();
    let gone = Arc::new(Redis::new(&servers, |_, _| ()).unwrap());
    let nodes = nodes(&[Arc::clone(&gone), gone], &lifecycle);
    let (taken, single) = flood(&nodes[..1], &person("ann"), Duration::from_secs(1)).await;
    assert!((taken - single).abs() <= 2.0, "{taken} of {single}");
    let (taken, single) = flood(&nodes[1..], &person("ann"), Duration::from_millis(100)).await;
    assert!(taken >= single - 2.0, "{taken} of {single}");
}
