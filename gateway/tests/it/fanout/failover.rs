//! A master that is demoted behind its address, and one of several that does not answer.

use std::ops::RangeInclusive;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::ids::{Person, RoomId};
use rts_common::redis::keys;
use rts_gateway::close_reason::CloseReason;
use rts_gateway::connection::ConnectionId;
use rts_gateway::lifecycle::Lifecycle;
use rts_gateway::presence::{Presence, PresenceSettings};
use rts_local::{Cluster, ClusterOptions, Proxy};

use super::world::{Node, Server, eventually, person, urls};
use crate::support::RedisServer;

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_becomes_a_replica_behind_its_address_is_left_for_its_successor() {
    let (old, new) = (RedisServer::start(), RedisServer::start());
    let (mut at_old, mut at_new) = (Server::connect(&old.url()).await, Server::connect(&new.url()).await);
    at_new.run::<()>(&["REPLICAOF", "127.0.0.1", &old.port().to_string()]).await;
    let address = Proxy::start(old.port()).await.unwrap();
    // The room's fence goes through real queues.
    let cluster = Cluster::start(ClusterOptions::without_gateways()).await.unwrap();
    let node = Node::start_among(&format!("redis://127.0.0.1:{}", address.port()), &cluster);
    node.wait_connected().await;
    node.know("ann").await;
    let room = node.group(&["ann", "bob"]).await;
    let mut ann = node.listen("ann").await;
    let seq = node.send(&room, "bob", "before").await;
    ann.hears_seq(&room, seq).await;
    let deadline = Instant::now() + Duration::from_secs(20);
    while at_new.run::<u64>(&["XLEN", &keys::room_stream(&room)]).await == 0 {
        assert!(Instant::now() < deadline, "the replica does not follow");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // The connections of before stay: the replica answers them, and refuses their writes.
    address.retarget(new.port());
    at_new.run::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    at_old.run::<()>(&["REPLICAOF", "127.0.0.1", &new.port().to_string()]).await;

    let after = node.send(&room, "bob", "after").await;
    assert!(after > seq);
    // The successor may lack what was acknowledged last: who has seen the room reads it anew.
    let outbox = Arc::clone(&ann.session.outbox);
    eventually("the session is told to resume", move || outbox.closed() == Some(CloseReason::Resync)).await;
    let mut ann = node.listen("ann").await;
    let seq = node.send(&room, "bob", "heard").await;
    ann.hears_seq(&room, seq).await;
    // Subscriptions are made anew too, and not only fed by the replication.
    let deadline = Instant::now() + Duration::from_secs(20);
    while at_new.channels().await.is_empty() {
        assert!(Instant::now() < deadline, "the new master has no subscriber");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    at_old.run::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    node.wait_connected().await;
    let seq = node.send(&room, "bob", "apart").await;
    ann.hears_seq(&room, seq).await;
    assert_eq!(ann.order(&room).len(), 2);
}

/// A process that is stopped, until it is dropped.
struct Stopped(String);

impl Stopped {
    fn stop(pid: &str) -> Self {
        signal("-STOP", pid);
        Self(pid.to_owned())
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        signal("-CONT", &self.0);
    }
}

fn signal(signal: &str, pid: &str) {
    assert!(Command::new("kill").args([signal, pid]).status().unwrap().success());
}

/// Returns the slots of a cluster's server.
async fn slots(server: &mut Server) -> Vec<RangeInclusive<u16>> {
    let map: String = server.run(&["CLUSTER", "NODES"]).await;
    let own = map.lines().find(|line| line.contains("myself")).unwrap();
    let ranges = own.split(' ').skip(8).map(|range| range.split_once('-').unwrap_or((range, range)));
    ranges.map(|(first, last)| first.parse().unwrap()..=last.parse().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_master_that_hangs_costs_only_its_own_rooms_and_people() {
    let options = ClusterOptions { redis_servers: 3, ..ClusterOptions::redis_only() };
    let cluster = Cluster::start(options).await.unwrap();
    let node = Node::start(&cluster.redis_url()).await;
    node.wait_connected().await;
    let lifecycle = Lifecycle::new();
    let presence = Presence::start(node.redis.clone(), PresenceSettings::new(100), &lifecycle);
    let hung = urls(&cluster.redis_url()).into_values().next().unwrap();
    let mut server = Server::connect(&hung).await;
    let info: String = server.run(&["INFO", "server"]).await;
    let pid = info.lines().find_map(|line| line.strip_prefix("process_id:")).unwrap().trim().to_owned();

    let slots = slots(&mut server).await;
    let is_lost = |key: &str| slots.iter().any(|range| range.contains(&keys::slot_of(key)));

    let (mut lost, mut sound): (Vec<RoomId>, Vec<RoomId>) = (Vec::new(), Vec::new());
    while lost.len() < 4 || sound.len() < 8 {
        let room = node.group(&["ann", "bob"]).await;
        if is_lost(&keys::room(&room)) { lost.push(room) } else { sound.push(room) }
    }
    let people = (0..600).map(|number| person(&format!("user-{number}")));
    let (absent, present): (Vec<Person>, Vec<Person>) = people.partition(|user| is_lost(&keys::person(user)));
    assert!(absent.len() > 100 && present.len() > 100);

    let stopped = Stopped::stop(&pid);
    // Many wait for the server that hangs: sends into its rooms, and people who connect.
    let mut waiting = Vec::new();
    for room in &lost {
        waiting.push(node.enqueue(room, "bob", "lost").await);
    }
    let arrivals = absent.iter().map(|user| presence.open(user, ConnectionId::random()));
    let arrivals = futures_util::future::join_all(arrivals);
    let others = async {
        for round in 0..8 {
            for room in &sound {
                let sent = node.enqueue(room, "bob", &format!("round-{round}")).await.await.unwrap();
                assert!(sent.is_ok(), "{:?}", sent.err());
            }
            for user in present.iter().skip(round * 10).take(10) {
                let guard = presence.open(user, ConnectionId::random()).await;
                assert!(guard.is_ok(), "{:?}", guard.err());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
        // Some silence of the server, until its link is given up.
        eventually("its link is given up", || !node.fanout.is_connected()).await;
        assert!(node.fanout.is_mostly_connected(), "what the others serve is served");
    };
    let (arrived, ()) = tokio::join!(arrivals, others);
    assert!(arrived.iter().all(Result::is_err), "nobody is let in whom nobody counts");
    for sent in waiting {
        assert!(sent.await.unwrap().is_err());
    }
    drop(stopped);
    for room in lost.iter().chain(&sound) {
        node.send(room, "bob", "afterwards").await;
    }
    node.wait_connected().await;
    lifecycle.stop().await;
}
