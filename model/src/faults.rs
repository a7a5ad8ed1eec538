//! Faults, each as often as the scenario allows.

use crate::world::{Data, Heal, World};

/// A gateway dies before SQS has accepted what it made.
pub(crate) fn die(world: &World, flight: usize) -> Option<World> {
    let mut next = world.clone();
    next.left.gateway_deaths = next.left.gateway_deaths.checked_sub(1)?;
    next.flights.remove(flight);
    Some(next)
}

/// A gateway dies amid a rebuild.
pub(crate) fn healer_dies(world: &World, healer: usize) -> Option<World> {
    let mut next = world.clone();
    next.left.gateway_deaths = next.left.gateway_deaths.checked_sub(1)?;
    if next.heals[healer] == Heal::Idle {
        return None;
    }
    next.heals[healer] = Heal::Idle;
    Some(next)
}

/// A function's notice does not arrive; its record is done with.
pub(crate) fn lose_notice(world: &World, queue: usize) -> Option<World> {
    let record = world.written[queue]?;
    let mut next = world.clone();
    next.left.lost_notices = next.left.lost_notices.checked_sub(1)?;
    next.done(queue, record);
    Some(next)
}

/// A function dies between write and notice: SQS delivers its record again.
pub(crate) fn redeliver(world: &World, queue: usize) -> Option<World> {
    world.written[queue]?;
    let mut next = world.clone();
    next.left.redeliveries = next.left.redeliveries.checked_sub(1)?;
    next.written[queue] = None;
    Some(next)
}

/// A dump is made, or a replica stops to follow.
pub(crate) fn copy(world: &World) -> Option<World> {
    let is_wanted = world.left.rollbacks > 0 && world.copy.is_none();
    is_wanted.then(|| World { copy: Some(world.redis), ..world.clone() })
}

/// Another server begins to serve, with what it has: its replication id is new, and subscriptions are cut.
fn serve(world: &World, redis: Data) -> World {
    let mut next = world.clone();
    next.redis = redis;
    next.copy = None;
    next.history += 1;
    next.drained = false;
    next.observer.attached = false;
    next
}

/// Everything is lost.
pub(crate) fn lose_all(world: &World) -> Option<World> {
    let mut next = serve(world, Data::default());
    next.left.total_losses = next.left.total_losses.checked_sub(1)?;
    Some(next)
}

/// Redis is as the copy was.
pub(crate) fn roll_back(world: &World) -> Option<World> {
    let mut next = serve(world, world.copy?);
    next.left.rollbacks = next.left.rollbacks.checked_sub(1)?;
    Some(next)
}

/// The keys of the facts are lost, the others are there.
pub(crate) fn lose_facts(world: &World) -> Option<World> {
    let mut next = serve(world, Data { meta: None, ..world.redis });
    next.left.half_losses = next.left.half_losses.checked_sub(1)?;
    Some(next)
}

/// The keys of the facts are there, the others are lost.
pub(crate) fn lose_stream(world: &World) -> Option<World> {
    let mut next = serve(world, Data { meta: world.redis.meta, ..Data::default() });
    next.left.half_losses = next.left.half_losses.checked_sub(1)?;
    Some(next)
}

/// Nothing is lost: a replica that had everything, or a slot that moved as a whole.
pub(crate) fn move_away(world: &World) -> Option<World> {
    let mut next = serve(world, world.redis);
    next.left.moves = next.left.moves.checked_sub(1)?;
    Some(next)
}
