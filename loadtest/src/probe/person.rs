//! One of the probe's two users: a connection that is opened again whenever it ends, what is sent, what is received.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow};
use rts_common::signalr::{CompletionResult, Payload, Protocol, Record, encode_client_invocation};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout, timeout_at};

use super::Shared;
use super::figures::Count;
use crate::connection::{Session, SessionEnd};
use crate::wire::{self, Request};

/// The most bytes of one receive.
const SCRATCH_BYTES: usize = 16 * 1024;
/// The stock client's interval between pings, and the time after which it gives up on a silent server.
const PING_EVERY: Duration = Duration::from_secs(15);
const SERVER_TIMEOUT: Duration = Duration::from_secs(30);
/// The wait before a connection is opened again: shorter than a user's client takes at most, so that an outage is
/// measured to a second.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// The deadline of the answer to a call that is not a message.
const ANSWER_DEADLINE: Duration = Duration::from_secs(15);
/// The interval at which bytes that the socket did not take are tried again.
const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// One of the two users.
pub(super) struct Person {
    index: usize,
    /// Notified when a message is due.
    pub(super) wake: Notify,
    /// The last event received, after which a new connection resumes.
    last: Cell<u64>,
    pub(super) is_up: Cell<bool>,
    calls: RefCell<Vec<(u64, Call)>>,
    last_call: Cell<u64>,
}

/// The call that an answer belongs to.
#[derive(Clone, Copy)]
enum Call {
    Send(u64),
    Create,
    Resume,
    History,
}

impl Person {
    pub(super) fn new(index: usize) -> Self {
        Self {
            index,
            wake: Notify::new(),
            last: Cell::new(0),
            is_up: Cell::new(false),
            calls: RefCell::default(),
            last_call: Cell::new(0),
        }
    }

    /// Stays connected for ever.
    pub(super) async fn run(self: Rc<Self>, shared: Rc<Shared>, protocol: Protocol) {
        loop {
            let ended = match self.connect(&shared, protocol).await {
                Ok(session) => {
                    shared.count(Count::Connects);
                    shared.connected(1);
                    let Err(ended) = self.serve(&shared, &session).await;
                    shared.connected(-1);
                    shared.count(Count::Disconnects);
                    ended
                }
                Err(error) => {
                    shared.count(Count::ConnectFailures);
                    error
                }
            };
            self.is_up.set(false);
            self.calls.borrow_mut().clear();
            shared.tell(&format!("user {}: {ended:#}", self.index));
            sleep(RECONNECT_AFTER).await;
        }
    }

    async fn connect(&self, shared: &Shared, protocol: Protocol) -> anyhow::Result<Session> {
        // A token for each connection: no run is longer than a token's life this way.
        let token = shared.tokens.token(self.index, shared.dialer.target(self.index)).await?;
        Ok(shared.dialer.open(self.index, &token, protocol).await?)
    }

    /// Serves a connection until it ends.
    async fn serve(&self, shared: &Shared, session: &Session) -> anyhow::Result<std::convert::Infallible> {
        self.begin(shared, session)?;
        let (mut heard, begun) = (Instant::now(), Instant::now());
        let mut next_ping = tokio::time::Instant::now() + PING_EVERY;
        let mut scratch = vec![0; SCRATCH_BYTES];
        loop {
            let until = if session.flush()? { next_ping } else { tokio::time::Instant::now() + FLUSH_EVERY };
            tokio::select! {
                () = self.wake.notified() => {
                    if self.is_up.get() {
                        self.send_all(shared, session)?;
                    } else if !self.has_begun() {
                        self.begin(shared, session)?;
                    }
                }
                readable = timeout_at(until, session.readable()) => match readable {
                    Ok(readable) => {
                        readable?;
                        let mut records = Vec::new();
                        session.receive(&mut scratch, |record| records.push(record))?;
                        for record in records {
                            heard = Instant::now();
                            self.on_record(shared, session, record)?;
                        }
                    }
                    Err(_) if heard.elapsed() > SERVER_TIMEOUT => return Err(SessionEnd::Silent.into()),
                    Err(_) => {
                        if until == next_ping {
                            next_ping += PING_EVERY;
                            session.ping()?;
                        }
                    }
                },
            }
            if !self.is_up.get() && self.has_begun() && begun.elapsed() > ANSWER_DEADLINE {
                return Err(anyhow!("no answer in time"));
            }
        }
    }

    fn has_begun(&self) -> bool {
        !self.calls.borrow().is_empty()
    }

    /// The first calls of a connection: the room is made, or found, by the first user once both are known to the
    /// service; who knows the room resumes.
    fn begin(&self, shared: &Shared, session: &Session) -> anyhow::Result<()> {
        let Some(room) = shared.room() else {
            if self.index == 0 && shared.are_both_connected() {
                let member_ids = Some(vec![shared.tokens.user(1)]);
                let request = Request { kind: Some("direct"), member_ids, ..Request::default() };
                self.call(session, "CreateRoom", &request, Call::Create)?;
            }
            return Ok(());
        };
        if self.last.get() == 0 {
            self.last.set(room.head_seq);
        }
        let rooms = Some(vec![wire::Seen { room_id: &room.room_id, seq: self.last.get() }]);
        self.call(session, "Resume", &Request { rooms, ..Request::default() }, Call::Resume)
    }

    /// Sends the own messages that are not acknowledged and not under way.
    fn send_all(&self, shared: &Shared, session: &Session) -> anyhow::Result<()> {
        let Some(room) = shared.room() else { return Ok(()) };
        for (number, client_id) in shared.unacked(self.index) {
            let is_under_way =
                self.calls.borrow().iter().any(|(_, call)| matches!(call, Call::Send(sent) if *sent == number));
            if is_under_way {
                continue;
            }
            let request = Request {
                room_id: Some(&room.room_id),
                client_id: Some(&client_id),
                body: Some("A message of the probe."),
                ..Request::default()
            };
            self.call(session, "SendMessage", &request, Call::Send(number))?;
        }
        Ok(())
    }

    fn call(&self, session: &Session, target: &str, request: &Request<'_>, call: Call) -> anyhow::Result<()> {
        let id = self.last_call.get() + 1;
        self.last_call.set(id);
        let record = encode_client_invocation(session.protocol(), Some(&id.to_string()), target, request)?;
        self.calls.borrow_mut().push((id, call));
        session.send(&record)?;
        Ok(())
    }

    fn on_record(&self, shared: &Shared, session: &Session, record: Record) -> anyhow::Result<()> {
        match record {
            Record::Invocation { target, arguments, .. } if target == "MessageCreated" => {
                let event: wire::RoomEvent = arguments.decode_object(0).context("an event of the wrong form")?;
                self.on_event(shared, &event);
                Ok(())
            }
            Record::Completion { invocation_id, result } => {
                let mut calls = self.calls.borrow_mut();
                let place = calls.iter().position(|(id, _)| invocation_id.parse() == Ok(*id));
                let Some((_, call)) = place.map(|place| calls.swap_remove(place)) else { return Ok(()) };
                drop(calls);
                match result {
                    CompletionResult::Value(payload) => self.on_answer(shared, session, call, &payload),
                    CompletionResult::Void => Err(anyhow!("an answer without a value")),
                    CompletionResult::Error(text) => self.on_error(shared, call, &text),
                }
            }
            _ => Ok(()),
        }
    }

    fn on_event(&self, shared: &Shared, event: &wire::RoomEvent) {
        if shared.room().is_none_or(|room| room.room_id != event.room_id) {
            return;
        }
        if let Some(message) = &event.message {
            shared.heard(self.index, &message.client_id, message.seq);
        }
        // Until the resume is answered, what lies before a live event may be missing.
        if self.is_up.get() {
            self.last.set(self.last.get().max(event.seq));
        }
    }

    fn on_answer(&self, shared: &Shared, session: &Session, call: Call, payload: &Payload) -> anyhow::Result<()> {
        match call {
            Call::Send(number) => shared.acked(number),
            Call::Create => {
                let created: wire::Created = payload.decode().context("CreateRoom: an answer of the wrong form")?;
                shared.set_room(created.room);
            }
            Call::Resume => {
                let resumed: wire::Resumed = payload.decode().context("Resume: an answer of the wrong form")?;
                let room = resumed.rooms.first().context("Resume: the room is missing")?;
                for event in &room.events {
                    self.on_event(shared, event);
                }
                self.last.set(self.last.get().max(room.head_seq));
                if room.truncated {
                    // What is still open is younger than the newest page.
                    let request = Request { room_id: Some(&room.room_id), limit: Some(200), ..Request::default() };
                    return self.call(session, "GetHistory", &request, Call::History);
                }
                self.up(shared, session)?;
            }
            Call::History => {
                let page: wire::History = payload.decode().context("GetHistory: an answer of the wrong form")?;
                for message in &page.messages {
                    shared.heard(self.index, &message.client_id, message.seq);
                }
                self.up(shared, session)?;
            }
        }
        Ok(())
    }

    fn up(&self, shared: &Shared, session: &Session) -> anyhow::Result<()> {
        self.is_up.set(true);
        self.send_all(shared, session)
    }

    /// A message is tried again with the next one that is due, everything else with the next connection.
    fn on_error(&self, shared: &Shared, call: Call, text: &str) -> anyhow::Result<()> {
        shared.count(Count::Errors);
        let code = wire::error_code(text);
        shared.tell(&format!("user {}: {text}", self.index));
        match call {
            Call::Send(number) if wire::is_final(code) => shared.refused(number),
            Call::Send(_) => {}
            Call::Create | Call::Resume | Call::History => return Err(anyhow!("{text}")),
        }
        Ok(())
    }
}

/// Waits until a condition holds that tasks of this thread change, for at most `within`.
pub(super) async fn wait_for(within: Duration, condition: impl Fn() -> bool) -> bool {
    let holds = async {
        while !condition() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(within, holds).await.is_ok()
}
