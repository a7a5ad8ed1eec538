//! The reconciler on a real Redis, with a DynamoDB and an SQS that the test controls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_config::SdkConfig;
use axum::Router;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use rts_common::ids::{ClientId, NodeId, OrgId, Person, RoomId, UserId};
use rts_common::message::MessageContent;
use rts_common::record::{MessageRecord, RoomChange, RoomRecord};
use rts_common::redis::journaled::{Journaled, SET_ASIDE_FOR, message_member};
use rts_common::redis::keys::{Partition, UNSTORED_END};
use rts_common::redis::{Redis, read, scripts, stored};
use rts_common::room::{Closing, Role, RoomKind};
use rts_common::seq::{Seq, Timestamp};
use rts_common::store::schema::messages as names;
use rts_common::store::{Store, Tables};
use rts_gateway::journal::{Journal, JournalLimits};
use rts_gateway::lifecycle::Lifecycle;
use rts_gateway::reconciler::{self, ReconcilerParts, ReconcilerSettings};
use rts_gateway::rooms::{Attempt, MessageAt, MessageChange, NewRoom, RoomOperation, Rooms, Sending, Sent};
use serde_json::{Value, json};

use crate::support::RedisServer;

/// The requests to AWS, and the contents of DynamoDB.
#[derive(Default)]
struct Aws {
    /// Stored versions of messages.
    stored: Mutex<HashMap<u64, u64>>,
    journaled: Mutex<Vec<Value>>,
}

async fn answer(State(aws): State<Arc<Aws>>, headers: HeaderMap, body: String) -> String {
    let request: Value = serde_json::from_str(&body).unwrap();
    let target = headers["x-amz-target"].to_str().unwrap();
    let answer = match target.split_once('.').unwrap().1 {
        "BatchGetItem" => {
            let stored = aws.stored.lock().unwrap();
            let table = Tables::default().messages;
            let keys = request["RequestItems"][&table]["Keys"].as_array().unwrap();
            let items = keys.iter().filter_map(|key| {
                let seq = key[names::SEQ]["N"].as_str()?;
                let version = stored.get(&seq.parse().ok()?)?;
                Some(json!({names::SEQ: {"N": seq}, names::VERSION: {"N": version.to_string()}}))
            });
            json!({"Responses": {table: items.collect::<Vec<_>>()}})
        }
        "SendMessageBatch" => {
            let entries = request["Entries"].as_array().unwrap();
            aws.journaled.lock().unwrap().extend(entries.iter().cloned());
            let successful =
                entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
            json!({"Successful": successful.collect::<Vec<_>>(), "Failed": []})
        }
        "Query" => json!({"Items": [], "Count": 0}),
        _ => json!({}),
    };
    answer.to_string()
}

struct World {
    _server: RedisServer,
    redis: Arc<Redis>,
    rooms: Arc<Rooms>,
    store: Store,
    aws: Arc<Aws>,
    config: SdkConfig,
    endpoint: String,
    lifecycle: Lifecycle,
}

impl World {
    async fn start() -> Self {
        let aws = Arc::new(Aws::default());
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&aws));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = crate::support::aws(&endpoint);
        let server = RedisServer::start();
        let redis = server.client();
        let store = Store::connect(&config, Tables::default());
        let rooms = Arc::new(Rooms::new(Arc::clone(&redis), store.clone()));
        let lifecycle = Lifecycle::new();
        Self { _server: server, redis, rooms, store, aws, config, endpoint, lifecycle }
    }

    /// Starts one more node's reconciler.
    fn reconcile(&self) {
        let journal = |name: &str| {
            let url = format!("{}/000000000000/{name}", self.endpoint);
            Journal::start(&self.config, &url, JournalLimits::default(), &self.lifecycle)
        };
        let parts = ReconcilerParts {
            node: NodeId::random(),
            redis: Arc::clone(&self.redis),
            store: self.store.clone(),
            rooms: Arc::clone(&self.rooms),
            message_journal: journal("chat-message-queue.fifo"),
            room_journal: journal("chat-room-queue"),
            queues: Arc::default(),
        };
        let settings = ReconcilerSettings {
            after: Duration::from_millis(100),
            round: Duration::from_millis(300),
            lease: Duration::from_secs(5),
        };
        reconciler::start(parts, settings, &self.lifecycle);
    }

    async fn room(&self) -> RoomId {
        let room_id = RoomId::new_group();
        let creator = person("ann");
        let members = ["ann", "bob"].map(|name| (person(name).user, Role::Owner, name.to_owned())).to_vec();
        let new = NewRoom {
            room_id: &room_id,
            creator: &creator,
            kind: RoomKind::Group,
            name: Some("before"),
            case_id: None,
            members,
        };
        self.rooms.create(&new).await.unwrap();
        room_id
    }

    async fn send(&self, room: &RoomId, client_id: &str) -> Seq {
        let person = person("ann");
        let content = content(client_id);
        let sending = Sending { person: &person, room, content: &content, accept: true };
        let Ok(Sent::New(state)) = crate::support::send(&self.rooms, &sending).await else {
            panic!("it is new");
        };
        state.seq
    }

    async fn unstored(&self, room: &RoomId) -> Vec<String> {
        let mut range = redis::cmd("ZRANGE");
        let end = format!("({UNSTORED_END}");
        range.arg(Partition::of_room(room).unstored()).arg("-inf").arg(end).arg("BYSCORE");
        read(self.redis.command("test", &range).await.unwrap()).unwrap()
    }

    async fn wait_unstored(&self, room: &RoomId, wanted: &[String]) {
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let mut found = self.unstored(room).await;
            found.sort_unstable();
            if found == wanted {
                return;
            }
            assert!(Instant::now() < deadline, "{found:?} is to be {wanted:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits for a number of bodies in the journal, and then checks that no more come.
    async fn journaled(&self, number: usize) -> Vec<Value> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.aws.journaled.lock().unwrap().len() < number {
            assert!(Instant::now() < deadline, "{:?}", self.aws.journaled.lock().unwrap());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let journaled = self.aws.journaled.lock().unwrap().clone();
        assert_eq!(journaled.len(), number, "nothing is journaled every round");
        journaled
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.lifecycle.stopping().cancel();
    }
}

fn person(name: &str) -> Person {
    Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse(name).unwrap() }
}

fn content(client_id: &str) -> MessageContent {
    MessageContent {
        sender_id: person("ann").user,
        client_id: ClientId::parse(client_id).unwrap(),
        body: client_id.to_owned(),
        attachments: Vec::new(),
        reply_to: None,
        mentions: Vec::new(),
        edited_at: None,
        deleted: false,
        reactions: Vec::new(),
    }
}

fn body<T: serde::de::DeserializeOwned>(entry: &Value) -> T {
    serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn unstored_messages_are_cleared_journaled_once_or_given_up() {
    let world = World::start().await;
    let room = world.room().await;
    let (stored, missing) = (world.send(&room, "stored").await, world.send(&room, "missing").await);
    world.aws.stored.lock().unwrap().insert(stored.get(), stored.get());
    // One that no store has any more, and one that cannot be parsed.
    let (lost, unreadable) = (format!("m:{room}:5:5"), "what".to_owned());
    let mut add = redis::cmd("ZADD");
    add.arg(Partition::of_room(&room).unstored()).arg(5).arg(&lost).arg(6).arg(&unreadable);
    world.redis.command("test", &add).await.unwrap();
    // The room's own change is journaled too: not of interest here.
    let room_entries: Vec<_> =
        world.unstored(&room).await.into_iter().filter(|entry| entry.starts_with("r:")).collect();
    let mut remove = redis::cmd("ZREM");
    remove.arg(Partition::of_room(&room).unstored()).arg(room_entries);
    world.redis.command("test", &remove).await.unwrap();

    world.reconcile();
    world.reconcile();
    world.wait_unstored(&room, &[format!("m:{room}:{missing}:{missing}")]).await;
    let journaled = world.journaled(1).await;
    let record: MessageRecord = body(&journaled[0]);
    assert_eq!((record.message.seq, record.message.content.body.as_str()), (missing, "missing"));
    assert_eq!(record.org, person("ann").org);
    assert_eq!(journaled[0]["MessageDeduplicationId"], format!("{room}:{missing}"));
    assert_eq!(journaled[0]["MessageGroupId"], room.as_str());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_is_journaled_with_its_state_although_the_message_is_stored() {
    let world = World::start().await;
    let room = world.room().await;
    let seq = world.send(&room, "message").await;
    world.aws.stored.lock().unwrap().insert(seq.get(), seq.get());
    let ann = person("ann");
    let at = MessageAt { person: &ann, room: &room, seq };
    let edited = world
        .rooms
        .change_message(at, |found| {
            let mut content = found.state.content.clone();
            "edited".clone_into(&mut content.body);
            Ok(Some(MessageChange::Edit(content)))
        })
        .await;
    assert!(edited.is_ok());
    world.reconcile();
    let journaled = world.journaled(2).await;
    let message = journaled.iter().find(|entry| entry["MessageGroupId"].is_string()).unwrap();
    let record: MessageRecord = body(message);
    assert_eq!((record.message.seq, record.message.content.body.as_str()), (seq, "edited"));
    assert!(record.message.version > seq);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_is_journaled_completely_under_its_last_version_and_the_others_are_removed() {
    let world = World::start().await;
    let room = world.room().await;
    let rename = RoomOperation::Rename("after");
    world.rooms.change_room(&person("ann"), &room, &rename).await.unwrap();
    let bob = person("bob").user;
    let remove = RoomOperation::Remove(&bob);
    let last = world.rooms.change_room(&person("ann"), &room, &remove).await.unwrap();
    let last = last.members()[0].version;
    world.reconcile();
    let journaled = world.journaled(3).await;
    let records: Vec<RoomRecord> = journaled.iter().map(body).collect();
    let mut versions = Vec::new();
    for record in &records {
        let RoomChange::Room { version, facts, members, .. } = &record.change else {
            panic!("{record:?}");
        };
        versions.push(format!("r:{room}:{version}"));
        if *version == last {
            assert_eq!(facts.as_ref().unwrap().name.as_deref(), Some("after"));
            let roles: Vec<_> = members.iter().map(|member| (member.user_id.as_str(), member.role)).collect();
            assert!(roles.contains(&("ann", Some(Role::Owner))) && roles.contains(&("bob", None)), "{roles:?}");
        } else {
            assert!(facts.is_none() && members.is_empty());
        }
    }
    world.wait_unstored(&room, &versions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_whose_archiver_died_is_journaled_with_its_contents() {
    let world = World::start().await;
    let room = world.room().await;
    let (first, last) = (world.send(&room, "first").await, world.send(&room, "last").await);
    for seq in [first, last] {
        world.aws.stored.lock().unwrap().insert(seq.get(), seq.get());
    }
    world.rooms.change_room(&person("ann"), &room, &RoomOperation::Archive).await.unwrap();
    world.reconcile();
    // The room's creation and its archiving; all of it is journaled under the last version.
    let journaled = world.journaled(2).await;
    let closings = journaled.iter().map(body).filter_map(|record: RoomRecord| match record.change {
        RoomChange::Room { closing, facts: Some(facts), .. } => Some((closing, facts.archived_at.is_some())),
        _ => None,
    });
    let members = vec![person("ann").user, person("bob").user];
    let closing = Closing { members, first_seq: first, last_seq: last, message_count: 2 };
    let mut found: Vec<_> = closings.collect();
    if let Some((Some(closing), _)) = found.first_mut() {
        closing.members.sort_unstable();
    }
    assert_eq!(found, [(Some(closing), true)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn accepted_entries_are_left_to_sqs_and_one_calls_messages_are_one_entry() {
    let world = World::start().await;
    let room = world.room().await;
    let room_entries = world.unstored(&room).await;
    let ann = person("ann");
    let contents: Vec<_> = ["one", "two", "three"].map(content).into();
    let sendings: Vec<_> =
        contents.iter().map(|content| Sending { person: &ann, room: &room, content, accept: true }).collect();
    let mut seqs = Vec::new();
    for attempt in world.rooms.send(&sendings).await {
        let Attempt::Done(Ok(Sent::New(state))) = attempt else { panic!("{attempt:?}") };
        seqs.push(state.seq);
    }
    assert_eq!(seqs[1..], [seqs[0].next(), seqs[1].next()]);
    let accepted = world.send(&room, "accepted").await;
    assert!(accepted > seqs[2].next(), "another call leaves a gap");
    let note = Journaled::accepted(Timestamp::now());
    let mut noted = room_entries.clone();
    noted.push(message_member(&room, accepted, accepted));
    for member in &noted {
        let mut add = redis::cmd("ZADD");
        add.arg(Partition::of_room(&room).journaled()).arg(note.score()).arg(member);
        world.redis.command("test", &add).await.unwrap();
    }
    world.reconcile();
    world.reconcile();
    let journaled = world.journaled(1).await;
    let bodies = journaled[0]["MessageBody"].as_str().unwrap().lines();
    let records: Vec<MessageRecord> = bodies.map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.iter().map(|record| record.message.seq).collect::<Vec<_>>(), seqs);
    assert_eq!(journaled[0]["MessageDeduplicationId"], format!("{room}:{}-{}", seqs[0], seqs[2]));
    // A resend of an accepted message is durable; one of a message journaled again, too.
    for (client_id, seq) in [("accepted", accepted), ("two", seqs[1])] {
        let content = content(client_id);
        let sending = Sending { person: &ann, room: &room, content: &content, accept: true };
        let again = crate::support::send(&world.rooms, &sending).await;
        assert!(matches!(again, Ok(Sent::Duplicate { seq: found, durable: true }) if found == seq), "{again:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_functions_set_aside_is_not_journaled_again_and_counts_on_its_own() {
    let world = World::start().await;
    let room = world.room().await;
    let partition = Partition::of_room(&room);
    let keys = [partition.unstored(), partition.journaled()];
    let mut forget = redis::cmd("ZREM");
    forget.arg(&keys[0]).arg(world.unstored(&room).await);
    world.redis.command("test", &forget).await.unwrap();
    let (poison, good) = (world.send(&room, "poison").await, world.send(&room, "good").await);
    let [poison, good] = [poison, good].map(|seq| message_member(&room, seq, seq));
    stored::set_aside(&world.redis, &[(room.clone(), poison.clone())]).await.unwrap();
    // The note of its acceptance comes late, and changes nothing; one of days later does.
    let note = async |at| {
        let score = Journaled::accepted(at).score().to_string();
        world.redis.run_on(&scripts::NOTE_JOURNALED, &keys, &[&poison, &score]).await.unwrap();
        let counted = world.redis.run_on(&scripts::UNSTORED_BACKLOG, &keys, &[]).await.unwrap();
        read::<(usize, usize, String)>(counted).unwrap()
    };
    assert_eq!(note(Timestamp::now()).await, (1, 1, good.clone()));

    world.reconcile();
    let journaled = world.journaled(1).await;
    assert_eq!(body::<MessageRecord>(&journaled[0]).message.content.body, "good");
    world.wait_unstored(&room, &[poison.clone(), good]).await;
    let days_later = Timestamp::from_millis(Timestamp::now().millis() + SET_ASIDE_FOR.as_secs() * 1000 + 1000);
    assert_eq!(note(days_later).await, (2, 0, poison.clone()));
}

/// One call gives many rooms of a partition the same seq.
#[tokio::test(flavor = "multi_thread")]
async fn entries_of_one_time_are_all_seen_beyond_a_page() {
    let world = World::start().await;
    let room = world.room().await;
    let mut add = redis::cmd("ZADD");
    add.arg(Partition::of_room(&room).unstored());
    for message in 1..=1200 {
        add.arg(7).arg(format!("m:{room}:{message}:7"));
    }
    let rooms_own = world.unstored(&room).await;
    world.redis.command("test", &add).await.unwrap();
    // Nobody has them.
    world.reconcile();
    world.wait_unstored(&room, &rooms_own).await;
}
