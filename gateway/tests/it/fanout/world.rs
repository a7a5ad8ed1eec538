//! Nodes with a fan-out each on real Redis servers, and sessions that listen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::support;
use rts_common::ids::{ClientId, NodeId, OrgId, Person, RoomId, UserId};
use rts_common::message::MessageContent;
use rts_common::redis::stored::{RoomList, merge_rooms};
use rts_common::redis::{Redis, RedisServers, keys};
use rts_common::room::{Role, RoomKind};
use rts_common::seq::Seq;
use rts_common::signalr::Protocol;
use rts_common::store::{Store, Tables};
use rts_gateway::budgets::{Budget, Budgets, Rate, Rates};
use rts_gateway::connection::{ConnectionId, Outbox, SessionHandle};
use rts_gateway::fanout::{Attachment, Fanout};
use rts_gateway::journal::{Journal, JournalLimits};
use rts_gateway::lifecycle::Lifecycle;
use rts_gateway::rooms::{Fencing, NewRoom, RoomError, RoomOperation, Rooms};
use rts_gateway::send::{SendPermit, SendQueue, SendRequest, SendResult};
use rts_local::Cluster;
use serde_json::Value;
use tokio::sync::oneshot;

/// The fan-out's part of one gateway.
pub(super) struct Node {
    pub(super) id: NodeId,
    pub(super) fanout: Fanout,
    pub(super) rooms: Arc<Rooms>,
    pub(super) redis: Arc<Redis>,
    pub(super) sends: SendQueue,
    journal: Journal,
    budgets: Arc<Budgets>,
    lifecycle: Lifecycle,
}

impl Node {
    pub(super) async fn start(redis_url: &str) -> Self {
        Self::start_on(&RedisServers::parse(redis_url).unwrap()).await
    }

    pub(super) async fn start_on(servers: &RedisServers) -> Self {
        // Everything here is in Redis; nobody listens for DynamoDB.
        let config = support::aws("http://127.0.0.1:9");
        let queue = "http://127.0.0.1/000000000000/chat-message-queue.fifo";
        let lifecycle = Lifecycle::new();
        let journal = Journal::start(&support::accepting_sqs().await, queue, JournalLimits::default(), &lifecycle);
        Self::start_with(servers, Store::connect(&config, Tables::default()), journal, lifecycle)
    }

    /// Starts a node on a Redis of one's own, with a cluster's DynamoDB, queues and functions.
    pub(super) fn start_among(redis_url: &str, cluster: &Cluster) -> Self {
        let (config, tables) = support::aws_of(cluster);
        let (queue, lifecycle) = (&cluster.outputs().message_queue_url, Lifecycle::new());
        let journal = Journal::start(&config, queue, JournalLimits::default(), &lifecycle);
        let servers = RedisServers::parse(redis_url).unwrap();
        Self::start_with(&servers, Store::connect(&config, tables), journal, lifecycle)
    }

    fn start_with(servers: &RedisServers, store: Store, journal: Journal, lifecycle: Lifecycle) -> Self {
        let redis = Arc::new(Redis::new(servers, |_, _| ()).unwrap());
        let rooms = Arc::new(Rooms::new(Arc::clone(&redis), store));
        let id = NodeId::random();
        let quiet = Duration::from_millis(300);
        rooms.set_fencing(Fencing { node: id.clone(), journal: journal.clone(), quiet });
        let fanout = Fanout::start(id.clone(), servers, Arc::clone(&redis), Arc::clone(&rooms), &lifecycle).unwrap();
        let sends = SendQueue::start(&id, &rooms, &journal, &lifecycle);
        let budgets = Budgets::alone(Rates::of(|_| Rate { per_second: 10_000, burst: 10_000 }));
        Self { id, fanout, rooms, redis, sends, journal, budgets, lifecycle }
    }

    pub(super) async fn wait_connected(&self) {
        eventually("the fanout is connected", || self.fanout.is_connected()).await;
    }

    /// Creates a group room of these users, in all their lists.
    pub(super) async fn group(&self, names: &[&str]) -> RoomId {
        let room_id = RoomId::new_group();
        let creator = person(names[0]);
        let members = names.iter().map(|name| (person(name).user, Role::Owner, (*name).to_owned())).collect();
        let new =
            NewRoom { room_id: &room_id, creator: &creator, kind: RoomKind::Group, name: None, case_id: None, members };
        self.rooms.create(&new).await.unwrap();
        for name in names {
            self.list(&room_id, name, Seq::now(), true).await;
        }
        room_id
    }

    /// Marks a user's list of rooms as loaded, so that DynamoDB is not asked.
    pub(super) async fn know(&self, name: &str) {
        merge_rooms(&self.redis, &person(name), RoomList::Load, &[]).await.unwrap();
    }

    async fn list(&self, room: &RoomId, name: &str, version: Seq, member: bool) {
        let change = [(room, version, member)];
        merge_rooms(&self.redis, &person(name), RoomList::Change, &change).await.unwrap();
    }

    pub(super) async fn add(&self, room: &RoomId, by: &str, name: &str) {
        let people = [(person(name).user, name.to_owned())];
        let operation = RoomOperation::Add(&people, 100);
        let changed = self.rooms.change_room(&person(by), room, &operation).await.unwrap();
        self.list(room, name, changed.members()[0].version, true).await;
    }

    pub(super) async fn remove(&self, room: &RoomId, by: &str, name: &str) {
        let user = person(name).user;
        let operation = RoomOperation::Remove(&user);
        let changed = self.rooms.change_room(&person(by), room, &operation).await.unwrap();
        self.list(room, name, changed.members()[0].version, false).await;
    }

    /// Enqueues a message.
    pub(super) async fn enqueue(
        &self,
        room: &RoomId,
        from: &str,
        client_id: &str,
    ) -> oneshot::Receiver<Result<SendResult, RoomError>> {
        let person = person(from);
        let content = MessageContent {
            sender_id: person.user.clone(),
            client_id: ClientId::parse(client_id).unwrap(),
            // Occasionally a large one: calls are bounded by their bytes too.
            body: if client_id.ends_with("77") { "x".repeat(16_000) } else { format!("from {from}") },
            attachments: Vec::new(),
            reply_to: None,
            mentions: Vec::new(),
            edited_at: None,
            deleted: false,
            reactions: Vec::new(),
        };
        let token = self.budgets.token(&person, Budget::Messages).unwrap();
        let permit = Some(SendPermit { place: self.journal.reserve().unwrap(), token });
        self.sends.enqueue(SendRequest { person, room: room.clone(), content, permit, in_flight: None }).await
    }

    /// Enqueues a message until Redis accepts it; the clientId makes it one message.
    pub(super) async fn send(&self, room: &RoomId, from: &str, client_id: &str) -> Seq {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            match self.enqueue(room, from, client_id).await.await.unwrap() {
                Ok(SendResult::New { seq, .. } | SendResult::Duplicate { seq, .. }) => return seq,
                Ok(SendResult::Refused) => panic!("it was accepted"),
                Err(error) => assert!(Instant::now() < deadline, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(super) async fn listen(&self, name: &str) -> Listener {
        self.listen_since(name, Instant::now() + Duration::from_secs(10)).await
    }

    /// Attaches a session whose client was answered at a moment, or will be.
    pub(super) async fn listen_since(&self, name: &str, answered: Instant) -> Listener {
        let session = SessionHandle {
            connection_id: ConnectionId::random(),
            person: person(name),
            protocol: Protocol::Json,
            outbox: Arc::new(Outbox::default()),
        };
        let attachment = self.fanout.attach(session.clone(), answered).await.unwrap();
        Listener { session, attachment: Some(attachment), heard: Vec::new() }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.lifecycle.stopping().cancel();
    }
}

/// A session, and its received records.
pub(super) struct Listener {
    pub(super) session: SessionHandle,
    attachment: Option<Attachment>,
    pub(super) heard: Vec<(String, Value)>,
}

impl Listener {
    pub(super) fn take_in(&mut self) {
        for records in self.session.outbox.drain().records {
            for record in records.split(|byte| *byte == 0x1E).filter(|record| !record.is_empty()) {
                let mut record: Value = serde_json::from_slice(record).unwrap();
                let target = record["target"].as_str().unwrap().to_owned();
                self.heard.push((target, record["arguments"][0].take()));
            }
        }
    }

    /// Waits until a matching record arrives.
    pub(super) async fn hears(&mut self, target: &str, wanted: impl Fn(&Value) -> bool) {
        let what = format!("{} hears {target}", self.session.person.user);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            self.take_in();
            if self.heard.iter().any(|(had, event)| had == target && wanted(event)) {
                return;
            }
            assert!(Instant::now() < deadline, "{what}: {:?}", self.heard);
            assert_eq!(self.session.outbox.closed(), None, "{what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(super) async fn hears_seq(&mut self, room: &RoomId, seq: Seq) {
        self.hears("MessageCreated", |event| event["roomId"] == room.as_str() && event["seq"] == seq.get()).await;
    }

    /// Returns the seqs of a room's events, checked to be one unbroken order.
    pub(super) fn order(&self, room: &RoomId) -> Vec<u64> {
        let events: Vec<_> = self
            .heard
            .iter()
            .filter(|(_, event)| event["roomId"] == room.as_str())
            .filter_map(|(_, event)| Some((event["prev"].as_u64()?, event["seq"].as_u64()?)))
            .collect();
        for pair in events.windows(2) {
            assert_eq!(pair[1].0, pair[0].1, "each event follows the one before it");
        }
        events.into_iter().map(|(_, seq)| seq).collect()
    }

    pub(super) fn count(&self, target: &str) -> usize {
        self.heard.iter().filter(|(had, _)| had == target).count()
    }

    pub(super) async fn hears_times(&mut self, target: &str, times: usize) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.count(target) < times {
            assert!(Instant::now() < deadline, "{target}: {:?}", self.heard);
            tokio::time::sleep(Duration::from_millis(5)).await;
            self.take_in();
        }
    }

    pub(super) fn leave(&mut self) {
        self.attachment = None;
    }
}

pub(super) fn person(name: &str) -> Person {
    Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse(name).unwrap() }
}

pub(super) async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A plain connection to one server.
pub(super) struct Server {
    connection: redis::aio::MultiplexedConnection,
}

impl Server {
    pub(super) async fn connect(url: &str) -> Self {
        let client = redis::Client::open(url).unwrap();
        let connection = client.get_multiplexed_async_connection().await.unwrap();
        Self { connection }
    }

    pub(super) async fn run<T: redis::FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query_async(&mut self.connection).await.unwrap()
    }

    /// Returns the node's sharded channels on this server, without those of the canary.
    pub(super) async fn channels(&mut self) -> Vec<String> {
        let mut channels: Vec<String> = self.run(&["PUBSUB", "SHARDCHANNELS"]).await;
        channels.retain(|channel| !keys::is_canary_channel(channel));
        channels
    }

    /// Disconnects every subscriber.
    pub(super) async fn cut_subscribers(&mut self) -> usize {
        self.run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await
    }
}

/// Returns the URLs of a list by port.
pub(super) fn urls(list: &str) -> HashMap<u16, String> {
    list.split(',')
        .map(|url| {
            let port = url.rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
            (port, url.to_owned())
        })
        .collect()
}
