//! Merges many histories into one, newest first. Each room is read up to a seq of its own; everything at or after the
//! latest of these, the frontier, is known of all of them.

use std::cmp::Reverse;
use std::collections::HashMap;

use rts_common::ids::RoomId;
use rts_common::limits;
use rts_common::message::MessageState;
use rts_common::seq::Seq;

use super::PAGE_MIN;
use super::cursor::Cursor;
use crate::rooms::messages_within;

/// A page to be read: the newest messages of a room before a seq.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) room: RoomId,
    pub(super) before: Seq,
    pub(super) limit: usize,
}

/// The seq from which one room was read.
struct FrontPosition {
    before: Seq,
    limit: usize,
    /// The time span of its last page; everything before the first page.
    span: u64,
}

pub(super) struct Front {
    places: HashMap<RoomId, FrontPosition>,
    /// The matches, also those before the frontier, which cannot be returned yet: the newest, as many as an answer holds
    /// and one more.
    matches: Vec<MessageState>,
    /// The most messages of the answer.
    most: usize,
}

/// Sorts newest first; rooms of the same microsecond by their ids.
fn order(message: &MessageState) -> (Reverse<Seq>, &RoomId) {
    (Reverse(message.seq), &message.room_id)
}

impl Front {
    /// Returns the front of rooms, each with the seq before which all of its messages are.
    pub(super) fn new(rooms: Vec<(RoomId, Seq)>, cursor: Option<&Cursor>, most: usize) -> Self {
        let limit = (limits::PAGE_MAX / rooms.len().max(1)).max(PAGE_MIN);
        let places = rooms.into_iter().map(|(room, end)| {
            let bound = cursor.map(|cursor| match &cursor.room {
                Some(last) if room > *last => cursor.before.next(),
                _ => cursor.before,
            });
            let before = bound.map_or(end, |bound| bound.min(end));
            (room, FrontPosition { before, limit, span: u64::MAX })
        });
        Self { places: places.filter(|(_, place)| place.before > Seq::ZERO).collect(), matches: Vec::new(), most }
    }

    /// Returns the seq from which on every room was read; `None` when everything was.
    pub(super) fn frontier(&self) -> Option<Seq> {
        self.places.values().map(|place| place.before).max()
    }

    /// True if the matches that are certain to be the next fill an answer.
    pub(super) fn is_full(&self) -> bool {
        let found = self.found();
        found >= self.most || found > self.fitting()
    }

    /// Returns the number of matches that are certain to be the next: no room has one between them.
    fn found(&self) -> usize {
        let frontier = self.frontier().unwrap_or(Seq::ZERO);
        self.matches.iter().take_while(|message| message.seq >= frontier).count()
    }

    /// Returns the number of the newest matches that an answer holds.
    fn fitting(&self) -> usize {
        let newest = &self.matches[..self.matches.len().min(self.most)];
        messages_within(newest, limits::ANSWER_BYTES).min(newest.len())
    }

    /// Returns the next pages: of the room at the frontier, and of others that it will reach soon.
    pub(super) fn next_reads(&self, count: usize) -> Vec<Read> {
        let mut places: Vec<_> = self.places.iter().collect();
        places.sort_unstable_by_key(|(room, place)| (Reverse(place.before), *room));
        let Some((_, first)) = places.first() else { return Vec::new() };
        let soon = first.before.get().saturating_sub(first.span);
        let reads = places.iter().take(count).take_while(|(_, place)| place.before.get() >= soon);
        reads.map(|(room, place)| Read { room: (*room).clone(), before: place.before, limit: place.limit }).collect()
    }

    /// Adds a page that was read, ascending, with its matches.
    pub(super) fn read(
        &mut self,
        read: &Read,
        messages: Vec<MessageState>,
        has_more: bool,
        matches: impl Fn(&MessageState) -> bool,
    ) {
        let oldest = messages.first().map(|message| message.seq);
        match (oldest, self.places.get_mut(&read.room)) {
            (Some(oldest), Some(place)) if has_more => {
                let newest = messages.last().map_or(oldest, |message| message.seq);
                let limit = (place.limit * 2).min(limits::PAGE_MAX);
                *place = FrontPosition { before: oldest, limit, span: newest.get() - oldest.get() };
            }
            _ => self.leave(read),
        }
        self.matches.extend(messages.into_iter().filter(matches));
        self.matches.sort_unstable_by(|one, other| order(one).cmp(&order(other)));
        // Whatever comes, the rest belongs to later answers. One more shows that there is a rest.
        self.matches.truncate(self.fitting() + 1);
    }

    /// Drops a room that has no more to be read.
    pub(super) fn leave(&mut self, read: &Read) {
        self.places.remove(&read.room);
    }

    /// Returns the page, and the cursor of the next one.
    pub(super) fn finish(mut self) -> (Vec<MessageState>, Option<Cursor>) {
        let frontier = self.frontier();
        let (found, fitting) = (self.found(), self.fitting());
        let is_cut = found > fitting;
        self.matches.truncate(found.min(fitting));
        let cursor = match self.matches.last() {
            Some(last) if is_cut => Some(Cursor { before: last.seq, room: Some(last.room_id.clone()) }),
            _ => frontier.map(|before| Cursor { before, room: None }),
        };
        (self.matches, cursor)
    }
}

#[cfg(test)]
mod tests;
