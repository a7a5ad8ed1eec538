//! Stateful reconnect: what a session has that outlives its sockets.
//!
//! Types 1 to 5 are numbered in each direction, over all sockets of the session. Each side keeps what the
//! other has not acknowledged, and on the next socket says at which number it starts and sends it again;
//! what was processed already is dropped by its number. So nothing surfaces in the app, and calls under way
//! are answered.
//!
//! - The socket breaks: the session is detached. Its calls go on, its events are kept for the replay, and it
//!   ends if no socket comes in time, or if the replay is full and there is more.
//! - The replay fills while attached (the client does not acknowledge): no more is taken out of the outbox,
//!   which is bounded too and ends the session as slow. Nobody else waits.
//! - A new socket comes while the old one seems alive: the old one is half-open, and dropped.
//! - The token ends: the socket is closed, without a Close record, and the client comes back with a fresh one.
//! - The node dies, or drains: the session ends with it, and the client makes a new one and resumes.
//!
//! A session that did not ask for this holds none of it.

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

/// The other side is told of what was processed this long after it came, as its own timer does.
const ACK_DELAY: Duration = Duration::from_secs(1);
/// And sooner when it may hold this much for us: it stops sending when its own bound is reached.
const ACK_BYTES: usize = REPLAY_BYTES / 2;

/// The state behind the sockets of one session.
#[derive(Debug)]
pub(super) struct Stateful {
    rejoin: Arc<ReconnectSlot>,
    protocol: Protocol,
    replay: Replay,
    received: Received,
    ack_due: Option<Instant>,
    /// Bytes that came since the last acknowledgement.
    unacked_bytes: usize,
    /// Without a socket: until when, and why.
    detached: Option<(Instant, CloseReason)>,
    /// The next check is due sooner than it was.
    is_sooner: bool,
}

/// Where the client's numbering is.
#[derive(Debug, Default)]
struct Received {
    /// The highest number processed.
    last: u64,
    /// The number of the next record; unknown on a new socket until it is told.
    next: Option<u64>,
}

/// The other side starts behind what it sent before: something is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missing;

impl Stateful {
    /// Of a session whose first socket is there.
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

    /// Notes what is sent.
    pub(super) fn sent(&mut self, records: &Bytes) {
        self.replay.push(records.clone());
    }

    /// How many bytes may be sent until some are acknowledged.
    pub(super) fn room(&self) -> usize {
        self.replay.room()
    }

    pub(super) fn is_detached(&self) -> bool {
        self.detached.is_some()
    }

    /// Notes that bytes came in.
    pub(super) fn heard(&mut self, bytes: usize) {
        self.unacked_bytes += bytes;
    }

    /// Whether a record is to be processed: one of a number that was is not, nor what comes before it is
    /// known which number it has. Takes the records that are about numbers.
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
                // One that is sent again wants its acknowledgement again.
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

    /// The socket is gone.
    pub(super) fn detach(&mut self, cause: CloseReason, settings: &Settings, now: Instant) {
        self.detached = Some((now + settings.detach_window, cause));
        self.ack_due = None;
        self.is_sooner = true;
    }

    /// The next socket, if one came.
    pub(super) fn poll_return(&self, cx: &mut Context<'_>) -> Poll<ReturnedSocket> {
        self.rejoin.poll_take(cx)
    }

    /// What a new socket starts with: where the numbering is, and all that is not acknowledged.
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

    /// What is due now: an acknowledgement, or the end.
    pub(super) fn check(&mut self, now: Instant) -> Result<Option<Bytes>, CloseReason> {
        if let Some((until, cause)) = self.detached
            && now >= until
        {
            tracing::debug!(cause = cause.label(), "nobody came back");
            return Err(CloseReason::NotRejoined);
        }
        if self.ack_due.is_none_or(|due| due > now) {
            return Ok(None);
        }
        self.ack_due = None;
        self.unacked_bytes = 0;
        Ok(Some(ack(self.protocol, self.received.last)))
    }

    /// When to check, if nothing else is due before.
    pub(super) fn next_check(&self) -> Option<Instant> {
        self.detached.map(|(until, _)| until).or(self.ack_due)
    }

    /// Whether the next check is due sooner than it was, told once.
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
    fn what_was_processed_is_dropped_by_its_number() {
        let (mut session, now) = (stateful(), Instant::now());
        let mut admit = |record: &Record| session.admit(record, now);
        assert_eq!((admit(&numbered()), admit(&Record::Ping), admit(&numbered())), (Ok(true), Ok(true), Ok(true)));
        assert_eq!(admit(&Record::Sequence(2)), Ok(false));
        assert_eq!((admit(&numbered()), admit(&numbered())), (Ok(false), Ok(true)), "2 again, then 3");
        assert_eq!(admit(&Record::Sequence(5)), Err(Missing), "4 would be missing");
    }

    #[test]
    fn nothing_counts_on_a_new_socket_before_its_number_is_known() {
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
    fn acknowledgements_go_out_once_a_second_and_sooner_after_much() {
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
    fn a_detached_session_waits_so_long() {
        let (mut session, now) = (stateful(), Instant::now());
        let settings = Settings::default();
        session.detach(CloseReason::ConnectionLost, &settings, now);
        let until = now + settings.detach_window;
        assert_eq!(session.next_check(), Some(until));
        assert_eq!(session.check(now + settings.detach_window / 2), Ok(None));
        assert_eq!(session.check(until), Err(CloseReason::NotRejoined));
    }
}
