//! Connects a session with the HTTP requests that carry it, without a WebSocket: requests bring bodies and take
//! records, the session sees one transport.
//!
//! Both directions are bounded: one body waits to be read, and the session sends no more until its records are taken.
//! It does not depend on any single request; without a reader for long enough, it ends.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc;
use tokio::time::Sleep;

use super::{Incoming, TransportError};

/// The most that a reader takes at once: records up to this size, or one that is larger.
const TAKE_BYTES: usize = 64 * 1024;

/// The kind of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpTransportKind {
    /// One GET whose answer does not end: text only.
    EventStream,
    /// A GET for the next records, repeated.
    LongPoll,
}

/// The requests' end of the transport.
#[derive(Debug)]
pub struct HttpTransport {
    kind: HttpTransportKind,
    /// One after the other: a record may be cut between two bodies.
    posts: tokio::sync::Mutex<mpsc::Sender<Bytes>>,
    state: Mutex<State>,
}

/// The session's end of the transport.
#[derive(Debug)]
pub struct HttpTransportEnd {
    link: Arc<HttpTransport>,
    posts: mpsc::Receiver<Bytes>,
    /// The longest time between two long polls.
    gap_max: Duration,
    gap: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct State {
    outgoing: VecDeque<Bytes>,
    /// The session has sent everything.
    over: bool,
    /// A reader was notified of the end.
    told: bool,
    /// The client deleted the connection.
    deleted: bool,
    /// The time since when there is no reader.
    away_since: Option<Instant>,
    /// The number of the newest reader; older ones have to end.
    newest: u64,
    reader: Option<Waker>,
    session: Option<Waker>,
}

/// The result of a reader's take.
#[derive(Debug, PartialEq, Eq)]
pub enum Taken {
    /// Complete records.
    Records(Bytes),
    /// No more records will follow.
    Over,
    /// A newer reader replaced this one.
    Superseded,
}

/// The session has ended: the body is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session is over")]
pub struct Over;

impl HttpTransport {
    /// Returns the two ends of a new transport. An event stream's reader has to exist when the session begins; a long
    /// poll's may be absent for `gap_max` at a time.
    pub fn open(kind: HttpTransportKind, gap_max: Duration) -> (Arc<Self>, HttpTransportEnd) {
        let (sender, posts) = mpsc::channel(1);
        let state = State {
            outgoing: VecDeque::new(),
            over: false,
            told: false,
            deleted: false,
            away_since: Some(Instant::now()),
            newest: 0,
            reader: None,
            session: None,
        };
        let link = Arc::new(Self { kind, posts: tokio::sync::Mutex::new(sender), state: Mutex::new(state) });
        (Arc::clone(&link), HttpTransportEnd { link, posts, gap_max, gap: None })
    }

    /// Returns the kind of its requests.
    pub fn kind(&self) -> HttpTransportKind {
        self.kind
    }

    /// Passes one request's body to the session, in turn; the body is read only when its turn has come.
    pub async fn post<E: From<Over>>(&self, body: impl Future<Output = Result<Bytes, E>>) -> Result<(), E> {
        let posts = self.posts.lock().await;
        let bytes = body.await?;
        posts.send(bytes).await.map_err(|_| Over.into())
    }

    /// Ends the connection on the client's request.
    pub fn delete(&self) {
        let mut state = self.lock();
        state.deleted = true;
        state.wake_reader();
        wake_session(state);
    }

    /// Returns a new reader, which replaces the existing one. `None` once the client knows that the session has ended.
    pub fn reader(self: &Arc<Self>) -> Option<Reader> {
        let mut state = self.lock();
        if state.told || state.deleted {
            return None;
        }
        state.newest += 1;
        state.away_since = None;
        state.wake_reader();
        let number = state.newest;
        wake_session(state);
        Some(Reader { link: Arc::clone(self), number })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

/// Takes the session's records, until it is dropped.
#[derive(Debug)]
pub struct Reader {
    link: Arc<HttpTransport>,
    number: u64,
}

impl Reader {
    /// Returns the next records.
    pub fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Taken> {
        let mut state = self.link.lock();
        if state.newest != self.number {
            return Poll::Ready(Taken::Superseded);
        }
        if let Some(records) = state.take() {
            wake_session(state);
            return Poll::Ready(Taken::Records(records));
        }
        if state.over || state.deleted {
            state.told = true;
            wake_session(state);
            return Poll::Ready(Taken::Over);
        }
        state.reader = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.link.lock();
        if state.newest == self.number {
            state.away_since = Some(Instant::now());
            state.reader = None;
            wake_session(state);
        }
    }
}

impl HttpTransportEnd {
    /// Returns the kind of its requests.
    pub(super) fn kind(&self) -> HttpTransportKind {
        self.link.kind
    }

    /// Returns the client's next data.
    pub(super) fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Result<Incoming, TransportError>> {
        if let Poll::Ready(Some(bytes)) = self.posts.poll_recv(cx) {
            return Poll::Ready(Ok(if bytes.is_empty() { Incoming::Sign } else { Incoming::Data(bytes) }));
        }
        let away_since = {
            let mut state = self.link.lock();
            if state.deleted {
                return Poll::Ready(Ok(Incoming::Close));
            }
            state.session = Some(cx.waker().clone());
            state.away_since
        };
        let Some(since) = away_since else {
            self.gap = None;
            return Poll::Pending;
        };
        if self.link.kind == HttpTransportKind::LongPoll {
            let deadline = (since + self.gap_max).into();
            let gap = self.gap.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if gap.deadline() != deadline {
                gap.as_mut().reset(deadline);
            }
            ready!(gap.as_mut().poll(cx));
        }
        Poll::Ready(Err(TransportError::Lost(io::ErrorKind::TimedOut.into())))
    }

    /// Queues complete records.
    pub(super) fn send(&mut self, records: impl IntoIterator<Item = Bytes>) {
        let mut state = self.link.lock();
        if !state.over {
            state.outgoing.extend(records);
            if !state.outgoing.is_empty() {
                state.wake_reader();
            }
        }
    }

    /// Notes that no more records will follow.
    pub(super) fn close(&mut self) {
        let mut state = self.link.lock();
        state.over = true;
        state.wake_reader();
    }

    /// True if the client knows of the end, and nothing follows. A long poll ends with a DELETE, which is awaited even
    /// when a poll was notified of the end.
    pub(super) fn is_closed_by_client(&self) -> bool {
        let state = self.link.lock();
        state.deleted || (state.told && self.link.kind == HttpTransportKind::EventStream)
    }

    /// True if everything sent was taken.
    pub(super) fn is_flushed(&self) -> bool {
        self.link.lock().outgoing.is_empty()
    }

    /// Ready when everything sent was taken.
    pub(super) fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut state = self.link.lock();
        if state.outgoing.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if state.deleted || (state.away_since.is_some() && self.link.kind == HttpTransportKind::EventStream) {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        state.session = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for HttpTransportEnd {
    fn drop(&mut self) {
        let mut state = self.link.lock();
        state.over = true;
        state.outgoing = VecDeque::new();
        state.wake_reader();
    }
}

impl State {
    fn take(&mut self) -> Option<Bytes> {
        let first = self.outgoing.pop_front()?;
        let fits = |taken: usize, next: &Bytes| taken + next.len() <= TAKE_BYTES;
        if self.outgoing.front().is_none_or(|next| !fits(first.len(), next)) {
            return Some(first);
        }
        let mut records = BytesMut::from(&first[..]);
        while let Some(next) = self.outgoing.front().filter(|next| fits(records.len(), next)) {
            records.extend_from_slice(next);
            self.outgoing.pop_front();
        }
        if self.outgoing.is_empty() {
            // The large queue of a burst is not kept.
            self.outgoing = VecDeque::new();
        }
        Some(records.freeze())
    }

    fn wake_reader(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

/// Wakes after the lock is released: the session takes it next.
fn wake_session(mut state: MutexGuard<'_, State>) {
    let session = state.session.take();
    drop(state);
    if let Some(session) = session {
        session.wake();
    }
}
