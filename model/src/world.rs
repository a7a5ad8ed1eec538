//! The state: one room of one partition, and every party that knows something of it.

use crate::list::List;
use crate::scenario::{Budget, CLIENT_IDS, HEALERS, Scenario};

/// A seq. The n-th event of the world has n, whoever makes it: the clock never goes back.
pub(crate) type Seq = u8;

/// The history of Redis's data: the server's replication id. There is a new one with each loss, failover and move.
pub(crate) type History = u8;

/// The history of a room that must not be trusted whatever the server is.
pub(crate) const NO_HISTORY: History = 0;

/// The changes of a message, as bits: a state holds all that was done before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Content(u8);

impl Content {
    pub(crate) const EDITED: Self = Self(1);
    pub(crate) const REACTED: Self = Self(2);
    pub(crate) const DELETED: Self = Self(4);

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(crate) fn is_deleted(self) -> bool {
        self.holds(Self::DELETED)
    }
}

/// A message's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Message {
    pub(crate) seq: Seq,
    pub(crate) version: Seq,
    /// Its client id: 0, 1, …
    pub(crate) client: u8,
    pub(crate) content: Content,
}

impl Message {
    pub(crate) fn is_new(self) -> bool {
        self.seq == self.version
    }
}

pub(crate) type Messages = List<Message, 4>;

/// An entry of the stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    pub(crate) seq: Seq,
    pub(crate) prev: Seq,
    /// The state it brought; none for the removal of the member.
    pub(crate) message: Option<Message>,
    /// True if the unstored index holds it.
    pub(crate) unstored: bool,
}

/// A room's facts in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Meta {
    /// In which history it was made, installed, or laid to rest.
    pub(crate) history: History,
    pub(crate) epoch: Seq,
    pub(crate) seq: Seq,
    pub(crate) trimmed: Seq,
    /// Nothing but this is kept; all else is DynamoDB's.
    pub(crate) at_rest: bool,
    /// The creation is not known to be stored.
    pub(crate) unstored: bool,
    /// The seq of the member's removal; 0 while they are in.
    pub(crate) removed: Seq,
}

/// The room in Redis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Data {
    pub(crate) meta: Option<Meta>,
    pub(crate) stream: List<Entry, 8>,
    /// The dedup index: the seq of each client id, or 0.
    pub(crate) sent: [Seq; CLIENT_IDS],
    /// `:rebuild`: which rebuild has read DynamoDB last, and nothing was stored since; 0 for none.
    pub(crate) token: u8,
    /// `:late`: of each client id the seq that was stored while there was no room, or 0.
    pub(crate) late: [Seq; CLIENT_IDS],
}

/// A record of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Record {
    Creation(Seq),
    Removal(Seq),
    /// A message, and the history in which it was made.
    Message(Message, History),
    Fence(u8),
}

impl Default for Record {
    fn default() -> Self {
        Self::Fence(0)
    }
}

/// A record that a gateway has made and SQS has not accepted yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Flight {
    pub(crate) record: Record,
    /// The version of a creation that goes ahead of it, or 0.
    pub(crate) creation: Seq,
    pub(crate) history: History,
}

/// The room in DynamoDB, fences aside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Items {
    /// The version of the facts; 0 if there is no room.
    pub(crate) room: Seq,
    pub(crate) removed: Seq,
    /// Ascending by seq.
    pub(crate) messages: Messages,
}

/// A rebuild under way on a gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) enum Heal {
    #[default]
    Idle,
    /// A fence is on its way.
    Waiting { history: History, fence: u8 },
    /// DynamoDB was read.
    Fetched { history: History, items: Items },
}

/// A change of a message between its reading and its compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Change {
    pub(crate) from: Message,
    pub(crate) adds: Content,
    pub(crate) epoch: Seq,
    pub(crate) trimmed: Seq,
}

/// A client that only listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Observer {
    /// True once it was told that it has everything: it gets events as they come.
    pub(crate) attached: bool,
    pub(crate) cursor: Seq,
    pub(crate) view: Messages,
}

/// The changes that clients were told are durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Acked {
    pub(crate) sent: [bool; CLIENT_IDS],
    pub(crate) content: [Content; CLIENT_IDS],
    pub(crate) removed: bool,
}

/// Everything.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct World {
    pub(crate) clock: Seq,
    /// The history of the server that serves now.
    pub(crate) history: History,
    pub(crate) redis: Data,
    /// A dump or a replica, older than what it stands for.
    pub(crate) copy: Option<Data>,
    /// True if the queues can hold nothing of an earlier history any more.
    pub(crate) drained: bool,
    pub(crate) flights: List<Flight, 6>,
    pub(crate) fifo: List<Record, 12>,
    pub(crate) standard: List<Record, 4>,
    /// Of the functions of each queue: what was written and is not told yet.
    pub(crate) written: [Option<Record>; 2],
    pub(crate) items: Items,
    /// The fences that were written, by number.
    pub(crate) fences: u8,
    pub(crate) next_fence: u8,
    pub(crate) heals: [Heal; HEALERS],
    pub(crate) change: Option<Change>,
    pub(crate) observer: Observer,
    pub(crate) acked: Acked,
    /// A rebuild dropped what Redis still had and DynamoDB has not.
    pub(crate) dropped: bool,
    pub(crate) left: Budget,
}

impl World {
    /// Makes the first world: with a room that is stored, or with none.
    pub(crate) fn new(scenario: &Scenario) -> Self {
        let mut world = Self {
            clock: 1,
            history: 1,
            redis: Data::default(),
            copy: None,
            drained: true,
            flights: List::default(),
            fifo: List::default(),
            standard: List::default(),
            written: [None; 2],
            items: Items::default(),
            fences: 0,
            next_fence: 0,
            heals: [Heal::Idle; HEALERS],
            change: None,
            observer: Observer { cursor: 1, ..Observer::default() },
            acked: Acked::default(),
            dropped: false,
            left: scenario.budget,
        };
        if scenario.budget.creations == 0 {
            world.items.room = 1;
            world.redis.meta = Some(Meta { history: 1, epoch: 1, seq: 1, ..Meta::default() });
        }
        world
    }

    pub(crate) fn tick(&mut self) -> Seq {
        self.clock += 1;
        self.clock
    }

    /// The room's facts, if calls are answered from them.
    pub(crate) fn serving(&self, scenario: &Scenario) -> Option<Meta> {
        let names_another = |meta: &Meta| scenario.mechanism.names_history && meta.history != self.history;
        self.redis.meta.filter(|meta| !meta.at_rest && !names_another(meta))
    }

    /// Returns true if nothing is under way, and all that is to be stored is.
    pub(crate) fn is_at_rest(&self, scenario: &Scenario) -> bool {
        let Some(meta) = self.serving(scenario) else { return false };
        self.flights.is_empty()
            && self.fifo.is_empty()
            && self.standard.is_empty()
            && self.written == [None; 2]
            && self.heals.iter().all(|heal| *heal == Heal::Idle)
            && self.change.is_none()
            && !meta.unstored
            && !self.redis.stream.iter().any(|entry| entry.unstored)
    }
}
