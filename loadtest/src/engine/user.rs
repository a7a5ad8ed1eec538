//! A virtual user: one connection, and its calls.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::Ordering;

use rts_common::signalr::{Payload, encode_client_invocation};
use tokio::sync::{Notify, oneshot};

use super::backoff::{Allowance, Backoff, Gate};
use super::context::{Shared, Stage};
use super::message::Authored;
use super::stats::{Count, Latency};
use super::worker::Worker;
use crate::checker::{Event, MessageKey, Tell};
use crate::connection::Session;
use crate::wire::{self, Request};

/// The number of concurrent calls that the product accepts on one connection.
pub(super) const IN_FLIGHT_MAX: usize = 32;
/// Sends that may wait for a connection or an answer; further ones count as unsent.
const WAITING_MAX: usize = 256;
/// The rate at which a user sends waiting messages; the product allows 20 a second, with a burst of 40.
const WIRE_PER_SECOND: f64 = 19.0;
const WIRE_BURST: f64 = 36.0;

/// One virtual user of a worker.
pub(super) struct User {
    pub(super) index: usize,
    pub(super) session: RefCell<Option<Rc<Session>>>,
    /// Notified to cut the connection.
    pub(super) cut: Notify,
    pub(super) state: RefCell<State>,
    /// True if it is in the worker's list of users with something to do.
    pub(super) is_busy: Cell<bool>,
    /// When its connection ended, while there is no other that is up.
    pub(super) gone_us: Cell<Option<u64>>,
}

/// The state of a user.
pub(super) struct State {
    /// The user's rooms, as in the world's memberships.
    pub(super) places: Vec<Place>,
    pub(super) calls: Vec<(u64, Call)>,
    last_call: u64,
    /// The messages to send, or to send again, in their intended order.
    waiting: VecDeque<Outgoing>,
    /// The gate that the server's refusals close.
    pub(super) gate: Gate,
    allowance: Allowance,
    /// The wait after failed resumes, also before the next connection.
    pub(super) resumes: Backoff,
    pub(super) connect_after_us: u64,
    pub(super) unstored: VecDeque<(u32, u64, u64)>,
    /// The events received while a resume was in flight.
    pub(super) buffered: Option<Vec<Arrived>>,
    pub(super) connect_intended_us: u64,
}

/// A user's view of a room.
#[derive(Clone, Copy, Default)]
pub(super) struct Place {
    next_number: u32,
    /// The last event received, or taken as received by a truncated resume.
    pub(super) last: u64,
    pub(super) is_reading: bool,
    /// The seq up to which events that a resume brought on this connection may come live once more.
    pub(super) resumed_to: u64,
    /// The last live event of this connection.
    pub(super) live_seq: u64,
    /// The seq back to which the history has been scrolled.
    pub(super) scrolled_to: Option<u64>,
}

/// A message in flight.
#[derive(Clone, Copy)]
pub(super) struct Outgoing {
    pub(super) message: Authored,
    pub(super) attempts: u32,
    /// The time when it was last put on the wire.
    pub(super) called_us: u64,
}

/// The call that an answer belongs to.
pub(super) enum Call {
    Send(Outgoing),
    Resume,
    Read { place: usize, intended_us: u64 },
    Typing { intended_us: u64 },
    History { place: usize, intended_us: u64 },
    Reply(oneshot::Sender<Result<Payload, String>>),
}

impl Call {
    /// Returns the name of the method.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Send(_) => "SendMessage",
            Self::Resume => "Resume",
            Self::Read { .. } => "MarkRead",
            Self::Typing { .. } => "SetTyping",
            Self::History { .. } => "GetHistory",
            Self::Reply(_) => "another",
        }
    }
}

/// A decoded sequenced event.
#[derive(Clone, Copy)]
pub(super) struct Arrived {
    pub(super) room: u32,
    pub(super) event: Event,
    pub(super) intended_wall_us: Option<u64>,
}

impl User {
    pub(super) fn new(index: usize, rooms: usize) -> Self {
        let state = State {
            places: vec![Place::default(); rooms],
            calls: Vec::new(),
            last_call: 0,
            waiting: VecDeque::new(),
            gate: Gate::new(IN_FLIGHT_MAX),
            allowance: Allowance::new(WIRE_PER_SECOND, WIRE_BURST),
            resumes: Backoff::default(),
            connect_after_us: 0,
            unstored: VecDeque::new(),
            buffered: None,
            connect_intended_us: 0,
        };
        Self {
            index,
            session: RefCell::default(),
            cut: Notify::new(),
            state: RefCell::new(state),
            is_busy: Cell::new(false),
            gone_us: Cell::new(None),
        }
    }

    pub(super) fn is_connected(&self) -> bool {
        self.session.borrow().is_some()
    }

    /// Queues a new message to the room at `place`, meant to be sent at `intended_us`.
    pub(super) fn send_message(self: &Rc<Self>, worker: &Worker, place: usize, intended_us: u64) {
        let membership = worker.shared.world.memberships[self.index][place];
        let mut state = self.state.borrow_mut();
        if state.waiting.len() >= WAITING_MAX {
            worker.count(Count::Unsent);
            return;
        }
        let number = state.places[place].next_number;
        state.places[place].next_number += 1;
        let message = Authored {
            room: membership.room,
            key: MessageKey { sender: membership.slot, number },
            intended_us: worker.shared.wall_us(intended_us),
        };
        worker.shared.pending.fetch_add(1, Ordering::Relaxed);
        worker.count(Count::Sent);
        state.waiting.push_back(Outgoing { message, attempts: 0, called_us: 0 });
        drop(state);
        self.send_waiting(worker);
    }

    /// Sends the waiting messages, as far as the connection allows.
    pub(super) fn send_waiting(self: &Rc<Self>, worker: &Worker) {
        let now_us = worker.shared.now_us();
        loop {
            let mut state = self.state.borrow_mut();
            let window = state.gate.window(now_us);
            let is_full = window > 0 && state.calls.len() >= window;
            if state.waiting.is_empty() || !self.is_connected() || state.buffered.is_some() || is_full {
                // A new message, the connection, or an answer brings the user back here.
                return;
            }
            if window == 0 || !state.allowance.take(now_us) {
                worker.busy(self);
                return;
            }
            let Some(mut outgoing) = state.waiting.pop_front() else { return };
            drop(state);
            outgoing.attempts += 1;
            outgoing.called_us = now_us;
            if outgoing.attempts > 1 {
                worker.count(Count::Resent);
            }
            let author = &worker.shared.author;
            let (client_id, body) = (author.client_id(outgoing.message), author.body(outgoing.message));
            let Some(room) = worker.shared.room(outgoing.message.room) else { continue };
            let request = Request {
                room_id: Some(&room.id),
                client_id: Some(&client_id),
                body: Some(&body),
                ..Request::default()
            };
            self.invoke(worker, "SendMessage", &request, Call::Send(outgoing));
        }
    }

    /// Requests the events since the last connection, if any room is known.
    pub(super) fn resume(self: &Rc<Self>, worker: &Worker, connect_intended_us: u64) {
        let memberships = &worker.shared.world.memberships[self.index];
        let state = self.state.borrow();
        let rooms: Vec<_> = memberships
            .iter()
            .zip(&state.places)
            .filter_map(|(membership, place)| {
                let room = worker.shared.room(membership.room)?;
                Some(wire::Seen { room_id: &room.id, seq: place.last.max(room.head) })
            })
            .collect();
        drop(state);
        self.state.borrow_mut().connect_intended_us = connect_intended_us;
        if rooms.is_empty() {
            self.is_up(worker);
            return;
        }
        let mut state = self.state.borrow_mut();
        state.buffered = Some(Vec::new());
        for place in &mut state.places {
            (place.resumed_to, place.live_seq) = (0, 0);
        }
        drop(state);
        self.invoke(worker, "Resume", &Request { rooms: Some(rooms), ..Request::default() }, Call::Resume);
    }

    pub(super) fn is_up(self: &Rc<Self>, worker: &Worker) {
        let since = worker.shared.now_us().saturating_sub(self.state.borrow().connect_intended_us);
        self.state.borrow_mut().resumes.reset();
        worker.record(Latency::Connect, since);
        if let Some(gone_us) = self.gone_us.take() {
            worker.record(Latency::Away, worker.shared.now_us().saturating_sub(gone_us));
        }
        worker.shared.set_online(self.index, true);
        self.send_waiting(worker);
    }

    /// Sets or clears a typing indicator.
    pub(super) fn type_in(self: &Rc<Self>, worker: &Worker, place: usize, intended_us: u64) {
        let Some(room) = self.room(worker, place) else { return };
        let request = Request { room_id: Some(room), typing: Some(true), ..Request::default() };
        self.invoke(worker, "SetTyping", &request, Call::Typing { intended_us });
    }

    /// Marks everything received as read.
    pub(super) fn mark_read(self: &Rc<Self>, worker: &Worker, place: usize, intended_us: u64) {
        if std::mem::replace(&mut self.state.borrow_mut().places[place].is_reading, true) {
            return;
        }
        let membership = worker.shared.world.memberships[self.index][place];
        let Some(room) = worker.shared.room(membership.room) else { return };
        worker.shared.tell(membership.room, Tell::Reading(membership.slot));
        let last = self.state.borrow().places[place].last.max(room.head);
        let request = Request { room_id: Some(&room.id), seq: Some(last), ..Request::default() };
        self.invoke(worker, "MarkRead", &request, Call::Read { place, intended_us });
    }

    /// Reads the next older page of the history, and starts again from the newest at the end.
    pub(super) fn scroll(self: &Rc<Self>, worker: &Worker, place: usize, intended_us: u64) {
        let before = self.state.borrow().places[place].scrolled_to;
        let Some(room) = self.room(worker, place) else { return };
        let request = Request { room_id: Some(room), before, limit: Some(50), ..Request::default() };
        self.invoke(worker, "GetHistory", &request, Call::History { place, intended_us });
    }

    /// Calls a method and waits for its answer.
    pub(super) fn call(
        self: &Rc<Self>,
        worker: &Worker,
        target: &str,
        request: &Request<'_>,
    ) -> oneshot::Receiver<Result<Payload, String>> {
        let (reply, answer) = oneshot::channel();
        self.invoke(worker, target, request, Call::Reply(reply));
        answer
    }

    fn room<'a>(&self, worker: &'a Worker, place: usize) -> Option<&'a str> {
        let membership = worker.shared.world.memberships[self.index][place];
        Some(&worker.shared.room(membership.room)?.id)
    }

    fn invoke(self: &Rc<Self>, worker: &Worker, target: &str, request: &Request<'_>, call: Call) {
        let session = self.session.borrow().clone();
        let mut state = self.state.borrow_mut();
        state.last_call += 1;
        let id = state.last_call;
        state.calls.push((id, call));
        drop(state);
        let Some(session) = session else {
            // The way calls in flight are handled at the connection's end suits this one, too.
            self.forget_calls(&worker.shared);
            return;
        };
        let record = encode_client_invocation(session.protocol(), Some(&id.to_string()), target, request)
            .expect("a request holds only texts and numbers");
        // A broken connection shows when it is read.
        if matches!(session.send(&record), Ok(false)) {
            worker.busy(self);
        }
    }

    /// Handles the end of the connection: messages wait for the next, all other calls have failed.
    pub(super) fn forget_calls(&self, shared: &Shared) {
        let mut state = self.state.borrow_mut();
        let calls = std::mem::take(&mut state.calls);
        state.buffered = None;
        for (_, call) in calls {
            match call {
                // Once nothing is sent any more, it was reported as never acknowledged.
                Call::Send(_) if shared.stage() >= Stage::Draining => {}
                Call::Send(outgoing) => state.wait(outgoing),
                Call::Read { place, .. } => {
                    state.places[place].is_reading = false;
                    let membership = shared.world.memberships[self.index][place];
                    shared.tell(membership.room, Tell::Read(membership.slot, false));
                }
                Call::Resume | Call::Typing { .. } | Call::History { .. } | Call::Reply(_) => {}
            }
        }
    }

    /// Handles the end of the load: messages not acknowledged by now are not sent again.
    pub(super) fn stop_sending(&self, shared: &Shared) {
        let mut state = self.state.borrow_mut();
        let waiting = std::mem::take(&mut state.waiting);
        let under_way = state.calls.iter().filter_map(|(_, call)| match call {
            Call::Send(outgoing) => Some(outgoing),
            _ => None,
        });
        for Outgoing { message, .. } in waiting.iter().chain(under_way) {
            shared.never_acked(message.intended_us);
            shared.tell(message.room, Tell::Abandoned(message.key));
        }
    }
}

impl State {
    /// Puts a message back at its position among those that wait.
    pub(super) fn wait(&mut self, outgoing: Outgoing) {
        let place = |outgoing: &Outgoing| (outgoing.message.intended_us, outgoing.message.room, outgoing.message.key);
        let at = self.waiting.partition_point(|other| place(other) < place(&outgoing));
        self.waiting.insert(at, outgoing);
    }
}
