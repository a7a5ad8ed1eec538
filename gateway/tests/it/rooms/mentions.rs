//! Mentions; counts stay exact after any changes of messages.

use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use rts_common::ids::{Person, RoomId, UserId};
use rts_common::seq::Seq;
use rts_gateway::rooms::{MarkKind, MessageAt, MessageChange, Sending, Sent};

use super::world::{World, content, person};
use crate::support;

const PEOPLE: [&str; 3] = ["ann", "bob", "cid"];

/// One step: its kind, the user, the message, and the mentions (a bit for each user).
type Step = (u8, usize, usize, u8);

#[derive(Debug)]
struct Message {
    seq: Seq,
    sender: usize,
    mentions: u8,
    is_deleted: bool,
}

fn mentioned(bits: u8) -> Vec<UserId> {
    (0..PEOPLE.len()).filter(|index| bits & (1 << index) != 0).map(|index| person(PEOPLE[index]).user).collect()
}

async fn send(world: &World, room: &RoomId, who: usize, number: usize, bits: u8) -> Message {
    let sender = person(PEOPLE[who]);
    let mut content = content(&sender, &format!("c{number}"), "body");
    content.mentions = mentioned(bits);
    let sending = Sending { person: &sender, room, content: &content, accept: true };
    let Sent::New(state) = support::send(&world.rooms, &sending).await.unwrap() else { panic!() };
    Message { seq: state.seq, sender: who, mentions: bits, is_deleted: false }
}

async fn change(world: &World, room: &RoomId, message: &Message, to: Option<u8>) {
    let sender = person(PEOPLE[message.sender]);
    let at = MessageAt { person: &sender, room, seq: message.seq };
    let changed = world.rooms.change_message(at, |found| {
        let mut content = found.state.content.clone();
        Ok(Some(if let Some(bits) = to {
            content.mentions = mentioned(bits);
            MessageChange::Edit(content)
        } else {
            content.bury();
            MessageChange::Delete(content)
        }))
    });
    changed.await.unwrap();
}

async fn play(world: &World, steps: Vec<Step>) {
    let room = world.group(&PEOPLE).await;
    let (mut messages, mut read): (Vec<Message>, _) = (Vec::new(), [Seq::ZERO; 3]);
    for (number, (what, who, which, bits)) in steps.into_iter().enumerate() {
        let which = if messages.is_empty() { 0 } else { which % messages.len() };
        match what {
            0 if !messages.is_empty() && !messages[which].is_deleted => {
                change(world, &room, &messages[which], Some(bits)).await;
                messages[which].mentions = bits;
            }
            1 if !messages.is_empty() && !messages[which].is_deleted => {
                change(world, &room, &messages[which], None).await;
                messages[which].is_deleted = true;
            }
            2 if !messages.is_empty() => {
                let seq = messages[which].seq;
                world.rooms.mark(&person(PEOPLE[who]), &room, MarkKind::Read, seq).await.unwrap();
                read[who] = read[who].max(seq);
            }
            _ => messages.push(send(world, &room, who, number, bits).await),
        }
        for (index, name) in PEOPLE.iter().enumerate() {
            let unread =
                |message: &&Message| message.sender != index && !message.is_deleted && message.seq > read[index];
            let mentions = messages.iter().filter(unread).filter(|message| message.mentions & (1 << index) != 0);
            let expected = (messages.iter().filter(unread).count(), mentions.count());
            let view = world.rooms.view(&person(name), &room).await.unwrap();
            assert_eq!((view.unread, view.mentions), (expected.0 as u64, expected.1 as u64), "{name} after {number}");
        }
    }
}

#[test]
fn counts_are_exact_after_any_sends_edits_deletes_and_marks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let world = runtime.block_on(async { World::new() });
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec((0..6_u8, 0..3_usize, any::<usize>(), 0..8_u8), 1..25);
    TestRunner::new(config)
        .run(&steps, |steps| {
            runtime.block_on(play(&world, steps));
            Ok(())
        })
        .unwrap();
}

#[tokio::test]
async fn only_members_are_mentioned_and_the_room_has_to_be_visible_to_the_sender() {
    let world = World::new();
    let room = world.group(&["ann", "bob", "김민수"]).await;
    let of = async |who: &Person, body: &str| world.rooms.mentions(who, &room, body).await;
    let names = |users: Vec<UserId>| users.iter().map(ToString::to_string).collect::<Vec<_>>();
    let found = of(&person("ann"), "@bob @eve @김민수님, @ann @bob").await.unwrap();
    assert_eq!(names(found), ["bob", "김민수", "ann"]);
    assert_eq!(of(&person("ann"), "no one").await.unwrap(), []);
    crate::support::connected(&world.redis, &person("eve")).await;
    assert_eq!(of(&person("eve"), "@bob").await.err(), Some(rts_gateway::rooms::RoomError::NotFound));
}
