//! Marks on their way to the journal: rooms on a real Redis, and an SQS that the test controls.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rts_common::ids::{OrgId, Person, RoomId, UserId};
use rts_common::record::{FORMAT, RoomChange, RoomRecord};
use rts_common::redis::{Redis, keys, read, stored};
use rts_common::room::{Marks, Role, RoomKind};
use rts_common::seq::Seq;
use rts_common::store::{Store, Tables};
use rts_gateway::journal::{Journal, JournalLimits};
use rts_gateway::lifecycle::Lifecycle;
use rts_gateway::marks::{ENTRY_MARKS, JOURNAL_LIMITS, MarkGatherer, MarkSettings};
use rts_gateway::rooms::{MarkKind, NewRoom, Rooms, Sending, Sent};
use serde_json::{Value, json};

use crate::support::RedisServer;

const PEOPLE: [&str; 3] = ["ann", "bob", "cho"];

/// An SQS that may refuse entries of marks.
#[derive(Default)]
struct Sqs {
    bodies: Mutex<Vec<String>>,
    refuses_marks: AtomicBool,
}

async fn answer(State(sqs): State<Arc<Sqs>>, body: String) -> Response {
    let request: Value = serde_json::from_str(&body).unwrap();
    let entries = request["Entries"].as_array().unwrap();
    if body.contains(r#"\"marks\""#) && sqs.refuses_marks.load(Ordering::SeqCst) {
        return (StatusCode::SERVICE_UNAVAILABLE, "{}").into_response();
    }
    let bodies = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap().to_owned());
    sqs.bodies.lock().unwrap().extend(bodies);
    let successful = entries.iter().map(|entry| json!({"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": "x"}));
    json!({"Successful": successful.collect::<Vec<_>>(), "Failed": []}).to_string().into_response()
}

struct World {
    _server: RedisServer,
    redis: Arc<Redis>,
    rooms: Rooms,
    sqs: Arc<Sqs>,
    room_journal: Journal,
    marks: MarkGatherer,
    lifecycle: Lifecycle,
}

impl World {
    async fn start(gather: Duration, limits: JournalLimits) -> Self {
        let sqs = Arc::new(Sqs::default());
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&sqs));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        let config = crate::support::aws(&endpoint);
        let server = RedisServer::start();
        let redis = server.client();
        let lifecycle = Lifecycle::new();
        let url = format!("{endpoint}/000000000000/chat-room-queue");
        let journal = |limits| Journal::start(&config, &url, limits, &lifecycle);
        let settings = MarkSettings { gather, ..MarkSettings::default() };
        Self {
            _server: server,
            rooms: Rooms::new(Arc::clone(&redis), Store::connect(&config, Tables::default())),
            redis,
            sqs,
            room_journal: journal(JournalLimits::default()),
            marks: MarkGatherer::start(journal(limits), settings, &lifecycle),
            lifecycle,
        }
    }

    /// Makes a room of all, with some messages.
    async fn room(&self, messages: usize) -> (RoomId, Vec<Seq>) {
        let room_id = RoomId::new_group();
        let creator = person("ann");
        let members = PEOPLE.map(|name| (person(name).user, Role::Owner, name.to_owned())).to_vec();
        let kind = RoomKind::Group;
        let new = NewRoom { room_id: &room_id, creator: &creator, kind, name: None, case_id: None, members };
        self.rooms.create(&new).await.unwrap();
        let mut seqs = Vec::new();
        for number in 0..messages {
            let id = rts_common::ids::ClientId::parse(&format!("c{number}")).unwrap();
            let content = rts_common::message::MessageContent::new(creator.user.clone(), id, "hello".to_owned());
            let sending = Sending { person: &creator, room: &room_id, content: &content, accept: true };
            let Ok(Sent::New(state)) = crate::support::send(&self.rooms, &sending).await else { panic!("it is new") };
            seqs.push(state.seq);
        }
        (room_id, seqs)
    }

    /// Sets a mark as the hub does; true if it is to be journaled.
    async fn mark(&self, who: &str, room: &RoomId, seq: Seq) -> bool {
        let person = person(who);
        let marked = self.rooms.mark(&person, room, MarkKind::Read, seq).await.unwrap();
        assert!(marked.marks.read_seq >= seq, "answered from Redis");
        if marked.is_owed {
            self.marks.add(&person, room, marked.marks);
        }
        marked.is_owed
    }

    fn entries(&self) -> usize {
        self.sqs.bodies.lock().unwrap().len()
    }

    /// Returns all journaled marks in their order.
    fn journaled(&self) -> Vec<(String, RoomId, Marks)> {
        let bodies = self.sqs.bodies.lock().unwrap();
        let records = bodies.iter().flat_map(|body| body.lines()).map(serde_json::from_str::<RoomRecord>);
        let marks = records.filter_map(|record| match record.unwrap().change {
            RoomChange::Marks { room_id, user_id, marks } => Some((user_id.to_string(), room_id, marks)),
            _ => None,
        });
        marks.collect()
    }

    async fn wait_journaled(&self, number: usize) -> Vec<(String, RoomId, Marks)> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while self.journaled().len() < number {
            assert!(Instant::now() < deadline, "{:?}", self.journaled());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.journaled()
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

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_of_marks_is_one_record_of_each_member_and_room_and_one_entry() {
    let world = World::start(Duration::from_secs(1), JOURNAL_LIMITS).await;
    let rooms = [world.room(20).await, world.room(20).await];
    for number in 0..20 {
        for (room, seqs) in &rooms {
            for who in PEOPLE {
                assert!(world.mark(who, room, seqs[number]).await, "it moves");
                assert!(!world.mark(who, room, seqs[number]).await, "it does not move");
                assert!(!world.mark(who, room, seqs[0]).await, "nor back");
            }
        }
    }
    let journaled = world.wait_journaled(6).await;
    assert_eq!((journaled.len(), world.entries()), (6, 1));
    let last: HashMap<_, _> = rooms.iter().map(|(room, seqs)| (room.clone(), seqs[19])).collect();
    for (who, room, marks) in &journaled {
        let seq = last[room];
        assert_eq!(*marks, Marks { read_seq: seq, delivered_seq: seq }, "{who}");
    }
    // What does not move costs nothing, whoever says it again.
    for (room, seqs) in &rooms {
        assert!(!world.mark("bob", room, seqs[19]).await);
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(world.entries(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn marks_that_sqs_refuses_refuse_nobody_and_are_journaled_in_their_last_state() {
    let world = World::start(Duration::from_millis(100), JournalLimits { places: 2, ..JOURNAL_LIMITS }).await;
    let (room, seqs) = world.room(10).await;
    world.sqs.refuses_marks.store(true, Ordering::SeqCst);
    for seq in &seqs[..9] {
        for who in PEOPLE {
            world.mark(who, &room, *seq).await;
        }
        // Changes of rooms, on the same queue, go on; those of messages have another one.
        let change = RoomChange::Profile { user_id: person("ann").user, display_name: "Ann".to_owned(), version: *seq };
        let record = RoomRecord { v: FORMAT, org: person("ann").org, change };
        let place = world.room_journal.reserve_for(&person("ann")).unwrap();
        assert_eq!(place.room(&record).await, Ok(()));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(world.journaled().is_empty());
    for who in PEOPLE {
        world.mark(who, &room, seqs[9]).await;
    }
    world.sqs.refuses_marks.store(false, Ordering::SeqCst);
    let deadline = Instant::now() + Duration::from_secs(15);
    let has_all = || {
        let journaled = world.journaled();
        PEOPLE.iter().all(|who| journaled.iter().any(|(user, _, marks)| user == who && marks.read_seq == seqs[9]))
    };
    while !has_all() {
        assert!(Instant::now() < deadline, "{:?}", world.journaled());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_journals_all_that_is_gathered() {
    let world = World::start(Duration::from_hours(1), JOURNAL_LIMITS).await;
    let (room, seqs) = world.room(2).await;
    for number in 0..=ENTRY_MARKS {
        let (who, marks) = (person(&format!("u{number}")), Marks { read_seq: seqs[0], delivered_seq: seqs[1] });
        world.marks.add(&who, &room, marks);
    }
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(world.entries(), 0, "their time has not come");
    assert!(world.marks.flush(Duration::from_secs(10)).await);
    assert_eq!((world.journaled().len(), world.entries()), (ENTRY_MARKS + 1, 2));
    assert!(world.marks.flush(Duration::from_secs(1)).await, "nothing is left");

    let world = World::start(Duration::from_hours(1), JOURNAL_LIMITS).await;
    world.sqs.refuses_marks.store(true, Ordering::SeqCst);
    world.marks.add(&person("ann"), &room, Marks::default());
    assert!(!world.marks.flush(Duration::from_millis(300)).await, "it says that something is left");
}

/// A node that dies with gathered marks leaves a note in Redis, which goes once they are stored.
#[tokio::test(flavor = "multi_thread")]
async fn marks_whose_node_died_are_journaled_by_the_next_even_if_they_do_not_move() {
    let world = World::start(Duration::from_hours(1), JOURNAL_LIMITS).await;
    let (room, seqs) = world.room(3).await;
    let run = async |name: &str, arguments: &[&str]| -> Option<String> {
        let mut command = redis::cmd(name);
        command.arg(format!("{}:marks", keys::room(&room))).arg("u:bob").arg(arguments);
        read(world.redis.command("test", &command).await.unwrap()).unwrap()
    };
    assert!(world.mark("bob", &room, seqs[1]).await);
    let told: u64 = run("HGET", &[]).await.unwrap().parse().unwrap();
    assert!(!world.mark("bob", &room, seqs[1]).await, "its node is about to journal it");
    // Six minutes later.
    run("HSET", &[&(told - 360_000_000).to_string()]).await;
    assert!(world.mark("bob", &room, seqs[1]).await);
    assert!(!world.mark("bob", &room, seqs[1]).await, "another node was told now");

    let store = async |seq: Seq| {
        let marks = Marks { read_seq: seq, delivered_seq: seq };
        let change = RoomChange::Marks { room_id: room.clone(), user_id: person("bob").user, marks };
        stored::room(&world.redis, &RoomRecord { v: FORMAT, org: person("bob").org, change }).await.unwrap();
    };
    store(seqs[0]).await;
    assert!(run("HGET", &[]).await.is_some(), "an older state is stored");
    store(seqs[1]).await;
    assert_eq!(run("HGET", &[]).await, None);
    assert!(!world.mark("bob", &room, seqs[1]).await);
}
