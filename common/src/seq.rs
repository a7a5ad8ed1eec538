//! The sequence of a room: its order, the identity of its messages, and its clock.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;

/// The largest integer up to which a JavaScript number is exact.
pub const SEQ_MAX: u64 = (1 << 53) - 1;

/// A position in a room's order, in microseconds since the Unix epoch: `max(last + 1, Redis TIME)`. It orders events,
/// names a message, and tells when it happened. Zero means "before everything".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Seq(u64);

impl Seq {
    /// Before everything.
    pub const ZERO: Self = Self(0);

    /// Makes a seq; `None` beyond the integers that a JavaScript number holds exactly.
    pub const fn new(value: u64) -> Option<Self> {
        if value <= SEQ_MAX { Some(Self(value)) } else { None }
    }

    /// Returns the number, microseconds since the Unix epoch.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// Parses decimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        text.parse().ok().and_then(Self::new)
    }

    /// Returns the seq of the present moment.
    pub fn now() -> Self {
        Self(micros(SystemTime::now()))
    }

    /// Returns the seq that lies `age` before this one.
    #[must_use]
    pub fn minus(self, age: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(age.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Returns the next seq, saturating.
    #[must_use]
    pub fn next(self) -> Self {
        Self((self.0 + 1).min(SEQ_MAX))
    }

    /// Returns the previous seq, saturating.
    #[must_use]
    pub fn previous(self) -> Self {
        Self(self.0.saturating_sub(1))
    }

    /// Returns the time passed since this seq; zero if it lies ahead.
    pub fn age(self) -> Duration {
        Duration::from_micros(micros(SystemTime::now()).saturating_sub(self.0))
    }

    /// Returns the seq of a moment.
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.0.saturating_mul(1000).min(SEQ_MAX))
    }

    /// Returns the moment, to the millisecond.
    pub fn timestamp(self) -> Timestamp {
        Timestamp(self.0 / 1000)
    }

    /// Returns the month in UTC as `yyyymm`, which decides the partition of a message.
    pub fn month(self) -> Month {
        Month::of(self)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<'de> Deserialize<'de> for Seq {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = u64::deserialize(deserializer)?;
        Self::new(value).ok_or_else(|| serde::de::Error::custom("seq out of range"))
    }
}

/// Milliseconds since the Unix epoch; on the wire ISO-8601 UTC with milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

impl Timestamp {
    /// Returns the present moment.
    pub fn now() -> Self {
        Self(micros(SystemTime::now()) / 1000)
    }

    /// Makes a timestamp from milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn millis(self) -> u64 {
        self.0
    }
}

impl Timestamp {
    /// Returns the text on the wire; `None` beyond the year 9999. Every event has one, so it is written without a
    /// formatter.
    fn text(self) -> Option<[u8; 24]> {
        let seconds = i64::try_from(self.0 / 1000).ok()?;
        let moment = OffsetDateTime::from_unix_timestamp(seconds).ok()?;
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put(&mut text[0..4], u64::try_from(moment.year()).ok()?);
        put(&mut text[5..7], u8::from(moment.month()).into());
        put(&mut text[8..10], moment.day().into());
        put(&mut text[11..13], moment.hour().into());
        put(&mut text[14..16], moment.minute().into());
        put(&mut text[17..19], moment.second().into());
        put(&mut text[20..23], self.0 % 1000);
        Some(text)
    }
}

fn put(digits: &mut [u8], mut number: u64) {
    for digit in digits.iter_mut().rev() {
        let [last, ..] = (number % 10).to_le_bytes();
        *digit = b'0' + last;
        number /= 10;
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.text().ok_or(fmt::Error)?;
        f.write_str(std::str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let text = self.text().ok_or_else(|| serde::ser::Error::custom("a time beyond the year 9999"))?;
        serializer.serialize_str(std::str::from_utf8(&text).map_err(serde::ser::Error::custom)?)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let moment = OffsetDateTime::parse(&text, &time::format_description::well_known::Rfc3339)
            .map_err(serde::de::Error::custom)?;
        u64::try_from(moment.unix_timestamp_nanos() / 1_000_000).map(Self).map_err(serde::de::Error::custom)
    }
}

/// A calendar month in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month {
    year: i32,
    month: u8,
}

impl Month {
    fn of(seq: Seq) -> Self {
        let seconds = i64::try_from(seq.0 / 1_000_000).unwrap_or(i64::MAX);
        let moment = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        Self { year: moment.year(), month: moment.month().into() }
    }

    /// Returns the next month.
    #[must_use]
    pub fn next(self) -> Self {
        if self.month == 12 { Self { year: self.year + 1, month: 1 } } else { Self { month: self.month + 1, ..self } }
    }

    /// Returns the previous month.
    #[must_use]
    pub fn previous(self) -> Self {
        if self.month == 1 { Self { year: self.year - 1, month: 12 } } else { Self { month: self.month - 1, ..self } }
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}{:02}", self.year, self.month)
    }
}

fn micros(moment: SystemTime) -> u64 {
    let since = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX).min(SEQ_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seq_tells_its_time_and_month() {
        let seq = Seq::new(1_767_225_599_999_999).unwrap();
        assert_eq!(seq.timestamp().to_string(), "2025-12-31T23:59:59.999Z");
        assert_eq!(seq.month().to_string(), "202512");
        assert_eq!(seq.next().month().to_string(), "202601");
        assert_eq!(seq.month().next(), seq.next().month());
        assert_eq!(seq.next().month().previous(), seq.month());
    }

    #[test]
    fn a_seq_stays_within_a_javascript_number() {
        assert_eq!(Seq::new(SEQ_MAX + 1), None);
        assert!(serde_json::from_str::<Seq>("9007199254740992").is_err());
        assert!(serde_json::from_str::<Seq>("-1").is_err());
        assert!(serde_json::from_str::<Seq>("1.5").is_err());
        assert!(serde_json::from_str::<Seq>("\"1\"").is_err());
    }

    #[test]
    fn timestamps_round_trip() {
        let text = "\"2026-02-03T04:05:06.007Z\"";
        let moment: Timestamp = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&moment).unwrap(), text);
        assert_eq!(Timestamp::from_millis(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::from_millis(253_402_300_799_999).to_string(), "9999-12-31T23:59:59.999Z");
        assert!(serde_json::to_string(&Timestamp::from_millis(253_402_300_800_000)).is_err());
    }
}
