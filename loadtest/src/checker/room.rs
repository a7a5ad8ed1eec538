//! One room: the events that each member received, and their order.

use super::event::{Content, Event, Resume, RoomTotals};
use super::history::{HistoryCheck, Progress, Settled};
use super::numbers::Numbers;
use super::violation::{Kind, Violation, Violations};
use super::window::{Entry, Window};
use super::{MessageKey, Slot};

/// The time in which an event that a member skipped may still arrive late and count as out of order, before it counts
/// as lost.
const GRACE_US: u64 = 5_000_000;
/// Events kept for members that are behind. A member further behind is checked by the chain of `prev` alone.
const WINDOW_MAX: usize = 16 * 1024;
/// The product counts unread messages exactly below this; this number means "or more".
const UNREAD_CAP: u64 = 1000;

/// Everything known about one room of a run.
#[derive(Debug)]
pub struct RoomCheck {
    pub(super) room: u32,
    pub(super) members: Vec<Member>,
    window: Window,
    pub(super) settled: Settled,
    totals: RoomTotals,
    /// The progress of the comparison with the history.
    pub(super) progress: Progress,
    /// True if that comparison is over, or was found impossible.
    pub(super) is_compared: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    /// The seq of the last event received.
    last: u64,
    /// The seq up to which nothing counts as missed: after a truncated resume, or too far behind.
    excused: u64,
    /// True if messages were excused, so that received ones cannot be counted.
    incomplete: bool,
    /// The number of messages received from others.
    others: u64,
    /// `others` at the time when the present mark was requested.
    others_read: u64,
    /// `others` at the time when the mark in flight was requested.
    others_reading: Option<u64>,
    /// True if a mark was requested and the answer never came.
    mark_unclear: bool,
    /// The numbers of its messages that are in the room.
    present: Numbers,
    /// The numbers of its messages that it knows to be refused.
    refused: Numbers,
    /// The numbers of its messages whose fate it will never know.
    abandoned: Numbers,
    /// True if its unread count was compared, or that was found impossible.
    pub(super) is_counted: bool,
}

impl RoomCheck {
    /// Checks a room whose last event had seq `head` before anybody sent anything. The newest `retained_max` settled
    /// messages are kept individually for the check of the history.
    pub fn new(room: u32, members: u32, head: u64, retained_max: usize) -> Self {
        let member = Member { last: head, ..Member::default() };
        Self {
            room,
            members: vec![member; members as usize],
            window: Window::new(members, head),
            settled: Settled::new(retained_max),
            totals: RoomTotals::default(),
            progress: Progress::default(),
            is_compared: false,
        }
    }

    /// Takes an event that a member received, live or by a resume.
    pub fn delivered(&mut self, slot: Slot, event: Event, at_us: u64, found: &mut Violations) {
        let last = self.members[slot as usize].last;
        if event.seq <= last {
            self.delivered_late(slot, event, at_us, found);
            return;
        }
        if event.prev < last || event.prev >= event.seq {
            let detail = format!("its prev is {}, the member's last was {last}", event.prev);
            found.push(self.violation(Kind::Disagreement, event.seq, at_us).of(slot).saying(detail));
        }
        self.members[slot as usize].last = event.seq;
        self.count(slot, event);
        if event.content == Content::Foreign {
            found.push(self.violation(Kind::NotSent, event.seq, at_us).of(slot));
        }
        if event.prev > last && event.prev <= self.window.floor {
            let detail = format!("and all after {last}, too old to be named one by one");
            found.push(self.violation(Kind::Lost, event.prev, at_us).of(slot).saying(detail));
        }
        if event.seq <= self.window.floor {
            self.totals.chain_only += 1;
            return;
        }
        // The event before this one exists, even if nobody has it.
        if event.prev > self.window.floor && event.prev > last {
            let _entry = self.window.entry(event.prev, at_us);
        }
        self.enter(slot, event, at_us, found);
        self.settle(at_us, found);
    }

    /// Takes an event that is not after the member's last one.
    fn delivered_late(&mut self, slot: Slot, event: Event, at_us: u64, found: &mut Violations) {
        let last = self.members[slot as usize].last;
        let missed =
            event.seq > self.window.floor && self.window.get(event.seq).is_none_or(|entry| !entry.seen.contains(slot));
        let (kind, detail) = if missed {
            (Kind::OutOfOrder, format!("it came after {last}"))
        } else {
            (Kind::Duplicated, String::new())
        };
        let message = match event.content {
            Content::Message(key) => Some(key),
            _ => None,
        };
        let violation = self.violation(kind, event.seq, at_us).of(slot).saying(detail);
        found.push(Violation { message, ..violation });
        if missed {
            self.count(slot, event);
            self.enter(slot, event, at_us, found);
        }
    }

    /// Counts one more event of a member.
    fn count(&mut self, slot: Slot, event: Event) {
        self.totals.deliveries += 1;
        if let Content::Message(key) = event.content
            && key.sender != slot
        {
            self.members[slot as usize].others += 1;
        }
    }

    /// Notes that a member has the event, which is above the floor.
    fn enter(&mut self, slot: Slot, event: Event, at_us: u64, found: &mut Violations) {
        let message = match event.content {
            Content::Message(key) => Some(key),
            _ => None,
        };
        let entry = self.window.entry(event.seq, at_us);
        entry.seen.insert(slot);
        let first = entry.rumoured;
        let (same_prev, same_message) =
            (entry.prev.is_none_or(|prev| prev == event.prev), first || entry.message == message);
        entry.prev = Some(event.prev);
        entry.rumoured = false;
        if first {
            entry.message = message;
            if let Some(key) = message {
                self.register(key, event.seq, at_us, found);
            }
        }
        if !same_prev || !same_message {
            let detail = if same_message { "another prev than the others got" } else { "another message" };
            let violation = self.violation(Kind::Disagreement, event.seq, at_us).of(slot);
            found.push(violation.saying(detail.to_owned()));
        }
    }

    /// Registers a message that was found in the room for the first time.
    fn register(&mut self, key: MessageKey, seq: u64, at_us: u64, found: &mut Violations) {
        let Some(sender) = self.members.get_mut(key.sender as usize) else {
            found.push(self.violation(Kind::NotSent, seq, at_us).saying("its sender is not a member".to_owned()));
            return;
        };
        let new = sender.present.insert(key.number);
        let refused = sender.refused.contains(key.number);
        self.totals.messages += 1;
        for (kind, wrong) in [(Kind::Doubled, !new), (Kind::RefusedDelivered, refused)] {
            if wrong {
                found.push(Violation { message: Some(key), ..self.violation(kind, seq, at_us) });
            }
        }
    }

    /// Notes that a sender was told that its message is durable, as `seq`.
    pub fn acked(&mut self, key: MessageKey, seq: u64, at_us: u64, found: &mut Violations) {
        if seq <= self.window.floor {
            // The answer to a repetition, for a message that was acknowledged or abandoned before.
            if self.settled.message_at(seq).is_some_and(|there| there != key)
                || !self.members[key.sender as usize].present.contains(key.number)
            {
                found.push(Violation { message: Some(key), ..self.violation(Kind::AckMismatch, seq, at_us) });
            }
            return;
        }
        let entry = self.window.entry(seq, at_us);
        let first = entry.rumoured;
        let same = first || entry.message == Some(key);
        if first {
            entry.message = Some(key);
            entry.rumoured = false;
        }
        if same && !entry.acked {
            entry.acked = true;
            self.totals.acked += 1;
        }
        if first {
            self.register(key, seq, at_us, found);
        }
        if !same {
            found.push(Violation { message: Some(key), ..self.violation(Kind::AckMismatch, seq, at_us) });
        }
        self.settle(at_us, found);
    }

    /// Notes that a sender was told that its message was refused.
    pub fn refused(&mut self, key: MessageKey, at_us: u64, found: &mut Violations) {
        let sender = &mut self.members[key.sender as usize];
        sender.refused.insert(key.number);
        sender.abandoned.insert(key.number);
        if sender.present.contains(key.number) {
            found.push(Violation { message: Some(key), seq: None, ..self.violation(Kind::RefusedDelivered, 0, at_us) });
        }
        self.settle(at_us, found);
    }

    /// Notes that a sender will not learn the fate of its message, and will not send it again.
    pub fn abandoned(&mut self, key: MessageKey, at_us: u64, found: &mut Violations) {
        self.members[key.sender as usize].abandoned.insert(key.number);
        self.settle(at_us, found);
    }

    /// Notes that a resume was answered, and its events were delivered.
    pub fn resumed(&mut self, resume: Resume, at_us: u64, found: &mut Violations) {
        let Resume { slot, head, truncated } = resume;
        let member = &mut self.members[slot as usize];
        let last = member.last;
        if truncated {
            member.excused = member.excused.max(head);
            member.last = member.last.max(head);
            member.incomplete = true;
            self.totals.truncated += 1;
            self.settle(at_us, found);
        } else if last < head {
            let detail = format!("it ended at {last}, and the head was {head}");
            found.push(self.violation(Kind::ResumeGap, head, at_us).of(slot).saying(detail));
        }
    }

    /// Notes that a member will not be connected at the end: events it has not received by now do not count as missed.
    pub fn absent(&mut self, slot: Slot) {
        let member = &mut self.members[slot as usize];
        member.excused = u64::MAX;
        member.incomplete = true;
        member.is_counted = true;
    }

    /// Notes that a member asks to mark everything it has as read.
    pub fn reading(&mut self, slot: Slot) {
        let member = &mut self.members[slot as usize];
        if member.others_reading.replace(member.others).is_some() {
            member.mark_unclear = true;
        }
    }

    /// Takes the answer to [`Self::reading`]; `done` unless it failed or never came.
    pub fn read(&mut self, slot: Slot, done: bool) {
        let member = &mut self.members[slot as usize];
        match member.others_reading.take() {
            Some(others) if done => member.others_read = member.others_read.max(others),
            _ => member.mark_unclear = true,
        }
    }

    /// Compares the unread count that the server reports for a member, once nothing is in flight; `false` if the right
    /// count is unknown, because the member has excused events or lacks a mark's answer.
    pub fn unread(&self, slot: Slot, told: u64, at_us: u64, found: &mut Violations) -> bool {
        let member = &self.members[slot as usize];
        if member.incomplete || member.mark_unclear || member.others_reading.is_some() {
            return false;
        }
        let others = self.totals.messages - member.present.len();
        let truth = others.saturating_sub(member.others_read).min(UNREAD_CAP);
        if told.min(UNREAD_CAP) != truth {
            let detail = format!("{told} unread were reported, {truth} is right");
            let violation = self.violation(Kind::Unread, 0, at_us).of(slot).saying(detail);
            found.push(Violation { seq: None, ..violation });
        }
        true
    }

    /// Releases events that everyone has, that are lost for good, or that are too old to wait for.
    fn settle(&mut self, at_us: u64, found: &mut Violations) {
        while let Some(entry) = self.window.front() {
            if !(self.is_done(entry, at_us) || self.window.len() > WINDOW_MAX) {
                return;
            }
            self.release(at_us, found);
        }
    }

    fn is_done(&self, entry: &Entry, at_us: u64) -> bool {
        let fate_known = entry.acked || entry.message.is_none_or(|key| self.fate_is_unknowable(key));
        if !fate_known {
            return false;
        }
        let members = self.member_count();
        if entry.seen.len() == members {
            return true;
        }
        let waited = at_us.saturating_sub(entry.since_us) > GRACE_US;
        entry.missing(members).all(|slot| {
            let member = &self.members[slot as usize];
            entry.seq <= member.excused || (waited && entry.seq <= member.last)
        })
    }

    fn fate_is_unknowable(&self, key: MessageKey) -> bool {
        self.members.get(key.sender as usize).is_none_or(|member| member.abandoned.contains(key.number))
    }

    /// Removes the lowest event from the window, and reports the members that lost it.
    fn release(&mut self, at_us: u64, found: &mut Violations) {
        let Some(entry) = self.window.pop() else { return };
        for slot in entry.missing(self.member_count()) {
            let member = &mut self.members[slot as usize];
            if entry.seq <= member.excused {
                continue;
            }
            if entry.seq <= member.last {
                let violation = self.violation(Kind::Lost, entry.seq, at_us).of(slot);
                let detail = if entry.acked { "it was acknowledged" } else { "it was not acknowledged" };
                found.push(Violation { message: entry.message, ..violation.saying(detail.to_owned()) });
            } else {
                member.excused = entry.seq;
            }
        }
        if let Some(key) = entry.message {
            self.settled.push(entry.seq, key, entry.acked);
        }
    }

    /// True if every member has every event and every sender knows its messages' fate.
    pub fn is_settled(&self) -> bool {
        self.window.len() == 0
    }

    /// Ends the check: members that still lack events have lost them.
    pub fn finish(&mut self, at_us: u64, found: &mut Violations) {
        let head = self.head();
        for member in &mut self.members {
            member.last = member.last.max(head);
        }
        while self.window.front().is_some() {
            self.release(at_us, found);
        }
    }

    /// Returns the check of the room's history, after [`Self::finish`].
    pub fn history(&self) -> HistoryCheck<'_> {
        HistoryCheck::new(self.room, &self.settled, Progress::default())
    }

    /// Returns the seq of the last known event.
    pub fn head(&self) -> u64 {
        let seen = self.members.iter().map(|member| member.last).max();
        self.window.last_seq().max(seen.unwrap_or_default())
    }

    /// Returns the seq of the last event that a member has.
    pub fn last(&self, slot: Slot) -> u64 {
        self.members[slot as usize].last
    }

    /// Returns the room's counts.
    pub fn totals(&self) -> RoomTotals {
        self.totals
    }

    pub(super) fn member_count(&self) -> u32 {
        u32::try_from(self.members.len()).expect("a room has at most a thousand members")
    }

    fn violation(&self, kind: Kind, seq: u64, at_us: u64) -> Violation {
        let entry = self.window.get(seq);
        Violation {
            kind,
            room: self.room,
            seq: Some(seq),
            member: None,
            message: entry.and_then(|entry| entry.message),
            at_us,
            detail: String::new(),
        }
    }
}
