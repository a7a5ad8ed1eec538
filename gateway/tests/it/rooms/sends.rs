//! Calls that create messages in several rooms.

use rts_common::redis::{keys, scripts};
use rts_common::seq::Seq;
use rts_gateway::rooms::{Attempt, RoomError, Sending, Sent};

use super::world::{World, content, person};

#[tokio::test]
async fn one_rooms_broken_data_fails_no_other_of_the_call() {
    let world = World::new();
    let rooms = [world.group(&["ann"]).await, world.group(&["ann"]).await, world.group(&["ann"]).await];
    let ann = person("ann");
    let send = async |round: &str| {
        let contents: Vec<_> = (0..6).map(|number| content(&ann, &format!("{round}{number}"), "hello")).collect();
        // Two of each room.
        let sendings: Vec<_> = contents
            .iter()
            .enumerate()
            .map(|(number, content)| Sending { person: &ann, room: &rooms[number / 2], content, accept: true })
            .collect();
        world.rooms.send(&sendings).await
    };
    let broken = |attempts: &[Attempt]| -> Vec<usize> {
        let is_broken = |attempt: &Attempt| match attempt {
            Attempt::Done(Ok(Sent::New(_))) => false,
            Attempt::Done(Err(RoomError::Fault(_))) => true,
            other => panic!("{other:?}"),
        };
        attempts.iter().enumerate().filter(|(_, attempt)| is_broken(attempt)).map(|(number, _)| number).collect()
    };
    let run = async |words: &[&str]| {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        world.redis.command("test", &command).await.unwrap();
    };
    assert!(broken(&send("a").await).is_empty());
    // A field is missing.
    run(&["HDEL", &keys::room_meta(&rooms[1]), "count"]).await;
    assert_eq!(broken(&send("b").await), [2, 3]);
    // A number is none.
    run(&["HSET", &keys::room_meta(&rooms[1]), "count", "2"]).await;
    run(&["HSET", &format!("{}:marks", keys::room(&rooms[2])), "o:ann", "many"]).await;
    assert_eq!(broken(&send("c").await), [4, 5]);
    // A key is of another type.
    run(&["SET", &keys::room_stream(&rooms[0]), "text"]).await;
    assert_eq!(broken(&send("d").await), [0, 1, 4, 5]);
    // What concerns all fails all, and may be tried again.
    run(&["CONFIG", "SET", "maxmemory", "1"]).await;
    let all = send("e").await;
    let is_unavailable = |attempt: &Attempt| matches!(attempt, Attempt::Done(Err(RoomError::Unavailable(_))));
    assert!(all.iter().all(is_unavailable), "{all:?}");
}

/// What is stored while a room is rebuilt is known to it afterwards, and forgotten in its time, whether it is newer than what
/// the rebuild had read or not.
#[tokio::test]
async fn a_late_messages_client_id_is_forgotten_in_its_time() {
    let world = World::new();
    let room = rts_common::ids::RoomId::new_group();
    let base = keys::room(&room);
    let (older, last) = (Seq::now(), Seq::now().next());
    let (seq, newest) = (older.to_string(), last.to_string());
    world.redis.run(&scripts::STORED_MESSAGES, &base, &[&seq, &seq, "1", "ann", "c1"]).await.unwrap();
    let facts =
        ["", "", "acme", "group", "", "", "ann", "1", "0", "5", newest.as_str(), newest.as_str(), "2", "0", "0"];
    world.redis.run(&scripts::INSTALL_ROOM, &base, &facts).await.unwrap();
    let sent = format!("{base}:sent:{}", older.get() / scripts::DAY_MICROS);
    let ask = async |words: &[&str]| -> i64 {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        rts_common::redis::read(world.redis.command("test", &command).await.unwrap()).unwrap()
    };
    assert_eq!(ask(&["HEXISTS", &sent, "ann\nc1"]).await, 1);
    assert!(ask(&["TTL", &sent]).await > 0);
}
