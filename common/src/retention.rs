//! The time for which messages are kept.
//!
//! The Lambda writes the expiry time into each message, and DynamoDB deletes the message some time after that, perhaps
//! days later. Readers therefore leave out expired messages: the functions and the gateways must have the same value of
//! the variable. A changed setting applies to reads at once; messages stored before keep the expiry time they were
//! stored with.

use std::time::Duration;

use crate::config::Environment;
use crate::seq::Seq;

const DAY_SECONDS: f64 = 86_400.0;
/// A hundred years: a longer time is taken for a mistake.
const DAYS_MAX: f64 = 36_525.0;

/// The time for which messages are kept; for ever by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention(Option<Duration>);

impl Retention {
    /// Keeps messages for `age` after they were sent.
    pub const fn of(age: Duration) -> Self {
        Self(Some(age))
    }

    /// Reads `RTS_RETENTION_DAYS`: days, fractions allowed. 0, the default, keeps everything.
    pub fn read(environment: &mut Environment) -> Self {
        const NAME: &str = "RTS_RETENTION_DAYS";
        const FORM: &str = "a number of days";
        let days: f64 = environment.parsed(NAME, 0.0, FORM);
        if !(0.0..=DAYS_MAX).contains(&days) {
            environment.problem(NAME, &format!("is not {FORM} from 0 to {DAYS_MAX}"));
            return Self::default();
        }
        Self(Some(Duration::from_secs_f64(days * DAY_SECONDS)).filter(|age| !age.is_zero()))
    }

    /// Returns the seq up to which messages have expired; zero if none have.
    pub fn expired(self) -> Seq {
        self.0.map_or(Seq::ZERO, |age| Seq::now().minus(age))
    }

    /// Returns what [`Self::expired`] was some time ago: a count of messages that is no older is good enough.
    pub fn expired_a_while_ago(self) -> Seq {
        const WHILE_MAX: Duration = Duration::from_hours(1);
        self.0.map_or(Seq::ZERO, |age| self.expired().minus((age / 100).min(WHILE_MAX)))
    }

    /// Returns the time when a message expires, in seconds since the Unix epoch.
    pub fn expires_at(self, seq: Seq) -> Option<u64> {
        self.0.map(|age| (seq.get() / 1_000_000).saturating_add(age.as_secs()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &'static str) -> Result<Retention, crate::config::ConfigError> {
        let mut environment = Environment::from_lookup(move |_| Some(text.to_owned()));
        let retention = Retention::read(&mut environment);
        environment.finish(retention)
    }

    #[test]
    fn days_are_read_and_parts_of_days() {
        let sent = Seq::new(1_767_225_600_999_999).unwrap();
        for (text, expires) in [
            ("", None),
            ("0", None),
            ("30", Some(1_769_817_600)),
            ("0.5", Some(1_767_268_800)),
            ("36525", Some(4_922_985_600)),
        ] {
            assert_eq!(read(text).unwrap().expires_at(sent), expires, "{text}");
        }
        for text in ["-1", "x", "NaN", "inf", "36526"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_older_has_expired() {
        assert_eq!(Retention::default().expired(), Seq::ZERO);
        let minute = Duration::from_mins(1);
        let expired = Retention::of(minute).expired();
        assert!(expired.age() >= minute && expired.age() < minute * 2);
    }
}
