//! A Redis that comes back as it was a while ago: what was acknowledged since is there again, once, and what was deleted,
//! changed or removed stays so. The queues, the functions and DynamoDB are real ones.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rts_common::ids::{ClientId, NodeId, OrgId, Person, RoomId, UserId};
use rts_common::message::{MessageContent, MessageState};
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};
use rts_common::redis::keys::{Partition, UNSTORED_END};
use rts_common::redis::{Redis, RedisServers, read};
use rts_common::room::{Role, RoomKind};
use rts_common::seq::Seq;
use rts_common::store::{Direction, Store};
use rts_gateway::journal::{Journal, JournalLimits};
use rts_gateway::lifecycle::Lifecycle;
use rts_gateway::rooms::{
    CreatedRoom, EventsAfter, Fencing, HistoryRange, MessageAt, MessageChange, NewRoom, RoomError, RoomOperation,
    RoomOutcome, Rooms, Sending, Sent,
};
use rts_local::{Cluster, ClusterOptions};
use tokio::time::sleep;

/// Short, so that the test is: nothing is under way when Redis ends.
const QUIET: Duration = Duration::from_millis(300);

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) redis: Arc<Redis>,
    pub(crate) rooms: Rooms,
    store: Store,
    messages: Journal,
    changes: Journal,
    node: NodeId,
    lifecycle: Lifecycle,
}

impl World {
    pub(crate) async fn start() -> Self {
        let cluster = Cluster::start(ClusterOptions::without_gateways()).await.unwrap();
        let (config, tables) = crate::support::aws_of(&cluster);
        let redis = Arc::new(Redis::new(&RedisServers::parse(&cluster.redis_url()).unwrap(), |_, _| ()).unwrap());
        let lifecycle = Lifecycle::new();
        let outputs = cluster.outputs();
        let journal = |url: &str| Journal::start(&config, url, JournalLimits::default(), &lifecycle);
        let (messages, changes) = (journal(&outputs.message_queue_url), journal(&outputs.room_queue_url));
        let store = Store::connect(&config, tables);
        let rooms = Rooms::new(Arc::clone(&redis), store.clone());
        let node = NodeId::random();
        rooms.set_fencing(Fencing { node: node.clone(), journal: messages.clone(), quiet: QUIET });
        Self { cluster, redis, rooms, store, messages, changes, node, lifecycle }
    }

    /// Makes a change durable, in both queues, and lists it as the hub does.
    async fn journal_change(&self, change: RoomChange) {
        let RoomChange::Room { room_id, members, .. } = &change else { panic!("{change:?}") };
        let listed: Vec<_> =
            members.iter().map(|member| (member.user_id.clone(), member.version, member.role.is_some())).collect();
        self.rooms.list_room(&person("ann").org, room_id, &listed).await.unwrap();
        let record = RoomRecord { v: FORMAT, org: person("ann").org, change };
        let message = self.messages.reserve().unwrap().room_again(&record);
        message.and(self.changes.reserve().unwrap().room(&record)).await.unwrap();
    }

    pub(crate) async fn group(&self, names: &[&str]) -> RoomId {
        let room_id = RoomId::new_group();
        let creator = person(names[0]);
        let members = names.iter().map(|name| (person(name).user, Role::Owner, (*name).to_owned())).collect();
        let kind = RoomKind::Group;
        let new = NewRoom { room_id: &room_id, creator: &creator, kind, name: None, case_id: None, members };
        let CreatedRoom::New(change) = self.rooms.create(&new).await.unwrap() else { panic!("it is new") };
        self.journal_change(change).await;
        room_id
    }

    pub(crate) async fn remove(&self, room: &RoomId, name: &str) {
        let user = person(name).user;
        let operation = RoomOperation::Remove(&user);
        let RoomOutcome::Changed(change) = self.rooms.change_room(&person("ann"), room, &operation).await.unwrap()
        else {
            panic!("it changed")
        };
        self.journal_change(change).await;
    }

    /// Creates a message, and leaves it at that, as a gateway does that dies.
    async fn show(&self, room: &RoomId, client_id: &str) -> Sent {
        self.show_of(&person("ann"), room, client_id).await
    }

    pub(crate) async fn show_of(&self, person: &Person, room: &RoomId, client_id: &str) -> Sent {
        let body = client_id.to_owned();
        let content = MessageContent::new(person.user.clone(), ClientId::parse(client_id).unwrap(), body);
        let sending = Sending { person, room, content: &content, accept: true };
        crate::support::send(&self.rooms, &sending).await.unwrap()
    }

    pub(crate) async fn send(&self, room: &RoomId, client_id: &str) -> Seq {
        let Sent::New(message) = self.show(room, client_id).await else { panic!("it is new") };
        let seq = message.seq;
        self.journal(message).await;
        seq
    }

    async fn journal(&self, message: MessageState) {
        let (org, origin) = (person("ann").org, self.node.clone());
        self.messages.reserve().unwrap().message(MessageRecord { v: FORMAT, org, origin, message }).await.unwrap();
    }

    /// Makes a change of a message durable.
    pub(crate) async fn change(&self, room: &RoomId, seq: Seq, change: impl Fn(&mut MessageContent), is_deleted: bool) {
        let ann = person("ann");
        let at = MessageAt { person: &ann, room, seq };
        let changed = self.rooms.change_message(at, |found| {
            let mut content = found.state.content.clone();
            change(&mut content);
            let wanted = if is_deleted { MessageChange::Delete(content) } else { MessageChange::Edit(content) };
            Ok(Some(wanted))
        });
        let (message, _) = changed.await.unwrap();
        self.journal(message).await;
    }

    async fn history(&self, room: &RoomId) -> Result<Vec<MessageState>, RoomError> {
        self.history_of(&person("ann"), room).await
    }

    pub(crate) async fn history_of(&self, person: &Person, room: &RoomId) -> Result<Vec<MessageState>, RoomError> {
        let range = HistoryRange {
            after: Seq::ZERO,
            before: None,
            direction: Direction::Descending,
            limit: 100,
            bytes: 1 << 20,
        };
        Ok(self.rooms.history(person, room, range).await?.messages)
    }

    /// Asks until it is answered.
    async fn answered<T>(&self, mut ask: impl AsyncFnMut() -> Result<T, RoomError>) -> T {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            match ask().await {
                Err(RoomError::Unavailable(why)) => assert!(Instant::now() < deadline, "{why}"),
                answer => return answer.unwrap(),
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn wait_stored(&self, room: &RoomId) {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let mut count = redis::cmd("ZCOUNT");
            count.arg(Partition::of_room(room).unstored()).arg("-inf").arg(format!("({UNSTORED_END}"));
            let unstored: usize = read(self.redis.command("test", &count).await.unwrap()).unwrap();
            if unstored == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "{unstored} are not stored");
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn save(&self) {
        self.redis.command("test", &redis::cmd("SAVE")).await.unwrap();
    }

    /// Ends Redis, and starts it with what was saved last.
    async fn roll_back(&self) {
        self.cluster.kill("redis").await.unwrap();
        self.cluster.start_part("redis").await.unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.lifecycle.stopping().cancel();
    }
}

pub(crate) fn person(name: &str) -> Person {
    Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse(name).unwrap() }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_dump_put_back_takes_nothing_back_that_was_acknowledged() {
    let world = World::start().await;
    let room = world.group(&["ann", "bob", "cyd"]).await;
    let mut seqs = Vec::new();
    for client_id in ["c0", "c1", "c2"] {
        seqs.push(world.send(&room, client_id).await);
    }
    world.wait_stored(&room).await;
    // A gateway dies with this one; nobody has stored it, and Redis still has it afterwards.
    let Sent::New(shown) = world.show(&room, "shown").await else { panic!("it is new") };
    seqs.push(shown.seq);
    world.save().await;

    for client_id in ["c4", "c5"] {
        seqs.push(world.send(&room, client_id).await);
    }
    world.change(&room, seqs[0], MessageContent::bury, true).await;
    world.change(&room, seqs[1], |content| "edited".clone_into(&mut content.body), false).await;
    world.remove(&room, "bob").await;
    let later = world.group(&["ann", "cyd"]).await;
    let in_later = world.send(&later, "first").await;
    let head = world.rooms.head(&room).await.unwrap().unwrap();

    world.roll_back().await;
    let found = world.answered(async || world.history(&room).await).await;
    assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), seqs);
    assert!(found[0].content.deleted && found[0].content.body.is_empty(), "{:?}", found[0]);
    let bodies: Vec<_> = found[1..].iter().map(|message| message.content.body.as_str()).collect();
    assert_eq!(bodies, ["edited", "c2", "shown", "c4", "c5"]);
    assert_eq!(world.rooms.view(&person("bob"), &room).await.err(), Some(RoomError::NotFound));
    // Whoever saw all of it is told to read it again, and not that nothing has happened.
    let resumed = world.rooms.resume(&person("cyd"), &room, head.seq).await.unwrap();
    assert!(matches!(resumed, EventsAfter::Truncated { head: now } if now.seq > head.seq && now.epoch > head.epoch));
    // What is sent again is found, what is new comes behind all of it.
    for (client_id, seq) in [("c0", seqs[0]), ("shown", seqs[3]), ("c5", seqs[5])] {
        let again = world.show(&room, client_id).await;
        assert!(matches!(again, Sent::Duplicate { seq: known, .. } if known == seq), "{client_id}: {again:?}");
    }
    let next = world.send(&room, "next").await;
    assert!(next > head.seq);

    let rooms = world.answered(async || world.rooms.rooms_of(&person("bob")).await).await;
    assert!(!rooms.contains(&room), "{rooms:?}");
    // Redis never had this one: it is there once it is stored.
    let found = world
        .answered(async || match world.history(&later).await {
            Err(RoomError::NotFound) => Err(RoomError::Unavailable("it is not stored yet".to_owned())),
            found => found,
        })
        .await;
    assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), [in_later]);
    let rooms = world.answered(async || world.rooms.rooms_of(&person("cyd")).await).await;
    assert!(rooms.contains(&room) && rooms.contains(&later), "{rooms:?}");
    // DynamoDB has the same, once. The functions, which were not heard for a while, may not tell.
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.store.message(&room, next).await.unwrap().is_none() {
        assert!(Instant::now() < deadline, "it is not stored");
        sleep(Duration::from_millis(50)).await;
    }
    world.roll_back().await;
    let found = world.answered(async || world.history(&room).await).await;
    seqs.push(next);
    assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), seqs);
    assert!(found[0].content.deleted && found[1].content.body == "edited");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_room_share_its_rebuild() {
    let world = World::start().await;
    let room = world.group(&["ann", "bob"]).await;
    let seq = world.send(&room, "c0").await;
    world.save().await;
    world.wait_stored(&room).await;
    world.roll_back().await;
    let ask = async || world.answered(async || world.history(&room).await).await;
    let asked: Vec<_> = (0..50).map(|_| ask()).collect();
    for found in futures_util::future::join_all(asked).await {
        assert_eq!(found.iter().map(|message| message.seq).collect::<Vec<_>>(), [seq]);
    }
    let head = world.rooms.head(&room).await.unwrap().unwrap();
    assert_eq!(head.seq, head.epoch, "nothing has happened since it was rebuilt, and that was once");
}
