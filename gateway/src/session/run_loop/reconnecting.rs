//! A stateful session loses its socket and takes the next one.

use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use rts_common::signalr::Decoder;

use super::RunningSession;
use crate::close_reason::CloseReason;
use crate::metrics::{self, RejoinOutcome};
use crate::session::Transport;
use crate::session::keep_alive::KeepAlive;

impl RunningSession<'_> {
    pub(super) fn is_detached(&self) -> bool {
        self.socket.is_gone()
    }

    /// Continues without a socket, if the session may and the reason concerns only the socket.
    pub(super) fn detach(&mut self, cx: &mut Context<'_>, reason: CloseReason) -> bool {
        let Some(stateful) = &mut self.stay.stateful else { return false };
        if !matches!(reason, CloseReason::ConnectionLost | CloseReason::TokenExpired) {
            return false;
        }
        stateful.detach(reason, &self.stay.sessions.settings, Instant::now());
        self.leave_socket(cx);
        true
    }

    /// Takes the next socket of the session, also while the last one seems alive: that one is half-open then.
    pub(super) fn rejoin(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(stateful) = &mut self.stay.stateful else { return false };
        let Poll::Ready(returned) = stateful.poll_return(cx) else { return false };
        let now = Instant::now();
        let again: Vec<Bytes> = stateful.reattach(now).collect();
        self.leave_socket(cx);
        *self.socket = Transport::WebSocket(returned.socket);
        self.stay.counts.rejoins += 1;
        metrics::rejoin(RejoinOutcome::Rejoined);
        let settings = &self.stay.sessions.settings;
        self.keep_alive = KeepAlive::new(settings, now, self.stay.arrival.ends(settings, returned.expires));
        // Records that were cut off, or not taken yet, are sent again.
        self.decoder = Decoder::new(self.stay.protocol, settings.record_bytes_max);
        self.is_hungry = true;
        self.send_control(again);
        true
    }

    /// Closes the socket as far as that needs no waiting. No Close record: for a client it would be the end.
    fn leave_socket(&mut self, cx: &mut Context<'_>) {
        self.socket.close();
        let _as_far_as_it_goes = self.socket.poll_flush(cx);
        *self.socket = Transport::Gone;
    }
}
