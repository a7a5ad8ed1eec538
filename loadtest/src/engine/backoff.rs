//! The wait before a call is retried.

use std::time::Duration;

use rand::Rng as _;

/// The first wait if the server gives none, half of it random.
const FIRST: Duration = Duration::from_millis(250);
/// The longest such wait.
const LONGEST: Duration = Duration::from_secs(10);
/// The longest wait that is accepted from the server.
const TOLD_MAX: Duration = Duration::from_mins(1);

/// Waits that grow with each failure, always with jitter: users that were refused together must not retry together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns the wait after a call failed with this text: the server's wait and up to half more, or else the next
    /// step.
    pub(super) fn after(&mut self, text: &str) -> Duration {
        self.after_by(retry_after(text), rand::rng().random())
    }

    /// As [`Self::after`], from the server's wait and a random number between 0 and 1.
    fn after_by(&mut self, told: Option<Duration>, chance: f64) -> Duration {
        let step = FIRST.saturating_mul(1 << self.failures.min(16)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        match told {
            Some(told) => told.min(TOLD_MAX).mul_f64(1.0 + chance / 2.0),
            None => step.mul_f64(0.5 + chance / 2.0),
        }
    }

    /// Resets the wait after a success.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// Reads the wait from an error's sentence, which ends in `retryAfterMs=N` if the server knows it.
fn retry_after(text: &str) -> Option<Duration> {
    let (_, told) = text.rsplit_once("retryAfterMs=")?;
    let digits = told.find(|c: char| !c.is_ascii_digit()).unwrap_or(told.len());
    told[..digits].parse().ok().map(Duration::from_millis)
}

/// Keeps one user from sending while the server refuses: nothing until its wait is over, then one message, and one more
/// at a time with each acknowledgement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate {
    backoff: Backoff,
    closed_until_us: u64,
    window: usize,
    window_max: usize,
}

impl Gate {
    /// Allows at most this many calls in flight.
    pub(super) fn new(window_max: usize) -> Self {
        Self { backoff: Backoff::default(), closed_until_us: 0, window: window_max, window_max }
    }

    /// Returns the number of calls that may be in flight now.
    pub(super) fn window(&self, now_us: u64) -> usize {
        if now_us < self.closed_until_us { 0 } else { self.window }
    }

    /// Notes that a send was acknowledged.
    pub(super) fn acked(&mut self) {
        self.backoff.reset();
        self.window = (self.window + 1).min(self.window_max);
    }

    /// Notes that a send was refused with this text. The sends in flight at the first refusal are refused with it, and
    /// do not count again.
    pub(super) fn refused(&mut self, now_us: u64, text: &str) {
        if now_us < self.closed_until_us {
            return;
        }
        let wait = self.backoff.after(text);
        self.closed_until_us = now_us.saturating_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX));
        self.window = 1;
    }
}

/// Counts the messages that a user may still send without hitting the product's rate limit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    messages: f64,
    at_us: u64,
    per_second: f64,
    burst: f64,
}

impl Allowance {
    /// Holds `burst` messages, and gains `per_second` more.
    pub(super) fn new(per_second: f64, burst: f64) -> Self {
        Self { messages: burst, at_us: 0, per_second, burst }
    }

    /// Takes one; `false` if there is none.
    pub(super) fn take(&mut self, now_us: u64) -> bool {
        let passed = now_us.saturating_sub(self.at_us) as f64 / 1e6;
        self.messages = (self.messages + passed * self.per_second).min(self.burst);
        self.at_us = now_us.max(self.at_us);
        if self.messages < 1.0 {
            return false;
        }
        self.messages -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn what_the_server_tells_is_waited_for_and_a_little_more() {
        let told = |text| retry_after(text).map(|wait| wait.as_millis());
        assert_eq!(told("HubException: unavailable: The journal is full; retryAfterMs=1500"), Some(1500));
        assert_eq!(told("rateLimited: Too many; retryAfterMs=7."), Some(7));
        assert_eq!(told("unavailable: Try again."), None);
        assert_eq!(told("unavailable: retryAfterMs=soon"), None);
        let mut backoff = Backoff::default();
        let told = Some(Duration::from_secs(2));
        assert_eq!(backoff.after_by(told, 0.0), Duration::from_secs(2));
        assert_eq!(backoff.after_by(told, 1.0), Duration::from_secs(3));
        assert_eq!(backoff.after_by(Some(Duration::MAX), 0.0), TOLD_MAX);
    }

    #[test]
    fn waits_grow_to_ten_seconds_and_begin_anew() {
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..8).map(|_| backoff.after_by(None, 1.0).as_millis()).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]);
        backoff.reset();
        assert_eq!(backoff.after_by(None, 0.0).as_millis(), 125);
    }

    #[test]
    fn refused_together_counts_once_and_it_opens_one_by_one() {
        let mut gate = Gate::new(4);
        assert_eq!(gate.window(0), 4);
        for _ in 0..4 {
            gate.refused(SECOND, "unavailable: no; retryAfterMs=1000");
        }
        assert_eq!((gate.window(2 * SECOND - 1), gate.window(5 * SECOND / 2)), (0, 1));
        gate.refused(3 * SECOND, "unavailable: no");
        assert_eq!((gate.window(3 * SECOND), gate.window(4 * SECOND)), (0, 1));
        for window in [2, 3, 4, 4] {
            gate.acked();
            assert_eq!(gate.window(4 * SECOND), window);
        }
    }

    #[test]
    fn nobody_sends_more_than_the_product_allows() {
        let mut allowance = Allowance::new(18.0, 30.0);
        let sent = (0..100).filter(|_| allowance.take(0)).count();
        assert_eq!(sent, 30);
        let sent = (0..10_000_u64).filter(|ms| allowance.take(ms * 1000)).count();
        assert!((178..=181).contains(&sent), "{sent}");
    }
}
