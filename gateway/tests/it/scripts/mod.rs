//! No script holds Redis for long: each at its documented worst, by Redis's own clock. Each run is compared with a script of a
//! known length just before it, so that a slow machine changes nothing.

mod changes;
mod nodes;

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use rts_common::ids::{ClientId, OrgId, Person, RoomId, UserId};
use rts_common::limits;
use rts_common::message::MessageContent;
use rts_common::redis::{Redis, keys, read, scripts};
use rts_common::room::{Role, RoomKind};
use rts_common::seq::Seq;
use rts_common::store::{Direction, Store, Tables};
use rts_gateway::rooms::{Attempt, HistoryRange, MarkKind, MessageAt, MessageChange, NewRoom, Rooms, Sending, Sent};

use crate::support::RedisServer;

/// About a millisecond of an ordinary machine: some hundred thousand steps of Lua.
const MILLISECOND: &str = "local n = 0 for i = 1, 150000 do n = n + i % 7 end return n";
/// The longest that a script may take.
const MILLISECONDS_MAX: f64 = 5.0;
/// The fastest run counts: whatever else runs on the machine makes the others slower. There are at least [`RUNS_MIN`], and no
/// more once one is fast enough.
const RUNS: usize = 20;
const RUNS_MIN: usize = 3;

/// Those that touch a fixed number of short entries.
const SHORT: [&str; 8] = ["formats", "access", "count_made", "lease", "name", "name_member", "rebuild_begin", "revoke"];

/// Scripts, and how long they take in milliseconds of an ordinary machine.
type Measured = Vec<(&'static str, f64)>;

struct World {
    _server: RedisServer,
    redis: Arc<Redis>,
    rooms: Rooms,
    ann: Person,
    room: RoomId,
}

impl World {
    /// Starts with the largest room.
    async fn start() -> Self {
        let server = RedisServer::start();
        let redis = server.client();
        // Everything is in Redis; nothing listens for DynamoDB.
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:9")
            .build();
        let rooms = Rooms::new(Arc::clone(&redis), Store::connect(&config, Tables::default()));
        let (ann, room) = (person("ann"), RoomId::new_group());
        let world = Self { _server: server, redis, rooms, ann, room };
        world.make(&world.room).await;
        world
    }

    async fn make(&self, room: &RoomId) {
        let mut members = vec![(self.ann.user.clone(), Role::Owner, "Ann".to_owned())];
        members.extend(others().into_iter().map(|(user, name)| (user, Role::Member, name)));
        let kind = RoomKind::Group;
        let new = NewRoom { room_id: room, creator: &self.ann, kind, name: None, case_id: None, members };
        self.rooms.create(&new).await.unwrap();
    }

    async fn send(&self, client_ids: impl Iterator<Item = String>, bytes: usize) -> Vec<Seq> {
        let body = "x".repeat(bytes);
        let contents: Vec<_> = client_ids
            .map(|id| MessageContent::new(self.ann.user.clone(), ClientId::parse(&id).unwrap(), body.clone()))
            .collect();
        let sendings: Vec<_> = contents
            .iter()
            .map(|content| Sending { person: &self.ann, room: &self.room, content, accept: true })
            .collect();
        let sent = self.rooms.send(&sendings).await.into_iter().map(|attempt| match attempt {
            Attempt::Done(Ok(Sent::New(state))) => state.seq,
            other => panic!("{other:?}"),
        });
        sent.collect()
    }

    async fn edit(&self, seq: Seq, bytes: usize) {
        let at = MessageAt { person: &self.ann, room: &self.room, seq };
        self.rooms
            .change_message(at, |found| {
                let content = MessageContent { body: "y".repeat(bytes), ..found.state.content.clone() };
                Ok(Some(MessageChange::Edit(content)))
            })
            .await
            .unwrap();
    }

    async fn command(&self, words: &[&str]) -> redis::Value {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        self.redis.command("test", &command).await.unwrap()
    }

    /// Returns how long the longest script is that some calls run, by Redis's clock, in milliseconds of an ordinary machine:
    /// that of the fastest run.
    async fn longest(&self, calls: impl AsyncFn(usize)) -> f64 {
        let mut fastest = f64::MAX;
        // The first run may load the script.
        for run in 0..=RUNS {
            self.command(&["SLOWLOG", "RESET"]).await;
            self.command(&["EVAL", MILLISECOND, "0"]).await;
            let millisecond = self.slowest_script().await;
            self.command(&["SLOWLOG", "RESET"]).await;
            calls(run).await;
            let longest = self.slowest_script().await;
            if run > 0 {
                fastest = fastest.min(longest / millisecond);
            }
            if run >= RUNS_MIN && fastest <= MILLISECONDS_MAX {
                break;
            }
        }
        fastest
    }

    /// Returns the microseconds of the slowest script since the log was reset.
    async fn slowest_script(&self) -> f64 {
        let log =
            read::<Vec<(u64, u64, u64, Vec<String>, String, String)>>(self.command(&["SLOWLOG", "GET", "-1"]).await);
        let scripts = log.unwrap().into_iter().filter(|(_, _, _, words, ..)| words[0].starts_with("EVAL"));
        scripts.map(|(_, _, micros, ..)| micros).max().expect("a script was run") as f64
    }

    async fn page(&self, direction: Direction, limit: usize) {
        let range = HistoryRange { after: Seq::ZERO, before: None, direction, limit, bytes: limits::ANSWER_BYTES };
        self.rooms.history(&self.ann, &self.room, range).await.unwrap();
    }
}

fn person(name: &str) -> Person {
    Person { org: OrgId::parse("o").unwrap(), user: UserId::parse(name).unwrap() }
}

#[tokio::test]
async fn no_script_holds_redis_for_more_than_five_milliseconds() {
    let world = World::start().await;
    world.command(&["CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "10000"]).await;
    let mut measured = Measured::new();

    let body = limits::BODY_BYTES;
    let sending = world
        .longest(async |run| {
            let ids = (0..limits::SEND_TOGETHER).map(|number| format!("{run}-{number}"));
            // As many as a call has, with bodies that fill an entry of the journal.
            world.send(ids, 2048).await;
        })
        .await;
    measured.push(("send", sending));
    // One message, and then nothing but changes of it.
    let seq = world.send(["edited".to_owned()].into_iter(), body).await[0];
    for _ in 0..limits::STREAM_EVENTS {
        world.edit(seq, body).await;
    }
    measured.push(("change_message", world.longest(async |_| world.edit(seq, body).await).await));
    for limit in [1, limits::PAGE_MAX] {
        measured.push(("history", world.longest(async |_| world.page(Direction::Descending, limit).await).await));
    }
    measured.push(("history", world.longest(async |_| world.page(Direction::Ascending, limits::PAGE_MAX).await).await));
    let resume = async |_| drop(world.rooms.resume(&world.ann, &world.room, seq.previous()).await.unwrap());
    measured.push(("events", world.longest(resume).await));
    let mark = async |run| {
        for step in 0..8 {
            let to = Seq::new(seq.get() + 8 * run as u64 + step).unwrap();
            world.rooms.mark(&world.ann, &world.room, MarkKind::Read, to).await.unwrap();
        }
    };
    measured.push(("mark", world.longest(mark).await));
    let message = async |_| drop(world.rooms.message(&world.ann, &world.room, seq).await.unwrap());
    measured.push(("message", world.longest(message).await));
    let view = async |_| drop(world.rooms.view(&world.ann, &world.room).await.unwrap());
    measured.push(("view", world.longest(view).await));
    let typing = async |_| world.rooms.typing(&world.ann, &world.room, true, true).await.unwrap();
    measured.push(("typing", world.longest(typing).await));
    let named = (0..limits::MENTION_CANDIDATES).map(|number| format!("@{number:0>13}")).collect::<Vec<_>>().join("\n");
    let mentions = async |_| drop(world.rooms.mentions(&world.ann, &world.room, &named).await.unwrap());
    measured.push(("mentioned", world.longest(mentions).await));
    let spend = async |_| {
        let budgets: Vec<_> = (0..10).flat_map(|number| [format!("budget-{number}"), "1000".to_owned()]).collect();
        let budgets: Vec<_> = budgets.iter().map(String::as_str).collect();
        let keys = [keys::person_spent(&world.ann), keys::person_connections(&world.ann)];
        world.redis.run_on(&scripts::SPEND, &keys, &budgets).await.unwrap();
    };
    measured.push(("spend", world.longest(spend).await));
    measured.push(("create_room", world.longest(async |_| world.make(&RoomId::new_group()).await).await));
    changes::all(&world, &mut measured).await;
    nodes::all(&world, &mut measured).await;

    let sources = include_str!("../../../../common/src/redis/scripts.rs");
    let scripts = sources.split("    name: \"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let is_measured = |name: &&str| SHORT.contains(name) || measured.iter().any(|(measured, _)| measured == name);
    assert_eq!(scripts.filter(|name| !is_measured(name)).collect::<Vec<_>>(), Vec::<&str>::new(), "each is measured");
    println!("{measured:.1?}");
    let long: Vec<_> = measured.iter().filter(|(_, milliseconds)| *milliseconds > MILLISECONDS_MAX).collect();
    assert!(long.is_empty(), "{long:.1?} take longer than {MILLISECONDS_MAX} ms");
}

/// Everybody else of the largest room, with the longest ids and names.
fn others() -> Vec<(UserId, String)> {
    let other = |number| (UserId::parse(&format!("{number:0>120}")).unwrap(), "n".repeat(limits::NAME_CHARS));
    (1..limits::ROOM_MEMBERS).map(other).collect()
}
