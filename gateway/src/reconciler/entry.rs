//! Entries of the unstored index, and when each is looked at again.

use std::collections::HashMap;
use std::time::Duration;

use rts_common::ids::RoomId;
use rts_common::seq::Seq;
use tokio::time::Instant;

/// Entries whose attempts are remembered, of one partition: about 150 bytes each. Beyond, an entry may be
/// tried earlier than it had to be.
const REMEMBERED_MAX: usize = 10_000;
/// The wait after the first attempt, doubled with each further one.
const AGAIN_FIRST: Duration = Duration::from_secs(15);
/// And at most this. Beyond five minutes, SQS does not drop it as a duplicate any more.
const AGAIN_CEILING: Duration = Duration::from_mins(10);

/// What is not known to be stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Unstored {
    /// A message at a version.
    Message { room: RoomId, message: Seq, version: Seq },
    /// A change of a room.
    Room { room: RoomId, version: Seq },
}

impl Unstored {
    /// Reads `m:<room>:<seq>:<version>` or `r:<room>:<version>`.
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
}

/// What has been tried already, so that nothing is journaled every round.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    tried: HashMap<Unstored, (u32, Instant)>,
}

impl Attempts {
    /// Whether an entry may be tried now; if so, it counts as tried.
    pub(super) fn may_try(&mut self, entry: &Unstored, now: Instant) -> bool {
        if let Some((tries, next)) = self.tried.get_mut(entry) {
            if now < *next {
                return false;
            }
            let wait = AGAIN_FIRST.saturating_mul(1 << (*tries).min(16));
            *tries += 1;
            *next = now + wait.min(AGAIN_CEILING);
            return true;
        }
        if self.tried.len() >= REMEMBERED_MAX {
            // What is gone from the index is not asked about any more.
            self.tried.retain(|_, (_, next)| *next + AGAIN_FIRST > now);
        }
        if self.tried.len() < REMEMBERED_MAX {
            self.tried.insert(entry.clone(), (1, now + AGAIN_FIRST));
        }
        true
    }

    /// Nothing came of an attempt: the next one comes as soon as after the first.
    pub(super) fn failed(&mut self, entry: &Unstored, now: Instant) {
        if let Some(tried) = self.tried.get_mut(entry) {
            *tried = (1, now + AGAIN_FIRST);
        }
    }

    /// An entry is settled.
    pub(super) fn forget(&mut self, entry: &Unstored) {
        self.tried.remove(entry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_of_the_index_are_read() {
        let room = RoomId::new_group();
        let seq = |number| Seq::new(number).unwrap();
        assert_eq!(
            Unstored::parse(&format!("m:{room}:5:7")),
            Some(Unstored::Message { room: room.clone(), message: seq(5), version: seq(7) })
        );
        assert_eq!(
            Unstored::parse(&format!("r:{room}:7")),
            Some(Unstored::Room { room: room.clone(), version: seq(7) })
        );
        for bad in ["", "m", "m:x:1:2", "q:1"] {
            assert_eq!(Unstored::parse(bad), None, "{bad}");
        }
        assert_eq!(Unstored::parse(&format!("r:{room}:7:8")), None);
    }

    #[test]
    fn waits_double_up_to_a_ceiling() {
        let mut attempts = Attempts::default();
        let version = Seq::ZERO.next();
        let entry = Unstored::Room { room: RoomId::new_group(), version };
        let mut now = Instant::now();
        let mut waits = Vec::new();
        for _ in 0..9 {
            let begun = now;
            assert!(attempts.may_try(&entry, now));
            while attempts.tried.get(&entry).is_none_or(|(_, next)| *next > now) {
                now += Duration::from_secs(5);
            }
            waits.push((now - begun).as_secs());
        }
        assert_eq!(waits, [15, 30, 60, 120, 240, 480, 600, 600, 600]);
        assert!(attempts.may_try(&entry, now));
        assert!(!attempts.may_try(&entry, now));
        attempts.failed(&entry, now);
        assert!(!attempts.may_try(&entry, now));
        now += AGAIN_FIRST;
        assert!(attempts.may_try(&entry, now));
        attempts.forget(&entry);
        assert!(attempts.may_try(&entry, now));
    }

    #[test]
    fn memory_is_bounded() {
        let mut attempts = Attempts::default();
        let now = Instant::now();
        for _ in 0..REMEMBERED_MAX + 10 {
            let entry = Unstored::Room { room: RoomId::new_group(), version: Seq::ZERO };
            assert!(attempts.may_try(&entry, now));
        }
        assert_eq!(attempts.tried.len(), REMEMBERED_MAX);
    }
}
