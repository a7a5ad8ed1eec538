//! The order of one room's events on this node, sans-IO: publications, confirmations and answers in,
//! steps out.
//!
//! Publications are a hint, the room's stream is the truth. Every event names the one before it. Where
//! that is not the last one delivered, or the subscription was cut, delivery stops, what came after
//! the last one is asked for, and goes on from the answer. What cannot be had whole is said to be lost.

use std::collections::VecDeque;
use std::sync::Arc;

use rts_common::seq::Seq;

use crate::rooms::{EventsAfter, Head, RoomEvent};

/// Publications that wait for an answer; beyond, they are asked for again, since the stream has them
/// too. A message is 2 KiB at most on average, so this is half a MiB for a room that catches up.
const WAITING_MAX: usize = 256;

/// A publication at its place in the room.
#[derive(Clone, Debug)]
pub(in crate::fanout) struct Item {
    pub(in crate::fanout) epoch: Seq,
    pub(in crate::fanout) seq: Seq,
    pub(in crate::fanout) prev: Seq,
    /// `None` for what this build cannot read: it has its place and is passed over.
    pub(in crate::fanout) event: Option<Arc<RoomEvent>>,
}

impl Item {
    pub(in crate::fanout) fn new(event: RoomEvent) -> Self {
        Self { epoch: event.epoch, seq: event.seq, prev: event.prev, event: Some(Arc::new(event)) }
    }
}

/// What Redis answered.
#[derive(Debug)]
pub(in crate::fanout) enum Answer {
    /// To [`Step::Ask`] without a seq: where the room stands.
    Head(Head),
    /// To one with a seq.
    After(EventsAfter),
    /// There is no such room any more.
    Gone,
}

/// What is to be done, in this order.
#[derive(Debug)]
pub(in crate::fanout) enum Step {
    /// Ask where the room stands, or what came after a seq.
    Ask(Option<Seq>),
    /// Publications were missed.
    Gap,
    /// Give an event to the sessions; `live` if it came by publication.
    Deliver { event: Arc<RoomEvent>, live: bool },
    /// Something between the last event delivered and the next one is not to be had: the sessions
    /// have to start over.
    Lost,
    /// It is known where the room stands: sessions may rely on it.
    Open,
}

/// A room's order.
#[derive(Debug, Default)]
pub(in crate::fanout) struct Sequencer {
    /// Where delivery stands.
    at: Option<Head>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Not subscribed yet.
    #[default]
    Unsubscribed,
    /// Publications are delivered as they come.
    Live,
    /// An answer is awaited.
    Asking {
        waiting: VecDeque<Item>,
        /// The answer may have been made before the subscription, or publications were dropped.
        ask_again: bool,
    },
}

impl Sequencer {
    /// Whether sessions may rely on it.
    pub(in crate::fanout) fn is_open(&self) -> bool {
        self.at.is_some()
    }

    /// The last event delivered.
    pub(in crate::fanout) fn last(&self) -> Seq {
        self.at.map_or(Seq::ZERO, |head| head.seq)
    }

    /// The channel is subscribed, perhaps not for the first time: something may have been missed.
    pub(in crate::fanout) fn subscribed(&mut self) -> Vec<Step> {
        match &mut self.state {
            State::Asking { ask_again, .. } => {
                *ask_again = true;
                Vec::new()
            }
            State::Unsubscribed | State::Live => vec![self.ask(VecDeque::new())],
        }
    }

    /// Something was published.
    pub(in crate::fanout) fn published(&mut self, item: Item) -> Vec<Step> {
        let mut steps = Vec::new();
        match &mut self.state {
            // What is to come will be compared with the head.
            State::Unsubscribed => {}
            State::Asking { waiting, ask_again } => {
                if waiting.len() < WAITING_MAX {
                    waiting.push_back(item);
                } else {
                    waiting.clear();
                    *ask_again = true;
                }
            }
            State::Live => {
                if !self.apply(&item, &mut steps) {
                    // The stream has had the event since before it was published.
                    steps.push(Step::Gap);
                    steps.push(self.ask(VecDeque::new()));
                }
            }
        }
        steps
    }

    /// Redis answered what was asked.
    pub(in crate::fanout) fn answered(&mut self, answer: Answer) -> Vec<Step> {
        let mut steps = Vec::new();
        let State::Asking { waiting, ask_again } = std::mem::take(&mut self.state) else {
            return steps;
        };
        match answer {
            Answer::Head(head) => {
                self.at = Some(head);
                steps.push(Step::Open);
            }
            Answer::After(after) => self.catch_up(after, &mut steps),
            // Nothing was delivered of it yet, so nothing is lost: it is taken from its start.
            Answer::Gone if self.at.is_none() => {
                self.at = Some(Head { epoch: Seq::ZERO, seq: Seq::ZERO });
                steps.push(Step::Open);
            }
            // Should it come back, its next event will not follow the last one.
            Answer::Gone => steps.push(Step::Lost),
        }
        self.state = State::Live;
        if ask_again {
            steps.push(self.ask(waiting));
        } else {
            self.replay(waiting, &mut steps);
        }
        steps
    }

    fn replay(&mut self, mut waiting: VecDeque<Item>, steps: &mut Vec<Step>) {
        while let Some(item) = waiting.pop_front() {
            if !self.apply(&item, steps) {
                // Each question uses up at least one publication: they end.
                steps.push(Step::Gap);
                steps.push(self.ask(waiting));
                return;
            }
        }
    }

    fn ask(&mut self, waiting: VecDeque<Item>) -> Step {
        self.state = State::Asking { waiting, ask_again: false };
        Step::Ask(self.at.map(|head| head.seq))
    }

    /// False if something between is missing.
    fn apply(&mut self, item: &Item, steps: &mut Vec<Step>) -> bool {
        let Some(at) = self.at else { return false };
        if item.epoch == at.epoch && item.seq <= at.seq {
            return true;
        }
        // Under a later epoch too: then nothing was lost that was delivered here. One of an earlier epoch
        // was lost with it, unless Redis's clock went back: the answer will tell.
        if item.epoch < at.epoch || item.prev != at.seq || item.seq <= at.seq {
            return false;
        }
        self.at = Some(Head { epoch: item.epoch, seq: item.seq });
        if let Some(event) = &item.event {
            steps.push(Step::Deliver { event: Arc::clone(event), live: true });
        }
        true
    }

    fn catch_up(&mut self, after: EventsAfter, steps: &mut Vec<Step>) {
        let Some(at) = self.at else { return };
        match after {
            EventsAfter::Whole { head, events } if joins(at, head, events.first()) => {
                steps.extend(events.into_iter().map(|event| Step::Deliver { event: Arc::new(event), live: false }));
                self.at = Some(head);
            }
            EventsAfter::Whole { head, .. } | EventsAfter::Truncated { head } => {
                self.at = Some(head);
                steps.push(Step::Lost);
            }
        }
    }
}

/// Whether the events after `at` really follow it.
///
/// Within an epoch the stream has them all, and a later `prev` only means that an unreadable entry
/// was passed over; an earlier one, that a failover took back what was delivered, and gave out seqs
/// between. In another epoch nothing but the very next event will do.
fn joins(at: Head, head: Head, first: Option<&RoomEvent>) -> bool {
    match first {
        Some(first) if head.epoch == at.epoch => first.prev >= at.seq,
        Some(first) => first.prev == at.seq,
        None => head.seq == at.seq || (head.epoch == at.epoch && head.seq > at.seq),
    }
}

#[cfg(test)]
mod tests;
