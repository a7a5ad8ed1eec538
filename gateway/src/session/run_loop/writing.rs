//! Answers, events, and items of streams on their way to the client.

use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;

use super::{RunningSession, SessionLoop};
use crate::close_reason::CloseReason;
use crate::metrics;

impl RunningSession<'_> {
    /// Writes queued data, takes the answers and events that are due, and writes those, until there is nothing more or
    /// the client accepts no more. Only flushed data makes room for more: a slow client's events pile up in its outbox,
    /// which is bounded.
    pub(super) fn write(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        loop {
            let room = self.room();
            if !self.socket.is_flushed() {
                self.socket.finish(self.stay.arrival.outbox.reclaim());
                let flushed = self.socket.poll_flush(cx).map_err(|_| CloseReason::ConnectionLost)?;
                self.keep_alive.flushed(Instant::now(), flushed.is_ready() && room > 0);
                if flushed.is_pending() {
                    return self.wait(cx);
                }
            } else if room > 0 {
                // A poll or an event stream takes what there is without a flush of the session.
                self.keep_alive.all_read();
            } else {
                self.keep_alive.flushed(Instant::now(), false);
            }
            if room == 0 && self.is_detached() {
                return self.wait_detached(cx);
            }
            let has_answers = self.answer(cx);
            if room == 0 {
                if has_answers {
                    continue;
                }
                return self.wait(cx);
            }
            match self.stay.arrival.outbox.poll_drain_some(cx, room) {
                Poll::Pending if has_answers => {}
                Poll::Pending => return Ok(()),
                Poll::Ready(drained) => {
                    self.socket.finish(drained.rest);
                    self.send(drained.records);
                    drained.closed.map_or(Ok(()), Err)?;
                }
            }
        }
    }

    /// Sends the answers that are due; returns true if there are any.
    fn answer(&mut self, cx: &mut Context<'_>) -> bool {
        if self.stay.stateful.as_ref().is_some_and(|stateful| !stateful.may_answer()) {
            return false;
        }
        let Poll::Ready(answers) = self.calls.poll_wanted_answers(cx) else { return false };
        self.send(answers);
        true
    }

    /// Takes the streams' records, once everything else is sent: one turn of them at a time, so that the client's
    /// records are read in between. Without a socket they wait.
    pub(super) fn stream(&mut self, cx: &mut Context<'_>) -> bool {
        if self.is_detached() || !self.socket.is_flushed() || self.room() == 0 {
            return false;
        }
        let Poll::Ready(items) = self.streams.poll_records(cx) else { return false };
        self.send(items);
        true
    }

    /// Returns the number of bytes that may be sent until the client acknowledges some.
    pub(super) fn room(&self) -> usize {
        self.stay.stateful.as_ref().map_or(usize::MAX, |stateful| stateful.room())
    }

    /// Waits: nothing can be sent now; the session may be ended all the same.
    pub(super) fn wait(&self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        match self.stay.arrival.outbox.poll_closed(cx) {
            Poll::Ready(reason) => Err(reason),
            Poll::Pending => Ok(()),
        }
    }

    /// Waits without a socket while the replay is full: a record that does not fit ends the session.
    fn wait_detached(&mut self, cx: &mut Context<'_>) -> Result<(), CloseReason> {
        let has_answers = self.calls.poll_answers(cx).is_ready();
        match self.stay.arrival.outbox.poll_drain(cx) {
            Poll::Ready(drained) => Err(drained.closed.unwrap_or(CloseReason::ReplayFull)),
            Poll::Pending if has_answers => Err(CloseReason::ReplayFull),
            Poll::Pending => Ok(()),
        }
    }

    /// Sends numbered records, and keeps them where they may have to be sent again.
    pub(super) fn send(&mut self, records: impl IntoIterator<Item = Bytes>) {
        let transport = self.socket.label();
        let SessionLoop { counts, stateful, protocol, .. } = &mut self.stay;
        let counted = records.into_iter().inspect(|record| {
            counts.records_out += 1;
            counts.bytes_out += record.len() as u64;
            metrics::bytes_sent(transport, record.len());
            if let Some(stateful) = stateful {
                stateful.sent(record);
            }
        });
        self.socket.send(protocol.transfer_format(), counted);
    }

    /// Sends records that belong to the connection, not to the session.
    pub(super) fn send_control(&mut self, records: impl IntoIterator<Item = Bytes>) {
        let transport = self.socket.label();
        let counts = &mut *self.stay.counts;
        let counted = records.into_iter().inspect(|record| {
            counts.records_out += 1;
            counts.bytes_out += record.len() as u64;
            metrics::bytes_sent(transport, record.len());
        });
        self.socket.send(self.stay.protocol.transfer_format(), counted);
    }

    /// Ends the writes of others to the socket; theirs so far count as the session's.
    pub(super) fn end_direct(&mut self) {
        let written = self.stay.arrival.outbox.end_direct();
        self.socket.finish(written.rest);
        self.stay.counts.records_out += written.records;
        self.stay.counts.bytes_out += written.bytes;
    }
}
