//! Entries of the unstored index, and the times when DynamoDB was last asked about them.

use std::collections::HashMap;
use std::time::Duration;

use rts_common::ids::RoomId;
use rts_common::redis::journaled::{Journaled, message_member, room_member};
use rts_common::seq::Seq;
use tokio::time::Instant;

/// The most entries of one partition whose checks are remembered: about 150 bytes each. Beyond it, an entry may be
/// checked earlier than needed.
const REMEMBERED_MAX: usize = 10_000;
/// The wait after the first check, doubled with each further one.
const AGAIN_FIRST: Duration = Duration::from_secs(15);
/// The longest wait between two checks.
const AGAIN_CEILING: Duration = Duration::from_mins(10);

/// An entry that is not known to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Unstored {
    /// A message at a version.
    Message { room: RoomId, message: Seq, version: Seq },
    /// A change of a room.
    Room { room: RoomId, version: Seq },
}

/// An entry, and the note of its journaling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) entry: Unstored,
    pub(super) journaled: Option<Journaled>,
}

impl Unstored {
    /// Parses `m:<room>:<seq>:<version>` or `r:<room>:<version>`.
    pub(super) fn parse(member: &str) -> Option<Self> {
        let mut parts = member.split(':');
        let kind = parts.next()?;
        let room = RoomId::parse(parts.next()?).ok()?;
        let mut seq = || Seq::parse(parts.next()?);
        let found = match kind {
            "m" => Self::Message { room, message: seq()?, version: seq()? },
            "r" => Self::Room { room, version: seq()? },
            _ => return None,
        };
        parts.next().is_none().then_some(found)
    }

    /// Returns its member of the index.
    pub(super) fn member(&self) -> String {
        match self {
            Self::Message { room, message, version } => message_member(room, *message, *version),
            Self::Room { room, version } => room_member(room, *version),
        }
    }

    pub(super) fn version(&self) -> Seq {
        match self {
            Self::Message { version, .. } | Self::Room { version, .. } => *version,
        }
    }

    pub(super) fn room(&self) -> &RoomId {
        match self {
            Self::Message { room, .. } | Self::Room { room, .. } => room,
        }
    }
}

/// The times when entries were checked, so that DynamoDB is not asked about them every round.
#[derive(Debug, Default)]
pub(super) struct Checks {
    checked: HashMap<Unstored, (u32, Instant)>,
}

impl Checks {
    /// True if an entry may be checked now; then it counts as checked.
    pub(super) fn may_check(&mut self, entry: &Unstored, now: Instant) -> bool {
        if let Some((checks, next)) = self.checked.get_mut(entry) {
            if now < *next {
                return false;
            }
            let wait = AGAIN_FIRST.saturating_mul(1 << (*checks).min(16));
            *checks += 1;
            *next = now + wait.min(AGAIN_CEILING);
            return true;
        }
        if self.checked.len() >= REMEMBERED_MAX {
            // Stored entries are not checked any more.
            self.checked.retain(|_, (_, next)| *next + AGAIN_FIRST > now);
        }
        if self.checked.len() < REMEMBERED_MAX {
            self.checked.insert(entry.clone(), (1, now + AGAIN_FIRST));
        }
        true
    }

    /// Forgets an entry that is settled.
    pub(super) fn forget(&mut self, entry: &Unstored) {
        self.checked.remove(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_index_are_parsed_and_formatted() {
        let room = RoomId::new_group();
        let seq = |number| Seq::new(number).unwrap();
        let message = Unstored::Message { room: room.clone(), message: seq(5), version: seq(7) };
        let change = Unstored::Room { room: room.clone(), version: seq(7) };
        assert_eq!((message.member(), change.member()), (format!("m:{room}:5:7"), format!("r:{room}:7")));
        for entry in [message, change] {
            assert_eq!(Unstored::parse(&entry.member()), Some(entry));
        }
        for bad in ["", "m", "m:x:1:2", "q:1"] {
            assert_eq!(Unstored::parse(bad), None, "{bad}");
        }
        assert_eq!(Unstored::parse(&format!("r:{room}:7:8")), None);
    }

    #[test]
    fn waits_double_up_to_a_ceiling() {
        let mut checks = Checks::default();
        let entry = Unstored::Room { room: RoomId::new_group(), version: Seq::ZERO.next() };
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let begun = now;
            assert!(checks.may_check(&entry, now));
            while checks.checked.get(&entry).is_none_or(|(_, next)| *next > now) {
                now += Duration::from_secs(5);
            }
            waits.push((now - begun).as_secs());
        }
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 600, 600, 600]);
        assert!(checks.may_check(&entry, now));
        assert!(!checks.may_check(&entry, now));
        checks.forget(&entry);
        assert!(checks.may_check(&entry, now));
    }

    #[test]
    fn memory_is_bounded() {
        let mut checks = Checks::default();
        let now = Instant::now();
        for _ in 0..REMEMBERED_MAX + 10 {
            let entry = Unstored::Room { room: RoomId::new_group(), version: Seq::ZERO };
            assert!(checks.may_check(&entry, now));
        }
        assert_eq!(checks.checked.len(), REMEMBERED_MAX);
    }
}
