//! One room: who got what, in which order.

use super::event::{Content, Event, Resume, RoomTotals};
use super::history::{HistoryCheck, Progress, Settled};
use super::numbers::Numbers;
use super::violation::{Kind, Violation, Violations};
use super::window::{Entry, Window};
use super::{MessageKey, Slot};

/// How long an event that a member skipped may still come late, and count as out of order, before
/// it counts as lost.
const GRACE_US: u64 = 5_000_000;
/// Events held for members that are behind. One that is further behind is checked by the chain of
/// `prev` alone.
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
    /// Of the comparison with the history.
    pub(super) progress: Progress,
    /// Whether that is over, or was found impossible.
    pub(super) is_compared: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Member {
    /// The seq of the last event received.
    last: u64,
    /// Up to here nothing is missed any more: a truncated resume, or too far behind.
    excused: u64,
    /// Whether messages were missed with leave, so that received ones cannot be counted.
    incomplete: bool,
    /// Messages of others received.
    others: u64,
    /// `others` when the mark that is now set was asked for.
    others_read: u64,
    /// `others` when the mark that is being set was asked for.
    others_reading: Option<u64>,
    /// A mark was asked for and the answer never came.
    mark_unclear: bool,
    /// Which of its messages are in the room.
    present: Numbers,
    /// Which it was told were refused.
    refused: Numbers,
    /// Whose fate it will never know.
    abandoned: Numbers,
    /// Its unread count was compared, or that was found impossible.
    pub(super) is_counted: bool,
}

impl RoomCheck {
    /// Of a room whose last event had seq `head` before anybody sent anything. Of the settled
    /// messages the newest `retained_max` are kept by place for the check of the history.
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

    /// A member got an event, live or by a resume.
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
        // What stands before this event exists, also if nobody has it.
        if event.prev > self.window.floor && event.prev > last {
            let _entry = self.window.entry(event.prev, at_us);
        }
        self.enter(slot, event, at_us, found);
        self.settle(at_us, found);
    }

    /// An event that is not after the member's last one.
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

    /// A member has one event more.
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
        let (entry, _) = self.window.entry(event.seq, at_us);
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
            let detail = if same_message { "another prev than others were told" } else { "another message" };
            let violation = self.violation(Kind::Disagreement, event.seq, at_us).of(slot);
            found.push(violation.saying(detail.to_owned()));
        }
    }

    /// A message was found at a place in the room for the first time.
    fn register(&mut self, key: MessageKey, seq: u64, at_us: u64, found: &mut Violations) {
        let Some(sender) = self.members.get_mut(key.sender as usize) else {
            found.push(self.violation(Kind::NotSent, seq, at_us).saying("its sender is no member".to_owned()));
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

    /// A sender was told that its message is durable, as `seq`.
    pub fn acked(&mut self, key: MessageKey, seq: u64, at_us: u64, found: &mut Violations) {
        if seq <= self.window.floor {
            // The answer to a repetition, for a message that was acknowledged or given up before.
            if self.settled.message_at(seq).is_some_and(|there| there != key)
                || !self.members[key.sender as usize].present.contains(key.number)
            {
                found.push(Violation { message: Some(key), ..self.violation(Kind::AckMismatch, seq, at_us) });
            }
            return;
        }
        let (entry, _) = self.window.entry(seq, at_us);
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

    /// A sender was told that its message was not taken.
    pub fn refused(&mut self, key: MessageKey, at_us: u64, found: &mut Violations) {
        let sender = &mut self.members[key.sender as usize];
        sender.refused.insert(key.number);
        sender.abandoned.insert(key.number);
        if sender.present.contains(key.number) {
            found.push(Violation { message: Some(key), seq: None, ..self.violation(Kind::RefusedDelivered, 0, at_us) });
        }
        self.settle(at_us, found);
    }

    /// A sender will not hear what became of its message, and not ask again.
    pub fn abandoned(&mut self, key: MessageKey, at_us: u64, found: &mut Violations) {
        self.members[key.sender as usize].abandoned.insert(key.number);
        self.settle(at_us, found);
    }

    /// A resume was answered, and what it brought was delivered.
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

    /// A member will not be there at the end: what it has not received by now is not missed.
    pub fn absent(&mut self, slot: Slot) {
        let member = &mut self.members[slot as usize];
        member.excused = u64::MAX;
        member.incomplete = true;
        member.is_counted = true;
    }

    /// A member asks to mark all as read that it has.
    pub fn reading(&mut self, slot: Slot) {
        let member = &mut self.members[slot as usize];
        if member.others_reading.replace(member.others).is_some() {
            member.mark_unclear = true;
        }
    }

    /// The answer to [`Self::reading`]; `done` unless it failed or never came.
    pub fn read(&mut self, slot: Slot, done: bool) {
        let member = &mut self.members[slot as usize];
        match member.others_reading.take() {
            Some(others) if done => member.others_read = member.others_read.max(others),
            _ => member.mark_unclear = true,
        }
    }

    /// What the server says a member has not read, once nothing is under way any more; `false` if the
    /// truth is not known, because the member missed events with leave or a mark's answer.
    pub fn unread(&self, slot: Slot, told: u64, at_us: u64, found: &mut Violations) -> bool {
        let member = &self.members[slot as usize];
        if member.incomplete || member.mark_unclear || member.others_reading.is_some() {
            return false;
        }
        let others = self.totals.messages - member.present.len();
        let truth = others.saturating_sub(member.others_read).min(UNREAD_CAP);
        if told.min(UNREAD_CAP) != truth {
            let detail = format!("{told} unread were told, {truth} are true");
            let violation = self.violation(Kind::Unread, 0, at_us).of(slot).saying(detail);
            found.push(Violation { seq: None, ..violation });
        }
        true
    }

    /// Lets go of what everyone has, of what is lost for good, and of what is too old to wait for.
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

    /// Takes the lowest event out of the window, and says who lost it.
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

    /// Whether everyone has everything and every sender knows.
    pub fn is_settled(&self) -> bool {
        self.window.len() == 0
    }

    /// The end: whoever lacks something now has lost it.
    pub fn finish(&mut self, at_us: u64, found: &mut Violations) {
        let head = self.head();
        for member in &mut self.members {
            member.last = member.last.max(head);
        }
        while self.window.front().is_some() {
            self.release(at_us, found);
        }
    }

    /// The check of the room's history, after [`Self::finish`].
    pub fn history(&self) -> HistoryCheck<'_> {
        HistoryCheck::new(self.room, &self.settled, Progress::default())
    }

    /// The seq of the last event known of.
    pub fn head(&self) -> u64 {
        let seen = self.members.iter().map(|member| member.last).max();
        self.window.last_seq().max(seen.unwrap_or_default())
    }

    /// The seq of the last event that a member has.
    pub fn last(&self, slot: Slot) -> u64 {
        self.members[slot as usize].last
    }

    /// Counts.
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
