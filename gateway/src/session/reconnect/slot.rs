//! The slot for the next socket of a session.

use std::sync::{Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::session::WebSocket;

/// The slot for a session's next socket: closed until the handshake requested stateful reconnect, and once the session
/// ends.
#[derive(Debug, Default)]
pub struct ReconnectSlot {
    state: Mutex<State>,
}

/// A client that reconnected.
#[derive(Debug)]
pub struct ReturnedSocket {
    /// Its new socket.
    pub socket: WebSocket,
    /// The expiry of the token that it presented.
    pub expires: Instant,
}

#[derive(Debug, Default)]
struct State {
    is_open: bool,
    /// A socket that the session has not taken; a newer one replaces it.
    returned: Option<ReturnedSocket>,
    session: Option<Waker>,
}

impl ReconnectSlot {
    /// True if a socket would be taken.
    pub fn is_open(&self) -> bool {
        self.lock().is_open
    }

    /// Offers a socket. It is dropped if the session has ended.
    pub fn offer(&self, returned: ReturnedSocket) {
        let mut state = self.lock();
        if !state.is_open {
            return;
        }
        state.returned = Some(returned);
        let session = state.session.take();
        drop(state);
        if let Some(session) = session {
            session.wake();
        }
    }

    pub(super) fn open(&self) {
        self.lock().is_open = true;
    }

    pub(super) fn close(&self) {
        *self.lock() = State::default();
    }

    pub(super) fn poll_take(&self, cx: &mut Context<'_>) -> Poll<ReturnedSocket> {
        let mut state = self.lock();
        if let Some(returned) = state.returned.take() {
            return Poll::Ready(returned);
        }
        match &mut state.session {
            Some(waker) => waker.clone_from(cx.waker()),
            None => state.session = Some(cx.waker().clone()),
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}
