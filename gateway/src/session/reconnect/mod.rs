//! Stateful reconnect: the state of a session that outlives its sockets.
//!
//! Types 1 to 5 are numbered in each direction, over all sockets of the session. Each side keeps its records until the
//! other acknowledges them, and on the next socket sends the number at which it starts, and then the records again;
//! records that were processed already are dropped by their number. So the app notices nothing, and pending calls are
//! answered.
//!
//! - The socket breaks: the session is detached. Its calls continue, its events are kept for the replay, and it ends if
//!   no socket comes in time, or if the replay is full and there is more.
//! - The replay fills while attached (the client does not acknowledge): no more is taken out of the outbox, which is
//!   bounded too. Calls are still answered, within a bound: the acknowledgement may stand behind them. A client that
//!   acknowledges nothing for the write timeout is slow, and its session ends. Nobody else waits.
//! - A new socket comes while the old one seems alive: the old one is half-open, and dropped.
//! - The token expires: the socket is closed, without a Close record, and the client reconnects with a fresh one.
//! - The node dies, or drains: the session ends with it, and the client opens a new one and resumes.
//!
//! A session that did not request this holds none of this state.

mod replay;
#[cfg(test)]
mod session_tests;
mod slot;

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rts_common::limits::REPLAY_BYTES;
use rts_common::signalr::{Protocol, Record, ack, sequence};

use self::replay::Replay;
pub use self::slot::{ReconnectSlot, ReturnedSocket};
use super::Settings;
use crate::close_reason::CloseReason;

/// Time from a record's arrival to its acknowledgement, the same as in the client.
const ACK_DELAY: Duration = Duration::from_secs(1);
/// The bytes after which the acknowledgement is sent sooner: the client stops sending when it keeps as many as its own
/// bound.
const ACK_BYTES: usize = REPLAY_BYTES / 2;

/// The stateful part of one session.
#[derive(Debug)]
pub(super) struct Stateful {
    rejoin: Arc<ReconnectSlot>,
    protocol: Protocol,
    replay: Replay,
    received: Received,
    ack_due: Option<Instant>,
    /// Bytes that arrived since the last acknowledgement.
    unacked_bytes: usize,
    /// Without a socket: the end of the wait, and the reason.
    detached: Option<(Instant, CloseReason)>,
    /// The next check is due sooner than before.
    is_sooner: bool,
}

/// The client's numbering.
#[derive(Debug, Default)]
struct Received {
    /// The highest number processed.
    last: u64,
    /// The number of the next record; unknown on a new socket until the client sends it.
    next: Option<u64>,
}

/// The other side starts after a number that was not received: records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing;

impl Stateful {
    /// Returns the state of a session that has its first socket.
    pub(super) fn new(rejoin: Arc<ReconnectSlot>, protocol: Protocol) -> Self {
        rejoin.open();
        Self {
            rejoin,
            protocol,
            replay: Replay::new(protocol),
            received: Received { last: 0, next: Some(1) },
            ack_due: None,
            unacked_bytes: 0,
            detached: None,
            is_sooner: false,
        }
    }

    /// Keeps sent records.
    pub(super) fn sent(&mut self, records: &Bytes) {
        self.replay.push(records.clone());
    }

    /// Returns the number of bytes that may be sent until some are acknowledged.
    pub(super) fn room(&self) -> usize {
        self.replay.room()
    }

    /// True if calls may be answered.
    pub(super) fn may_answer(&self) -> bool {
        self.replay.takes_answers()
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached.is_some()
    }

    /// Notes that bytes arrived.
    pub(super) fn heard(&mut self, bytes: usize) {
        self.unacked_bytes += bytes;
    }

    /// True if a record has to be processed: not if its number was processed already, or is not known yet. Handles the
    /// records that are about numbers.
    pub(super) fn admit(&mut self, record: &Record, now: Instant) -> Result<bool, Missing> {
        match record {
            Record::Ping | Record::Close { .. } => Ok(true),
            Record::Ack(last) => {
                self.replay.acknowledge(*last);
                Ok(false)
            }
            Record::Sequence(next) => {
                if *next > self.received.last + 1 {
                    return Err(Missing);
                }
                self.received.next = Some(*next);
                Ok(false)
            }
            _ => {
                let Some(number) = self.received.next else { return Ok(false) };
                self.received.next = Some(number + 1);
                // A record that is sent again needs another acknowledgement.
                self.want_ack(now);
                let is_new = number > self.received.last;
                if is_new {
                    self.received.last = number;
                }
                Ok(is_new)
            }
        }
    }

    fn want_ack(&mut self, now: Instant) {
        let due = if self.unacked_bytes >= ACK_BYTES { now } else { now + ACK_DELAY };
        if self.ack_due.is_none_or(|before| due < before) {
            self.ack_due = Some(due);
            self.is_sooner = true;
        }
    }

    /// Notes that the socket was lost.
    pub(super) fn detach(&mut self, cause: CloseReason, settings: &Settings, now: Instant) {
        self.detached = Some((now + settings.detach_window, cause));
        self.ack_due = None;
        self.is_sooner = true;
    }

    /// Returns the next socket, if one came.
    pub(super) fn poll_return(&self, cx: &mut Context<'_>) -> Poll<ReturnedSocket> {
        self.rejoin.poll_take(cx)
    }

    /// Returns the first records for a new socket: the number at which they start, and all that are not acknowledged.
    pub(super) fn reattach(&mut self, now: Instant) -> impl Iterator<Item = Bytes> {
        self.detached = None;
        self.received.next = None;
        self.unacked_bytes = 0;
        if self.received.last > 0 {
            self.want_ack(now);
        }
        self.is_sooner = true;
        let start = sequence(self.protocol, self.replay.first());
        std::iter::once(start).chain(self.replay.records())
    }

    /// Returns the acknowledgement that is due now; an error if the session has to end.
    pub(super) fn check(&mut self, now: Instant) -> Result<Option<Bytes>, CloseReason> {
        if let Some((until, cause)) = self.detached
            && now >= until
        {
            tracing::debug!(cause = cause.label(), "the client did not reconnect");
            return Err(CloseReason::NotRejoined);
        }
        if self.ack_due.is_none_or(|due| due > now) {
            return Ok(None);
        }
        self.ack_due = None;
        self.unacked_bytes = 0;
        Ok(Some(ack(self.protocol, self.received.last)))
    }

    /// Returns the time of the next check, if nothing else is due before.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.detached.map(|(until, _)| until).or(self.ack_due)
    }

    /// True if the next check is due sooner than before; returned once.
    pub(super) fn is_sooner(&mut self) -> bool {
        std::mem::take(&mut self.is_sooner)
    }
}

impl Drop for Stateful {
    fn drop(&mut self) {
        self.rejoin.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stateful() -> Stateful {
        Stateful::new(Arc::default(), Protocol::Json)
    }

    fn numbered() -> Record {
        Record::CancelInvocation { invocation_id: "1".to_owned() }
    }

    #[test]
    fn processed_records_are_dropped_by_their_number() {
        let (mut session, now) = (stateful(), Instant::now());
        let mut admit = |record: &Record| session.admit(record, now);
        assert_eq!((admit(&numbered()), admit(&Record::Ping), admit(&numbered())), (Ok(true), Ok(true), Ok(true)));
        assert_eq!(admit(&Record::Sequence(2)), Ok(false));
        assert_eq!((admit(&numbered()), admit(&numbered())), (Ok(false), Ok(true)), "2 again, then 3");
        assert_eq!(admit(&Record::Sequence(5)), Err(Missing), "4 would be missing");
    }

    #[test]
    fn records_on_a_new_socket_are_ignored_before_its_number_is_known() {
        let (mut session, now) = (stateful(), Instant::now());
        assert_eq!(session.admit(&numbered(), now), Ok(true));
        session.detach(CloseReason::ConnectionLost, &Settings::default(), now);
        assert!(session.is_detached());
        assert_eq!(session.reattach(now).count(), 1, "nothing to replay");
        assert_eq!(session.admit(&numbered(), now), Ok(false));
        assert_eq!(session.admit(&Record::Sequence(2), now), Ok(false));
        assert_eq!(session.admit(&numbered(), now), Ok(true));
    }

    #[test]
    fn acknowledgements_are_sent_once_a_second_and_sooner_after_many_bytes() {
        let (mut session, now) = (stateful(), Instant::now());
        assert_eq!(session.next_check(), None);
        session.admit(&numbered(), now).unwrap();
        session.admit(&numbered(), now).unwrap();
        assert_eq!(session.check(now), Ok(None));
        assert_eq!(session.check(now + ACK_DELAY), Ok(Some(ack(Protocol::Json, 2))));
        assert_eq!((session.check(now + 2 * ACK_DELAY), session.next_check()), (Ok(None), None));
        session.heard(ACK_BYTES);
        session.admit(&numbered(), now).unwrap();
        assert_eq!(session.check(now), Ok(Some(ack(Protocol::Json, 3))));
    }

    #[test]
    fn a_detached_session_waits_for_its_window() {
        let (mut session, now) = (stateful(), Instant::now());
        let settings = Settings::default();
        session.detach(CloseReason::ConnectionLost, &settings, now);
        let until = now + settings.detach_window;
        assert_eq!(session.next_check(), Some(until));
        assert_eq!(session.check(now + settings.detach_window / 2), Ok(None));
        assert_eq!(session.check(until), Err(CloseReason::NotRejoined));
    }
}
