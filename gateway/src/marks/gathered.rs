//! The gathered marks, oldest first. Sans-IO.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use rts_common::ids::{OrgId, Person, RoomId, UserId};
use rts_common::record::{FORMAT, RoomChange, RoomRecord};
use rts_common::room::Marks;
use tokio::time::Instant;

/// Whose marks, and where.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct MarkOf {
    org: OrgId,
    user: UserId,
    room: RoomId,
}

impl MarkOf {
    pub(super) fn new(person: &Person, room: &RoomId) -> Self {
        Self { org: person.org.clone(), user: person.user.clone(), room: room.clone() }
    }

    pub(super) fn person(&self) -> Person {
        Person { org: self.org.clone(), user: self.user.clone() }
    }

    pub(super) fn room(&self) -> &RoomId {
        &self.room
    }

    /// Returns the record of these marks.
    pub(super) fn record(&self, marks: Marks) -> RoomRecord {
        let change = RoomChange::Marks { room_id: self.room.clone(), user_id: self.user.clone(), marks };
        RoomRecord { v: FORMAT, org: self.org.clone(), change }
    }
}

/// Marks that wait for their time.
#[derive(Debug)]
pub(super) struct Gathered {
    gather: Duration,
    marks_max: usize,
    marks: HashMap<MarkOf, Marks>,
    /// When each is due, in the order of that.
    due: VecDeque<(Instant, MarkOf)>,
}

impl Gathered {
    pub(super) fn new(gather: Duration, marks_max: usize) -> Self {
        Self { gather, marks_max, marks: HashMap::new(), due: VecDeque::new() }
    }

    /// Adds marks, or moves those that wait forward. Beyond the bound, new ones are left out.
    pub(super) fn add(&mut self, of: MarkOf, later: Marks, now: Instant) {
        if let Some(known) = self.marks.get_mut(&of) {
            known.read_seq = known.read_seq.max(later.read_seq);
            known.delivered_seq = known.delivered_seq.max(later.delivered_seq);
        } else if self.marks.len() < self.marks_max {
            self.due.push_back((now + self.gather, of.clone()));
            self.marks.insert(of, later);
        }
    }

    /// True if some are due at a time; without one, if there are any.
    pub(super) fn is_due(&self, now: Option<Instant>) -> bool {
        self.due.front().is_some_and(|(due, _)| now.is_none_or(|now| *due <= now))
    }

    /// Takes up to a number of those that are due; without a time, of all.
    pub(super) fn take(&mut self, now: Option<Instant>, number: usize) -> Vec<(MarkOf, Marks)> {
        let mut taken = Vec::new();
        while taken.len() < number
            && self.is_due(now)
            && let Some((_, of)) = self.due.pop_front()
        {
            if let Some(marks) = self.marks.remove(&of) {
                taken.push((of, marks));
            }
        }
        taken
    }

    pub(super) fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use rts_common::seq::Seq;

    use super::*;

    fn of(user: &str) -> MarkOf {
        let person = Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse(user).unwrap() };
        MarkOf::new(&person, &RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap())
    }

    fn marks(read: u64, delivered: u64) -> Marks {
        Marks { read_seq: Seq::new(read).unwrap(), delivered_seq: Seq::new(delivered).unwrap() }
    }

    #[test]
    fn each_member_has_one_mark_which_only_moves_forward_and_waits_from_the_first_on() {
        let mut gathered = Gathered::new(Duration::from_secs(10), 100);
        let begun = Instant::now();
        let after = |seconds| begun + Duration::from_secs(seconds);
        gathered.add(of("ann"), marks(5, 6), begun);
        gathered.add(of("bob"), marks(1, 1), after(4));
        gathered.add(of("ann"), marks(4, 9), after(9));
        assert!(!gathered.is_due(Some(after(9))) && gathered.is_due(None));
        assert!(gathered.take(Some(after(9)), 10).is_empty());
        assert_eq!(gathered.take(Some(after(10)), 10), [(of("ann"), marks(5, 9))]);
        // One that comes again begins anew.
        gathered.add(of("ann"), marks(7, 9), after(11));
        assert_eq!(gathered.take(Some(after(14)), 10), [(of("bob"), marks(1, 1))]);
        assert_eq!(gathered.take(Some(after(21)), 10), [(of("ann"), marks(7, 9))]);
        assert!(gathered.is_empty() && !gathered.is_due(None));
    }

    #[test]
    fn memory_is_bounded_and_those_that_are_in_still_move() {
        let mut gathered = Gathered::new(Duration::from_secs(10), 2);
        let now = Instant::now();
        for user in ["ann", "bob", "cho"] {
            gathered.add(of(user), marks(1, 1), now);
        }
        gathered.add(of("ann"), marks(3, 3), now);
        assert_eq!(gathered.take(None, 1), [(of("ann"), marks(3, 3))]);
        assert_eq!(gathered.take(None, 10), [(of("bob"), marks(1, 1))]);
    }
}
