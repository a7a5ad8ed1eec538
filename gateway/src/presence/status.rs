//! The published status of a user.

use rts_common::ids::{Person, UserId};
use rts_common::redis::{Redis, RedisFailure, keys, read};
use rts_common::seq::{Seq, Timestamp};
use serde::Serialize;

/// The status of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// On one device at least.
    Online,
    /// Connected, and away from all devices.
    Away,
    /// Not connected.
    Offline,
}

/// A user's status as it was last published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PersonStatus {
    /// The status.
    pub status: Status,
    /// The time when a user who is offline was last connected, if known.
    pub last_seen_at: Option<Timestamp>,
    /// Grows with each change, unless Redis lost data in between.
    pub version: Seq,
}

impl PersonStatus {
    /// The status of an unknown user; users of other organizations look the same.
    pub const UNKNOWN: Self = Self { status: Status::Offline, last_seen_at: None, version: Seq::ZERO };

    /// Parses a publication: status, version and last seen.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        Self::of(words.next()?, words.next()?, words.next()?)
    }

    /// True if both look the same to clients.
    pub(crate) fn looks_like(&self, other: &Self) -> bool {
        (self.status, self.last_seen_at) == (other.status, other.last_seen_at)
    }

    fn of(status: &str, version: &str, at: &str) -> Option<Self> {
        let status = match status {
            "o" => Status::Online,
            "a" => Status::Away,
            "f" => Status::Offline,
            _ => return None,
        };
        let millis = at.parse().ok().filter(|_| status == Status::Offline).filter(|millis| *millis > 0);
        Some(Self { status, last_seen_at: millis.map(Timestamp::from_millis), version: Seq::parse(version)? })
    }
}

/// Reads a user's status.
pub async fn status_of(redis: &Redis, person: &Person) -> Result<PersonStatus, RedisFailure> {
    let mut command = redis::cmd("HMGET");
    command.arg(keys::person_status(person)).arg("s").arg("v").arg("at");
    let found: [Option<String>; 3] = read(redis.command("presence", &command).await?)?;
    let [Some(status), Some(version), at] = found else { return Ok(PersonStatus::UNKNOWN) };
    PersonStatus::of(&status, &version, at.as_deref().unwrap_or("0"))
        .ok_or_else(|| RedisFailure::Unexpected("a status that is none".to_owned()))
}

/// A user's status for clients.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub struct UserStatus {
    /// Who.
    pub user_id: UserId,
    /// The status.
    pub status: Status,
    /// The time when a user who is offline was last connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<Timestamp>,
}

impl UserStatus {
    /// Returns the status of a user.
    pub fn new(user: &UserId, status: &PersonStatus) -> Self {
        Self { user_id: user.clone(), status: status.status, last_seen_at: status.last_seen_at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn publications_are_parsed_and_only_offline_users_have_last_seen() {
        let version = Seq::new(7).unwrap();
        let offline = PersonStatus::parse("f 7 1700000000123").unwrap();
        let last_seen_at = Some(Timestamp::from_millis(1_700_000_000_123));
        assert_eq!(offline, PersonStatus { status: Status::Offline, last_seen_at, version });
        let online = PersonStatus::parse("o 7 1700000000123").unwrap();
        assert_eq!(online, PersonStatus { status: Status::Online, last_seen_at: None, version });
        assert_eq!(PersonStatus::parse("f 7 0").unwrap().last_seen_at, None);
        for bad in ["", "o", "o 7", "x 7 0", "o x 0"] {
            assert_eq!(PersonStatus::parse(bad), None, "{bad}");
        }
        let told = serde_json::to_string(&UserStatus::new(&UserId::parse("ann").unwrap(), &offline)).unwrap();
        assert_eq!(told, r#"{"userId":"ann","status":"offline","lastSeenAt":"2023-11-14T22:13:20.123Z"}"#);
        let told = serde_json::to_string(&UserStatus::new(&UserId::parse("ann").unwrap(), &online)).unwrap();
        assert_eq!(told, r#"{"userId":"ann","status":"online"}"#);
    }
}
