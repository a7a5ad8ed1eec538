//! Each kind of violation, found from a recorded history.

mod history;

use rand::Rng;
use rand::seq::IndexedRandom;

use super::{Content, Event, HistoryCheck, Kind, MessageKey, Progress, Resume, RoomCheck, Tell, Violations};

const HEAD: u64 = 100;

/// An observation of one room, in the order of the run; seqs are positions, 1 being the first after [`HEAD`].
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Member, position; the message is number `position` of member 0.
    Got(u32, u64),
    /// Member, position, the position named as the one before.
    GotAfter(u32, u64, u64),
    /// Member, position, number: a message other than the position implies.
    GotOther(u32, u64, u32),
    /// Member, position.
    GotForeign(u32, u64),
    /// Number, position.
    Acked(u32, u64),
    /// Number.
    Refused(u32),
    Abandoned(u32),
    /// Member, the position named as the head, truncated.
    Resumed(u32, u64, bool),
    /// The clock advances by more than the grace.
    Later,
}
use Step::{Abandoned, Acked, Got, GotAfter, GotForeign, GotOther, Later, Refused, Resumed};

fn key(number: u32) -> MessageKey {
    MessageKey { sender: 0, number }
}

fn number(place: u64) -> u32 {
    u32::try_from(place).unwrap()
}

struct Recorded {
    check: RoomCheck,
    found: Violations,
    now: u64,
}

impl Recorded {
    fn new(members: u32, steps: &[Step]) -> Self {
        let mut this = Self { check: RoomCheck::new(7, members, HEAD, 1000), found: Violations::default(), now: 0 };
        for step in steps {
            this.step(*step);
        }
        this
    }

    fn step(&mut self, step: Step) {
        self.now += 1000;
        let (check, found, now) = (&mut self.check, &mut self.found, self.now);
        let event = |place: u64, prev: u64, content| Event { seq: HEAD + place, prev: HEAD + prev, content };
        let message = |place| Content::Message(key(number(place)));
        match step {
            Got(slot, place) => check.delivered(slot, event(place, place - 1, message(place)), now, found),
            GotAfter(slot, place, prev) => check.delivered(slot, event(place, prev, message(place)), now, found),
            GotOther(slot, place, n) => {
                check.delivered(slot, event(place, place - 1, Content::Message(key(n))), now, found);
            }
            GotForeign(slot, place) => {
                check.delivered(slot, event(place, place - 1, Content::Foreign), now, found);
            }
            Acked(n, place) => check.acked(key(n), HEAD + place, now, found),
            Refused(n) => check.refused(key(n), now, found),
            Abandoned(n) => check.abandoned(key(n), now, found),
            Resumed(slot, head, truncated) => {
                check.resumed(Resume { slot, head: HEAD + head, truncated }, now, found);
            }
            Later => self.now += 60_000_000,
        }
    }

    /// Ends with a history of these (position, number).
    fn finish(mut self, history: &[(u64, u32)]) -> Violations {
        self.check.finish(self.now, &mut self.found);
        let mut check = self.check.history();
        feed(&mut check, history, &mut self.found);
        check.end(self.now, &mut self.found);
        self.found
    }
}

fn feed(check: &mut HistoryCheck<'_>, history: &[(u64, u32)], found: &mut Violations) {
    for &(place, n) in history {
        check.message(HEAD + place, Some(key(n)), 0, found);
    }
}

/// The violations of a history as (kind, position, member, number).
type Named = (Kind, Option<u64>, Option<u32>, Option<u32>);

fn named(found: &Violations) -> Vec<Named> {
    let name = |v: &super::Violation| {
        assert_eq!(v.room, 7);
        (v.kind, v.seq.map(|seq| seq - HEAD), v.member, v.message.map(|m| m.number))
    };
    found.listed().iter().map(name).collect()
}

#[track_caller]
fn expect(members: u32, steps: &[Step], history: &[(u64, u32)], expected: &[Named]) {
    let found = Recorded::new(members, steps).finish(history);
    assert_eq!(named(&found), expected, "{:#?}", found.listed());
}

#[test]
fn a_right_run_has_no_violation() {
    let steps = [Got(0, 1), Got(1, 1), Acked(1, 1), Acked(2, 2), Got(1, 2), Got(0, 2)];
    expect(2, &steps, &[(1, 1), (2, 2)], &[]);
}

#[test]
fn a_lost_event_is_named_with_the_member_it_never_reached() {
    let lost = [(Kind::Lost, Some(2), Some(1), Some(2))];
    let history = [(1, 1), (2, 2), (3, 3)];
    let acked = [Acked(1, 1), Acked(2, 2), Acked(3, 3)];
    let got = [Got(0, 1), Got(0, 2), Got(0, 3), Got(1, 1), Got(1, 3)];
    expect(2, &[&got[..], &acked].concat(), &history, &lost);
    expect(2, &[&acked[..], &got].concat(), &history, &lost);
    // Found before the end too, once nobody can expect it any more.
    let mut early = Recorded::new(2, &[&acked[..], &got, &[Later, Acked(4, 4)]].concat());
    assert_eq!(named(&early.found), lost);
    assert!(!early.check.is_settled());
    early.step(Got(0, 4));
    early.step(Got(1, 4));
    assert!(early.check.is_settled());
}

#[test]
fn a_server_that_hides_a_loss_in_prev_is_found_out() {
    let steps = [Got(0, 1), Got(0, 2), GotAfter(1, 2, 0), Acked(1, 1), Acked(2, 2)];
    let expected = [(Kind::Disagreement, Some(2), Some(1), Some(2)), (Kind::Lost, Some(1), Some(1), Some(1))];
    expect(2, &steps, &[(1, 1), (2, 2)], &expected);
}

#[test]
fn an_event_that_reached_nobody_is_lost_for_all() {
    let steps = [Acked(1, 1), Got(0, 2), Got(1, 2), Acked(2, 2)];
    let expected = [(Kind::Lost, Some(1), Some(0), Some(1)), (Kind::Lost, Some(1), Some(1), Some(1))];
    expect(2, &steps, &[(1, 1), (2, 2)], &expected);
    // Known only because another event's prev names it.
    let steps = [Got(0, 2), Got(1, 2), Acked(2, 2)];
    let expected = [
        (Kind::Lost, Some(1), Some(0), None),
        (Kind::Lost, Some(1), Some(1), None),
        (Kind::StoredNotDelivered, Some(1), None, Some(1)),
    ];
    expect(2, &steps, &[(1, 1), (2, 2)], &expected);
    // The very last one.
    expect(1, &[Acked(1, 1)], &[(1, 1)], &[(Kind::Lost, Some(1), Some(0), Some(1))]);
}

#[test]
fn a_second_delivery_is_a_duplicate_before_and_after_it_is_settled() {
    let expected = [(Kind::Duplicated, Some(1), Some(1), Some(1))];
    expect(2, &[Acked(1, 1), Got(1, 1), Got(1, 1), Got(0, 1)], &[(1, 1)], &expected);
    expect(2, &[Acked(1, 1), Got(1, 1), Got(0, 1), Got(1, 1)], &[(1, 1)], &expected);
}

#[test]
fn swapped_events_are_out_of_order_and_not_lost() {
    let steps = [Got(0, 1), Got(0, 2), Got(1, 2), Got(1, 1), Acked(1, 1), Acked(2, 2), Later, Acked(2, 2)];
    let expected = [(Kind::OutOfOrder, Some(1), Some(1), Some(1))];
    expect(2, &steps, &[(1, 1), (2, 2)], &expected);
    // The swapped one came before anybody else had it.
    let steps = [Got(1, 2), Got(1, 1), Got(0, 1), Got(0, 2), Acked(1, 1), Acked(2, 2)];
    expect(2, &steps, &[(1, 1), (2, 2)], &expected);
}

#[test]
fn a_message_under_two_seqs_is_doubled() {
    let steps = [Got(0, 1), Acked(1, 1), GotOther(0, 2, 1)];
    let expected = [(Kind::Doubled, Some(2), None, Some(1))];
    expect(1, &steps, &[(1, 1), (2, 1)], &expected);
    let steps = [Got(0, 1), Acked(1, 1), Acked(1, 2), GotOther(0, 2, 1)];
    expect(1, &steps, &[(1, 1), (2, 1)], &expected);
}

#[test]
fn what_nobody_sent_is_told() {
    let expected = [(Kind::NotSent, Some(1), Some(0), None)];
    expect(1, &[GotForeign(0, 1)], &[], &expected);
    let mut stranger = Recorded::new(1, &[]);
    let event = Event { seq: HEAD + 1, prev: HEAD, content: Content::Message(MessageKey { sender: 9, number: 0 }) };
    stranger.check.delivered(0, event, 1, &mut stranger.found);
    assert_eq!(stranger.found.count(Kind::NotSent), 1);
}

#[test]
fn members_must_agree_on_what_stands_where() {
    let steps = [Got(0, 1), GotOther(1, 1, 5), Acked(1, 1)];
    let expected = [(Kind::Disagreement, Some(1), Some(1), Some(1))];
    expect(2, &steps, &[(1, 1)], &expected);
}

#[test]
fn an_ack_must_name_its_own_message() {
    let steps = [Got(0, 1), Acked(2, 1)];
    let expected = [(Kind::AckMismatch, Some(1), None, Some(2))];
    expect(1, &[&steps[..], &[Acked(1, 1)]].concat(), &[(1, 1)], &expected);
    // Found too once the position is settled; a repeated ack of the right message is fine.
    let steps = [Got(0, 1), Acked(1, 1), Acked(1, 1), Acked(2, 1)];
    expect(1, &steps, &[(1, 1)], &expected);
}

#[test]
fn a_refused_message_must_not_appear() {
    let expected = [(Kind::RefusedDelivered, Some(1), None, Some(1))];
    expect(1, &[Refused(1), Got(0, 1)], &[(1, 1)], &expected);
    let late = [(Kind::RefusedDelivered, None, None, Some(1))];
    expect(1, &[Got(0, 1), Refused(1)], &[(1, 1)], &late);
    expect(1, &[Refused(1), GotOther(0, 1, 2), Acked(2, 1)], &[(1, 2)], &[]);
}

#[test]
fn an_unanswered_message_may_be_there_or_not_but_then_for_all() {
    expect(2, &[Abandoned(1), Got(0, 1), Got(1, 1)], &[(1, 1)], &[]);
    expect(2, &[Abandoned(1)], &[], &[]);
    let expected = [(Kind::SeenNotStored, Some(1), None, Some(1))];
    expect(2, &[Abandoned(1), Got(0, 1), Got(1, 1)], &[], &expected);
    let settled = Recorded::new(2, &[Got(0, 1), Got(1, 1)]);
    assert!(!settled.check.is_settled(), "its sender does not know yet");
    let settled = Recorded::new(2, &[Got(0, 1), Got(1, 1), Abandoned(1)]);
    assert!(settled.check.is_settled());
}

#[test]
fn a_resume_closes_its_gap_or_says_so() {
    let live = [Got(0, 1), Got(0, 2), Acked(1, 1), Acked(2, 2)];
    let history = [(1, 1), (2, 2)];
    expect(2, &[&live[..], &[Got(1, 1), Got(1, 2), Resumed(1, 2, false)]].concat(), &history, &[]);
    expect(2, &[&live[..], &[Resumed(1, 2, true)]].concat(), &history, &[]);
    let expected = [(Kind::ResumeGap, Some(2), Some(1), Some(2)), (Kind::Lost, Some(2), Some(1), Some(2))];
    expect(2, &[&live[..], &[Got(1, 1), Resumed(1, 2, false)]].concat(), &history, &expected);
}

#[test]
fn an_absent_member_misses_nothing() {
    let mut absent = Recorded::new(2, &[Got(0, 1), Acked(1, 1)]);
    absent.check.absent(1);
    assert!(absent.finish(&[(1, 1)]).listed().is_empty());
}

#[test]
fn unread_counts_are_those_of_others_after_the_mark() {
    let mut run = Recorded::new(2, &[Got(0, 1), Got(1, 1), Acked(1, 1)]);
    run.check.reading(1);
    run.check.read(1, true);
    for place in 2..=4 {
        for step in [Got(0, place), Got(1, place), Acked(number(place), place)] {
            run.step(step);
        }
    }
    for (slot, told) in [(0, 0), (1, 3)] {
        assert!(run.check.unread(slot, told, 0, &mut run.found));
    }
    assert_eq!(run.found.total(), 0);
    run.check.unread(0, 1, 0, &mut run.found);
    run.check.unread(1, 4, 0, &mut run.found);
    assert_eq!(run.found.count(Kind::Unread), 2);
    // A member that does not know whether a mark was set has no right count to compare.
    run.check.reading(1);
    run.check.read(1, false);
    assert!(!run.check.unread(1, 3, 0, &mut run.found));
}

#[test]
fn memory_is_bounded_whatever_the_length_and_a_member_far_behind_is_checked_by_its_chain() {
    let total = 50_000;
    let mut run = Recorded::new(2, &[]);
    for place in 1..=total {
        run.step(Got(0, place));
        run.step(Acked(number(place), place));
    }
    assert_eq!(run.found.total(), 0);
    for place in (1..=total).filter(|&place| place != 77) {
        let prev = if place == 78 { 77 } else { place - 1 };
        run.step(GotAfter(1, place, prev));
    }
    assert_eq!(named(&run.found), [(Kind::Lost, Some(77), Some(1), None)]);
    assert!(run.check.is_settled());
    assert!(run.check.totals().chain_only > 30_000);
    assert_eq!(run.check.totals().deliveries, 2 * total - 1);
}

#[test]
fn whatever_the_interleaving_a_right_run_is_right() {
    let mut rng = rand::rng();
    for _ in 0..200 {
        let (members, total) = (rng.random_range(1..80), rng.random_range(1..20));
        let mut next = vec![1; members as usize];
        let mut unacked: Vec<u64> = (1..=total).collect();
        let mut run = Recorded::new(members, &[]);
        while next.iter().any(|&place| place <= total) || !unacked.is_empty() {
            if rng.random_ratio(1, members + 1) && !unacked.is_empty() {
                let place = unacked.swap_remove(rng.random_range(0..unacked.len()));
                run.step(Acked(number(place), place));
                continue;
            }
            let behind: Vec<_> = (0..members).filter(|&slot| next[slot as usize] <= total).collect();
            if let Some(&slot) = behind.choose(&mut rng) {
                run.step(Got(slot, next[slot as usize]));
                next[slot as usize] += 1;
            }
        }
        assert!(run.check.is_settled());
        let history: Vec<_> = (1..=total).map(|place| (place, number(place))).collect();
        assert_eq!(named(&run.finish(&history)), []);
    }
}

#[test]
fn what_was_not_compared_in_the_end_is_told() {
    let mut run = Recorded::new(3, &[Got(0, 1), Got(1, 1), Got(2, 1), Acked(1, 1)]);
    run.check.absent(2);
    run.check.finish(run.now, &mut run.found);
    let (check, found) = (&mut run.check, &mut run.found);
    assert!(check.take(&Tell::Unread(0, 0), 1, found));
    assert!(check.take(&Tell::History(vec![(HEAD + 1, Some(key(1)))]), 2, found));
    assert!(!check.take(&Tell::Reading(3), 3, found), "the room has no such member");
    assert_eq!(found.total(), 0);
    check.close(4, found);
    assert_eq!(named(found), [(Kind::Unverified, None, None, None), (Kind::Unverified, None, Some(1), None)]);
    check.take(&Tell::HistoryEnd, 5, found);
    check.take(&Tell::Unverified(Some(1), "it does not answer".to_owned()), 6, found);
    assert_eq!(found.count(Kind::Unverified), 3);
    check.close(7, found);
    assert_eq!(found.total(), 3, "everything is compared, or reported as unverified");
}
