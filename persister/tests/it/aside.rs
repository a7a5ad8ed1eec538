//! Records that can never be stored: set aside with their reason, while all others are stored.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rts_common::ids::RoomId;
use rts_common::redis::RedisServers;
use rts_common::redis::journaled::SET_ASIDE;
use rts_common::redis::keys::Partition;
use rts_common::store::Tables;
use rts_common::store::writer::Writer;
use rts_persister::dead_letters::Depth;
use rts_persister::{Notifier, Persister, Queue, SideQueue};

use crate::dead_letters::Queues;
use crate::support::{
    FaultyDynamo, RedisServer, RedisTalk, body, event, event_of, handle, message, persister, sdk_config, seq, seq_at,
    store,
};

fn function(endpoint: &str, tables: &Tables, redis: Option<&RedisServers>, side: SideQueue) -> Persister {
    let writer = Writer::connect(&sdk_config(endpoint), tables.clone());
    Persister::new(Queue::Messages, writer, Notifier::new(redis).unwrap()).with_side_queue(side)
}

async fn counts(talk: &mut RedisTalk, room: &RoomId) -> (String, String) {
    let partition = Partition::of_room(room);
    let unstored = talk.say(&format!("ZCARD {}", partition.unstored())).await;
    (unstored, talk.say(&format!("ZCOUNT {} {SET_ASIDE} +inf", partition.journaled())).await)
}

#[tokio::test]
async fn what_dynamodb_refuses_is_set_aside_and_all_others_of_its_room_are_stored() {
    let queues = Queues::start().await;
    let database = &queues.database;
    let redis = RedisServer::start().await;
    let function = function(database.endpoint(), &database.tables, Some(&redis.servers()), queues.side());
    let room = RoomId::new_group();
    let base = seq_at("2026-03-01T00:00:00.000Z");
    let mut at = vec![base];
    for _ in 1..40 {
        at.push(at.last().unwrap().next());
    }
    let later = at[39].next();
    // An edit beyond what an item may hold, of a message that is in the same batch, and a record of a later build.
    let mut large = message(&room, at[7], later);
    large.message.content.body = "x".repeat(410_000);
    let newer = body(&message(&room, later.next(), later.next())).replacen("\"v\":1", "\"v\":2", 1);
    let good = |range: std::ops::Range<usize>| {
        at[range].iter().map(|at| body(&message(&room, *at, *at))).collect::<Vec<_>>().join("\n")
    };
    let bodies = [good(0..10), body(&large), format!("{}\n{newer}\n{}", good(10..20), good(20..30)), good(30..40)];
    let batch = || event(&bodies.clone().map(|body| ("g", body)));

    let mut talk = redis.talk().await;
    let unstored = Partition::of_room(&room).unstored();
    for member in [format!("m:{room}:{}:{later}", at[7]), format!("m:{room}:{0}:{0}", later.next())] {
        let _ = talk.say(&format!("ZADD {unstored} {later} {member}")).await;
    }
    for at in &at {
        let _ = talk.say(&format!("ZADD {unstored} {at} m:{room}:{at}:{at}")).await;
    }

    // Delivered twice, as after a function's death, it is set aside once.
    for _ in 0..2 {
        store(&function, batch()).await;
    }
    let versions = database.store.versions(&room, &at).await.unwrap();
    assert!(at.iter().all(|at| versions.get(at).is_some_and(|stored| stored.covers(*at))), "{versions:?}");
    let second = database.store.message(&room, at[7]).await.unwrap().unwrap();
    assert_eq!(second.version, at[7], "the large edit is not stored");
    assert_eq!(queues.letters().await.depth().await.unwrap(), Depth { waiting: 2, taken: 0 });
    assert_eq!(counts(&mut talk, &room).await, (":2".to_owned(), ":2".to_owned()));

    let shown = queues.dlq(&["show", "--queue", "messages"]).await;
    assert!(shown.contains("set aside") && shown.contains("ItemTooLarge") && !shown.contains("xxx"), "{shown}");
    assert!(shown.contains(&format!("message {} version {later} of room {room}", at[7])), "{shown}");
    assert!(shown.contains("newerFormat: its format 2 is newer than 1"), "{shown}");

    // Dropped, they are not waited for any more.
    let url = redis.url();
    let dropped =
        queues.dlq_with(&["drop", "--queue", "messages", "--all", "--apply"], &[("RTS_REDIS_URL", &url)]).await;
    assert!(
        dropped.contains("2 letters dropped") && dropped.contains("2 entries are no longer waited for"),
        "{dropped}"
    );
    assert_eq!(counts(&mut talk, &room).await, (":0".to_owned(), ":0".to_owned()));
}

#[tokio::test]
async fn a_record_is_redriven_once_its_cause_is_mended() {
    let queues = Queues::start().await;
    let redis = RedisServer::start().await;
    let is_broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&is_broken);
    let refuse = move |body: &str| breaks.load(Ordering::SeqCst) && body.contains("version 13");
    let dynamo = FaultyDynamo::start(move |_, body| refuse(body).then_some("ValidationException")).await;
    let function = function(&dynamo.endpoint, &Tables::default(), Some(&redis.servers()), queues.side());
    let room = RoomId::new_group();
    let mut talk = redis.talk().await;
    let unstored = Partition::of_room(&room).unstored();
    for at in 12..=14 {
        let _ = talk.say(&format!("ZADD {unstored} {at} m:{room}:{at}:{at}")).await;
    }
    store(&function, event_of(&[12, 13, 14].map(|at| message(&room, seq(at), seq(at))))).await;
    assert_eq!(dynamo.calls(), 4, "the refused one is tried twice");
    assert_eq!(counts(&mut talk, &room).await, (":1".to_owned(), ":1".to_owned()));

    // Sent back too early, it comes here again.
    for sent_back in 0..2 {
        is_broken.store(sent_back == 0, Ordering::SeqCst);
        assert!(queues.dlq(&["redrive", "--queue", "messages", "--apply"]).await.contains("1 letters sent back"));
        let arrived = queues.arrived().await;
        let [(group, _, record)] = &arrived[..] else { panic!("{arrived:?}") };
        assert_eq!(*record, body(&message(&room, seq(13), seq(13))));
        store(&function, event(&[(group.as_str(), record.clone())])).await;
        let left = if sent_back == 0 { ":1" } else { ":0" };
        assert_eq!(counts(&mut talk, &room).await, (left.to_owned(), left.to_owned()));
    }
    assert_eq!(queues.letters().await.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn what_may_pass_is_never_set_aside() {
    let queues = Queues::start().await;
    for passing in ["AccessDeniedException", "ResourceNotFoundException", "ExpiredTokenException"] {
        let dynamo = FaultyDynamo::start(move |_, _| Some(passing)).await;
        let function = function(&dynamo.endpoint, &Tables::default(), None, queues.side());
        let batch = event_of(&[message(&RoomId::new_group(), seq(1), seq(1))]);
        assert_eq!(handle(&function, batch).await, ["id-0"], "{passing}");
    }
    assert_eq!(queues.letters().await.depth().await.unwrap(), Depth::default());
}

#[tokio::test]
async fn what_cannot_be_set_aside_is_delivered_again() {
    let dynamo = FaultyDynamo::start(|_, body| body.contains("version 13").then_some("ValidationException")).await;
    let gone = FaultyDynamo::start(|_, _| None).await.endpoint.clone();
    let side = SideQueue::connect(&sdk_config(&gone), format!("{gone}/000000000000/dead.fifo"));
    let function = persister(Queue::Messages, &dynamo.endpoint, &Tables::default()).with_side_queue(side);
    let batch = event_of(&[12, 13, 14].map(|at| message(&RoomId::new_group(), seq(at), seq(at))));
    assert_eq!(handle(&function, batch).await, ["id-1", "id-2"]);
}
