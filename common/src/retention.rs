//! How long messages are kept.
//!
//! The Lambda writes on each message when it expires, and DynamoDB deletes it some time after that, days perhaps. So
//! whoever reads leaves out what has expired: the same variable has to be set for the functions and the gateways.
//! A changed setting holds for what is read at once; messages stored before keep the moment they were stored with.

use std::time::Duration;

use crate::config::Environment;
use crate::seq::Seq;

const DAY_SECONDS: f64 = 86_400.0;
/// A hundred years: beyond, nothing is meant.
const DAYS_MAX: f64 = 36_525.0;

/// How long messages are kept; for ever by default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Retention(Option<Duration>);

impl Retention {
    /// For so long after they were sent.
    pub const fn of(age: Duration) -> Self {
        Self(Some(age))
    }

    /// From `RTS_RETENTION_DAYS`: days, a part of one too. 0, the default, keeps all.
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

    /// Messages up to this seq have expired; zero where none do.
    pub fn expired(self) -> Seq {
        self.0.map_or(Seq::ZERO, |age| Seq::now().minus(age))
    }

    /// When a message expires, in seconds since the Unix epoch.
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
