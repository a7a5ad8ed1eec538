//! Presence on a real Redis: several nodes, several devices, and each of them lost at a bad moment.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region};
use rts_common::ids::{NodeId, OrgId, Person, UserId};
use rts_common::redis::keys::{self, Partition};
use rts_common::redis::{Redis, RedisServers, read};
use rts_common::seq::Timestamp;
use rts_common::signalr::Protocol;
use rts_common::store::{Store, Tables};
use rts_gateway::connection::{ConnectionId, Outbox, SessionHandle};
use rts_gateway::fanout::{Attachment, Fanout};
use rts_gateway::lifecycle::Lifecycle;
use rts_gateway::presence::{PersonStatus, Presence, PresenceError, PresenceGuard, PresenceSettings, Status};
use rts_gateway::rooms::Rooms;
use rts_local::{Cluster, ClusterOptions, Proxy, Traffic};

const PATIENCE: Duration = Duration::from_secs(20);
const MOST: usize = 3;

/// Shorter than in production, and long enough for a busy machine.
const SETTINGS: PresenceSettings = PresenceSettings {
    lease: Duration::from_millis(2400),
    renew_every: Duration::from_millis(400),
    grace: Duration::from_millis(900),
    connections_max: MOST,
};

/// The presence part of one gateway.
struct Node {
    presence: Presence,
    fanout: Fanout,
    redis: Arc<Redis>,
    lifecycle: Lifecycle,
}

impl Node {
    fn start(url: &str) -> Self {
        let servers = RedisServers::parse(url).unwrap();
        let redis = Arc::new(Redis::new(&servers, |_, _| ()).unwrap());
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:9")
            .build();
        let rooms = Arc::new(Rooms::new(Arc::clone(&redis), Store::connect(&config, Tables::default())));
        let lifecycle = Lifecycle::new();
        let presence = Presence::start(Arc::clone(&redis), SETTINGS, &lifecycle);
        let fanout = Fanout::start(NodeId::random(), &servers, Arc::clone(&redis), rooms, &lifecycle).unwrap();
        Self { presence, fanout, redis, lifecycle }
    }

    async fn open(&self, name: &str) -> Device {
        let id = ConnectionId::random();
        let place = self.presence.open(&person(name), id).await.unwrap();
        Device { id, place }
    }

    async fn status(&self, name: &str) -> PersonStatus {
        self.presence.status_of(&person(name)).await.unwrap()
    }

    async fn becomes(&self, name: &str, status: Status) -> PersonStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Redis may be down for a while.
            if let Ok(found) = self.presence.status_of(&person(name)).await
                && found.status == status
            {
                return found;
            }
            assert!(Instant::now() < deadline, "{name} does not become {status:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Returns the number of a user's connections in Redis.
    async fn connections(&self, name: &str) -> usize {
        let mut count = redis::cmd("HLEN");
        count.arg(format!("{}:connections", keys::person(&person(name))));
        read(self.redis.command("test", &count).await.unwrap()).unwrap()
    }

    /// Ends everything without a goodbye, like `kill -9`.
    fn kill(&self) {
        self.lifecycle.stopping().cancel();
    }

    async fn watcher(&self, name: &str) -> Watching {
        let session = SessionHandle {
            connection_id: ConnectionId::random(),
            person: person(name),
            protocol: Protocol::Json,
            outbox: Arc::new(Outbox::default()),
        };
        // Everything is in Redis; nothing listens for DynamoDB.
        rts_common::redis::stored::merge_rooms(
            &self.redis,
            &person(name),
            rts_common::redis::stored::RoomList::Load,
            &[],
        )
        .await
        .unwrap();
        let attachment = self.fanout.attach(session.clone(), Instant::now() + Duration::from_secs(10)).await.unwrap();
        Watching { session, attachment, heard: Vec::new() }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Device {
    id: ConnectionId,
    place: PresenceGuard,
}

/// A session that watches, and the records that it got.
struct Watching {
    session: SessionHandle,
    attachment: Attachment,
    heard: Vec<(String, String)>,
}

impl Watching {
    async fn watch(&mut self, names: &[&str]) -> Vec<(String, Status)> {
        let people: HashSet<_> = names.iter().map(|name| person(name)).collect();
        let (statuses, under_way) = self.attachment.watcher().watch(people).await.unwrap();
        drop(under_way);
        let mut found: Vec<_> =
            statuses.into_iter().map(|(person, status)| (person.user.to_string(), status.status)).collect();
        found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        found
    }

    /// Returns the statuses of a user that the session got so far.
    fn of(&mut self, name: &str) -> Vec<&str> {
        for record in self.session.outbox.drain().records {
            let record = record.strip_suffix(b"\x1e").unwrap();
            let record: serde_json::Value = serde_json::from_slice(record).unwrap();
            assert_eq!(record["target"], "PresenceChanged");
            let event = &record["arguments"][0];
            let text = |field: &str| event[field].as_str().unwrap().to_owned();
            assert_eq!(event["lastSeenAt"].is_string(), event["status"] == "offline");
            self.heard.push((text("userId"), text("status")));
        }
        self.heard.iter().filter(|(user, _)| user == name).map(|(_, status)| status.as_str()).collect()
    }

    async fn hears(&mut self, name: &str, statuses: &[&str]) {
        let deadline = Instant::now() + PATIENCE;
        while self.of(name) != statuses {
            assert!(Instant::now() < deadline, "of {name}: {:?}, not {statuses:?}", self.of(name));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

fn person(name: &str) -> Person {
    Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse(name).unwrap() }
}

async fn redis() -> Cluster {
    Cluster::start(ClusterOptions::redis_only()).await.unwrap()
}

/// Waits until Redis has no connection of a user whose node is gone.
async fn no_ghosts(node: &Node, name: &str) {
    let deadline = Instant::now() + PATIENCE;
    while node.connections(name).await > 0 {
        assert!(Instant::now() < deadline, "a ghost of {name}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_is_online_on_any_device_away_on_all_and_shown_until_the_grace_ends() {
    let cluster = redis().await;
    let (one, two) = (Node::start(&cluster.redis_url()), Node::start(&cluster.redis_url()));
    assert_eq!(one.status("ann").await, PersonStatus::UNKNOWN);
    let mut bob = two.watcher("bob").await;
    assert_eq!(
        bob.watch(&["ann", "nobody"]).await,
        [("ann".to_owned(), Status::Offline), ("nobody".to_owned(), Status::Offline)]
    );
    let (desk, phone) = (one.open("ann").await, two.open("ann").await);
    bob.hears("ann", &["online"]).await;
    one.presence.set(&person("ann"), desk.id, true).await.unwrap();
    assert_eq!(one.status("ann").await.status, Status::Online);
    two.presence.set(&person("ann"), phone.id, true).await.unwrap();
    assert_eq!(one.status("ann").await.status, Status::Away);
    one.presence.set(&person("ann"), desk.id, false).await.unwrap();
    bob.hears("ann", &["online", "away", "online"]).await;
    // The remaining devices count once the closed one is not shown any more.
    drop(desk.place);
    bob.hears("ann", &["online", "away", "online", "away"]).await;
    let left = Timestamp::now();
    drop(phone.place);
    tokio::time::sleep(SETTINGS.grace / 3).await;
    assert_eq!(one.status("ann").await.status, Status::Away, "still shown");
    let offline = one.becomes("ann", Status::Offline).await;
    let seen = offline.last_seen_at.unwrap().millis();
    assert!(seen.abs_diff(left.millis()) < 500, "{seen} is when she left, {left}, not when the grace was over");
    bob.hears("ann", &["online", "away", "online", "away", "offline"]).await;
    assert_eq!(one.connections("ann").await, 0);
    // The away device outlasts the online one, and changes nothing.
    let (desk, phone) = (one.open("ann").await, two.open("ann").await);
    two.presence.set(&person("ann"), phone.id, true).await.unwrap();
    drop(desk.place);
    tokio::time::sleep(SETTINGS.grace / 3).await;
    drop(phone.place);
    bob.hears("ann", &["online", "away", "online", "away", "offline", "online", "offline"]).await;
    // A list replaces the last.
    assert_eq!(bob.watch(&["cid"]).await, [("cid".to_owned(), Status::Offline)]);
    let _ann = one.open("ann").await;
    let _cid = one.open("cid").await;
    bob.hears("cid", &["online"]).await;
    assert_eq!(bob.of("ann").len(), 7);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reconnect_on_any_node_shows_nothing() {
    let cluster = redis().await;
    let nodes = [Node::start(&cluster.redis_url()), Node::start(&cluster.redis_url())];
    let mut bob = nodes[0].watcher("bob").await;
    bob.watch(&["ann"]).await;
    let mut ann = nodes[0].open("ann").await;
    bob.hears("ann", &["online"]).await;
    for turn in 1..8 {
        drop(ann.place);
        tokio::time::sleep(SETTINGS.grace / 4).await;
        ann = nodes[turn % 2].open("ann").await;
    }
    tokio::time::sleep(SETTINGS.grace * 2).await;
    assert_eq!(bob.of("ann"), ["online"]);
    assert_eq!(nodes[0].connections("ann").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_counts_all_nodes_and_no_closed_connections() {
    let cluster = redis().await;
    let nodes = [Node::start(&cluster.redis_url()), Node::start(&cluster.redis_url())];
    let ann = person("ann");
    let opened = (0..10).map(|turn| nodes[turn % 2].presence.open(&ann, ConnectionId::random()));
    let (mut places, refused): (Vec<_>, Vec<_>) =
        futures_util::future::join_all(opened).await.into_iter().partition(Result::is_ok);
    assert_eq!(places.len(), MOST);
    assert!(refused.iter().all(|refused| matches!(refused, Err(PresenceError::TooMany))));
    for turn in 0..6 {
        // Shown for the grace, and not counted.
        places.pop();
        let id = ConnectionId::random();
        let deadline = Instant::now() + PATIENCE;
        let place = loop {
            match nodes[turn % 2].presence.open(&ann, id).await {
                Ok(place) => break place,
                Err(reason) => assert!(reason == PresenceError::TooMany && Instant::now() < deadline),
            }
        };
        places.insert(0, Ok(place));
    }
    assert_eq!(nodes[0].status("ann").await.status, Status::Online);
    places.clear();
    nodes[1].becomes("ann", Status::Offline).await;
    no_ghosts(&nodes[0], "ann").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn users_of_a_dead_node_are_reaped_by_another_and_their_connections_freed() {
    let cluster = redis().await;
    let survivor = Node::start(&cluster.redis_url());
    let mut bob = survivor.watcher("bob").await;
    bob.watch(&["ann", "cid"]).await;
    let mut told = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let dying = Node::start(&cluster.redis_url());
        let _devices =
            [dying.open("ann").await, dying.open("ann").await, dying.open("ann").await, dying.open("cid").await];
        let cid = survivor.open("cid").await;
        let killed = (Instant::now(), Timestamp::now());
        dying.kill();
        let offline = survivor.becomes("ann", Status::Offline).await;
        assert!(killed.0.elapsed() < SETTINGS.lease + SETTINGS.renew_every + PATIENCE / 2);
        let seen = offline.last_seen_at.unwrap().millis();
        assert!(seen <= killed.1.millis() + 5, "the lease was renewed before");
        no_ghosts(&survivor, "ann").await;
        assert_eq!((survivor.status("cid").await.status, survivor.connections("cid").await), (Status::Online, 1));
        drop(cid.place);
        survivor.becomes("cid", Status::Offline).await;
        told.0.extend(["online", "offline"]);
        told.1.extend(["online", "offline"]);
        bob.hears("ann", &told.0).await;
        bob.hears("cid", &told.1).await;
    }
    let partition = Partition::of_person(&person("ann"));
    let mut nodes = redis::cmd("ZCARD");
    nodes.arg(partition.presence_nodes());
    let deadline = Instant::now() + PATIENCE;
    while read::<usize>(survivor.redis.command("test", &nodes).await.unwrap()).unwrap() > 1 {
        assert!(Instant::now() < deadline, "the dead are forgotten");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_data_gets_all_users_again() {
    let cluster = redis().await;
    let node = Node::start(&cluster.redis_url());
    let mut bob = node.watcher("bob").await;
    bob.watch(&["ann"]).await;
    let desk = node.open("ann").await;
    node.presence.set(&person("ann"), desk.id, true).await.unwrap();
    let phone = node.open("ann").await;
    bob.hears("ann", &["online", "away", "online"]).await;
    node.redis.command("test", &redis::cmd("FLUSHALL")).await.unwrap();
    assert_eq!(node.status("ann").await.status, Status::Offline);
    node.becomes("ann", Status::Online).await;
    assert_eq!(node.connections("ann").await, 2);
    drop((desk.place, phone.place));
    node.becomes("ann", Status::Offline).await;
    no_ghosts(&node, "ann").await;
    bob.hears("ann", &["online", "away", "online", "offline"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_redis_is_reaped_and_comes_back_and_its_watchers_compare() {
    let cluster = redis().await;
    let port = cluster.redis_url().rsplit(':').next().unwrap().trim_end_matches('/').parse().unwrap();
    let proxy = Proxy::start(port).await.unwrap();
    let behind = Node::start(&format!("redis://127.0.0.1:{}", proxy.port()));
    let other = Node::start(&cluster.redis_url());
    let _ann = behind.open("ann").await;
    let bob = other.open("bob").await;
    let mut eve = behind.watcher("eve").await;
    assert_eq!(eve.watch(&["bob"]).await, [("bob".to_owned(), Status::Online)]);
    for traffic in [Traffic::Refuse, Traffic::Stall] {
        // The other one has to have held its own lease for a while.
        tokio::time::sleep(SETTINGS.lease + SETTINGS.renew_every).await;
        proxy.set(traffic);
        other.becomes("ann", Status::Offline).await;
        no_ghosts(&other, "ann").await;
        let opened = behind.presence.open(&person("cid"), ConnectionId::random()).await;
        assert_eq!(opened.err(), Some(PresenceError::Unavailable));
        proxy.set(Traffic::Pass);
        other.becomes("ann", Status::Online).await;
        no_ghosts(&other, "cid").await;
    }
    proxy.set(Traffic::Refuse);
    drop(bob.place);
    other.becomes("bob", Status::Offline).await;
    assert_eq!(eve.of("bob").len(), 0);
    proxy.set(Traffic::Pass);
    eve.hears("bob", &["offline"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn states_that_a_failover_restores_or_loses_are_corrected() {
    let cluster = redis().await;
    let node = Node::start(&cluster.redis_url());
    let _ann = node.open("ann").await;
    let ghost = node.open("ghost").await;
    // The state before she left, as a replica may have it that lacks the newest.
    let (base, partition) = (keys::person(&person("ghost")), Partition::of_person(&person("ghost")));
    let mut entries = redis::cmd("HGETALL");
    entries.arg(format!("{base}:connections"));
    let before: Vec<(String, String)> = read(node.redis.command("test", &entries).await.unwrap()).unwrap();
    drop(ghost.place);
    node.becomes("ghost", Status::Offline).await;
    let (id, value) = &before[0];
    let holder = NodeId::parse(value.split(' ').next().unwrap()).unwrap();
    for command in [
        vec!["HSET".to_owned(), format!("{base}:connections"), id.clone(), value.clone()],
        vec!["SADD".to_owned(), partition.presence_people(&holder), person("ghost").key()],
        vec!["HSET".to_owned(), format!("{base}:status"), "s".to_owned(), "o".to_owned()],
        vec!["DEL".to_owned(), format!("{}:connections", keys::person(&person("ann")))],
        vec!["DEL".to_owned(), Partition::of_person(&person("ann")).presence_people(&holder)],
        vec!["DEL".to_owned(), format!("{}:status", keys::person(&person("ann")))],
    ] {
        let mut lost = redis::cmd(&command[0]);
        lost.arg(&command[1..]);
        node.redis.command("test", &lost).await.unwrap();
    }
    // An older renewal of the lease shows it.
    for each in Partition::all() {
        let mut renewal = redis::cmd("ZADD");
        renewal.arg(each.presence_nodes()).arg(Timestamp::now().millis() - 1500).arg(holder.as_str());
        node.redis.command("test", &renewal).await.unwrap();
    }
    node.becomes("ghost", Status::Offline).await;
    no_ghosts(&node, "ghost").await;
    node.becomes("ann", Status::Online).await;
}
