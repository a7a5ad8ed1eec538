//! The times when a session pings, and when it gives its client up: one deadline per session, computed from moments
//! that events move forward.

use std::time::{Duration, Instant};

use super::Settings;
use crate::close_reason::CloseReason;

/// The action that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// A ping record; and for a silent client that does not ping, a ping of the WebSocket.
    Ping {
        /// True if the WebSocket's own is wanted too.
        and_ask: bool,
    },
    /// The session ends.
    Close(CloseReason),
}

/// The signs of life of one client.
#[derive(Debug)]
pub(super) struct KeepAlive {
    next_ping: Instant,
    /// The time of the last record, or part of one.
    heard: Instant,
    /// The time of the last sign of any kind.
    sign: Instant,
    /// True if the client sends pings of its own.
    pings: bool,
    /// The time since when the client does not read.
    stalled: Option<Instant>,
    /// The expiry of the token, or the end of the session's longest life, if that is sooner.
    ends: Instant,
    ends_for: CloseReason,
}

/// The times at which a session ends in any case.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    /// The expiry of its token.
    pub(super) token: Instant,
    /// The end of its longest life.
    pub(super) life: Instant,
}

impl KeepAlive {
    /// Returns the state of a client that finished its handshake just now.
    pub(super) fn new(settings: &Settings, now: Instant, ends: Ends) -> Self {
        let (ends, ends_for) = if ends.life < ends.token {
            (ends.life, CloseReason::SessionOver)
        } else {
            (ends.token, CloseReason::TokenExpired)
        };
        Self {
            next_ping: now + settings.keep_alive,
            heard: now,
            sign: now,
            pings: false,
            stalled: None,
            ends,
            ends_for,
        }
    }

    /// Notes that part of a record arrived, or that the client's records were not read until now.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
        self.sign = now;
    }

    /// Notes another sign of life of the client.
    pub(super) fn sign(&mut self, now: Instant) {
        self.sign = now;
    }

    /// Notes that the client pings.
    pub(super) fn pings(&mut self) {
        self.pings = true;
    }

    /// Notes if everything sent is read, as far as the kernel can tell.
    pub(super) fn flushed(&mut self, now: Instant, is_flushed: bool) {
        if is_flushed {
            self.all_read();
        } else {
            self.stalled.get_or_insert(now);
        }
    }

    /// Notes that everything sent is read.
    pub(super) fn all_read(&mut self) {
        self.stalled = None;
    }

    /// Returns the action that is due now; a ping is returned once.
    pub(super) fn check(&mut self, settings: &Settings, now: Instant) -> Due {
        if now >= self.ends {
            return Due::Close(self.ends_for);
        }
        if self.stalled.is_some_and(|since| now >= since + settings.write_timeout) {
            return Due::Close(CloseReason::Slow);
        }
        if now >= self.silent_until(settings) {
            return Due::Close(CloseReason::KeepAliveTimeout);
        }
        if now < self.next_ping {
            return Due::Nothing;
        }
        while self.next_ping <= now {
            // On its own schedule: a late check must not delay the next one.
            self.next_ping += settings.keep_alive.max(Duration::from_millis(1));
        }
        let is_silent = now.duration_since(self.sign) >= settings.keep_alive / 2;
        Due::Ping { and_ask: !self.pings && is_silent }
    }

    /// Returns the time of the next check.
    pub(super) fn next_check(&self, settings: &Settings) -> Instant {
        let next = self.next_ping.min(self.ends).min(self.silent_until(settings));
        self.stalled.map_or(next, |since| next.min(since + settings.write_timeout))
    }

    fn silent_until(&self, settings: &Settings) -> Instant {
        if self.pings { self.heard + settings.client_timeout } else { self.sign + 2 * settings.client_timeout }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn begin() -> (Settings, Instant, KeepAlive) {
        let (settings, now) = (Settings::default(), Instant::now());
        (settings, now, KeepAlive::new(&settings, now, Ends { token: now + 3600 * SECOND, life: now + 7200 * SECOND }))
    }

    #[test]
    fn pings_keep_their_own_schedule() {
        let (settings, now, mut client) = begin();
        client.pings();
        for round in 1..=4 {
            let due = now + 15 * round * SECOND;
            assert_eq!(client.next_check(&settings), due);
            let before = now + (15 * round - 1) * SECOND;
            client.heard(before);
            assert_eq!(client.check(&settings, before), Due::Nothing);
            assert_eq!(client.check(&settings, due + SECOND / 2), Due::Ping { and_ask: false });
            assert_eq!(client.check(&settings, due + SECOND / 2), Due::Nothing);
        }
    }

    #[test]
    fn a_client_that_pings_may_be_silent_for_thirty_seconds() {
        let (settings, now, mut client) = begin();
        client.pings();
        client.sign(now + 20 * SECOND);
        assert!(matches!(client.check(&settings, now + 29 * SECOND), Due::Ping { .. }));
        assert_eq!(client.check(&settings, now + 30 * SECOND), Due::Close(CloseReason::KeepAliveTimeout));
    }

    #[test]
    fn a_client_that_never_pings_is_pinged_and_kept_by_its_pongs() {
        let (settings, now, mut client) = begin();
        for round in 1..=10 {
            assert_eq!(client.check(&settings, now + 15 * round * SECOND), Due::Ping { and_ask: true });
            client.sign(now + 15 * round * SECOND);
        }
        let last = now + 150 * SECOND;
        for round in 1..=3 {
            assert!(matches!(client.check(&settings, last + 15 * round * SECOND), Due::Ping { .. }));
        }
        assert_eq!(client.check(&settings, last + 60 * SECOND), Due::Close(CloseReason::KeepAliveTimeout));
    }

    #[test]
    fn a_token_expires_and_a_client_that_does_not_read_is_slow() {
        let (settings, now, mut client) = begin();
        client.flushed(now, false);
        client.flushed(now + 10 * SECOND, false);
        client.heard(now + 30 * SECOND);
        assert_eq!(client.check(&settings, now + 30 * SECOND), Due::Close(CloseReason::Slow));
        client.flushed(now + 30 * SECOND, true);
        assert!(matches!(client.check(&settings, now + 31 * SECOND), Due::Ping { .. }));
        client.ends = now + 40 * SECOND;
        assert_eq!(client.next_check(&settings), now + 40 * SECOND);
        assert_eq!(client.check(&settings, now + 40 * SECOND), Due::Close(CloseReason::TokenExpired));
    }

    #[test]
    fn the_sooner_of_token_and_longest_life_ends_a_session_and_says_which() {
        let (settings, now) = (Settings::default(), Instant::now());
        for (token, life, reason) in [(5, 9, CloseReason::TokenExpired), (9, 5, CloseReason::SessionOver)] {
            let ends = Ends { token: now + token * SECOND, life: now + life * SECOND };
            let mut alive = KeepAlive::new(&settings, now, ends);
            assert_eq!(alive.next_check(&settings), now + 5 * SECOND);
            assert_eq!(alive.check(&settings, now + 4 * SECOND), Due::Nothing);
            assert_eq!(alive.check(&settings, now + 5 * SECOND), Due::Close(reason));
            assert!(reason.allows_reconnect());
        }
    }
}
