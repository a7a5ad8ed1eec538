use proptest::prelude::*;
use rts_common::ids::{ClientId, RoomId, UserId};
use rts_common::message::{MessageContent, MessageState};

use super::*;
use crate::rooms::Change;

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn event(epoch: u64, number: u64, prev: u64) -> RoomEvent {
    let room_id = RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap();
    let content = MessageContent::new(UserId::parse("ann").unwrap(), ClientId::parse("c").unwrap(), "hello".to_owned());
    RoomEvent {
        room_id: room_id.clone(),
        epoch: seq(epoch),
        seq: seq(number),
        prev: seq(prev),
        change: Change::Created(MessageState { room_id, seq: seq(number), version: seq(number), ordinal: 1, content }),
    }
}

fn item(epoch: u64, number: u64, prev: u64) -> Item {
    Item::new(event(epoch, number, prev))
}

fn head(epoch: u64, number: u64) -> Head {
    Head { epoch: seq(epoch), seq: seq(number) }
}

fn whole(epoch: u64, number: u64, events: Vec<RoomEvent>) -> Answer {
    Answer::After(EventsAfter::Whole { head: head(epoch, number), events })
}

fn open_at(epoch: u64, number: u64) -> Sequencer {
    let mut sequencer = Sequencer::default();
    sequencer.subscribed();
    sequencer.answered(Answer::Head(head(epoch, number)));
    assert!(sequencer.is_open());
    sequencer
}

fn told(steps: &[Step]) -> Vec<String> {
    let tell = |step: &Step| match step {
        Step::Ask(None) => "head?".to_owned(),
        Step::Ask(Some(after)) => format!("after {after}?"),
        Step::Gap => "gap".to_owned(),
        Step::Deliver { event, live: true } => event.seq.to_string(),
        Step::Deliver { event, live: false } => format!("({})", event.seq),
        Step::Lost => "lost".to_owned(),
        Step::Open => "open".to_owned(),
    };
    steps.iter().map(tell).collect()
}

#[test]
fn publications_wait_until_the_head_is_known() {
    let mut sequencer = Sequencer::default();
    assert_eq!(told(&sequencer.published(item(1, 5, 4))), [""; 0]);
    assert_eq!(told(&sequencer.subscribed()), ["head?"]);
    sequencer.published(item(1, 10, 9));
    sequencer.published(item(1, 11, 10));
    assert_eq!(told(&sequencer.answered(Answer::Head(head(1, 10)))), ["open", "11"]);
    assert_eq!(sequencer.last(), seq(11));
}

#[test]
fn a_gap_stops_delivery_until_it_is_filled() {
    let mut sequencer = open_at(1, 10);
    assert_eq!(told(&sequencer.published(item(1, 11, 10))), ["11"]);
    assert_eq!(told(&sequencer.published(item(1, 14, 13))), ["gap", "after 11?"]);
    assert_eq!(told(&sequencer.published(item(1, 15, 14))), [""; 0]);
    let events = vec![event(1, 12, 11), event(1, 13, 12), event(1, 14, 13)];
    assert_eq!(told(&sequencer.answered(whole(1, 14, events))), ["(12)", "(13)", "(14)", "15"]);
    assert_eq!(told(&sequencer.published(item(1, 13, 12))), [""; 0]);
}

#[test]
fn a_new_subscription_is_compared_and_an_answer_from_before_it_does_not_count() {
    let mut sequencer = open_at(1, 10);
    assert_eq!(told(&sequencer.subscribed()), ["after 10?"]);
    assert_eq!(told(&sequencer.subscribed()), [""; 0]);
    assert_eq!(told(&sequencer.answered(whole(1, 10, vec![]))), ["after 10?"]);
    let events = vec![event(1, 11, 10)];
    assert_eq!(told(&sequencer.answered(whole(1, 11, events))), ["(11)"]);
}

#[test]
fn incomplete_answers_are_a_loss() {
    let mut sequencer = open_at(1, 10);
    sequencer.subscribed();
    let truncated = EventsAfter::Truncated { head: head(1, 90) };
    assert_eq!(told(&sequencer.answered(Answer::After(truncated))), ["lost"]);
    assert_eq!(told(&sequencer.published(item(1, 91, 90))), ["91"]);
    sequencer.subscribed();
    assert_eq!(told(&sequencer.answered(Answer::Gone)), ["lost"]);
}

#[test]
fn a_new_epoch_that_continues_after_the_last_event_loses_nothing() {
    let mut sequencer = open_at(1, 10);
    assert_eq!(told(&sequencer.published(item(2, 12, 10))), ["12"]);
    sequencer.subscribed();
    assert_eq!(told(&sequencer.answered(whole(3, 12, vec![]))), [""; 0]);
    sequencer.subscribed();
    let events = vec![event(4, 14, 12)];
    assert_eq!(told(&sequencer.answered(whole(4, 14, events))), ["(14)"]);
}

#[test]
fn a_new_epoch_that_starts_elsewhere_is_a_loss() {
    for (first, prev) in [(12, 9), (12, 11)] {
        let mut sequencer = open_at(1, 10);
        assert_eq!(told(&sequencer.published(item(2, first, prev))), ["gap", "after 10?"]);
        let events = vec![event(2, first, prev)];
        assert_eq!(told(&sequencer.answered(whole(2, first, events))), ["lost"]);
        assert_eq!(told(&sequencer.published(item(2, 13, 12))), ["13"]);
    }
}

#[test]
fn a_failover_that_took_events_back_is_a_loss_although_the_epoch_stays() {
    let mut sequencer = open_at(1, 10);
    assert_eq!(told(&sequencer.published(item(1, 12, 8))), ["gap", "after 10?"]);
    assert_eq!(told(&sequencer.answered(whole(1, 12, vec![event(1, 12, 8)]))), ["lost"]);
}

#[test]
fn unreadable_events_are_skipped_once() {
    let mut sequencer = open_at(1, 10);
    let unreadable = Item { event: None, ..item(1, 11, 10) };
    assert_eq!(told(&sequencer.published(unreadable)), [""; 0]);
    assert_eq!(told(&sequencer.published(item(1, 12, 11))), ["12"]);
    // Also by the stream, which leaves it out.
    sequencer.published(item(1, 14, 13));
    assert_eq!(told(&sequencer.answered(whole(1, 14, vec![event(1, 14, 13)]))), ["(14)"]);
}

#[test]
fn publications_beyond_the_bound_are_fetched_again() {
    let mut sequencer = open_at(1, 10);
    sequencer.subscribed();
    for number in 11..=11 + WAITING_MAX as u64 {
        assert_eq!(told(&sequencer.published(item(1, number, number - 1))), [""; 0]);
    }
    assert_eq!(told(&sequencer.answered(whole(1, 10, vec![]))), ["after 10?"]);
}

/// A room in Redis, and a channel that loses, duplicates and reorders.
#[derive(Default)]
struct Source {
    epoch: u64,
    clock: u64,
    last: u64,
    trimmed: u64,
    stream: Vec<RoomEvent>,
    in_flight: Vec<Item>,
}

impl Source {
    fn append(&mut self) -> Item {
        // The clock always advances, so that no seq is used twice.
        self.clock += 2;
        let event = event(self.epoch, self.clock, self.last);
        self.last = self.clock;
        self.stream.push(event.clone());
        Item::new(event)
    }

    fn rebuild(&mut self, lost: usize) {
        self.epoch += 1;
        self.stream.truncate(self.stream.len().saturating_sub(lost));
        let stored = self.stream.last().map_or(self.trimmed, |last| last.seq.get());
        self.stream.clear();
        self.trimmed = stored;
        self.last = stored;
    }

    fn answer(&self, after: Option<Seq>) -> Answer {
        let head = head(self.epoch, self.last);
        let Some(after) = after else {
            return Answer::Head(head);
        };
        if after.get() > self.last || after.get() < self.trimmed {
            return Answer::After(EventsAfter::Truncated { head });
        }
        let events = self.stream.iter().filter(|event| event.seq > after);
        Answer::After(EventsAfter::Whole { head, events: events.cloned().collect() })
    }
}

#[derive(Clone, Debug)]
enum Act {
    Append { published: usize, at_once: bool },
    Arrive(usize),
    Read,
    Hear,
    Cut,
    Rebuild { lost: usize },
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        6 => (0..3_usize, any::<bool>()).prop_map(|(published, at_once)| Act::Append { published, at_once }),
        4 => any::<usize>().prop_map(Act::Arrive),
        3 => Just(Act::Read),
        3 => Just(Act::Hear),
        1 => Just(Act::Cut),
        1 => (0..3_usize).prop_map(|lost| Act::Rebuild { lost }),
    ];
    proptest::collection::vec(act, 0..120)
}

#[derive(Default)]
struct Run {
    source: Source,
    sequencer: Sequencer,
    asked: Vec<Option<Seq>>,
    read: Option<Answer>,
    last: Option<u64>,
    lost: usize,
    delivered: usize,
}

impl Run {
    fn take(&mut self, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Ask(after) => {
                    assert!(self.asked.is_empty() && self.read.is_none(), "one question at a time");
                    self.asked.push(after);
                }
                Step::Deliver { event, .. } => {
                    assert!(self.sequencer.is_open());
                    if let Some(last) = self.last {
                        assert_eq!(event.prev.get(), last, "no gap and no duplicate");
                        assert!(event.seq.get() > last);
                    }
                    self.last = Some(event.seq.get());
                    self.delivered += 1;
                }
                Step::Lost => {
                    self.lost += 1;
                    self.last = None;
                }
                Step::Open | Step::Gap => {}
            }
        }
    }

    fn act(&mut self, act: &Act) {
        let steps = match act {
            Act::Append { published, at_once } => {
                let item = self.source.append();
                for _ in 0..*published {
                    self.source.in_flight.push(item.clone());
                }
                if *at_once { self.sequencer.published(item) } else { Vec::new() }
            }
            Act::Arrive(which) if !self.source.in_flight.is_empty() => {
                let which = which % self.source.in_flight.len();
                let item = self.source.in_flight.swap_remove(which);
                self.sequencer.published(item)
            }
            Act::Read => {
                if let Some(after) = self.asked.pop() {
                    self.read = Some(self.source.answer(after));
                }
                Vec::new()
            }
            Act::Hear => match self.read.take() {
                Some(answer) => self.sequencer.answered(answer),
                None => Vec::new(),
            },
            Act::Cut => self.sequencer.subscribed(),
            Act::Rebuild { lost } => {
                self.source.rebuild(*lost);
                Vec::new()
            }
            Act::Arrive(_) => Vec::new(),
        };
        self.take(steps);
    }

    fn settle(&mut self) {
        self.act(&Act::Cut);
        while !self.asked.is_empty() || self.read.is_some() {
            self.act(&Act::Read);
            self.act(&Act::Hear);
        }
    }
}

proptest! {
    #[test]
    fn sessions_get_one_order_without_gaps_or_duplicates_on_any_channel(acts in acts()) {
        let mut run = Run::default();
        run.source.epoch = 1;
        run.settle();
        let rebuilt = acts.iter().any(|act| matches!(act, Act::Rebuild { .. }));
        for act in &acts {
            run.act(act);
        }
        run.settle();
        prop_assert_eq!(run.sequencer.last().get(), run.source.last);
        if !rebuilt {
            prop_assert_eq!(run.lost, 0);
            prop_assert_eq!(run.delivered, run.source.stream.len());
        }
    }
}
