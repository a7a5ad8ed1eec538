//! The wait before a retry.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(40);
const CEILING: Duration = Duration::from_secs(1);

/// Returns a random wait up to a bound that doubles with each attempt (counted from 0) and ends at one second: callers
/// that were throttled together do not retry together.
pub fn backoff(attempt: u32) -> Duration {
    let bound = FIRST.saturating_mul(1 << attempt.min(16)).min(CEILING);
    bound.mul_f64(rand::random_range(0.2..1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_to_its_ceiling_and_never_is_nothing() {
        for attempt in [0, 1, 5, 40, u32::MAX] {
            let wait = backoff(attempt);
            assert!(wait >= FIRST / 5 && wait < CEILING, "{attempt}: {wait:?}");
        }
        assert!(backoff(0) < FIRST);
    }
}
