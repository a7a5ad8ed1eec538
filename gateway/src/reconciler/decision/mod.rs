//! The decision about an unstored entry, by its age, the note of its journaling, and the clock of its queue. Sans-IO.
//!
//! An entry that SQS may hold is left to it: journaling it again would only make the queue longer. SQS holds accepted
//! entries until a function has stored them, unless they became dead letters; the queue's clock shows when that is
//! certain.

use std::time::Duration;

use rts_common::redis::journaled::{Journaled, SET_ASIDE_FOR};
use rts_common::seq::{Seq, Timestamp};

/// Time for a request to SQS to be known as accepted, the note of it included; doubled with each further one. All of
/// them are within the five minutes in which SQS drops copies.
const WORD_WITHIN: Duration = Duration::from_secs(20);
/// Requests without a known result, after which SQS is assumed to have accepted.
const REQUESTS_MAX: u8 = 3;
/// The least and the most that notes of acceptance, reports of storing, and SQS's own counts may be late.
const SLACK: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(1));

/// The state of a queue over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueClock {
    /// The time since when SQS has counted no message in it.
    pub empty_since: Option<Timestamp>,
    /// The last waits that the functions reported; `None` if there were none recently.
    pub waits: Option<Waits>,
    /// Time for which a failed batch is not visible in the queue.
    pub visibility: Duration,
    /// Number of receives of an entry before it becomes a dead letter.
    pub receives: u32,
}

/// The waits of entries until a function received them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The longest recent wait.
    pub longest: Duration,
    /// The time of a function's last report: nothing is known of the time since.
    pub told_at: Timestamp,
}

/// The decision about an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// Do nothing yet.
    Wait,
    /// It may have been stored unnoticed: ask DynamoDB.
    Check,
    /// Journal it unless it is stored, with this note.
    Journal(Journaled),
}

impl QueueClock {
    /// Returns how late reports about the queue may be: a third of a failed batch's visibility timeout, in bounds.
    pub(super) fn slack(&self) -> Duration {
        (self.visibility / 3).clamp(SLACK.0, SLACK.1)
    }

    /// True if the queue cannot hold an entry any more that it accepted at a time.
    fn has_lost(&self, at: Timestamp, now: Timestamp) -> bool {
        let slack = self.slack();
        let was_empty =
            self.empty_since.is_some_and(|since| since_millis(at, since) >= slack && since_millis(since, now) >= slack);
        // All its receives have had their time, however long the queue was.
        let receives = self.visibility * self.receives.max(1);
        was_empty || self.has_passed(at, |longest| slack + receives + longest * 2)
    }

    /// True if the functions have had the time to store entries that were accepted at a time.
    fn may_have_stored(&self, at: Timestamp, now: Timestamp) -> bool {
        let was_empty = self.empty_since.is_some() && since_millis(at, now) >= self.slack();
        was_empty || self.has_passed(at, |longest| self.slack() + longest)
    }

    /// Returns the time before which everything that the queue accepted is stored, or lost to it; `None` if that is not known.
    pub(super) fn stored_until(&self, now: Timestamp) -> Option<Timestamp> {
        let before = |at: Timestamp, time: Duration| {
            let millis = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
            Timestamp::from_millis(at.millis().saturating_sub(millis))
        };
        let slack = self.slack();
        // What it accepted just before it was counted may not have been in the count.
        let by_count = self.empty_since.filter(|since| since_millis(*since, now) >= slack).map(|_| before(now, slack));
        let by_waits = self.waits.map(|waits| before(waits.told_at, slack + waits.longest));
        by_count.into_iter().chain(by_waits).max()
    }

    /// True if the functions still reported entries this long after a time.
    fn has_passed(&self, at: Timestamp, time: impl Fn(Duration) -> Duration) -> bool {
        self.waits.is_some_and(|waits| since_millis(at, waits.told_at) >= time(waits.longest))
    }
}

fn since_millis(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(to.millis().saturating_sub(from.millis()))
}

/// Decides about an entry of a version; `after` is the time that its own node has to journal it.
pub(super) fn decide(
    version: Seq,
    journaled: Option<Journaled>,
    clock: &QueueClock,
    after: Duration,
    now: Timestamp,
) -> Decision {
    let request = |requests, losses| {
        Decision::Journal(Journaled { at: now, requests, losses, accepted: false, set_aside: false })
    };
    let Some(known) = journaled else {
        let is_due = since_millis(version.timestamp(), now) >= after;
        return if is_due { request(1, 0) } else { Decision::Wait };
    };
    if known.set_aside {
        // A person sends the letter back, or nobody does for as long as it is kept.
        return if known.age(now) >= SET_ASIDE_FOR { request(1, known.losses) } else { Decision::Check };
    }
    if !known.accepted && known.requests < REQUESTS_MAX {
        let patience = WORD_WITHIN * 2_u32.pow(known.requests.saturating_sub(1).into());
        return if known.age(now) >= patience { request(known.requests + 1, known.losses) } else { Decision::Wait };
    }
    let patience = clock.slack() * 2_u32.pow(known.losses.into());
    if known.age(now) >= patience && clock.has_lost(known.at, now) {
        return request(1, known.losses + 1);
    }
    if clock.may_have_stored(known.at, now) { Decision::Check } else { Decision::Wait }
}

#[cfg(test)]
mod tests;
