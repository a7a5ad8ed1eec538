//! The fan-out on real Redis servers: one order for everyone, whatever happens to the subscriptions.

mod canary;
mod cluster;
mod failover;
mod sends;
mod tls;
mod world;

use std::time::{Duration, Instant};

use rts_common::ids::RoomId;
use rts_common::redis::keys;
use rts_common::redis::stored::StoredNotice;
use rts_gateway::rooms::MarkKind;
use rts_local::{Cluster, ClusterOptions, Proxy, Traffic};

use self::world::{Listener, Node, Server, eventually, person};

async fn redis() -> Cluster {
    Cluster::start(ClusterOptions::redis_only()).await.unwrap()
}

async fn node(cluster: &Cluster) -> Node {
    let node = Node::start(&cluster.redis_url()).await;
    for name in ["ann", "bob", "eve"] {
        node.know(name).await;
    }
    node
}

/// Checks that all got the same complete order of a room, which has this many events.
fn one_order(listeners: &[&Listener], room: &RoomId, events: usize) {
    let order = listeners[0].order(room);
    assert_eq!(order.len(), events);
    for listener in listeners {
        assert_eq!(listener.order(room), order);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_on_two_nodes_get_one_order() {
    let cluster = redis().await;
    let (one, two) = (node(&cluster).await, node(&cluster).await);
    let room = one.group(&["ann", "bob"]).await;
    let other = one.group(&["ann", "eve"]).await;
    let mut ann = one.listen("ann").await;
    let mut bob = two.listen("bob").await;
    let mut ann_too = two.listen("ann").await;
    let mut eve = two.listen("eve").await;
    let mut last = None;
    for index in 0..60 {
        let client_id = format!("m{index}");
        let (by_ann, by_bob) = tokio::join!(one.send(&room, "ann", &client_id), two.send(&room, "bob", &client_id));
        last = Some(by_ann.max(by_bob));
    }
    let elsewhere = two.send(&other, "eve", "hello").await;
    for listener in [&mut ann, &mut bob, &mut ann_too] {
        listener.hears_seq(&room, last.unwrap()).await;
    }
    for listener in [&mut ann, &mut ann_too, &mut eve] {
        listener.hears_seq(&other, elsewhere).await;
    }
    one_order(&[&ann, &bob, &ann_too], &room, 120);
    assert!(bob.order(&other).is_empty() && eve.order(&room).is_empty());
    assert!(one.rooms.seq_hint(&room).get() >= last.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_attached_late_gets_what_it_missed() {
    let cluster = redis().await;
    let (one, two) = (node(&cluster).await, node(&cluster).await);
    let (kept, lost, quiet) =
        (one.group(&["ann", "bob"]).await, one.group(&["ann", "bob"]).await, one.group(&["ann", "bob"]).await);
    for room in [&kept, &lost, &quiet] {
        one.send(room, "bob", "before").await;
    }
    // The clock's margin.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let answered = Instant::now();
    let first = one.send(&kept, "bob", "first").await;
    one.remove(&lost, "ann", "bob").await;
    one.remove(&lost, "ann", "ann").await;
    let new = one.group(&["bob", "ann"]).await;
    let greeting = one.send(&new, "bob", "hello").await;
    let second = one.send(&kept, "bob", "second").await;
    // One node has nobody in the rooms yet; the other has them open by then.
    for node in [&two, &two, &one] {
        let mut ann = node.listen_since("ann", answered).await;
        let third = one.send(&kept, "bob", &format!("third {:?}", ann.session.connection_id)).await;
        ann.hears_seq(&kept, third).await;
        ann.hears("RoomRemoved", |event| event["roomId"] == lost.as_str()).await;
        ann.hears("RoomAdded", |event| event["room"]["roomId"] == new.as_str()).await;
        ann.hears_seq(&new, greeting).await;
        let order = ann.order(&kept);
        assert!(order.starts_with(&[first.get(), second.get()]) && order.ends_with(&[third.get()]), "{order:?}");
        assert_eq!((ann.count("RoomAdded"), ann.count("RoomRemoved")), (1, 1), "{:?}", ann.heard);
        assert!(ann.order(&quiet).is_empty() && ann.session.outbox.closed().is_none());
        // Others are listening when the next one comes.
        std::mem::forget(ann);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_subscription_loses_and_duplicates_nothing() {
    let cluster = redis().await;
    let node = node(&cluster).await;
    let room = node.group(&["ann", "bob"]).await;
    let mut ann = node.listen("ann").await;
    let mut server = Server::connect(&cluster.redis_url()).await;
    let mut last = None;
    for index in 0..200 {
        last = Some(node.send(&room, "bob", &format!("m{index}")).await);
        if index % 20 == 10 {
            while server.cut_subscribers().await == 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        ann.take_in();
    }
    ann.hears_seq(&room, last.unwrap()).await;
    one_order(&[&ann], &room, 200);
    // A user is added to another room while no subscription is up.
    while server.cut_subscribers().await == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let added = node.group(&["bob", "ann"]).await;
    ann.hears("RoomAdded", |event| event["room"]["roomId"] == added.as_str()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_catch_up_after_a_server_hangs_or_is_down() {
    let cluster = redis().await;
    let port = cluster.redis_url().rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
    let proxy = Proxy::start(port).await.unwrap();
    let behind = Node::start(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    let sender = node(&cluster).await;
    let room = sender.group(&["ann", "bob"]).await;
    let mut ann = behind.listen("ann").await;
    sender.send(&room, "bob", "before").await;
    let mut last = None;
    for (turn, traffic) in [Traffic::Refuse, Traffic::Stall].into_iter().enumerate() {
        proxy.set(traffic);
        for index in 0..30 {
            last = Some(sender.send(&room, "bob", &format!("m{turn} {index}")).await);
        }
        eventually("the loss is noticed", || !behind.fanout.is_connected()).await;
        proxy.set(Traffic::Pass);
        ann.hears_seq(&room, last.unwrap()).await;
        behind.wait_connected().await;
    }
    one_order(&[&ann], &room, 61);
    proxy.set(Traffic::Refuse);
    eventually("the loss is noticed", || !behind.fanout.is_connected()).await;
    let joined = sender.group(&["bob", "ann"]).await;
    proxy.set(Traffic::Pass);
    ann.hears("RoomAdded", |event| event["room"]["roomId"] == joined.as_str()).await;
    let after = sender.send(&joined, "bob", "welcome").await;
    ann.hears_seq(&joined, after).await;
    behind.wait_connected().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_who_join_and_leave_get_only_their_events() {
    let cluster = redis().await;
    let (one, two) = (node(&cluster).await, node(&cluster).await);
    let room = one.group(&["ann"]).await;
    let mut ann = one.listen("ann").await;
    let mut bob = two.listen("bob").await;
    let mut bob_too = two.listen("bob").await;
    let mut last = None;
    for round in 0..5 {
        one.send(&room, "ann", &format!("unheard {round}")).await;
        one.add(&room, "ann", "bob").await;
        for listener in [&mut bob, &mut bob_too] {
            listener.hears_times("RoomAdded", round + 1).await;
        }
        last = Some(one.send(&room, "ann", &format!("heard {round}")).await);
        for listener in [&mut bob, &mut bob_too] {
            listener.hears_seq(&room, last.unwrap()).await;
        }
        one.remove(&room, "ann", "bob").await;
        one.send(&room, "ann", &format!("unheard too {round}")).await;
        for listener in [&mut bob, &mut bob_too] {
            listener.hears_times("RoomRemoved", round + 1).await;
        }
    }
    let end = one.send(&room, "ann", "the end").await;
    ann.hears_seq(&room, end).await;
    ann.order(&room);
    for listener in [&mut bob, &mut bob_too] {
        listener.take_in();
        assert_eq!((listener.count("RoomAdded"), listener.count("RoomRemoved")), (5, 5));
        let unheard = |event: &serde_json::Value| {
            let id = event["message"]["clientId"].as_str().unwrap_or_default();
            id.starts_with("unheard")
        };
        assert!(!listener.heard.iter().any(|(_, event)| unheard(event)), "{:?}", listener.heard);
    }
    assert!(last < Some(end));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_room_starts_without_a_gap_for_a_new_member() {
    let cluster = redis().await;
    let node = node(&cluster).await;
    let room = node.group(&["ann"]).await;
    let mut bob = node.listen("bob").await;
    let send_all = async {
        let mut last = None;
        for index in 0..300 {
            last = Some(node.send(&room, "ann", &format!("m{index}")).await);
        }
        last.unwrap()
    };
    let join = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        node.add(&room, "ann", "bob").await;
    };
    let (last, ()) = tokio::join!(send_all, join);
    bob.hears_seq(&room, last).await;
    let order = bob.order(&room);
    let added = bob.heard.iter().find(|(target, _)| target == "RoomAdded").unwrap();
    let members = added.1["room"]["members"].as_array().unwrap();
    let joined = members.iter().find(|member| member["userId"] == "bob").unwrap();
    let first = bob.heard.iter().find(|(_, event)| event["prev"].is_u64()).unwrap();
    // A new member's marks are at the head when they joined.
    assert_eq!(first.1["prev"], joined["readSeq"], "the first event follows the joining");
    assert_eq!(order.last().copied(), Some(last.get()));
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_are_dropped_with_the_last_session() {
    let cluster = redis().await;
    let node = node(&cluster).await;
    let room = node.group(&["ann", "bob"]).await;
    let mut server = Server::connect(&cluster.redis_url()).await;
    let (mut ann, mut bob) = (node.listen("ann").await, node.listen("bob").await);
    let mut channels = server.channels().await;
    channels.sort_unstable();
    let own = keys::node_channel(&node.id);
    let mut expected = vec![
        own.clone(),
        keys::room_channel(&room),
        keys::person_channel(&person("ann")),
        keys::person_channel(&person("bob")),
    ];
    expected.sort_unstable();
    assert_eq!(channels, expected);
    ann.leave();
    let gone = keys::person_channel(&person("ann"));
    wait_channels(&mut server, |channels| !channels.contains(&gone)).await;
    let seq = node.send(&room, "ann", "still").await;
    bob.hears_seq(&room, seq).await;
    bob.leave();
    wait_channels(&mut server, |channels| *channels == [own.clone()]).await;
    // It starts again.
    let mut bob = node.listen("bob").await;
    let seq = node.send(&room, "ann", "again").await;
    bob.hears_seq(&room, seq).await;
}

async fn wait_channels(server: &mut Server, wanted: impl Fn(&[String]) -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while !wanted(&server.channels().await) {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_and_stored_messages_are_delivered() {
    let cluster = redis().await;
    let node = node(&cluster).await;
    let room = node.group(&["ann", "bob"]).await;
    let (mut ann, mut bob) = (node.listen("ann").await, node.listen("bob").await);
    let seq = node.send(&room, "ann", "hello").await;
    node.rooms.mark(&person("bob"), &room, MarkKind::Read, seq).await.unwrap();
    for listener in [&mut ann, &mut bob] {
        listener.hears("ReceiptsUpdated", |event| event["receipts"][0]["readSeq"] == seq.get()).await;
    }
    let notice = StoredNotice { room: room.clone(), origin: node.id.clone(), seqs: vec![seq] };
    let mut publish = redis::cmd("SPUBLISH");
    publish.arg(keys::person_channel(&person("ann"))).arg(notice.encode());
    node.redis.command("publish", &publish).await.unwrap();
    ann.hears("MessagesStored", |event| event["seqs"][0] == seq.get()).await;
    bob.take_in();
    assert_eq!(bob.count("MessagesStored"), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_connects_when_its_redis_starts_later() {
    let cluster = redis().await;
    cluster.stop("redis").await.unwrap();
    let node = Node::start(&cluster.redis_url()).await;
    assert!(!node.fanout.is_connected());
    cluster.start_part("redis").await.unwrap();
    node.wait_connected().await;
    node.know("ann").await;
    node.know("bob").await;
    let room = node.group(&["ann", "bob"]).await;
    let mut ann = node.listen("ann").await;
    let seq = node.send(&room, "bob", "hello").await;
    ann.hears_seq(&room, seq).await;
}
