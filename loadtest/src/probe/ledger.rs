//! The messages of the probe that are not over yet, and the verdict on each. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::figures::{Count, Figures, Timing};

/// The two users of a probe, by index.
pub(super) const PEOPLE: usize = 2;

/// The limits of what counts as good.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// The time from the intended send to the other's receipt after which a message counts as late.
    pub(super) late: Duration,
    /// The time after which a message that is not acknowledged has failed, and one that is not received is lost.
    pub(super) lost: Duration,
}

/// The messages that are under way.
#[derive(Debug)]
pub(super) struct Ledger {
    run: String,
    deadlines: Deadlines,
    open: BTreeMap<u64, Open>,
    next: u64,
}

/// A message as one of the users has received it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receipt<'a> {
    /// The user, by index.
    pub(super) user: usize,
    /// The message's `clientId`.
    pub(super) client_id: &'a str,
    /// The message's `seq`.
    pub(super) seq: u64,
}

/// A message that is not both acknowledged and received.
#[derive(Debug)]
struct Open {
    intended: Instant,
    is_acked: bool,
    /// The `seq` under which each user has received it: its sender, too, as on any other device of theirs.
    heard: [Option<u64>; PEOPLE],
}

impl Ledger {
    /// Makes the ledger of a run, whose id is in each `clientId`: probes may share a room.
    pub(super) fn new(run: String, deadlines: Deadlines) -> Self {
        Self { run, deadlines, open: BTreeMap::new(), next: 0 }
    }

    /// Notes that a message is due, from one user and the other in turn; returns its sender.
    pub(super) fn due(&mut self, now: Instant, figures: &mut Figures) -> usize {
        let number = self.next;
        self.next += 1;
        self.open.insert(number, Open { intended: now, is_acked: false, heard: [None; PEOPLE] });
        figures.add(Count::Sent);
        sender(number)
    }

    /// Returns the numbers of a user's messages that must be sent, or sent again.
    pub(super) fn unacked(&self, user: usize) -> Vec<u64> {
        let own = self.open.iter().filter(|(number, open)| sender(**number) == user && !open.is_acked);
        own.map(|(number, _)| *number).collect()
    }

    /// Returns the `clientId` of a message.
    pub(super) fn client_id(&self, number: u64) -> String {
        format!("{}-{number}", self.run)
    }

    /// Notes an acknowledgement.
    pub(super) fn acked(&mut self, number: u64, now: Instant, figures: &mut Figures) {
        let Some(open) = self.open.get_mut(&number).filter(|open| !open.is_acked) else { return };
        open.is_acked = true;
        figures.add(Count::Acked);
        figures.record(Timing::Ack, now - open.intended);
        self.close(number);
    }

    /// Notes a refusal that would only be repeated.
    pub(super) fn refused(&mut self, number: u64, figures: &mut Figures) {
        if self.open.remove(&number).is_some() {
            figures.add(Count::Failed);
        }
    }

    /// Notes a message that a user has received, live or after a reconnect.
    pub(super) fn heard(&mut self, receipt: Receipt<'_>, now: Instant, figures: &mut Figures) {
        let Receipt { user, client_id, seq } = receipt;
        let number = client_id.strip_prefix(&self.run).and_then(|rest| rest.strip_prefix('-'));
        let Some(number) = number.and_then(|number| number.parse().ok()) else { return };
        let Some(open) = self.open.get_mut(&number) else { return };
        match open.heard[user].replace(seq) {
            Some(first) if first != seq => figures.add(Count::Doubled),
            None if sender(number) != user => {
                let took = now - open.intended;
                figures.add(Count::Delivered);
                figures.record(Timing::Delivery, took);
                if took > self.deadlines.late {
                    figures.add(Count::Late);
                } else {
                    figures.succeeded();
                }
            }
            _ => {}
        }
        self.close(number);
    }

    /// Gives up what is open for too long; returns true if nothing is open.
    pub(super) fn expire(&mut self, now: Instant, figures: &mut Figures) -> bool {
        let lost_after = self.deadlines.lost;
        self.open.retain(|_, open| {
            let is_open = now.saturating_duration_since(open.intended) < lost_after;
            if !is_open && open.is_acked && !open.is_heard() {
                figures.add(Count::Lost);
            }
            if !is_open && !open.is_acked {
                figures.add(Count::Failed);
            }
            is_open
        });
        self.open.is_empty()
    }

    fn close(&mut self, number: u64) {
        if self.open.get(&number).is_some_and(|open| open.is_acked && open.is_heard()) {
            self.open.remove(&number);
        }
    }
}

impl Open {
    fn is_heard(&self) -> bool {
        self.heard.iter().all(Option::is_some)
    }
}

fn sender(number: u64) -> usize {
    usize::from(number % PEOPLE as u64 == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger() -> (Ledger, Figures, Instant) {
        let deadlines = Deadlines { late: Duration::from_secs(2), lost: Duration::from_mins(1) };
        (Ledger::new("run".to_owned(), deadlines), Figures::new(), Instant::now())
    }

    fn counts(figures: &Figures, counts: &[Count]) -> Vec<u64> {
        counts.iter().map(|&count| figures.count(count)).collect()
    }

    fn heard(user: usize, client_id: &str, seq: u64) -> Receipt<'_> {
        Receipt { user, client_id, seq }
    }

    #[test]
    fn a_message_is_over_once_it_is_acknowledged_and_both_have_it() {
        let (mut ledger, mut figures, now) = ledger();
        assert_eq!((ledger.due(now, &mut figures), ledger.due(now, &mut figures)), (0, 1));
        assert_eq!((ledger.unacked(0), ledger.unacked(1)), (vec![0], vec![1]));
        // Its sender's own copy is no delivery; another probe's message and a user's are not meant.
        for (user, id) in [(0, "run-0"), (1, "other-0"), (1, "hello")] {
            ledger.heard(heard(user, id, 7), now, &mut figures);
        }
        assert_eq!(figures.count(Count::Delivered), 0);
        let id = ledger.client_id(0);
        ledger.heard(heard(1, &id, 7), now, &mut figures);
        ledger.heard(heard(1, &id, 7), now, &mut figures);
        ledger.acked(0, now, &mut figures);
        ledger.acked(1, now, &mut figures);
        ledger.heard(heard(1, "run-1", 8), now, &mut figures);
        assert!(!ledger.expire(now, &mut figures));
        ledger.heard(heard(0, "run-1", 8), now + Duration::from_secs(3), &mut figures);
        assert_eq!(counts(&figures, &[Count::Sent, Count::Acked, Count::Delivered, Count::Late]), [2, 2, 2, 1]);
        assert!(ledger.expire(now, &mut figures));
        assert_eq!(counts(&figures, &[Count::Lost, Count::Failed, Count::Doubled]), [0, 0, 0]);
    }

    #[test]
    fn what_is_missing_at_the_deadline_is_lost_or_has_failed() {
        let (mut ledger, mut figures, now) = ledger();
        for _ in 0..5 {
            ledger.due(now, &mut figures);
        }
        ledger.acked(0, now, &mut figures);
        ledger.heard(heard(0, "run-1", 5), now, &mut figures);
        ledger.heard(heard(0, "run-1", 6), now, &mut figures);
        ledger.refused(3, &mut figures);
        ledger.acked(4, now, &mut figures);
        ledger.heard(heard(1, "run-4", 9), now, &mut figures);
        assert!(!ledger.expire(now, &mut figures));
        assert!(ledger.expire(now + Duration::from_mins(1), &mut figures));
        // 0 was acknowledged and received by nobody, 4 by one of the two; 1 and 2 were not acknowledged; 3 was refused.
        assert_eq!(counts(&figures, &[Count::Lost, Count::Failed, Count::Doubled]), [2, 3, 1]);
    }
}
