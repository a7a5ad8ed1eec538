//! The entries that SQS has accepted recently, until they are noted in Redis.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use rts_common::redis::keys::Partition;
use rts_common::seq::Timestamp;
use tokio::time::Instant;

use super::entry::Unstored;

/// The most entries that are kept: about 120 bytes each. The oldest beyond it are forgotten, and journaled once more if
/// they are not stored in time.
const KEPT_MAX: usize = 50_000;

/// The accepted entries of a journal.
#[derive(Debug, Default)]
pub struct AcceptedLog {
    entries: Mutex<VecDeque<AcceptedEntry>>,
}

/// An unstored entry that SQS has accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcceptedEntry {
    /// The partition of its room.
    pub partition: Partition,
    /// Its key in the unstored index.
    pub member: String,
    /// The time when SQS accepted it.
    pub at: Timestamp,
    since: Instant,
}

impl AcceptedLog {
    pub(super) fn add(&self, unstored: Vec<Unstored>, now: Instant) {
        let at = Timestamp::now();
        let mut entries = self.entries();
        for (partition, member) in unstored {
            entries.push_back(AcceptedEntry { partition, member, at, since: now });
        }
        let excess = entries.len().saturating_sub(KEPT_MAX);
        entries.drain(..excess);
    }

    /// Takes up to `limit` entries that were accepted at least `age` ago, oldest first: younger ones are mostly stored
    /// before they have to be noted.
    pub fn take(&self, age: Duration, limit: usize, now: Instant) -> Vec<AcceptedEntry> {
        let mut entries = self.entries();
        let due =
            entries.iter().take(limit).take_while(|entry| now.saturating_duration_since(entry.since) >= age).count();
        entries.drain(..due).collect()
    }

    /// Puts back the entries that could not be noted.
    pub fn put_back(&self, taken: Vec<AcceptedEntry>) {
        let mut entries = self.entries();
        for entry in taken.into_iter().rev() {
            if entries.len() < KEPT_MAX {
                entries.push_front(entry);
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, VecDeque<AcceptedEntry>> {
        self.entries.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_taken_once_they_are_old_enough_and_can_be_put_back() {
        let log = AcceptedLog::default();
        let partition = Partition::all().next().unwrap();
        let unstored = |name: &str| vec![(partition, name.to_owned())];
        let members = |taken: &[AcceptedEntry]| taken.iter().map(|entry| entry.member.clone()).collect::<Vec<_>>();
        let (begun, second) = (Instant::now(), Duration::from_secs(1));
        log.add(unstored("a"), begun);
        log.add(unstored("b"), begun + second * 2);
        assert!(log.take(second * 3, 9, begun + second * 2).is_empty());
        let now = begun + second * 3;
        let taken = log.take(second * 3, 9, now);
        assert_eq!(members(&taken), ["a"]);
        log.put_back(taken);
        assert_eq!(members(&log.take(Duration::ZERO, 1, now)), ["a"]);
        assert_eq!(members(&log.take(Duration::ZERO, 9, now)), ["b"]);
    }

    #[test]
    fn memory_is_bounded() {
        let log = AcceptedLog::default();
        let partition = Partition::all().next().unwrap();
        for number in 0..KEPT_MAX + 5 {
            log.add(vec![(partition, number.to_string())], Instant::now());
        }
        let taken = log.take(Duration::ZERO, usize::MAX, Instant::now());
        assert_eq!((taken.len(), taken[0].member.as_str()), (KEPT_MAX, "5"));
    }
}
