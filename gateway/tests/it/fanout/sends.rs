//! New messages that share calls.

use rts_common::ids::RoomId;
use rts_gateway::rooms::{RoomError, RoomOperation};
use rts_gateway::send::SendResult;
use rts_local::{Cluster, ClusterOptions};

use super::world::{Listener, Node, Server, person};
use super::{node, redis};

fn bodies_of(listener: &Listener, room: &RoomId, sender: &str) -> Vec<String> {
    let of_room = listener.heard.iter().filter(|(_, event)| event["roomId"] == room.as_str());
    let of_sender = of_room.filter(|(_, event)| event["message"]["senderId"] == sender);
    of_sender.map(|(_, event)| event["message"]["clientId"].as_str().unwrap().to_owned()).collect()
}

/// Enqueues many messages of two users to two rooms at once, on two nodes; each room has one order, with each sender's
/// messages in the order they were enqueued.
async fn order_is_kept(nodes: [&Node; 2], messages: usize) {
    let rooms = [nodes[0].group(&["ann", "bob"]).await, nodes[0].group(&["bob", "ann"]).await];
    let mut listeners = [nodes[0].listen("ann").await, nodes[1].listen("bob").await];
    let mut waiting = Vec::new();
    for number in 0..messages {
        for (node, sender) in nodes.iter().zip(["ann", "bob"]) {
            for room in &rooms {
                waiting.push(node.enqueue(room, sender, &format!("{number:04}")).await);
            }
        }
    }
    for sent in waiting {
        assert!(matches!(sent.await.unwrap(), Ok(SendResult::New { .. })));
    }
    let expected: Vec<_> = (0..messages).map(|number| format!("{number:04}")).collect();
    for listener in &mut listeners {
        listener.hears_times("MessageCreated", 4 * messages).await;
        for room in &rooms {
            assert_eq!(listener.order(room).len(), 2 * messages);
            for sender in ["ann", "bob"] {
                assert_eq!(bodies_of(listener, room, sender), expected);
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_enqueued_at_once_keep_their_order() {
    let cluster = redis().await;
    order_is_kept([&node(&cluster).await, &node(&cluster).await], 400).await;
    let stats: String = Server::connect(&cluster.redis_url()).await.run(&["INFO", "commandstats"]).await;
    let calls = |name: &str| -> usize {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls="))).unwrap();
        line.split(',').next().unwrap().parse().unwrap()
    };
    // Each room's stream begins with an entry that is dropped at once.
    assert_eq!(calls("xadd"), 1600 + 2);
    assert!(calls("evalsha") < 800, "they share calls: {}", calls("evalsha"));
}

#[tokio::test(flavor = "multi_thread")]
async fn they_keep_it_on_three_masters() {
    let options = ClusterOptions { redis_servers: 3, ..ClusterOptions::redis_only() };
    let cluster = Cluster::start(options).await.unwrap();
    let nodes = [node(&cluster).await, node(&cluster).await];
    for node in &nodes {
        node.wait_connected().await;
    }
    order_is_kept([&nodes[0], &nodes[1]], 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_has_its_own_result() {
    let cluster = redis().await;
    let node = node(&cluster).await;
    let room = node.group(&["ann", "bob"]).await;
    let archived = node.group(&["ann"]).await;
    node.rooms.change_room(&person("ann"), &archived, &RoomOperation::Archive).await.unwrap();
    let unknown = RoomId::new_group();
    for who in ["ann", "eve"] {
        crate::support::connected(&node.redis, &person(who)).await;
    }
    for round in 0..20 {
        let id = |name: &str| format!("{name}-{round}");
        let calls = [
            node.enqueue(&room, "ann", &id("new")).await,
            node.enqueue(&room, "eve", &id("foreign")).await,
            node.enqueue(&unknown, "ann", &id("unknown")).await,
            node.enqueue(&archived, "ann", &id("archived")).await,
            node.enqueue(&room, "ann", &id("new")).await,
            node.enqueue(&room, "bob", &id("new")).await,
        ];
        let [new, foreign, unknown, archived, again, other] = futures_util::future::join_all(calls)
            .await
            .into_iter()
            .map(Result::unwrap)
            .collect::<Vec<_>>()
            .try_into()
            .unwrap_or_else(|_| panic!());
        let (Ok(SendResult::New { seq: new, .. }), Ok(SendResult::New { seq: other, .. })) = (new, other) else {
            panic!()
        };
        assert!(other > new);
        assert!(matches!(again, Ok(SendResult::Duplicate { seq, durable: false }) if seq == new));
        assert_eq!(foreign.err(), Some(RoomError::NotFound));
        assert_eq!(archived.err(), Some(RoomError::Archived));
        // Nothing listens for DynamoDB here: it is not asked for a room that is not in the sender's list.
        assert_eq!(unknown.err(), Some(RoomError::NotFound));
    }
    let view = node.rooms.view(&person("bob"), &room).await.unwrap();
    assert_eq!(view.unread, 20);
}
