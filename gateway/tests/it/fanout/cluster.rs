//! The fan-out on three masters.

use std::collections::HashMap;
use std::time::Duration;

use rts_common::ids::{Person, RoomId, UserId};
use rts_common::redis::keys::{self, Partition};
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::seq::Seq;
use rts_common::store::Direction;
use rts_gateway::rooms::{HistoryRange, MessageAt, MessageChange, RoomError};
use rts_local::{Cluster, ClusterOptions};
use tokio::time::sleep;

use super::world::{Node, Server, person, urls};

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

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_doubled_while_a_slot_moves_key_by_key() {
    let options = ClusterOptions { redis_servers: 3, ..ClusterOptions::redis_only() };
    let cluster = Cluster::start(options).await.unwrap();
    let node = Node::start(&cluster.redis_url()).await;
    let room = node.group(&["ann", "bob"]).await;
    let slot = keys::slot_of(&keys::room(&room));
    let partition = Partition::of_room(&room);
    let neighbor = (0..10_000)
        .map(|number| Person { user: UserId::parse(&format!("user-{number}")).unwrap(), ..person("ann") })
        .find(|person| Partition::of_person(person) == partition)
        .unwrap();
    merge_rooms(&node.redis, &neighbor, RoomList::Load, &[]).await.unwrap();
    let first = node.send(&room, "bob", "first").await;
    edit(&node, &room, first, "edited").await;

    let mut servers = HashMap::new();
    for (port, url) in urls(&cluster.redis_url()) {
        servers.insert(port, Server::connect(&url).await);
    }
    let moves = async {
        for turn in 0..4 {
            move_slowly(&mut servers, slot, turn % 2 == 1).await;
            sleep(Duration::from_millis(500)).await;
        }
    };
    tokio::pin!(moves);
    let (mut sent, mut listed) = (vec![first], Vec::new());
    let talk = async {
        for number in 0.. {
            sent.push(node.send(&room, "bob", &format!("m{number}")).await);
            // A resend finds the message wherever its room is.
            assert_eq!(node.send(&room, "bob", "first").await, first);
            assert_eq!(node.send(&room, "bob", &format!("m{number}")).await, sent[number + 1]);
            edit(&node, &room, sent[number + 1], &format!("edited {number}")).await;
            let joined = RoomId::new_group();
            let change = [(&joined, Seq::now(), true)];
            while merge_rooms(&node.redis, &neighbor, RoomList::Change, &change).await.is_err() {}
            listed.push(joined);
        }
    };
    tokio::select! {
        () = &mut moves => {}
        () = talk => {}
    }
    let range =
        HistoryRange { after: Seq::ZERO, before: None, direction: Direction::Descending, limit: 200, bytes: 1 << 20 };
    let mut found = node.rooms.history(&person("ann"), &room, range).await.unwrap().messages;
    // The last one may have been under way.
    found.truncate(sent.len());
    assert!(sent.len() > 4, "{}", sent.len());
    assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), sent);
    for message in &found[..found.len() - 1] {
        assert!(message.content.body.starts_with("edited"), "{message:?}");
    }
    let rooms = node.rooms.rooms_of(&neighbor).await.unwrap();
    assert!(listed.iter().all(|joined| rooms.contains(joined)));
}

/// Edits a message; whoever is told that Redis cannot do it now tries again.
async fn edit(node: &Node, room: &RoomId, seq: Seq, body: &str) {
    let bob = person("bob");
    let at = MessageAt { person: &bob, room, seq };
    loop {
        let edited = node.rooms.change_message(at, |found| {
            let mut content = found.state.content.clone();
            body.clone_into(&mut content.body);
            Ok((content != found.state.content).then_some(MessageChange::Edit(content)))
        });
        match edited.await {
            Ok(_) => return,
            Err(RoomError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Moves a slot to another master, as `redis-cli --cluster reshard` does, but a key at a time.
async fn move_slowly(servers: &mut HashMap<u16, Server>, slot: u16, backwards: bool) {
    let slot_text = slot.to_string();
    let (from, to) = masters(servers, slot).await;
    begin_move(servers, slot, from, to).await;
    loop {
        let source = servers.get_mut(&from).unwrap();
        let mut keys: Vec<String> = source.run(&["CLUSTER", "GETKEYSINSLOT", &slot_text, "1000"]).await;
        keys.sort_unstable();
        let key = if backwards { keys.pop() } else { keys.into_iter().next() };
        let Some(key) = key else { break };
        source.run::<()>(&["MIGRATE", "127.0.0.1", &to.to_string(), &key, "0", "5000"]).await;
        sleep(Duration::from_millis(50)).await;
    }
    end_move(servers, slot, from, to).await;
}

/// Moves a slot with its keys from its master to another one.
async fn move_slot(servers: &mut HashMap<u16, Server>, slot: u16) {
    let (from, to) = masters(servers, slot).await;
    begin_move(servers, slot, from, to).await;
    let source = servers.get_mut(&from).unwrap();
    let keys: Vec<String> = source.run(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1000"]).await;
    let port = to.to_string();
    let mut migrate = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
    migrate.extend(keys.iter().map(String::as_str));
    source.run::<()>(&migrate).await;
    end_move(servers, slot, from, to).await;
}

/// Returns the master that has keys of a slot, and another one.
async fn masters(servers: &mut HashMap<u16, Server>, slot: u16) -> (u16, u16) {
    let mut from = None;
    for (port, server) in servers.iter_mut() {
        let keys: Vec<String> = server.run(&["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), "1"]).await;
        if !keys.is_empty() {
            from = Some(*port);
        }
    }
    let from = from.expect("the slot has keys");
    (from, *servers.keys().find(|port| **port != from).unwrap())
}

async fn begin_move(servers: &mut HashMap<u16, Server>, slot: u16, from: u16, to: u16) {
    let slot = slot.to_string();
    for (at, state, other) in [(to, "IMPORTING", from), (from, "MIGRATING", to)] {
        let id: String = servers.get_mut(&other).unwrap().run(&["CLUSTER", "MYID"]).await;
        servers.get_mut(&at).unwrap().run::<()>(&["CLUSTER", "SETSLOT", &slot, state, &id]).await;
    }
}

async fn end_move(servers: &mut HashMap<u16, Server>, slot: u16, from: u16, to: u16) {
    let id: String = servers.get_mut(&to).unwrap().run(&["CLUSTER", "MYID"]).await;
    let others = servers.keys().copied().filter(|port| ![from, to].contains(port)).collect::<Vec<_>>();
    for port in [to, from].into_iter().chain(others) {
        servers.get_mut(&port).unwrap().run::<()>(&["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id]).await;
    }
}
