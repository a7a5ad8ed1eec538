//! The main phase: calls in, answers and events out, keep-alive; all in one task, by one hand-written poll, so that a
//! waiting session is as small as its fields.

mod reconnecting;
mod writing;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use rts_common::signalr::{Decoder, Protocol, Record, ping};
use tokio::time::Sleep;

use crate::close_reason::CloseReason;
use crate::metrics::{self, RejoinOutcome};
use crate::session::calls::Calls;
use crate::session::keep_alive::{Due, KeepAlive};
use crate::session::rate_limit::RecordRateLimit;
use crate::session::reconnect::Stateful;
use crate::session::refusal;
use crate::session::service::{Call, Caller, Connecting};
use crate::session::streams::Streams;
use crate::session::transport::{Incoming, TransportError};
use crate::session::{Counts, NewConnection, Sessions, Transport};

/// The parts of a session in this phase.
pub(in crate::session) struct SessionLoop<'a> {
    pub(in crate::session) sessions: &'a Sessions,
    pub(in crate::session) arrival: &'a NewConnection,
    pub(in crate::session) protocol: Protocol,
    /// Set if the session may outlive its socket.
    pub(in crate::session) stateful: Option<Box<Stateful>>,
    pub(in crate::session) counts: &'a mut Counts,
}

/// The phase in progress.
struct RunningSession<'a> {
    stay: SessionLoop<'a>,
    socket: &'a mut Transport,
    calls: &'a mut Calls,
    streams: Streams,
    decoder: Decoder,
    /// The decoder has no complete record left.
    is_hungry: bool,
    caller: CallerState,
    pace: RecordRateLimit,
    keep_alive: KeepAlive,
}

/// The connection to the hub.
enum CallerState {
    Connecting(Connecting),
    Connected(Caller),
}

impl SessionLoop<'_> {
    /// Runs until there is a reason to end. Calls that are unfinished then are left in `calls`.
    pub(in crate::session) async fn run(
        self,
        socket: &mut Transport,
        calls: &mut Calls,
        connecting: Connecting,
        received: Bytes,
    ) -> CloseReason {
        let settings = &self.sessions.settings;
        let now = Instant::now();
        let keep_alive = KeepAlive::new(settings, now, self.arrival.ends(settings, self.arrival.expires));
        let mut check = pin!(tokio::time::sleep_until(keep_alive.next_check(settings).into()));
        let mut decoder = Decoder::new(self.protocol, settings.record_bytes_max);
        decoder.push(received);
        if let (None, Transport::WebSocket(socket)) = (&self.stateful, &*socket) {
            // Records that others write have no number: a stateful session does all writes itself.
            self.arrival.outbox.begin_direct(socket.stream(), self.protocol.transfer_format());
        }
        let mut attached = RunningSession {
            stay: self,
            socket,
            calls,
            streams: Streams::default(),
            decoder,
            is_hungry: false,
            caller: CallerState::Connecting(connecting),
            pace: RecordRateLimit::new(now),
            keep_alive,
        };
        let reason = poll_fn(|cx| attached.poll(cx, check.as_mut())).await;
        attached.end_direct();
        if attached.is_detached() {
            metrics::rejoin(RejoinOutcome::GivenUp);
        }
        reason
    }
}

impl RunningSession<'_> {
    fn poll(&mut self, cx: &mut Context<'_>, mut check: Pin<&mut Sleep>) -> Poll<CloseReason> {
        loop {
            if let Err(reason) = self.advance(cx) {
                if self.detach(cx, reason) {
                    continue;
                }
                return Poll::Ready(reason);
            }
            if self.stay.stateful.as_mut().is_some_and(|stateful| stateful.is_sooner()) {
                check.as_mut().reset(self.next_check().into());
            }
            if check.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            if let Err(reason) = self.check(Instant::now())
                && !self.detach(cx, reason)
            {
                return Poll::Ready(reason);
            }
            check.as_mut().reset(self.next_check().into());
        }
    }

    /// Makes all progress that is possible now. An error is the reason to end.
    fn advance(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        loop {
            self.write(cx)?;
            let advanced = self.rejoin(cx) | self.stream(cx) | self.connect(cx)? | self.call(cx)? | self.read(cx)?;
            if !advanced {
                return Ok(());
            }
        }
    }

    /// Waits until the session is in the fan-out: no call runs before, or its own event could be missed.
    fn connect(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let CallerState::Connecting(connecting) = &mut self.caller else { return Ok(false) };
        match connecting.as_mut().poll(cx) {
            Poll::Pending => Ok(false),
            Poll::Ready(caller) => {
                self.caller = CallerState::Connected(caller?);
                Ok(true)
            }
        }
    }

    /// Drives the effect and the reads in progress, and begins the next calls that were received.
    fn call(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        let mut advanced = self.calls.poll_effect(cx).is_ready();
        if advanced {
            // The client's records were not read meanwhile.
            self.keep_alive.heard(Instant::now());
        }
        advanced |= self.calls.poll_reads(cx).is_ready();
        while self.is_listening() && !self.is_hungry {
            let next = self.decoder.next_record();
            self.pace.take(&self.stay.sessions.settings, self.decoder.take_seen())?;
            match next {
                Ok(Some(record)) => {
                    self.take(record)?;
                    advanced = true;
                }
                Ok(None) => self.is_hungry = true,
                Err(error) => {
                    let connection = self.stay.arrival.connection_id;
                    tracing::debug!(%connection, kind = error.label(), "bad record");
                    return Err(CloseReason::ProtocolError);
                }
            }
        }
        Ok(advanced)
    }

    fn is_listening(&self) -> bool {
        matches!(self.caller, CallerState::Connected(_))
            && self.calls.is_free(self.stay.sessions.settings.calls_in_flight_max)
    }

    /// Takes a record: begins what it asks for, or answers it.
    fn take(&mut self, record: Record) -> Result<(), CloseReason> {
        let CallerState::Connected(caller) = &self.caller else { return Ok(()) };
        let SessionLoop { sessions, protocol, .. } = self.stay;
        if let Some(stateful) = &mut self.stay.stateful
            && !stateful.admit(&record, Instant::now()).map_err(|_| CloseReason::ProtocolError)?
        {
            return Ok(());
        }
        match record {
            // Nothing here takes streams from clients: their ids lead nowhere.
            Record::Invocation { invocation_id, target, arguments, stream_ids: _ } => {
                self.stay.counts.calls += 1;
                let only_reads = caller.only_reads(&target);
                let bytes = arguments.bytes();
                let call = caller.call(Call { invocation_id, target, arguments });
                if only_reads {
                    self.calls.begin_read(call, bytes);
                } else {
                    self.calls.begin(call);
                }
            }
            Record::StreamInvocation { invocation_id, target, arguments, stream_ids: _ } => {
                self.stay.counts.calls += 1;
                let streams_max = sessions.settings.streams_max;
                match self.streams.admit(&invocation_id, streams_max) {
                    Ok(()) => {
                        let call = Call { invocation_id: Some(invocation_id.clone()), target, arguments };
                        self.streams.begin(invocation_id, caller.stream(call));
                    }
                    Err(why) => self.calls.answer(why.completion(
                        protocol,
                        &invocation_id,
                        caller.method_name(&target),
                        streams_max,
                    )),
                }
            }
            // A stream that is over, or never was, needs no word.
            Record::CancelInvocation { invocation_id } => self.streams.cancel(protocol, &invocation_id),
            Record::Oversized { invocation_id, target } => {
                self.stay.counts.calls += 1;
                let bytes_max = sessions.settings.record_bytes_max;
                self.calls.answer(refusal::oversized(protocol, &invocation_id, caller.method_name(&target), bytes_max));
            }
            Record::Ping => self.keep_alive.pings(),
            Record::Close { .. } => return Err(CloseReason::ClientLeft),
            // Of unknown ids, and of a stateful reconnect that was not granted.
            Record::StreamItem { .. } | Record::Completion { .. } | Record::Ack(_) | Record::Sequence(_) => {}
        }
        Ok(())
    }

    /// Reads on once all that was received is taken.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<bool, CloseReason> {
        if !self.is_hungry || !self.is_listening() {
            return Ok(false);
        }
        match self.socket.poll_incoming(cx) {
            Poll::Pending => return Ok(false),
            Poll::Ready(Ok(Incoming::Data(bytes))) => {
                self.keep_alive.heard(Instant::now());
                self.stay.counts.bytes_in += bytes.len() as u64;
                metrics::bytes_received(self.socket.label(), bytes.len());
                if let Some(stateful) = &mut self.stay.stateful {
                    stateful.heard(bytes.len());
                }
                self.decoder.push(bytes);
                self.is_hungry = false;
            }
            Poll::Ready(Ok(Incoming::Sign)) => {
                self.pace.take(&self.stay.sessions.settings, 1)?;
                self.keep_alive.sign(Instant::now());
            }
            Poll::Ready(Ok(Incoming::Close)) => return Err(CloseReason::ClientLeft),
            Poll::Ready(Err(TransportError::Lost(_))) => return Err(CloseReason::ConnectionLost),
            Poll::Ready(Err(TransportError::Malformed)) => {
                self.socket.close_malformed();
                return Err(CloseReason::ProtocolError);
            }
        }
        Ok(true)
    }

    /// Sends a ping, or ends the session, when that is due.
    fn check(&mut self, now: Instant) -> Result<(), CloseReason> {
        if let Some(stateful) = &mut self.stay.stateful {
            let due = stateful.check(now)?;
            if stateful.is_detached() {
                return Ok(());
            }
            self.send_control(due);
        }
        if !self.is_listening() || self.socket.is_its_own_keep_alive() {
            self.keep_alive.heard(now);
        } else if !self.socket.can_ask() {
            self.keep_alive.sign(now);
        }
        match self.keep_alive.check(&self.stay.sessions.settings, now) {
            Due::Nothing => {}
            Due::Close(reason) => return Err(reason),
            // Records that are still being sent serve as well, and so do long polls.
            Due::Ping { .. } if self.socket.is_its_own_keep_alive() || !self.socket.is_flushed() => {}
            Due::Ping { and_ask } => {
                self.send_control([ping(self.stay.protocol)]);
                if and_ask {
                    self.socket.send_ping();
                }
            }
        }
        Ok(())
    }

    fn next_check(&self) -> Instant {
        let settings = &self.stay.sessions.settings;
        match self.stay.stateful.as_ref().and_then(|stateful| stateful.next_check()) {
            Some(due) if self.is_detached() => due,
            Some(due) => due.min(self.keep_alive.next_check(settings)),
            None => self.keep_alive.next_check(settings),
        }
    }
}
