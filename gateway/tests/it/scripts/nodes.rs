//! What nodes and functions run.

use rts_common::ids::{ClientId, NodeId, RoomId};
use rts_common::limits;
use rts_common::message::{MessageContent, MessageState};
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};
use rts_common::redis::keys::Partition;
use rts_common::redis::upkeep::{self, Forgetting};
use rts_common::redis::{keys, read, scripts, stored};
use rts_common::room::{Membership, Role};
use rts_common::seq::Seq;

use super::{Measured, RUNS, World, others};

async fn run(
    world: &World,
    script: &'static scripts::NamedScript,
    keys: &[String],
    arguments: &[String],
) -> redis::Value {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    world.redis.run_on(script, keys, &arguments).await.unwrap()
}

pub(super) async fn all(world: &World, measured: &mut Measured) {
    backfills(world, measured).await;
    rebuilds(world, measured).await;
    storing(world, measured).await;
    indexes(world, measured).await;
    presence(world, measured).await;
}

async fn backfills(world: &World, measured: &mut Measured) {
    let room = &world.room;
    let backfill = async |_| drop(world.rooms.events_after(room, Seq::new(1).unwrap()).await.unwrap());
    measured.push(("events", world.longest(backfill).await));

    // Messages whose newest states only the stream has, as many as a node asks for at once.
    let ids = (0..limits::SEND_TOGETHER).map(|number| format!("overlaid-{number}"));
    let overlaid = world.send(ids, 2048).await;
    for seq in &overlaid {
        world.edit(*seq, limits::BODY_BYTES).await;
    }
    let seqs: Vec<_> = overlaid.iter().take(50).map(Seq::to_string).collect();
    let base = [keys::room(room)];
    measured.push(("overlay", world.longest(async |_| drop(run(world, &scripts::OVERLAY, &base, &seqs).await)).await));
}

async fn storing(world: &World, measured: &mut Measured) {
    let (ann, room, redis) = (&world.ann, &world.room, &world.redis);
    let first = world.send(["first".to_owned()].into_iter(), 10).await[0].get();
    // All that a function stores at once: ten entries, each with the messages of one call.
    let node = NodeId::random();
    let sent = |of: u64, number: usize| {
        let seq = of + number as u64;
        let state =
            MessageContent::new(ann.user.clone(), ClientId::parse(&format!("{of}-{number}")).unwrap(), String::new());
        let (seq, ordinal) = (Seq::new(seq).unwrap(), 1);
        let message = MessageState { room_id: room.clone(), seq, version: seq, ordinal, content: state };
        MessageRecord { v: FORMAT, org: ann.org.clone(), origin: node.clone(), message }
    };
    let store = async |from: u64| {
        let records: Vec<_> = (0..10 * limits::SEND_TOGETHER).map(|number| sent(from, number)).collect();
        stored::messages(redis, room, &records.iter().collect::<Vec<_>>()).await.unwrap();
    };
    measured.push(("stored_messages", world.longest(async |_| store(first).await).await));
    // Those of before a rebuild, which it may have missed.
    let earlier = async |run| store(first - 60_000_000_000 + 10_000 * run as u64).await;
    measured.push(("stored_messages", world.longest(earlier).await));
    let members: Vec<_> = others()
        .into_iter()
        .map(|(user_id, display_name)| {
            let (role, version) = (Some(Role::Member), Seq::now());
            Membership { user_id, display_name, role, version, joined_seq: version }
        })
        .collect();
    let merged = async |_| {
        let (room_id, version, members) = (room.clone(), Seq::now(), members.clone());
        let change = RoomChange::Room { room_id, version, facts: None, members, closing: None };
        stored::room(redis, &RoomRecord { v: FORMAT, org: ann.org.clone(), change }).await.unwrap();
    };
    measured.push(("stored_room", world.longest(merged).await));
    let mut rooms = Vec::new();
    for _ in 0..=RUNS {
        let room = RoomId::new_group();
        world.make(&room).await;
        rooms.push(room);
    }
    let forget = async |run: usize| {
        let users: Vec<_> = others().into_iter().map(|(user, _)| user).collect();
        upkeep::forget_room(redis, &rooms[run], Forgetting::GiveUp, &users).await.unwrap();
    };
    measured.push(("forget_room", world.longest(forget).await));
}

async fn rebuilds(world: &World, measured: &mut Measured) {
    let (room, base) = (&world.room, [keys::room(&world.room)]);
    let marks = world.command(&["HGET", &format!("{}:marks", keys::room(room)), "r:ann"]).await;
    let head = world.command(&["HGET", &keys::room_meta(room), "seq"]).await;
    let (marks, head): (String, String) = (read(marks).unwrap(), read(head).unwrap());
    let mut arguments = vec!["ann".to_owned(), marks, head.clone(), "0".to_owned(), "1000".to_owned(), "0".to_owned()];
    arguments.extend(["0".to_owned(), "mentions".to_owned()]);
    arguments.extend((0..2 * limits::UNREAD_CAP).map(|number| (head.parse::<u64>().unwrap() + number).to_string()));
    let set = async |_| {
        let is_set: u64 = read(run(world, &scripts::SET_UNREAD, &base, &arguments).await).unwrap();
        assert_eq!(is_set, 1);
    };
    measured.push(("set_unread", world.longest(set).await));

    let window = |run: usize| -> Vec<String> {
        let entry = |number| ["20000".to_owned(), "u".repeat(120), format!("{run}-{number:0>50}"), "1".to_owned()];
        (0..400).flat_map(entry).collect()
    };
    let install = async |number| drop(run(world, &scripts::INSTALL_SENT, &base, &window(number)).await);
    measured.push(("install_sent", world.longest(install).await));
    let others = others();
    let number = others.len().to_string();
    let facts = ["", "", "o", "group", "Name", "", "ann", "1", "0", "1", "1", "0", "0", &number, &number];
    let members = others.iter().flat_map(|(user, name)| [user.to_string(), format!("m 1 0 {name}")]);
    let marks = others.iter().flat_map(|(user, _)| ["r", "d", "q", "w"].map(|mark| format!("{mark}:{user}")));
    let marks = marks.flat_map(|mark| [mark, "1".to_owned()]);
    let arguments: Vec<_> = facts.into_iter().map(str::to_owned).chain(members).chain(marks).collect();
    let open =
        async |_| drop(run(world, &scripts::INSTALL_ROOM, &[keys::room(&RoomId::new_group())], &arguments).await);
    measured.push(("install_room", world.longest(open).await));
}

async fn indexes(world: &World, measured: &mut Measured) {
    let room = &world.room;
    let partition = Partition::of_room(room);
    let index = [partition.unstored(), partition.journaled()];
    let page = async |_| {
        let arguments = ["0".to_owned(), "500".to_owned(), keys::UNSTORED_END.to_string()];
        let found: Vec<String> = read(run(world, &scripts::UNSTORED_PAGE, &index, &arguments).await).unwrap();
        let noted: Vec<_> = found.chunks_exact(2).flat_map(|pair| [pair[0].clone(), "1".to_owned()]).collect();
        run(world, &scripts::NOTE_JOURNALED, &index, &noted).await;
    };
    let both = world.longest(page).await;
    measured.extend([("unstored_page", both), ("note_journaled", both)]);
    let backlog = async |_| drop(run(world, &scripts::UNSTORED_BACKLOG, &index, &[]).await);
    measured.push(("unstored_backlog", world.longest(backlog).await));
}

async fn presence(world: &World, measured: &mut Measured) {
    let (ann, redis) = (&world.ann, &world.redis);
    // A node that is gone had a hundred users here, each on twenty devices.
    let own = Partition::of_person(ann);
    let bury = async |run: usize| {
        let mut people = redis::cmd("SADD");
        people.arg(own.presence_people(&NodeId::parse("gone").unwrap()));
        for number in 0..100 {
            people.arg(format!("o/{run}-{number}"));
            let base = keys::person(ann).replace(&ann.key(), &format!("o/{run}-{number}"));
            let mut devices = redis::cmd("HSET");
            devices.arg(format!("{base}:connections"));
            for device in 0..20 {
                devices.arg(format!("connection-{device}")).arg("gone o");
            }
            redis.command("test", &devices).await.unwrap();
        }
        redis.command("test", &people).await.unwrap();
        world.command(&["ZADD", &own.presence_nodes(), "1", "gone"]).await;
        for renewed in ["0", "1"] {
            let arguments = ["here", "15000", renewed, "1", "100"].map(str::to_owned);
            redis
                .run(&scripts::PRESENCE_RENEW, &own.presence_nodes(), &arguments.each_ref().map(String::as_str))
                .await
                .unwrap();
        }
    };
    measured.push(("presence_renew", world.longest(bury).await));
    let keys = [
        own.presence_nodes(),
        keys::person_connections(ann),
        keys::person_status(ann),
        own.presence_people(&NodeId::parse("here").unwrap()),
    ];
    let mut arguments = ["here", &ann.key(), "15000", "20"].map(str::to_owned).to_vec();
    arguments.extend((0..20).flat_map(|number| [format!("connection-{number}"), "o".to_owned(), "l".to_owned()]));
    measured.push((
        "presence_sync",
        world.longest(async |_| drop(run(world, &scripts::PRESENCE_SYNC, &keys, &arguments).await)).await,
    ));
}
