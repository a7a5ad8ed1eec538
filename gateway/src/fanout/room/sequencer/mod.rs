//! The order of one room's events on this node, sans-IO: publications, confirmations and answers in, steps out.
//!
//! Publications are a hint, the room's stream is the truth. Every event names the one before it. If that is not the
//! last one delivered, or the subscription was cut, delivery stops, the events after the last one are requested, and
//! delivery continues from the answer. If they are incomplete, they are reported as lost.

use std::collections::VecDeque;
use std::sync::Arc;

use rts_common::seq::Seq;

use crate::rooms::{EventsAfter, Head, RoomEvent};

/// The most publications that wait for an answer; beyond it, they are requested again, since the stream has them too. A
/// message is 2 KiB at most on average, so this is half a MiB for a room that catches up.
const WAITING_MAX: usize = 256;

/// A publication with its position in the room.
#[derive(Clone, Debug)]
pub(in crate::fanout) struct Item {
    pub(in crate::fanout) epoch: Seq,
    pub(in crate::fanout) seq: Seq,
    pub(in crate::fanout) prev: Seq,
    /// `None` if this build cannot parse it: it has a position and is skipped.
    pub(in crate::fanout) event: Option<Arc<RoomEvent>>,
}

impl Item {
    pub(in crate::fanout) fn new(event: RoomEvent) -> Self {
        Self { epoch: event.epoch, seq: event.seq, prev: event.prev, event: Some(Arc::new(event)) }
    }
}

/// An answer of Redis.
#[derive(Debug)]
pub(in crate::fanout) enum Answer {
    /// The answer to [`Step::Ask`] without a seq: the room's head.
    Head(Head),
    /// The answer to [`Step::Ask`] with a seq.
    After(EventsAfter),
    /// There is no such room any more.
    Gone,
}

/// A step to take, in this order.
#[derive(Debug)]
pub(in crate::fanout) enum Step {
    /// Read the room's head, or the events after a seq.
    Ask(Option<Seq>),
    /// Publications were missed.
    Gap,
    /// Deliver an event to the sessions; `live` if it came by publication.
    Deliver { event: Arc<RoomEvent>, live: bool },
    /// An event between the last one delivered and the next one is not available: the sessions have to start over.
    Lost,
    /// The room's head is known: sessions may rely on the order.
    Open,
}

/// The order of a room.
#[derive(Debug, Default)]
pub(in crate::fanout) struct Sequencer {
    /// The position of delivery.
    at: Option<Head>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Not subscribed yet.
    #[default]
    Unsubscribed,
    /// Publications are delivered as they arrive.
    Live,
    /// An answer is awaited.
    Asking {
        waiting: VecDeque<Item>,
        /// The answer may have been made before the subscription, or publications were dropped.
        ask_again: bool,
    },
}

impl Sequencer {
    /// True if sessions may rely on the order.
    pub(in crate::fanout) fn is_open(&self) -> bool {
        self.at.is_some()
    }

    /// Returns the seq of the last event delivered.
    pub(in crate::fanout) fn last(&self) -> Seq {
        self.at.map_or(Seq::ZERO, |head| head.seq)
    }

    /// Handles a subscription of the channel, perhaps not the first: events may have been missed.
    pub(in crate::fanout) fn subscribed(&mut self) -> Vec<Step> {
        match &mut self.state {
            State::Asking { ask_again, .. } => {
                *ask_again = true;
                Vec::new()
            }
            State::Unsubscribed | State::Live => vec![self.ask(VecDeque::new())],
        }
    }

    /// Handles a publication.
    pub(in crate::fanout) fn published(&mut self, item: Item) -> Vec<Step> {
        let mut steps = Vec::new();
        match &mut self.state {
            // Later events will be compared with the head.
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

    /// Handles Redis's answer.
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
            // Nothing of it was delivered yet, so nothing is lost: delivery begins at its start.
            Answer::Gone if self.at.is_none() => {
                self.at = Some(Head { epoch: Seq::ZERO, seq: Seq::ZERO });
                steps.push(Step::Open);
            }
            // If it comes back, its next event will not follow the last one.
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
                // Each answer uses up at least one publication: the loop ends.
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

    /// Delivers a publication; false if an event before it is missing.
    fn apply(&mut self, item: &Item, steps: &mut Vec<Step>) -> bool {
        let Some(at) = self.at else { return false };
        if item.epoch == at.epoch && item.seq <= at.seq {
            return true;
        }
        // Also under a later epoch: then no delivered event was lost. An event of an earlier epoch was lost with it,
        // unless Redis's clock went back: the answer will show which.
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

/// True if the events after `at` really follow it.
///
/// Within an epoch the stream has them all, and a later `prev` only means that an unreadable entry was skipped; an
/// earlier one, that a failover took back delivered events and reused seqs in between. In another epoch only the very
/// next event will do.
fn joins(at: Head, head: Head, first: Option<&RoomEvent>) -> bool {
    match first {
        Some(first) if head.epoch == at.epoch => first.prev >= at.seq,
        Some(first) => first.prev == at.seq,
        None => head.seq == at.seq || (head.epoch == at.epoch && head.seq > at.seq),
    }
}

#[cfg(test)]
mod tests;
