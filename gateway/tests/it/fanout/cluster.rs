//! The fan-out on three masters.

use std::collections::HashMap;

use rts_common::redis::keys;
use rts_local::{Cluster, ClusterOptions};

use super::world::{Node, Server, urls};

#[tokio::test(flavor = "multi_thread")]
async fn events_of_all_slots_arrive_also_when_a_slot_moves() {
    let options = ClusterOptions { redis_servers: 3, ..ClusterOptions::redis_only() };
    let cluster = Cluster::start(options).await.unwrap();
    let node = Node::start(&cluster.redis_url()).await;
    node.wait_connected().await;
    node.know("ann").await;
    node.know("bob").await;
    let mut rooms = Vec::new();
    for _ in 0..12 {
        rooms.push(node.group(&["ann", "bob"]).await);
    }
    let mut ann = node.listen("ann").await;
    for room in &rooms {
        let seq = node.send(room, "bob", "first").await;
        ann.hears_seq(room, seq).await;
    }

    let mut servers = HashMap::new();
    for (port, url) in urls(&cluster.redis_url()) {
        servers.insert(port, Server::connect(&url).await);
    }
    for server in servers.values_mut() {
        assert!(!server.channels().await.is_empty(), "every master has some of the rooms");
    }
    let moving = &rooms[0];
    let slot = keys::slot_of(&keys::room(moving));
    move_slot(&mut servers, slot).await;
    for (index, room) in rooms.iter().enumerate() {
        node.send(room, "bob", "second").await;
        let seq = node.send(room, "bob", "third").await;
        ann.hears_seq(room, seq).await;
        assert_eq!(ann.order(room).len(), 3, "room {index}");
    }
    // A subscriber connection that was cut has the channels of its master again.
    for server in servers.values_mut() {
        assert_eq!(server.cut_subscribers().await, 1);
    }
    for room in &rooms {
        let seq = node.send(room, "bob", "fourth").await;
        ann.hears_seq(room, seq).await;
        assert_eq!(ann.order(room).len(), 4);
    }
}

/// Moves a slot with its keys from its master to another one.
async fn move_slot(servers: &mut HashMap<u16, Server>, slot: u16) {
    let slot = slot.to_string();
    let mut ids = HashMap::new();
    let mut from = None;
    for (port, server) in servers.iter_mut() {
        let id: String = server.run(&["CLUSTER", "MYID"]).await;
        let keys: Vec<String> = server.run(&["CLUSTER", "GETKEYSINSLOT", &slot, "1000"]).await;
        if !keys.is_empty() {
            from = Some((*port, keys));
        }
        ids.insert(*port, id);
    }
    let (from, keys) = from.expect("the slot has keys");
    let to = *ids.keys().find(|port| **port != from).unwrap();
    let (from_id, to_id) = (ids[&from].clone(), ids[&to].clone());
    let server = servers.get_mut(&to).unwrap();
    server.run::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
    let server = servers.get_mut(&from).unwrap();
    server.run::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
    let port = to.to_string();
    let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
    migrate.extend(keys.iter().map(String::as_str));
    server.run::<()>(&migrate).await;
    for port in [to, from] {
        let server = servers.get_mut(&port).unwrap();
        server.run::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
    }
    for server in servers.values_mut() {
        server.run::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
    }
}
