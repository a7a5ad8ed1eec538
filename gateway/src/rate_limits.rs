//! Rate limits of users: a token bucket per user, on each node.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rts_common::ids::Person;

/// Number of buckets above which full ones are removed; about 200 bytes each.
const SWEEP_ABOVE: usize = 10_000;

/// The buckets of all users of a node.
pub struct RateLimits {
    per_second: f64,
    burst: f64,
    buckets: Mutex<HashMap<Person, Bucket>>,
}

struct Bucket {
    tokens: f64,
    at: Instant,
}

impl RateLimits {
    /// Allows `per_second` calls a second, and `burst` calls at once.
    pub fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second: per_second.into(), burst: burst.into(), buckets: Mutex::default() }
    }

    /// Takes a token, or returns the time until there is one.
    pub fn take(&self, person: &Person, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().expect("no holder of this lock panics");
        if buckets.len() > SWEEP_ABOVE && !buckets.contains_key(person) {
            buckets.retain(|_, bucket| self.filled(bucket, now) < self.burst);
        }
        let bucket = buckets.entry(person.clone()).or_insert_with(|| Bucket { tokens: self.burst, at: now });
        *bucket = Bucket { tokens: self.filled(bucket, now), at: now };
        if bucket.tokens < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.tokens) / self.per_second));
        }
        bucket.tokens -= 1.0;
        Ok(())
    }

    /// Takes a token that is given back unless it is used.
    pub fn token(self: &Arc<Self>, person: &Person, now: Instant) -> Result<RateToken, Duration> {
        self.take(person, now)?;
        Ok(RateToken { limits: Arc::clone(self), person: person.clone(), is_used: false })
    }

    fn give_back(&self, person: &Person) {
        let mut buckets = self.buckets.lock().expect("no holder of this lock panics");
        if let Some(bucket) = buckets.get_mut(person) {
            bucket.tokens = (bucket.tokens + 1.0).min(self.burst);
        }
    }

    fn filled(&self, bucket: &Bucket, now: Instant) -> f64 {
        let since = now.saturating_duration_since(bucket.at).as_secs_f64();
        since.mul_add(self.per_second, bucket.tokens).min(self.burst)
    }
}

/// A token of a user's bucket; given back when it is dropped unused.
pub struct RateToken {
    limits: Arc<RateLimits>,
    person: Person,
    is_used: bool,
}

impl RateToken {
    /// Uses the token up.
    pub fn spend(mut self) {
        self.is_used = true;
    }
}

impl Drop for RateToken {
    fn drop(&mut self) {
        if !self.is_used {
            self.limits.give_back(&self.person);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rts_common::ids::{OrgId, UserId};

    #[test]
    fn a_burst_then_the_rate() {
        let limits = Arc::new(RateLimits::new(20, 40));
        let person = Person { org: OrgId::parse("o").unwrap(), user: UserId::parse("u").unwrap() };
        let start = Instant::now();
        for _ in 0..40 {
            assert_eq!(limits.take(&person, start), Ok(()));
        }
        assert_eq!(limits.take(&person, start), Err(Duration::from_millis(50)));
        assert_eq!(limits.take(&person, start + Duration::from_millis(51)), Ok(()));
        assert!(limits.take(&person, start + Duration::from_millis(52)).is_err());
        let later = start + Duration::from_millis(101);
        drop(limits.token(&person, later).unwrap());
        let token = limits.token(&person, later).unwrap();
        assert!(limits.token(&person, later).is_err());
        token.spend();
        assert!(limits.token(&person, later).is_err());
        let other = Person { user: UserId::parse("v").unwrap(), ..person };
        assert_eq!(limits.take(&other, start), Ok(()));
    }
}
