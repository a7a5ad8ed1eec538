//! Judges a node by the canaries that it heard. Pure.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::metrics::CANARY_GROUPS;

/// Groups of partitions.
pub(super) const GROUPS: usize = CANARY_GROUPS.len();
const ALL: u16 = u16::MAX;

/// A group counts as heard for this long after its last canary: the interval, and a second for delays.
const HEARD_FOR: Duration = Duration::from_secs(3);
/// A group that has not been heard for this long is not heard at all. More than [`HEARD_FOR`] and [`FRESH_FOR`] together:
/// if nobody hears any more, the others' last good reports are too old by then.
const DEAF_AFTER: Duration = Duration::from_secs(8);
/// A report counts for this long after it changed.
const FRESH_FOR: Duration = Duration::from_secs(4);
/// A report that has not changed for this long is that of a node that is gone.
const GONE_AFTER: Duration = Duration::from_mins(2);
/// An own canary that has not arrived after this time is lost.
const LOST_AFTER: Duration = Duration::from_secs(5);
/// Good looks in a row after which a deaf node hears again.
const GOOD_LOOKS: u32 = 3;

/// The canaries that a node has heard, and its own that it waits for.
pub(super) struct Ears {
    heard: [Instant; GROUPS],
    rounds: VecDeque<Round>,
    reports: HashMap<String, Report>,
    is_deaf: bool,
    good_looks: u32,
}

/// A number that was published in all groups.
struct Round {
    number: u64,
    at: Instant,
    /// The groups whose server has taken it, as bits.
    accepted: u16,
    /// The groups in which it has arrived.
    arrived: u16,
}

/// Another node's report.
struct Report {
    text: String,
    /// When it was seen to change; `None` if it was only seen.
    changed: Option<Instant>,
    seen: Instant,
}

impl Ears {
    pub(super) fn new(now: Instant) -> Self {
        Self { heard: [now; GROUPS], rounds: VecDeque::new(), reports: HashMap::new(), is_deaf: false, good_looks: 0 }
    }

    pub(super) fn is_deaf(&self) -> bool {
        self.is_deaf
    }

    /// Notes that a number is being published.
    pub(super) fn published(&mut self, number: u64, now: Instant) {
        self.rounds.push_back(Round { number, at: now, accepted: 0, arrived: 0 });
    }

    /// Notes that a group's server has taken a number.
    pub(super) fn accepted(&mut self, group: usize, number: u64) {
        if let Some(round) = self.round(number) {
            round.accepted |= bit(group);
        }
    }

    /// Notes that a canary has arrived; returns the time that an own one took.
    pub(super) fn heard(&mut self, group: usize, own: Option<u64>, now: Instant) -> Option<Duration> {
        *self.heard.get_mut(group)? = now;
        let round = self.round(own?)?;
        if round.arrived & bit(group) != 0 {
            return None;
        }
        round.arrived |= bit(group);
        Some(now - round.at)
    }

    /// Returns the groups that are heard, as bits.
    pub(super) fn hears(&self, now: Instant) -> u16 {
        self.within(HEARD_FOR, now)
    }

    /// True if the reports of others matter.
    pub(super) fn is_unsure(&self, now: Instant) -> bool {
        self.is_deaf || self.hears(now) != ALL
    }

    /// Returns the time since each group was last heard.
    pub(super) fn ages(&self, now: Instant) -> [Duration; GROUPS] {
        self.heard.map(|at| now.saturating_duration_since(at))
    }

    /// Takes the reports of all others; returns the nodes that are gone.
    pub(super) fn told(&mut self, reports: impl Iterator<Item = (String, String)>, now: Instant) -> Vec<String> {
        let before = std::mem::take(&mut self.reports);
        for (node, text) in reports {
            let report = match before.get(&node) {
                None => Report { text, changed: None, seen: now },
                Some(old) if old.text == text => Report { text, ..*old },
                Some(_) => Report { text, changed: Some(now), seen: now },
            };
            self.reports.insert(node, report);
        }
        let is_gone = |report: &Report| now.saturating_duration_since(report.seen) > GONE_AFTER;
        self.reports.extract_if(|_, report| is_gone(report)).map(|(node, _)| node).collect()
    }

    /// Decides whether the node is deaf; returns the groups in which own canaries were lost, once for each.
    pub(super) fn judge(&mut self, now: Instant) -> Vec<usize> {
        let unheard = !self.within(DEAF_AFTER, now) & ALL;
        let others = self.reports.values().filter_map(|report| report.fresh(now)).fold(0, |all, groups| all | groups);
        if unheard & others != 0 {
            (self.is_deaf, self.good_looks) = (true, 0);
        } else if self.is_deaf {
            // Nobody hears: then this node is as good as any.
            let is_good = self.hears(now) == ALL;
            self.good_looks = if is_good || others == 0 { self.good_looks + 1 } else { 0 };
            self.is_deaf = self.good_looks < GOOD_LOOKS;
        }
        let mut lost = Vec::new();
        while let Some(round) = self.rounds.pop_front_if(|round| now.saturating_duration_since(round.at) >= LOST_AFTER)
        {
            lost.extend((0..GROUPS).filter(|group| round.accepted & !round.arrived & bit(*group) != 0));
        }
        lost
    }

    fn within(&self, time: Duration, now: Instant) -> u16 {
        let is_heard = |at: &Instant| now.saturating_duration_since(*at) <= time;
        (0..GROUPS).filter(|group| is_heard(&self.heard[*group])).fold(0, |groups, group| groups | bit(group))
    }

    fn round(&mut self, number: u64) -> Option<&mut Round> {
        self.rounds.iter_mut().find(|round| round.number == number)
    }
}

impl Report {
    /// Returns the groups that a node hears that has just said so.
    fn fresh(&self, now: Instant) -> Option<u16> {
        self.changed.filter(|at| now.saturating_duration_since(*at) <= FRESH_FOR)?;
        let (_, groups) = self.text.split_once(' ')?;
        u16::from_str_radix(groups, 16).ok()
    }
}

fn bit(group: usize) -> u16 {
    1 << group
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Looks once a second, while this node hears the groups of `heard` and another reports those of `other`.
    fn look(ears: &mut Ears, now: &mut Instant, seconds: u32, heard: u16, other: Option<u16>) {
        for _ in 0..seconds {
            *now += SECOND;
            for group in (0..GROUPS).filter(|group| heard & bit(*group) != 0) {
                ears.heard(group, None, *now);
            }
            let number = rand::random::<u64>();
            let reports = other.map(|groups| ("b".to_owned(), format!("{number} {groups:x}")));
            ears.told(reports.into_iter(), *now);
            ears.judge(*now);
        }
    }

    #[test]
    fn only_a_node_that_hears_less_than_others_is_deaf() {
        let mut now = Instant::now();
        let mut ears = Ears::new(now);
        look(&mut ears, &mut now, 3, ALL, Some(ALL));
        // One group of 16 is silent here, and not there.
        look(&mut ears, &mut now, 8, ALL ^ 4, Some(ALL));
        assert!(!ears.is_deaf());
        look(&mut ears, &mut now, 1, ALL ^ 4, Some(ALL));
        assert!(ears.is_deaf());
        look(&mut ears, &mut now, 2, ALL, Some(ALL));
        assert!(ears.is_deaf());
        look(&mut ears, &mut now, 1, ALL, Some(ALL));
        assert!(!ears.is_deaf());
        // The other is silent where this one is.
        look(&mut ears, &mut now, 30, ALL ^ 4, Some(ALL ^ 4));
        assert!(!ears.is_deaf());
    }

    #[test]
    fn where_nobody_hears_nobody_is_deaf() {
        let mut now = Instant::now();
        let mut ears = Ears::new(now);
        look(&mut ears, &mut now, 3, ALL, Some(ALL));
        // Both become deaf at once: for three seconds the other says that it hears.
        for second in 0..20 {
            look(&mut ears, &mut now, 1, 0, Some(if second < 3 { ALL } else { 0 }));
            assert!(!ears.is_deaf(), "after {second} s");
        }
        // The other hears again, then is gone: its last report does not count for ever.
        look(&mut ears, &mut now, 2, 0, Some(ALL));
        assert!(ears.is_deaf());
        look(&mut ears, &mut now, 7, 0, None);
        assert!(!ears.is_deaf());
    }

    #[test]
    fn a_report_counts_if_it_changes() {
        let mut now = Instant::now();
        let mut ears = Ears::new(now);
        let report = || std::iter::once(("b".to_owned(), "7 ffff".to_owned()));
        for _ in 0..120 {
            now += SECOND;
            assert!(ears.told(report(), now).is_empty());
            ears.judge(now);
            assert!(!ears.is_deaf());
        }
        now += SECOND * 2;
        assert_eq!(ears.told(report(), now), ["b"]);
    }

    #[test]
    fn what_was_taken_and_did_not_arrive_is_lost() {
        let now = Instant::now();
        let mut ears = Ears::new(now);
        ears.published(1, now);
        (0..3).for_each(|group| ears.accepted(group, 1));
        assert_eq!(ears.heard(0, Some(1), now + SECOND), Some(SECOND));
        assert_eq!(ears.heard(0, Some(1), now + SECOND), None);
        assert_eq!(ears.heard(1, Some(9), now + SECOND), None);
        assert_eq!(ears.heard(99, Some(1), now + SECOND), None);
        assert!(ears.judge(now + SECOND * 4).is_empty());
        assert_eq!(ears.judge(now + SECOND * 5), [1, 2]);
        assert!(ears.judge(now + SECOND * 6).is_empty());
    }
}
