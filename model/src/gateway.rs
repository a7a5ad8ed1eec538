//! The steps of gateways: calls of clients, the way into SQS, the reconciler, rebuilds.

use crate::scenario::Scenario;
use crate::world::{Change, Content, Flight, Heal, Record, World};

/// Puts a record on its way to SQS, unless it is.
fn depart(world: &mut World, record: Record) {
    depart_behind(world, 0, record);
}

/// The same behind a creation, if its version is not 0.
fn depart_behind(world: &mut World, creation: u8, record: Record) {
    let flight = Flight { record, creation, history: world.history };
    if !world.flights.contains(&flight) {
        world.flights.push(flight);
    }
}

/// A client id is sent: a new message, or a duplicate, which is journaled at once if it is not known to be durable.
pub(crate) fn send(world: &World, scenario: &Scenario, client: u8) -> Option<World> {
    let place = usize::from(client);
    let meta = world.serving(scenario).filter(|_| world.left.sends[place] > 0)?;
    if scenario.in_order && world.left.sends[..place].iter().any(|left| *left > 0) {
        return None;
    }
    let mut next = world.clone();
    next.left.sends[place] -= 1;
    let is_behind = scenario.mechanism.creation_first && meta.unstored;
    let creation = if is_behind { meta.epoch } else { 0 };
    let known = next.redis.sent[place];
    if known == 0 {
        let message = next.send(meta, client, scenario);
        depart_behind(&mut next, creation, Record::Message(message, world.history));
    } else {
        let entry = *next.redis.stream.iter().find(|entry| entry.seq == known && entry.unstored)?;
        depart_behind(&mut next, creation, Record::Message(entry.message?, world.history));
    }
    Some(next)
}

fn budget(world: &mut World, adds: Content) -> &mut u8 {
    match adds {
        Content::EDITED => &mut world.left.edits,
        Content::REACTED => &mut world.left.reactions,
        _ => &mut world.left.deletions,
    }
}

/// A message is read, so that a state can be made from it.
pub(crate) fn read(world: &World, scenario: &Scenario, client: u8, adds: Content) -> Option<World> {
    let meta = world.serving(scenario).filter(|_| world.change.is_none())?;
    let mut next = world.clone();
    let left = budget(&mut next, adds);
    *left = left.checked_sub(1)?;
    let messages = world.messages(meta);
    let from = messages.iter().find(|message| message.client == client).filter(|it| !it.content.is_deleted())?;
    next.change = Some(Change { from: *from, adds, epoch: meta.epoch, trimmed: meta.trimmed });
    Some(next)
}

/// The compare-and-set. Where it is refused, the client starts over.
pub(crate) fn apply(world: &World, scenario: &Scenario) -> Option<World> {
    let change = world.change?;
    let meta = world.serving(scenario)?;
    let mut next = world.clone();
    next.change = None;
    let newest = world.redis.newest(change.from.seq);
    let is_changed = newest.is_some_and(|newest| newest.version != change.from.version);
    let is_another = (change.epoch, change.trimmed) != (meta.epoch, meta.trimmed);
    let is_another = scenario.mechanism.changes_name_epoch && newest.is_none() && is_another;
    if is_changed || is_another {
        *budget(&mut next, change.adds) += 1;
        return Some(next);
    }
    let message = next.set(meta, change.from, change.adds, scenario);
    depart(&mut next, Record::Message(message, world.history));
    Some(next)
}

/// The member is removed.
pub(crate) fn remove(world: &World, scenario: &Scenario) -> Option<World> {
    let meta = world.serving(scenario).filter(|meta| meta.removed == 0 && world.left.removals > 0)?;
    let mut next = world.clone();
    next.left.removals -= 1;
    let version = next.remove_member(meta, scenario);
    depart(&mut next, Record::Removal(version));
    Some(next)
}

/// A client that listens comes, or comes back.
pub(crate) fn resume(world: &World, scenario: &Scenario) -> Option<World> {
    world.serving(scenario).filter(|_| !world.observer.attached && world.left.resumes > 0)?;
    let mut next = world.clone();
    next.left.resumes -= 1;
    next.ask(scenario);
    Some(next)
}

/// SQS accepts, and the client is answered.
pub(crate) fn accept(world: &World, scenario: &Scenario, flight: usize) -> Option<World> {
    let mut next = world.clone();
    let Flight { record, creation, .. } = next.flights.remove(flight);
    if creation != 0 {
        next.fifo.push(Record::Creation(creation));
    }
    match record {
        Record::Message(message, _) => {
            next.fifo.push(record);
            let client = usize::from(message.client);
            next.acked.sent[client] = true;
            next.acked.content[client] = next.acked.content[client].with(message.content);
        }
        Record::Creation(_) | Record::Removal(_) => {
            next.standard.push(record);
            if scenario.mechanism.queues_changes {
                next.fifo.push(record);
            }
            next.acked.removed |= matches!(record, Record::Removal(_));
        }
        Record::Fence(_) => return None,
    }
    Some(next)
}

/// The reconciler takes an entry of a room that is served.
pub(crate) fn journal(world: &World, scenario: &Scenario, entry: usize) -> Option<World> {
    world.serving(scenario).filter(|_| world.left.reconciliations > 0)?;
    let entry = world.redis.stream.get(entry).filter(|entry| entry.unstored)?;
    let mut next = world.clone();
    next.left.reconciliations -= 1;
    let record = entry.message.map_or(Record::Removal(entry.seq), |message| Record::Message(message, world.history));
    depart(&mut next, record);
    Some(next)
}

/// The reconciler takes the creation.
pub(crate) fn journal_creation(world: &World, scenario: &Scenario) -> Option<World> {
    let meta = world.serving(scenario).filter(|meta| meta.unstored && world.left.reconciliations > 0)?;
    let mut next = world.clone();
    next.left.reconciliations -= 1;
    depart(&mut next, Record::Creation(meta.epoch));
    Some(next)
}

/// Returns true if a rebuild has to wait for a fence. It need not where the room was laid to rest in this history, and
/// where the room is gone, with all its keys, and the queues can hold nothing of it.
fn needs_fence(world: &World, scenario: &Scenario) -> bool {
    scenario.mechanism.fences
        && match world.redis.meta {
            Some(meta) => !(meta.at_rest && meta.history == world.history),
            None => !world.drained || !world.redis.stream.is_empty(),
        }
}

fn is_quiet(world: &World, scenario: &Scenario) -> bool {
    !scenario.mechanism.awaits_quiet || world.flights.iter().all(|flight| flight.history == world.history)
}

/// A gateway takes the room's rebuild upon it: if no other does, or the other's lease ran out.
fn begin(world: &World, healer: usize) -> Option<World> {
    let mut next = world.clone();
    let is_race = (0..).zip(&world.heals).any(|(other, heal): (usize, _)| other != healer && *heal != Heal::Idle);
    if is_race {
        next.left.races = next.left.races.checked_sub(1)?;
    }
    Some(next)
}

/// Puts into the room's queue what the room holds and nobody stored, and a fence behind it.
pub(crate) fn fence(world: &World, scenario: &Scenario, healer: usize) -> Option<World> {
    let is_due = world.serving(scenario).is_none() && needs_fence(world, scenario) && is_quiet(world, scenario);
    if !is_due || world.heals[healer] != Heal::Idle || world.next_fence >= 8 {
        return None;
    }
    let mut next = begin(world, healer)?;
    if scenario.mechanism.flushes {
        if let Some(meta) = world.redis.meta.filter(|meta| meta.unstored) {
            next.fifo.push(Record::Creation(meta.epoch));
        }
        for entry in world.redis.stream.iter().filter(|entry| entry.unstored) {
            let message = |message| Record::Message(message, world.history);
            next.fifo.push(entry.message.map_or(Record::Removal(entry.seq), message));
        }
    }
    next.fifo.push(Record::Fence(world.next_fence));
    next.heals[healer] = Heal::Waiting { history: world.history, fence: world.next_fence };
    next.next_fence += 1;
    Some(next)
}

/// DynamoDB is read: at once, or when the fence is there.
pub(crate) fn fetch(world: &World, scenario: &Scenario, healer: usize) -> Option<World> {
    let (mut next, history) = match world.heals[healer] {
        Heal::Idle if world.serving(scenario).is_none() && !needs_fence(world, scenario) => {
            (begin(world, healer)?, world.history)
        }
        Heal::Waiting { history, fence } if world.fences & (1 << fence) != 0 => (world.clone(), history),
        _ => return None,
    };
    next.heals[healer] = Heal::Fetched { history, items: world.items };
    if scenario.mechanism.leaves_token && world.serving(scenario).is_none() {
        next.redis.token = [1, 2][healer];
    }
    Some(next)
}

/// Installs what was read.
pub(crate) fn install(world: &World, scenario: &Scenario, healer: usize) -> Option<World> {
    let Heal::Fetched { history, items } = world.heals[healer] else { return None };
    let mut next = world.clone();
    next.heals[healer] = Heal::Idle;
    next.install(healer, history, &items, scenario);
    Some(next)
}

/// The room was not found, and is made, unless it is there by now.
pub(crate) fn create(world: &World, scenario: &Scenario, healer: usize) -> Option<World> {
    let Heal::Fetched { history, items } = world.heals[healer] else { return None };
    let is_overtaken = world.redis.meta.is_some()
        || (scenario.mechanism.names_history && history != world.history)
        || !world.holds_token(healer, scenario);
    if items.room != 0 || world.left.creations == 0 || is_overtaken {
        return None;
    }
    let mut next = world.clone();
    next.heals[healer] = Heal::Idle;
    next.left.creations -= 1;
    let version = next.create_room();
    depart(&mut next, Record::Creation(version));
    Some(next)
}

/// The reconciler sees that the queue can hold nothing of an earlier history.
pub(crate) fn drain(world: &World, scenario: &Scenario) -> Option<World> {
    let is_drained = world.fifo.is_empty() && is_quiet(world, scenario);
    // It matters only while the room is unknown.
    if world.drained || world.redis.meta.is_some() || !scenario.mechanism.fences || !is_drained {
        return None;
    }
    Some(World { drained: true, ..world.clone() })
}

/// The oldest entry of the stream goes, if it is stored and not the last one.
pub(crate) fn trim(world: &World, scenario: &Scenario) -> Option<World> {
    let meta = world.serving(scenario).filter(|_| world.left.trims > 0 && world.redis.stream.len() > 1)?;
    world.redis.stream.first().filter(|first| !first.unstored)?;
    let mut next = world.clone();
    next.left.trims -= 1;
    next.trim(meta);
    Some(next)
}

/// The room is laid to rest, if all of it is stored.
pub(crate) fn rest(world: &World, scenario: &Scenario) -> Option<World> {
    let meta = world.serving(scenario).filter(|meta| !meta.unstored && world.left.rests > 0)?;
    if world.redis.stream.iter().any(|entry| entry.unstored) {
        return None;
    }
    let mut next = world.clone();
    next.left.rests -= 1;
    next.lay_to_rest(meta);
    Some(next)
}
