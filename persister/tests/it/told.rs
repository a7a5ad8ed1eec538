//! The notifications of Redis after records are stored, and the absence of Redis.

use std::time::Duration;

use rts_common::ids::{Person, RoomId};
use rts_common::redis::keys::{self, Partition};
use rts_common::redis::{Redis, RedisServers, read};
use rts_common::room::Role;
use rts_common::store::Tables;
use rts_common::store::writer::Writer;
use rts_persister::{Notifier, Persister, Queue};
use tokio::time::Instant;

use crate::support::{
    FaultyDynamo, RedisServer, event_of, facts, handle, membership, message, org, room_record, sdk_config, seq, store,
    user,
};

fn persister(queue: Queue, dynamo: &FaultyDynamo, redis: &RedisServers) -> Persister {
    let writer = Writer::connect(&sdk_config(&dynamo.endpoint), Tables::default());
    Persister::new(queue, writer, Notifier::new(Some(redis)).unwrap())
}

#[tokio::test]
async fn what_is_stored_leaves_the_unstored_index_and_its_sender_is_told() {
    let redis = RedisServer::start().await;
    let dynamo = FaultyDynamo::start(|_, body| body.contains("version 3").then_some("ValidationException")).await;
    let room = RoomId::new_group();
    let unstored = Partition::of_room(&room).unstored();
    let ann = Person { org: org(), user: user("ann") };

    let mut talk = redis.talk().await;
    for version in 1..=3 {
        let _ = talk.say(&format!("ZADD {unstored} {version} m:{room}:{version}:{version}")).await;
    }
    let _ = talk.say(&format!("ZADD {unstored} 4 m:{room}:1:4")).await;
    let mut sender = redis.talk().await;
    let _ = sender.say(&format!("SSUBSCRIBE {}", keys::person_channel(&ann))).await;

    let persister = persister(Queue::Messages, &dynamo, &redis.servers());
    let of = |at, version| message(&room, seq(at), seq(version));
    let batch = event_of(&[of(1, 1), of(2, 2), of(1, 4), of(3, 3)]);
    assert_eq!(handle(&persister, batch).await, ["id-3"]);

    // The notice: its kind, the room, the origin, and the messages.
    for line in ["s", room.as_str(), "n1", "1,2"] {
        sender.wait_for(line).await;
    }
    assert_eq!(talk.say(&format!("ZCARD {unstored}")).await, ":1");
    assert_eq!(talk.say(&format!("ZSCORE {unstored} m:{room}:3:3")).await, "$1");
}

/// The budget of storing: one conditional write per message and no read; per batch, one script for each room, and one
/// notice for each of its senders.
#[tokio::test]
async fn storing_costs_one_write_a_message_and_one_script_a_room() {
    let redis = RedisServer::start().await;
    let dynamo = FaultyDynamo::start(|_, _| None).await;
    let persister = persister(Queue::Messages, &dynamo, &redis.servers());
    let rooms = [(); 3].map(|()| RoomId::new_group());
    let batch = |round: u64| {
        let messages = (0..12).map(|number| {
            let at = seq(round * 100 + number + 1);
            message(&rooms[usize::try_from(number % 3).unwrap()], at, at)
        });
        event_of(&messages.collect::<Vec<_>>())
    };
    store(&persister, batch(1)).await;
    let mut talk = redis.talk().await;
    assert_eq!(talk.say("CONFIG RESETSTAT").await, "+OK");
    let writes = dynamo.calls();
    store(&persister, batch(2)).await;
    assert_eq!(dynamo.calls() - writes, 12);

    let client = Redis::new(&redis.servers(), |_, _| ()).unwrap();
    let mut info = redis::cmd("INFO");
    info.arg("commandstats");
    let stats: String = read(client.command("test", &info).await.unwrap()).unwrap();
    let calls = |name: &str| {
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:calls=")));
        line.map_or(0, |line| line.split(',').next().unwrap().parse::<u32>().unwrap())
    };
    assert_eq!((calls("evalsha"), calls("spublish")), (3, 3), "{stats}");
    assert_eq!(calls("zrem"), 6, "one for all messages of a room: {stats}");
    assert!(calls("zadd") <= 1, "{stats}");
}

#[tokio::test]
async fn a_stored_change_of_a_room_leaves_the_unstored_index() {
    let redis = RedisServer::start().await;
    let dynamo = FaultyDynamo::start(|_, _| None).await;
    let room = RoomId::new_group();
    let unstored = Partition::of_room(&room).unstored();
    let mut talk = redis.talk().await;
    let _ = talk.say(&format!("ZADD {unstored} 7 r:{room}:7")).await;

    let persister = persister(Queue::Rooms, &dynamo, &redis.servers());
    let change = room_record(&room, Some(facts(7)), vec![membership("ann", 7, Some(Role::Owner))]);
    store(&persister, event_of(&[change])).await;
    assert_eq!(talk.say(&format!("ZCARD {unstored}")).await, ":0");
}

#[tokio::test]
async fn a_redis_that_is_down_fails_no_batch_and_costs_only_the_first_its_time() {
    let gone = RedisServer::start().await;
    let servers = gone.servers();
    drop(gone);
    let dynamo = FaultyDynamo::start(|_, _| None).await;
    let persister = persister(Queue::Messages, &dynamo, &servers);
    let room = RoomId::new_group();
    store(&persister, event_of(&[message(&room, seq(1), seq(1))])).await;
    let begun = Instant::now();
    for at in 2..12 {
        store(&persister, event_of(&[message(&room, seq(at), seq(at))])).await;
    }
    assert!(begun.elapsed() < Duration::from_secs(1));
}
