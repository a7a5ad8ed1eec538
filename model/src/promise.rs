//! The promises, as what must never be seen.

use std::fmt;

use crate::scenario::Scenario;
use crate::world::{Messages, Meta, World};

/// A promise of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// What was acked is in the history.
    AckedIsThere,
    /// Sent twice with one client id, it is there once.
    SentOnce,
    /// What was deleted, acked, is not shown again.
    DeletedStaysDeleted,
    /// What an acked change did to a message is in its state.
    ChangesStay,
    /// Who was removed, acked, cannot come in.
    RemovedStayOut,
    /// Events have one order: each names the one before it.
    OneOrder,
    /// A client that was told that it has everything has it, and nothing else.
    NoSilentGap,
    /// A rebuild drops nothing that Redis still had, whether it was acked or not.
    SeenIsKept,
    /// Something can always happen until the room answers again.
    ComesBack,
}

impl Promise {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::AckedIsThere,
        Self::SentOnce,
        Self::DeletedStaysDeleted,
        Self::ChangesStay,
        Self::RemovedStayOut,
        Self::OneOrder,
        Self::NoSilentGap,
        Self::SeenIsKept,
        Self::ComesBack,
    ];

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
        let is_broken = is_stuck && scenario.promises.contains(&Promise::ComesBack);
        return is_broken.then_some(Promise::ComesBack);
    };
    if !scenario.always && !world.is_at_rest(scenario) {
        return None;
    }
    let messages = world.messages(meta);
    scenario.promises.iter().copied().find(|promise| !promise.is_kept(world, meta, &messages))
}

impl fmt::Display for Promise {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(match self {
            Self::AckedIsThere => "what was acked is in the history",
            Self::SentOnce => "what is sent twice with one client id is there once",
            Self::DeletedStaysDeleted => "what was deleted stays deleted",
            Self::ChangesStay => "an acked change stays",
            Self::RemovedStayOut => "who was removed stays out",
            Self::OneOrder => "events have one order",
            Self::NoSilentGap => "no silent gap",
            Self::SeenIsKept => "a rebuild drops nothing that Redis still had",
            Self::ComesBack => "the room answers again",
        })
    }
}
