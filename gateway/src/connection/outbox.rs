//! The bounded queue between fan-out and one session's socket.

use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use rts_common::signalr::TransferFormat;

use super::SharedStream;
use super::compact_queue::CompactQueue;
use super::direct_writer::{DirectWriter, Written};
use crate::close_reason::CloseReason;
use crate::metrics;

/// Records that may wait. The queue itself then holds 32 bytes for each, 64 KiB in all; it allocates nothing while it
/// holds one or none.
pub const OUTBOX_RECORDS_MAX: usize = 2048;
/// Bytes of records that may wait. Their memory is shared by all sessions that get them; the worst case of a single
/// waiting client is this much.
pub const OUTBOX_BYTES_MAX: usize = 2 * 1024 * 1024;

/// Records that wait to be written to one client. Pushing never waits: when the outbox is full, the session is closed
/// as too slow and its client resumes.
#[derive(Debug)]
pub struct Outbox {
    records_max: usize,
    bytes_max: usize,
    state: Mutex<State>,
}

/// Outboxes with new records, flushed when this is dropped: records that arrive together are in the outbox before it is
/// flushed, and are sent in one frame.
#[derive(Debug, Default)]
pub struct FlushList {
    outboxes: Vec<Arc<Outbox>>,
    frame: BytesMut,
}

impl FlushList {
    /// Returns an empty list with room for `sessions`.
    pub fn with_capacity(sessions: usize) -> Self {
        Self { outboxes: Vec::with_capacity(sessions), frame: BytesMut::new() }
    }

    /// True if no outbox has to be flushed.
    pub fn is_empty(&self) -> bool {
        self.outboxes.is_empty()
    }

    /// Moves the outboxes of another list to this one.
    pub fn absorb(&mut self, mut other: Self) {
        if self.outboxes.is_empty() {
            std::mem::swap(&mut self.outboxes, &mut other.outboxes);
        } else {
            self.outboxes.append(&mut other.outboxes);
        }
    }

    /// Writes to, or wakes, up to `sessions_max` sessions, the last ones first.
    pub fn flush(&mut self, sessions_max: usize) {
        let keep = self.outboxes.len().saturating_sub(sessions_max);
        for outbox in self.outboxes.drain(keep..) {
            outbox.flush(&mut self.frame);
        }
    }
}

impl Drop for FlushList {
    fn drop(&mut self) {
        self.flush(usize::MAX);
    }
}

#[derive(Debug, Default)]
struct State {
    records: CompactQueue<Bytes>,
    bytes: usize,
    closed: Option<CloseReason>,
    session: Option<Waker>,
    direct: Option<DirectWriter>,
    /// A [`FlushList`] has this outbox.
    is_listed: bool,
}

/// The contents of an outbox for its session.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// The end of a frame that has to be written before all else.
    pub rest: Option<Bytes>,
    /// All records that waited, in the order pushed.
    pub records: CompactQueue<Bytes>,
    /// Set once the session has to end; nothing follows.
    pub closed: Option<CloseReason>,
}

impl Default for Outbox {
    fn default() -> Self {
        Self::with_bounds(OUTBOX_RECORDS_MAX, OUTBOX_BYTES_MAX)
    }
}

impl Outbox {
    /// Returns an empty outbox with other bounds.
    pub fn with_bounds(records_max: usize, bytes_max: usize) -> Self {
        Self { records_max, bytes_max, state: Mutex::default() }
    }

    /// Appends one or more complete records, encoded for the session's protocol. `false`: they will not be delivered,
    /// the session is ending.
    pub fn try_push(&self, records: Bytes) -> bool {
        let is_in = self.push(records, |_| {});
        if is_in {
            self.flush(&mut BytesMut::new());
        }
        is_in
    }

    /// Works like [`Self::try_push`], and leaves it to [`FlushList`] to write the records or to wake the session.
    pub fn try_push_listed(self: &Arc<Self>, records: Bytes, later: &mut FlushList) -> bool {
        self.push(records, |state| {
            if !std::mem::replace(&mut state.is_listed, true) {
                later.outboxes.push(Arc::clone(self));
            }
        })
    }

    fn push(&self, records: Bytes, list: impl FnOnce(&mut State)) -> bool {
        let mut state = self.lock();
        if state.closed.is_some() {
            return false;
        }
        let bytes = state.bytes + records.len();
        if state.records.len() >= self.records_max || bytes > self.bytes_max {
            metrics::outbox_overflow();
            // A client that misses one event must resume anyway: the rest is not worth its memory.
            state.records = CompactQueue::default();
            state.bytes = 0;
            end(state, CloseReason::Slow);
            return false;
        }
        state.bytes = bytes;
        state.records.push_back(records);
        list(&mut state);
        true
    }

    /// Writes the records if the session does not have to, or wakes it.
    fn flush(&self, frame: &mut BytesMut) {
        let mut state = self.lock();
        state.is_listed = false;
        let State { direct, records, bytes, closed, .. } = &mut *state;
        if records.is_empty() {
            // Its session was quicker.
            return;
        }
        if closed.is_none()
            && let Some(direct) = direct
            && direct.write(records, *bytes, frame)
        {
            *records = CompactQueue::default();
            *bytes = 0;
            if !direct.has_rest() {
                return;
            }
        }
        wake(state);
    }

    /// From here on records are written to the session's socket directly whenever it waits.
    pub(crate) fn begin_direct(&self, stream: SharedStream, format: TransferFormat) {
        self.lock().direct = Some(DirectWriter::new(stream, format));
    }

    /// Takes the socket back for the session, which has to write the returned bytes first.
    pub(crate) fn reclaim(&self) -> Option<Bytes> {
        self.lock().direct.as_mut().and_then(DirectWriter::reclaim)
    }

    /// From here on the session does all writes itself.
    pub(crate) fn end_direct(&self) -> Written {
        self.lock().direct.take().map(DirectWriter::end).unwrap_or_default()
    }

    /// Ends the session, after the records that wait already. The first reason stays.
    pub fn close(&self, reason: CloseReason) {
        let state = self.lock();
        if state.closed.is_none() {
            end(state, reason);
        }
    }

    /// Returns the reason if the session is ending.
    pub fn closed(&self) -> Option<CloseReason> {
        self.lock().closed
    }

    /// Takes all records, once there are some or the outbox is closed. Only its session calls this.
    pub fn poll_drain(&self, cx: &mut Context<'_>) -> Poll<Drained> {
        self.poll_drain_some(cx, usize::MAX)
    }

    /// Takes records, up to some bytes or one record that is larger.
    pub fn poll_drain_some(&self, cx: &mut Context<'_>, bytes_max: usize) -> Poll<Drained> {
        let mut state = self.lock();
        if state.is_quiet() {
            state.wake_later(cx);
            if let Some(direct) = &mut state.direct {
                direct.release();
            }
            return Poll::Pending;
        }
        Poll::Ready(if state.bytes <= bytes_max { state.drain() } else { state.drain_some(bytes_max) })
    }

    /// Returns the reason for the session's end, once it is closed. For a session that cannot take records now.
    pub fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<CloseReason> {
        let mut state = self.lock();
        if let Some(reason) = state.closed {
            return Poll::Ready(reason);
        }
        state.wake_later(cx);
        Poll::Pending
    }

    /// Takes all records, without waiting.
    pub fn drain(&self) -> Drained {
        self.lock().drain()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl State {
    fn wake_later(&mut self, cx: &Context<'_>) {
        match &mut self.session {
            Some(waker) => waker.clone_from(cx.waker()),
            None => self.session = Some(cx.waker().clone()),
        }
    }

    /// True if the session has nothing to do.
    fn is_quiet(&self) -> bool {
        self.records.is_empty() && self.closed.is_none() && !self.direct.as_ref().is_some_and(DirectWriter::has_rest)
    }

    fn drain_some(&mut self, bytes_max: usize) -> Drained {
        let (mut records, mut bytes) = (CompactQueue::default(), 0);
        while let Some(next) = self.records.iter().next().map(Bytes::len)
            && (records.is_empty() || bytes + next <= bytes_max)
        {
            bytes += next;
            records.extend(self.records.pop_front());
        }
        self.bytes -= bytes;
        // The reason comes after the rest.
        let rest = self.direct.as_mut().and_then(DirectWriter::reclaim);
        Drained { rest, records, closed: self.closed.filter(|_| self.records.is_empty()) }
    }

    fn drain(&mut self) -> Drained {
        self.bytes = 0;
        let rest = self.direct.as_mut().and_then(DirectWriter::reclaim);
        Drained { rest, records: std::mem::take(&mut self.records), closed: self.closed }
    }
}

fn end(mut state: MutexGuard<'_, State>, reason: CloseReason) {
    state.closed = Some(reason);
    wake(state);
}

/// Wakes after the lock is released: the session takes it next.
fn wake(mut state: MutexGuard<'_, State>) {
    let waker = state.session.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::sync::Arc;

    use super::*;

    fn record(length: usize) -> Bytes {
        vec![b'x'; length].into()
    }

    #[test]
    fn records_are_kept_in_the_order_pushed() {
        let outbox = Outbox::default();
        assert!(outbox.try_push(Bytes::from_static(b"a")));
        assert!(outbox.try_push(Bytes::from_static(b"b")));
        let drained = outbox.drain();
        assert_eq!(drained.records.into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(drained.closed, None);
        assert!(outbox.lock().records.is_empty());
    }

    #[test]
    fn too_many_records_close_it_as_slow() {
        let outbox = Outbox::with_bounds(2, 100);
        assert!(outbox.try_push(record(1)) && outbox.try_push(record(1)));
        assert!(!outbox.try_push(record(1)));
        assert_eq!(outbox.drain(), Drained { closed: Some(CloseReason::Slow), ..Drained::default() });
        assert!(!outbox.try_push(record(1)), "a closed one takes nothing more");
    }

    #[test]
    fn too_many_bytes_close_it_as_slow() {
        let outbox = Outbox::with_bounds(10, 100);
        assert!(outbox.try_push(record(100)));
        outbox.drain();
        assert!(outbox.try_push(record(60)), "what was drained counts no more");
        assert!(!outbox.try_push(record(41)));
        assert_eq!(outbox.closed(), Some(CloseReason::Slow));
    }

    #[tokio::test]
    async fn some_may_be_taken_and_the_end_comes_after_all() {
        let outbox = Outbox::default();
        for length in [30, 30, 200, 1] {
            assert!(outbox.try_push(record(length)));
        }
        outbox.close(CloseReason::Drain);
        let mut taken = Vec::new();
        loop {
            let drained = poll_fn(|cx| outbox.poll_drain_some(cx, 70)).await;
            taken.push(drained.records.iter().map(Bytes::len).collect::<Vec<_>>());
            if drained.closed.is_some() {
                break;
            }
        }
        assert_eq!(taken, [vec![30, 30], vec![200], vec![1]]);
        assert_eq!(outbox.lock().bytes, 0);
    }

    #[test]
    fn the_first_reason_stays_and_waiting_records_are_still_taken() {
        let outbox = Outbox::default();
        assert!(outbox.try_push(record(3)));
        outbox.close(CloseReason::Drain);
        outbox.close(CloseReason::Internal);
        let drained = outbox.drain();
        assert_eq!((drained.records.len(), drained.closed), (1, Some(CloseReason::Drain)));
    }

    #[tokio::test]
    async fn a_session_is_woken_once_for_records_that_arrive_together() {
        let outbox = Arc::new(Outbox::default());
        let session = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move { poll_fn(|cx| outbox.poll_drain(cx)).await.records.len() }
        });
        tokio::task::yield_now().await;
        let mut later = FlushList::default();
        for _ in 0..3 {
            assert!(outbox.try_push_listed(record(1), &mut later));
        }
        assert_eq!(later.outboxes.len(), 1);
        tokio::task::yield_now().await;
        assert!(!session.is_finished());
        drop(later);
        assert_eq!(session.await.unwrap(), 3);
    }

    #[tokio::test]
    async fn a_push_and_a_close_wake_the_session() {
        let outbox = Arc::new(Outbox::default());
        let session = tokio::spawn({
            let outbox = Arc::clone(&outbox);
            async move {
                let mut taken = 0;
                loop {
                    let drained = poll_fn(|cx| outbox.poll_drain(cx)).await;
                    taken += drained.records.len();
                    if let Some(reason) = drained.closed {
                        return (taken, reason);
                    }
                }
            }
        });
        for _ in 0..100 {
            assert!(outbox.try_push(record(1)));
            tokio::task::yield_now().await;
        }
        outbox.close(CloseReason::Revoked);
        assert_eq!(session.await.unwrap(), (100, CloseReason::Revoked));
    }
}
