//! The rate limit of a client's records, of any kind: one moment per session, which each record moves forward.

use std::time::{Duration, Instant};

use super::Settings;
use crate::close_reason::CloseReason;
use crate::metrics::{self, Limit};

/// The rate limit of one client.
#[derive(Debug)]
pub(super) struct RecordRateLimit {
    /// The time at which all records so far would have arrived at the allowed rate.
    due: Instant,
}

impl RecordRateLimit {
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now }
    }

    /// Counts records that arrived now. Too many of them end the session.
    pub(super) fn take(&mut self, settings: &Settings, records: u32) -> Result<(), CloseReason> {
        if records == 0 { Ok(()) } else { self.take_at(settings, records, Instant::now()) }
    }

    fn take_at(&mut self, settings: &Settings, records: u32, now: Instant) -> Result<(), CloseReason> {
        let each = Duration::from_secs(1) / settings.records_per_second.max(1);
        self.due = self.due.max(now) + each * records;
        if self.due > now + each * settings.records_burst {
            metrics::rate_limited(Limit::Records);
            return Err(CloseReason::TooManyRecords);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_the_rate() {
        let settings = Settings { records_per_second: 10, records_burst: 20, ..Settings::default() };
        let now = Instant::now();
        let mut pace = RecordRateLimit::new(now);
        assert_eq!(pace.take_at(&settings, 20, now), Ok(()));
        let later = now + Duration::from_millis(500);
        assert_eq!(pace.take_at(&settings, 5, later), Ok(()));
        assert_eq!(pace.take_at(&settings, 1, later), Err(CloseReason::TooManyRecords));
        assert_eq!(RecordRateLimit::new(now).take_at(&settings, 20, later), Ok(()), "rest is not saved up");
        assert!(RecordRateLimit::new(now).take_at(&settings, 21, later).is_err());
    }
}
