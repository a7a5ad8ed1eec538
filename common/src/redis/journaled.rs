//! The journaling of an unstored entry, as the partition's `journaled` set keeps it: one number, so that it is noted
//! with one command.

use std::time::Duration;

use crate::ids::RoomId;
use crate::seq::{Seq, Timestamp};

/// The number of requests that are distinguished; more of them count as this many.
const REQUESTS_MAX: u8 = 3;
/// The number of losses that are distinguished; more of them count as this many.
const LOSSES_MAX: u8 = 7;
const STEP: u64 = 64;
/// Added to the score of an entry that the functions set aside, so that these are counted with one command. A build that
/// does not know it reads a time far ahead, and leaves the entry alone.
pub const SET_ASIDE: u64 = 1 << 50;
/// The time after which an entry that was set aside may be journaled again: its letter is about to leave the dead-letter
/// queue, after fourteen days.
pub const SET_ASIDE_FOR: Duration = Duration::from_hours(24 * 13);
/// That time in a score.
pub(super) const SET_ASIDE_STEPS: u64 = SET_ASIDE_FOR.as_secs() * 1000 * STEP;

/// The last time that an entry was journaled. An entry without one may never have been.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Journaled {
    /// The time of it.
    pub at: Timestamp,
    /// The number of requests that reconcilers have made to SQS since, without an answer.
    pub requests: u8,
    /// The number of times that SQS has lost it, for example to a dead-letter queue.
    pub losses: u8,
    /// True if SQS is known to have accepted it.
    pub accepted: bool,
    /// True if the functions have set it aside: DynamoDB refuses it, and it waits in the dead-letter queue.
    pub set_aside: bool,
}

impl Journaled {
    /// Makes a note of an acceptance by the entry's own node.
    pub fn accepted(at: Timestamp) -> Self {
        Self { at, requests: 0, losses: 0, accepted: true, set_aside: false }
    }

    /// Makes a note that the functions have set an entry aside.
    pub fn set_aside(at: Timestamp) -> Self {
        Self { set_aside: true, ..Self::accepted(at) }
    }

    /// Returns the score that keeps it: odd if it is accepted, which the scripts read too.
    pub fn score(self) -> u64 {
        let (requests, losses) = (self.requests.min(REQUESTS_MAX), self.losses.min(LOSSES_MAX));
        let aside = if self.set_aside { SET_ASIDE } else { 0 };
        aside + self.at.millis() * STEP + u64::from(losses) * 8 + u64::from(requests) * 2 + u64::from(self.accepted)
    }

    /// Reads a [`Self::score`].
    pub fn from_score(score: u64) -> Self {
        let set_aside = score >= SET_ASIDE;
        let score = score % SET_ASIDE;
        let part = |shift: u32, of: u64| u8::try_from((score >> shift) % of).unwrap_or_default();
        let (accepted, requests, losses) = (score % 2 == 1, part(1, 4), part(3, 8));
        Self { at: Timestamp::from_millis(score / STEP), requests, losses, accepted, set_aside }
    }

    /// Returns how long ago it was.
    pub fn age(self, now: Timestamp) -> Duration {
        Duration::from_millis(now.millis().saturating_sub(self.at.millis()))
    }
}

/// Returns the member of the unstored index that stands for a message at a version.
pub fn message_member(room: &RoomId, message: Seq, version: Seq) -> String {
    format!("m:{room}:{message}:{version}")
}

/// Returns the member of the unstored index that stands for a change of a room.
pub fn room_member(room: &RoomId, version: Seq) -> String {
    format!("r:{room}:{version}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_keeps_all_of_it_and_fits_a_double() {
        for (millis, requests, losses, accepted) in
            [(0, 0, 0, false), (1_900_000_000_000, 3, 0, true), (4_102_444_800_000, 1, LOSSES_MAX, false)]
        {
            for set_aside in [false, true] {
                let at = Timestamp::from_millis(millis);
                let journaled = Journaled { at, requests, losses, accepted, set_aside };
                assert_eq!(Journaled::from_score(journaled.score()), journaled);
                assert!(journaled.score() < 1 << 53);
            }
        }
        let often = Journaled { requests: 200, losses: 200, ..Journaled::accepted(Timestamp::from_millis(7)) };
        let kept = Journaled { requests: REQUESTS_MAX, losses: LOSSES_MAX, ..often };
        assert_eq!(Journaled::from_score(often.score()), kept);
    }
}
