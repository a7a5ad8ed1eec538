//! The steps of the Lambdas: write, then tell. A queue's record is gone once its function has told, or has given that up.

use crate::scenario::Scenario;
use crate::world::{Items, Message, Record, World};

/// The place of each queue's function in [`World::written`].
pub(crate) const MESSAGES: usize = 0;
pub(crate) const ROOMS: usize = 1;

/// The function of the messages writes the first record of the room's group. A fence has nothing to tell.
pub(crate) fn write(world: &World, scenario: &Scenario) -> Option<World> {
    let record = *world.fifo.first().filter(|_| world.written[MESSAGES].is_none())?;
    let mut next = world.clone();
    if let Record::Fence(fence) = record {
        next.fences |= 1 << fence;
        next.fifo.remove(0);
        return Some(next);
    }
    write_items(&mut next.items, record, scenario.mechanism.tombstones_win);
    next.written[MESSAGES] = Some(record);
    Some(next)
}

/// The function of the messages writes the second record of a batch and tells it; the first one fails, and both come
/// again.
pub(crate) fn write_second(world: &World, scenario: &Scenario) -> Option<World> {
    let record = *world.fifo.get(1).filter(|_| world.written[MESSAGES].is_none())?;
    let mut next = world.clone();
    next.left.partial_failures = next.left.partial_failures.checked_sub(1)?;
    match record {
        Record::Fence(_) if scenario.mechanism.fences_come_last => return None,
        Record::Fence(fence) => next.fences |= 1 << fence,
        _ => {
            write_items(&mut next.items, record, scenario.mechanism.tombstones_win);
            next.tell(record, scenario);
        }
    }
    Some(next)
}

/// The function of the rooms writes any record: its queue has no order.
pub(crate) fn write_change(world: &World, record: usize) -> Option<World> {
    let mut next = world.clone();
    let record = world.standard.get(record).filter(|_| world.written[ROOMS].is_none())?;
    write_items(&mut next.items, *record, false);
    next.written[ROOMS] = Some(*record);
    Some(next)
}

fn write_items(items: &mut Items, record: Record, tombstones_win: bool) {
    match record {
        Record::Creation(version) => items.room = items.room.max(version),
        Record::Removal(version) => items.removed = items.removed.max(version),
        Record::Message(message, _) => write_message(items, message, tombstones_win),
        Record::Fence(_) => {}
    }
}

fn write_message(items: &mut Items, message: Message, tombstones_win: bool) {
    match items.messages.iter_mut().find(|known| known.seq == message.seq) {
        None => {
            items.messages.push(message);
            items.messages.sort_unstable_by_key(|message| message.seq);
        }
        Some(known) => {
            let differ = known.content.is_deleted() != message.content.is_deleted();
            let wins =
                if tombstones_win && differ { message.content.is_deleted() } else { message.version > known.version };
            if wins {
                *known = message;
            }
        }
    }
}

/// Redis is told, and the record is done with.
pub(crate) fn tell(world: &World, scenario: &Scenario, queue: usize) -> Option<World> {
    let record = world.written[queue]?;
    let mut next = world.clone();
    next.tell(record, scenario);
    next.done(queue, record);
    Some(next)
}

impl World {
    /// A queue is done with the record that its function has written.
    pub(crate) fn done(&mut self, queue: usize, record: Record) {
        self.written[queue] = None;
        if queue == MESSAGES {
            self.fifo.remove(0);
        } else if let Some(place) = self.standard.iter().position(|known| *known == record) {
            self.standard.remove(place);
        }
    }
}
