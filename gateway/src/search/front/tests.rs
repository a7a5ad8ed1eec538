use std::collections::BTreeMap;

use proptest::prelude::*;
use rts_common::ids::{ClientId, UserId};
use rts_common::message::MessageContent;

use super::*;

type Histories = BTreeMap<RoomId, Vec<u64>>;

fn room(number: usize) -> RoomId {
    RoomId::parse(&format!("g_{number:022}")).unwrap()
}

fn message(room: &RoomId, seq: u64) -> MessageState {
    let seq = Seq::new(seq).unwrap();
    MessageState {
        room_id: room.clone(),
        seq,
        version: seq,
        ordinal: 1,
        content: MessageContent::new(UserId::parse("ann").unwrap(), ClientId::parse("c").unwrap(), String::new()),
    }
}

fn is_match(message: &MessageState) -> bool {
    message.seq.get().is_multiple_of(3)
}

/// Makes one call with a limit of rounds; returns the seqs and rooms of its answer.
fn call(
    histories: &Histories,
    cursor: Option<&Cursor>,
    limit: usize,
    rounds: usize,
) -> (Vec<(u64, RoomId)>, Option<Cursor>) {
    let places = histories.iter().filter_map(|(room, seqs)| {
        let last = Seq::new(*seqs.last()?)?;
        Some((room.clone(), last.next()))
    });
    let mut front = Front::new(places.collect(), cursor, limit);
    let start = front.frontier();
    let mut round = 0;
    while let Some(frontier) = front.frontier() {
        if front.is_full() || (Some(frontier) < start && round >= rounds) {
            break;
        }
        let reads = front.next_reads(4);
        assert!(!reads.is_empty());
        for read in &reads {
            let older: Vec<u64> =
                histories[&read.room].iter().copied().filter(|seq| *seq < read.before.get()).collect();
            // Pages of three: the rest of a history never fits one page.
            let page = &older[older.len().saturating_sub(3)..];
            let messages = page.iter().map(|seq| message(&read.room, *seq)).collect();
            front.read(read, messages, older.len() > 3, is_match);
        }
        round += 1;
    }
    let (messages, cursor) = front.finish();
    (messages.into_iter().map(|message| (message.seq.get(), message.room_id)).collect(), cursor)
}

proptest! {
    /// However a search is cut into calls, it returns every match once, newest first.
    #[test]
    fn calls_join_to_one_list(
        seqs in prop::collection::vec(prop::collection::btree_set(1_u64..60, 0..20), 1..8),
        limit in 1_usize..6,
        rounds in 1_usize..4,
    ) {
        let histories: Histories =
            seqs.iter().enumerate().map(|(number, seqs)| (room(number), seqs.iter().copied().collect())).collect();
        let mut wanted: Vec<(u64, RoomId)> = histories
            .iter()
            .flat_map(|(room, seqs)| seqs.iter().filter(|seq| seq.is_multiple_of(3)).map(|seq| (*seq, room.clone())))
            .collect();
        wanted.sort_unstable_by(|one, other| (Reverse(one.0), &one.1).cmp(&(Reverse(other.0), &other.1)));
        let (mut told, mut cursor, mut calls) = (Vec::new(), None, 0);
        loop {
            let (page, next) = call(&histories, cursor.as_ref(), limit, rounds);
            prop_assert!(page.len() <= limit);
            told.extend(page);
            calls += 1;
            prop_assert!(calls < 500, "a search ends");
            match next {
                Some(next) => {
                    prop_assert!(Some(&next) != cursor.as_ref(), "a call gets further");
                    cursor = Some(next);
                }
                None => break,
            }
        }
        prop_assert_eq!(told, wanted);
    }
}

#[test]
fn quiet_rooms_are_not_read_before_the_frontier_reaches_them() {
    let at = |seq| Seq::new(seq).unwrap();
    let (busy, quiet) = (room(1), room(2));
    let mut front = Front::new(vec![(busy.clone(), at(1000)), (quiet.clone(), at(500))], None, 200);
    // The pace of the busy one is still unknown.
    assert_eq!(front.next_reads(4).len(), 2);
    let read = front.next_reads(1).remove(0);
    assert_eq!((&read.room, read.before), (&busy, at(1000)));
    front.read(&read, (950..1000).map(|seq| message(&busy, seq)).collect(), true, is_match);
    let next: Vec<_> = front.next_reads(4).into_iter().map(|read| (read.room, read.before)).collect();
    assert_eq!(next, [(busy, at(950))]);
    assert_eq!(front.found(), 17, "951, 954 … 999");
}

#[test]
fn an_answer_holds_no_more_than_its_bytes_and_the_next_one_goes_on() {
    let (busy, end) = (room(1), Seq::new(1000).unwrap());
    let large = |seq| {
        let mut message = message(&busy, seq);
        message.content.body = "x".repeat(limits::BODY_BYTES);
        message
    };
    let mut front = Front::new(vec![(busy.clone(), end)], None, 200);
    let read = front.next_reads(1).remove(0);
    for pages in 0..4 {
        let from = 900 - 100 * pages;
        front.read(&read, (from..from + 100).map(large).collect(), true, |_| true);
        assert!(front.is_full() && front.matches.len() <= 65, "{} are held", front.matches.len());
    }
    let (messages, cursor) = front.finish();
    let (newest, oldest) = (messages.first().unwrap().seq.get(), messages.last().unwrap().seq);
    assert!((60..64).contains(&messages.len()) && newest == 999, "{} from {newest}", messages.len());
    assert_eq!(cursor, Some(Cursor { before: oldest, room: Some(busy) }));
}

#[test]
fn nothing_to_search_is_an_empty_answer() {
    let (messages, cursor) = Front::new(Vec::new(), None, 10).finish();
    assert!(messages.is_empty() && cursor.is_none());
}
