//! The promises as invariants: what is never to be seen in a world.

use crate::promise::Promise;
use crate::scenario::Scenario;
use crate::step::Step;
use crate::world::{Messages, Meta, World};

impl Promise {
    fn is_kept(self, world: &World, meta: Meta, messages: &Messages) -> bool {
        let clients = || (0..).zip(world.acked.sent.iter().zip(&world.acked.content));
        let of = |client: u8| messages.iter().filter(move |message| message.client == client);
        match self {
            Self::AckedIsThere => clients().all(|(client, (sent, _))| !sent || of(client).next().is_some()),
            Self::SentOnce => clients().all(|(client, _)| count(world, messages, client) <= 1),
            Self::DeletedStaysDeleted => clients().all(|(client, (_, content))| {
                !content.is_deleted() || of(client).all(|message| message.content.is_deleted())
            }),
            Self::ChangesStay => clients().all(|(client, (_, content))| {
                of(client).all(|message| message.content.is_deleted() || message.content.holds(*content))
            }),
            Self::RemovedStayOut => !world.acked.removed || meta.removed != 0,
            Self::OneOrder => is_ordered(world, meta),
            Self::NoSilentGap => !world.observer.attached || world.observer.view == *messages,
            Self::SeenIsKept => !world.dropped,
            Self::ComesBack => true,
        }
    }
}

/// Different messages with a client id, in the history or still to come into it.
fn count(world: &World, messages: &Messages, client: u8) -> usize {
    let hidden = world.items.messages.iter().filter(|stored| !messages.iter().any(|shown| shown.seq == stored.seq));
    messages.iter().chain(hidden).filter(|message| message.client == client).count()
}

fn is_ordered(world: &World, meta: Meta) -> bool {
    let stream = &world.redis.stream;
    stream.windows(2).all(|pair| pair[0].seq == pair[1].prev && pair[0].seq < pair[1].seq)
        && stream.last().is_none_or(|last| last.seq == meta.seq)
}

/// The first promise that is broken in a world; `is_stuck` if nothing can happen in it any more.
pub(crate) fn broken(world: &World, scenario: &Scenario, is_stuck: bool) -> Option<Promise> {
    let Some(meta) = world.serving(scenario) else {
        let is_looked_at = scenario.promises.contains(&Promise::ComesBack);
        let is_broken = is_looked_at && (is_stuck || (scenario.drives && !comes_back(world.clone(), scenario)));
        return is_broken.then_some(Promise::ComesBack);
    };
    if !scenario.always && !world.is_at_rest(scenario) {
        return None;
    }
    let messages = world.messages(meta);
    scenario.promises.iter().copied().find(|promise| !promise.is_kept(world, meta, &messages))
}

/// Returns true if the room answers again when nobody asks for anything, and nothing fails, any more.
fn comes_back(mut world: World, scenario: &Scenario) -> bool {
    const STEPS_MAX: usize = 64;
    let healers = 0..scenario.healers;
    let mut steps = vec![Step::Tell(0), Step::Tell(1), Step::Write, Step::WriteChange(0), Step::Accept(0)];
    steps.extend(healers.clone().map(Step::Install).chain(healers.clone().map(Step::Fetch)));
    steps.extend(healers.map(Step::Fence).chain([Step::Drain]));
    for _ in 0..STEPS_MAX {
        if world.serving(scenario).is_some() {
            return true;
        }
        let is_possible = |step: &Step| match step {
            Step::Accept(flight) => *flight < world.flights.len(),
            _ => true,
        };
        let Some(next) = steps.iter().filter(|step| is_possible(step)).find_map(|step| step.take(&world, scenario))
        else {
            return false;
        };
        world = next;
    }
    false
}
