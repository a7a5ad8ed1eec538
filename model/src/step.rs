//! Everything that can happen next.

use std::fmt;

use crate::scenario::{CLIENT_IDS, HEALERS, Scenario};
use crate::world::{Content, World};
use crate::{faults, functions, gateway};

/// One step of one party, or a fault. Whatever a party does between two of its steps, it may die there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Create(usize),
    Send(u8),
    Read(u8, Content),
    Apply,
    Remove,
    Resume,
    Accept(usize),
    Die(usize),
    Journal(usize),
    JournalCreation,
    Fence(usize),
    Fetch(usize),
    Install(usize),
    HealerDies(usize),
    Drain,
    Write,
    WriteSecond,
    WriteChange(usize),
    Tell(usize),
    LoseNotice(usize),
    Redeliver(usize),
    Trim,
    Rest,
    Copy,
    LoseAll,
    RollBack,
    LoseFacts,
    LoseStream,
    Move,
}

impl Step {
    /// The world after this step; none if it cannot happen now.
    pub(crate) fn take(self, world: &World, scenario: &Scenario) -> Option<World> {
        match self {
            Self::Create(healer) => gateway::create(world, scenario, healer),
            Self::Send(client) => gateway::send(world, scenario, client),
            Self::Read(client, adds) => gateway::read(world, scenario, client, adds),
            Self::Apply => gateway::apply(world, scenario),
            Self::Remove => gateway::remove(world, scenario),
            Self::Resume => gateway::resume(world, scenario),
            Self::Accept(flight) => gateway::accept(world, scenario, flight),
            Self::Die(flight) => faults::die(world, flight),
            Self::Journal(entry) => gateway::journal(world, scenario, entry),
            Self::JournalCreation => gateway::journal_creation(world, scenario),
            Self::Fence(healer) => gateway::fence(world, scenario, healer),
            Self::Fetch(healer) => gateway::fetch(world, scenario, healer),
            Self::Install(healer) => gateway::install(world, scenario, healer),
            Self::HealerDies(healer) => faults::healer_dies(world, healer),
            Self::Drain => gateway::drain(world, scenario),
            Self::Write => functions::write(world, scenario),
            Self::WriteSecond => functions::write_second(world, scenario),
            Self::WriteChange(record) => functions::write_change(world, record),
            Self::Tell(queue) => functions::tell(world, scenario, queue),
            Self::LoseNotice(queue) => faults::lose_notice(world, queue),
            Self::Redeliver(queue) => faults::redeliver(world, queue),
            Self::Trim => gateway::trim(world, scenario),
            Self::Rest => gateway::rest(world, scenario),
            Self::Copy => faults::copy(world),
            Self::LoseAll => faults::lose_all(world),
            Self::RollBack => faults::roll_back(world),
            Self::LoseFacts => faults::lose_facts(world),
            Self::LoseStream => faults::lose_stream(world),
            Self::Move => faults::move_away(world),
        }
    }
}

/// All steps there are for a world, whether they can happen now or not.
pub(crate) fn all(world: &World, scenario: &Scenario) -> Vec<Step> {
    let mut steps = vec![
        Step::Apply,
        Step::Remove,
        Step::Resume,
        Step::JournalCreation,
        Step::Drain,
        Step::Write,
        Step::WriteSecond,
    ];
    steps.extend([Step::Trim, Step::Rest, Step::Copy, Step::LoseAll, Step::RollBack]);
    steps.extend([Step::LoseFacts, Step::LoseStream, Step::Move]);
    for client in (0..).take(CLIENT_IDS) {
        steps.push(Step::Send(client));
        steps.extend([Content::EDITED, Content::REACTED, Content::DELETED].map(|adds| Step::Read(client, adds)));
    }
    for flight in 0..world.flights.len() {
        steps.extend([Step::Accept(flight), Step::Die(flight)]);
    }
    steps.extend((0..world.redis.stream.len()).map(Step::Journal));
    for healer in 0..scenario.healers.min(HEALERS) {
        steps
            .extend([Step::Fence, Step::Fetch, Step::Install, Step::Create, Step::HealerDies].map(|step| step(healer)));
    }
    steps.extend((0..world.standard.len()).map(Step::WriteChange));
    for queue in 0..world.written.len() {
        steps.extend([Step::Tell, Step::LoseNotice, Step::Redeliver].map(|step| step(queue)));
    }
    steps
}

impl fmt::Display for Step {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Create(_) => write!(to, "a client opens the direct room: it is made"),
            Self::Send(client) => write!(to, "a client sends c{client}"),
            Self::Read(client, adds) => write!(to, "a gateway reads c{client}, in order to {} it", verb(*adds)),
            Self::Apply => write!(to, "the gateway sets the message's new state"),
            Self::Remove => write!(to, "an owner removes Bob"),
            Self::Resume => write!(to, "the observer resumes"),
            Self::Accept(flight) => write!(to, "SQS accepts flight {flight}; its client is acked"),
            Self::Die(flight) => write!(to, "the gateway of flight {flight} dies"),
            Self::Journal(entry) => write!(to, "the reconciler journals entry {entry} of the stream"),
            Self::JournalCreation => write!(to, "the reconciler journals the creation"),
            Self::Fence(_) => write!(to, "a gateway sends what is unstored and a fence"),
            Self::Fetch(_) => write!(to, "a gateway reads DynamoDB for a rebuild"),
            Self::Install(_) => write!(to, "the gateway installs what it has read"),
            Self::HealerDies(_) => write!(to, "the gateway that rebuilds dies"),
            Self::Drain => write!(to, "the queues are seen to hold nothing of before"),
            Self::Write => write!(to, "the message function writes the first record"),
            Self::WriteSecond => write!(to, "the message function writes the second record; the first one fails"),
            Self::WriteChange(record) => write!(to, "the room function writes record {record}"),
            Self::Tell(queue) => write!(to, "the {} function tells Redis", function(*queue)),
            Self::LoseNotice(queue) => write!(to, "the {} function cannot tell Redis", function(*queue)),
            Self::Redeliver(queue) => write!(to, "the {} function dies before it tells", function(*queue)),
            Self::Trim => write!(to, "the oldest entry is trimmed"),
            Self::Rest => write!(to, "the room is laid to rest"),
            Self::Copy => write!(to, "Redis makes a dump"),
            Self::LoseAll => write!(to, "REDIS LOSES EVERYTHING"),
            Self::RollBack => write!(to, "REDIS COMES BACK AS IN ITS DUMP"),
            Self::LoseFacts => write!(to, "REDIS LOSES THE ROOM'S FACTS"),
            Self::LoseStream => write!(to, "REDIS LOSES ALL BUT THE ROOM'S FACTS"),
            Self::Move => write!(to, "ANOTHER REDIS TAKES OVER, WITH EVERYTHING"),
        }
    }
}

fn verb(adds: Content) -> &'static str {
    match adds {
        Content::EDITED => "edit",
        Content::REACTED => "react to",
        _ => "delete",
    }
}

fn function(queue: usize) -> &'static str {
    ["message", "room"][queue]
}
