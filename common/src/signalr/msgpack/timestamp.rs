//! The timestamp extension (type -1), the form in which a JavaScript `Date` is sent.

use time::OffsetDateTime;

/// The extension's type.
pub(super) const TIMESTAMP: i8 = -1;

/// Returns the ISO-8601 text in UTC with milliseconds that the same `Date` has in JSON; `None` for anything that is not
/// a timestamp, or is outside the years 0 to 9999.
pub(super) fn iso_8601(data: &[u8]) -> Option<String> {
    let (seconds, nanoseconds) = match data.len() {
        4 => (i64::from(u32::from_be_bytes(data.try_into().ok()?)), 0),
        8 => {
            let packed = u64::from_be_bytes(data.try_into().ok()?);
            let seconds = i64::try_from(packed & 0x3_FFFF_FFFF).ok()?;
            (seconds, u32::try_from(packed >> 34).ok()?)
        }
        12 => {
            let (nanoseconds, seconds) = data.split_first_chunk()?;
            let seconds = i64::from_be_bytes(seconds.try_into().ok()?);
            (seconds, u32::from_be_bytes(*nanoseconds))
        }
        _ => return None,
    };
    let at = OffsetDateTime::from_unix_timestamp(seconds).ok()?.replace_nanosecond(nanoseconds).ok()?;
    (0..=9999).contains(&at.year()).then(|| {
        format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            at.year(),
            u8::from(at.month()),
            at.day(),
            at.hour(),
            at.minute(),
            at.second(),
            at.millisecond(),
        )
    })
}
