//! Handles the records that a virtual user receives.

use std::rc::Rc;
use std::sync::atomic::Ordering;

use rts_common::signalr::{CompletionResult, Payload, Record};

use super::context::Stage;
use super::message::Authored;
use super::stats::{Count, Latency};
use super::user::{Arrived, Call, Outgoing, User};
use super::worker::Worker;
use crate::checker::{Content, Event, Resume, Tell};
use crate::wire;

/// The number of own messages whose `MessagesStored` is awaited.
const UNSTORED_MAX: usize = 256;

impl User {
    /// Takes a record.
    pub(super) fn on_record(self: &Rc<Self>, worker: &Worker, record: Record) {
        match record {
            Record::Invocation { target, arguments, .. } => match target.as_str() {
                "MessageCreated" | "MessageEdited" | "MessageDeleted" | "ReactionChanged" | "RoomUpdated" => {
                    match arguments.decode_object::<wire::RoomEvent>(0) {
                        Ok(event) => self.on_event(worker, &target, &event),
                        Err(_) => worker.shared.ended(format!("an event of the wrong form: {target}")),
                    }
                }
                "MessagesStored" => {
                    if let Ok(stored) = arguments.decode_object::<wire::Stored>(0) {
                        self.on_stored(worker, &stored);
                    }
                }
                _ => worker.count(Count::Noise),
            },
            Record::Completion { invocation_id, result } => {
                let id: u64 = invocation_id.parse().unwrap_or_default();
                let mut state = self.state.borrow_mut();
                let Some(at) = state.calls.iter().position(|&(known, _)| known == id) else { return };
                let (_, call) = state.calls.remove(at);
                drop(state);
                self.on_answer(worker, call, result);
                self.send_waiting(worker);
            }
            _ => {}
        }
    }

    fn on_event(&self, worker: &Worker, target: &str, event: &wire::RoomEvent) {
        let Some(arrived) = Self::understand(worker, target, event) else { return };
        if let Some(buffered) = &mut self.state.borrow_mut().buffered {
            buffered.push(arrived);
            return;
        }
        self.on_live(worker, arrived);
    }

    /// Takes an event that was not part of a resume.
    fn on_live(&self, worker: &Worker, arrived: Arrived) {
        let Some(place) = worker.shared.world.place(self.index, arrived.room) else { return };
        let seq = arrived.event.seq;
        let mut state = self.state.borrow_mut();
        let place = &mut state.places[place];
        // An event at the moment of a resume may be in its answer and also come live: clients drop it.
        let is_overlap = seq <= place.resumed_to && seq > place.live_seq;
        place.live_seq = place.live_seq.max(seq);
        drop(state);
        if !is_overlap {
            self.deliver(worker, arrived, Latency::Delivery);
        }
    }

    fn understand(worker: &Worker, target: &str, event: &wire::RoomEvent) -> Option<Arrived> {
        let room = worker.shared.room_of_id(&event.room_id)?;
        let recognized = event.message.as_ref().and_then(|message| worker.shared.recognize(message));
        let (content, intended_wall_us) = match recognized {
            Some((content, intended)) if target == "MessageCreated" => {
                let same_place =
                    event.message.as_ref().is_some_and(|m| m.seq == event.seq && m.room_id == event.room_id);
                (if same_place { content } else { Content::Foreign }, Some(intended))
            }
            None if target == "MessageCreated" => (Content::Foreign, None),
            _ => (Content::Other, None),
        };
        Some(Arrived { room, event: Event { seq: event.seq, prev: event.prev, content }, intended_wall_us })
    }

    fn deliver(&self, worker: &Worker, arrived: Arrived, latency: Latency) {
        let shared = &worker.shared;
        let Some(at) = shared.world.place(self.index, arrived.room) else { return };
        let slot = shared.world.memberships[self.index][at].slot;
        shared.tell(arrived.room, Tell::Delivered(slot, arrived.event));
        let mut state = self.state.borrow_mut();
        state.places[at].last = state.places[at].last.max(arrived.event.seq);
        drop(state);
        let since = arrived.intended_wall_us.map(|intended| shared.since_wall(intended));
        worker.delivered(latency, since);
        if let (Content::Message(key), Some(intended)) = (arrived.event.content, arrived.intended_wall_us)
            && key.sender == slot
        {
            let unstored = &mut self.state.borrow_mut().unstored;
            if unstored.len() >= UNSTORED_MAX {
                unstored.pop_front();
            }
            unstored.push_back((arrived.room, arrived.event.seq, intended));
        }
    }

    fn on_stored(&self, worker: &Worker, stored: &wire::Stored) {
        let Some(room) = worker.shared.room_of_id(&stored.room_id) else { return };
        let unstored = &mut self.state.borrow_mut().unstored;
        for seq in &stored.seqs {
            if let Some(at) = unstored.iter().position(|&(r, s, _)| r == room && s == *seq)
                && let Some((_, _, intended)) = unstored.remove(at)
            {
                worker.record(Latency::Stored, worker.shared.since_wall(intended));
            }
        }
    }

    fn on_answer(self: &Rc<Self>, worker: &Worker, call: Call, result: CompletionResult) {
        let answer = match result {
            CompletionResult::Value(payload) => Ok(Some(payload)),
            CompletionResult::Void => Ok(None),
            CompletionResult::Error(text) => Err(text),
        };
        let name = call.name();
        let intended_us = match call {
            Call::Send(outgoing) => return self.on_sent(worker, outgoing, answer),
            Call::Resume => return self.on_resumed(worker, answer),
            Call::Reply(reply) => {
                let answer = answer.and_then(|payload| payload.ok_or_else(|| "no result".to_owned()));
                let _gone = reply.send(answer);
                return;
            }
            Call::Read { place, intended_us } => {
                self.state.borrow_mut().places[place].is_reading = false;
                let membership = worker.shared.world.memberships[self.index][place];
                worker.shared.tell(membership.room, Tell::Read(membership.slot, answer.is_ok()));
                intended_us
            }
            Call::History { place, intended_us } => {
                let page = answer.as_ref().ok().and_then(Option::as_ref);
                let page = page.and_then(|page| page.decode::<wire::History>().ok());
                let oldest = page.filter(|page| page.has_more);
                let oldest = oldest.and_then(|page| page.messages.first().map(|message| message.seq));
                self.state.borrow_mut().places[place].scrolled_to = oldest;
                intended_us
            }
            Call::Typing { intended_us } => intended_us,
        };
        match answer {
            Ok(_) => worker.count(Count::Calls),
            Err(text) => worker.failed(name, &text),
        }
        worker.record(Latency::Call, worker.shared.now_us().saturating_sub(intended_us));
    }

    fn on_sent(&self, worker: &Worker, outgoing: Outgoing, answer: Result<Option<Payload>, String>) {
        let shared = &worker.shared;
        if shared.stage() >= Stage::Draining {
            // It was reported as never acknowledged, and the checker has finished with it.
            return;
        }
        let Authored { room, key, intended_us } = outgoing.message;
        let text = match answer.map(|payload| payload.and_then(|payload| payload.decode::<wire::Sent>().ok())) {
            Ok(Some(wire::Sent { seq })) => {
                shared.acked();
                worker.count(Count::Acked);
                worker.record(Latency::Ack, shared.since_wall(intended_us));
                self.state.borrow_mut().gate.acked();
                shared.tell(room, Tell::Acked(key, seq));
                return;
            }
            Ok(None) => "no seq".to_owned(),
            Err(text) => text,
        };
        let now_us = shared.now_us();
        worker.record(Latency::Refused, now_us.saturating_sub(outgoing.called_us));
        let code = wire::error_code(&text);
        if code == "rateLimited" {
            worker.count(Count::RateLimited);
        } else {
            worker.failed("SendMessage", &text);
        }
        if wire::is_final(code) {
            worker.count(Count::Refused);
            shared.pending.fetch_sub(1, Ordering::Relaxed);
            shared.tell(room, Tell::Refused(key));
            return;
        }
        let mut state = self.state.borrow_mut();
        state.gate.refused(now_us, &text);
        state.wait(outgoing);
    }

    fn on_resumed(self: &Rc<Self>, worker: &Worker, answer: Result<Option<Payload>, String>) {
        let shared = &worker.shared;
        let decoded = answer.and_then(|payload| {
            let decoded = payload.and_then(|payload| payload.decode::<wire::Resumed>().ok());
            decoded.ok_or_else(|| "no rooms".to_owned())
        });
        let resumed = match decoded {
            Ok(resumed) => resumed,
            Err(text) => {
                // As after any failed resume: reconnects and tries again, but not at once.
                worker.failed("Resume", &text);
                let mut state = self.state.borrow_mut();
                let wait = u64::try_from(state.resumes.after(&text).as_micros()).unwrap_or(u64::MAX);
                state.connect_after_us = shared.now_us().saturating_add(wait);
                drop(state);
                self.cut.notify_one();
                return;
            }
        };
        for room in &resumed.rooms {
            for event in &room.events {
                if let Some(arrived) = Self::understand(worker, &event.r#type, event) {
                    self.deliver(worker, arrived, Latency::CatchUp);
                }
            }
            let index = shared.room_of_id(&room.room_id);
            let Some((index, place)) = index.and_then(|i| Some((i, shared.world.place(self.index, i)?))) else {
                continue;
            };
            let slot = shared.world.memberships[self.index][place].slot;
            let mut state = self.state.borrow_mut();
            let place = &mut state.places[place];
            place.resumed_to = room.head_seq;
            if room.truncated {
                place.last = place.last.max(room.head_seq);
            }
            drop(state);
            let resume = Resume { slot, head: room.head_seq, truncated: room.truncated };
            shared.tell(index, Tell::Resumed(resume));
        }
        let buffered = self.state.borrow_mut().buffered.take().unwrap_or_default();
        for arrived in buffered {
            self.on_live(worker, arrived);
        }
        self.is_up(worker);
    }
}
