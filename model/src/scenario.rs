//! The subject of a search: a mechanism, how much may happen, and which promises are looked at.

use crate::mechanism::Mechanism;
use crate::promise::Promise;

/// Client ids that there are.
pub const CLIENT_IDS: usize = 2;
/// Rebuilds that may be under way at once, each on a gateway of its own.
pub const HEALERS: usize = 2;

/// The number of times that each thing may happen. Things that are not in here may happen whenever they can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Budget {
    /// Creations of the room; with any, there is none in the beginning, and its id is derived (a direct room).
    pub creations: u8,
    /// Sends with each client id; those after the first are resends.
    pub sends: [u8; CLIENT_IDS],
    /// Edits of a message.
    pub edits: u8,
    /// Reactions to a message.
    pub reactions: u8,
    /// Deletions of a message.
    pub deletions: u8,
    /// Removals of the member.
    pub removals: u8,
    /// Connections of a client that only listens.
    pub resumes: u8,
    /// Redis loses everything.
    pub total_losses: u8,
    /// Redis comes back as its copy was: an older dump, a replica behind its master.
    pub rollbacks: u8,
    /// Redis loses some of the room's keys: its facts, or all but its facts.
    pub half_losses: u8,
    /// Another server takes over, with everything.
    pub moves: u8,
    /// A gateway dies between Redis and SQS, or amid a rebuild.
    pub gateway_deaths: u8,
    /// A function dies between its write and its notice, so that SQS delivers again.
    pub redeliveries: u8,
    /// A function's notice does not arrive, and the record is done with.
    pub lost_notices: u8,
    /// A function writes the second record of a batch and not the first, so that SQS delivers both again.
    pub partial_failures: u8,
    /// The reconciler journals an entry.
    pub reconciliations: u8,
    /// A rebuild begins while another is under way, whose lease ran out.
    pub races: u8,
    /// The oldest entry of the stream is trimmed.
    pub trims: u8,
    /// The room is laid to rest.
    pub rests: u8,
}

impl Budget {
    /// Nothing of all this.
    pub const NONE: Self = Self {
        creations: 0,
        sends: [0; CLIENT_IDS],
        edits: 0,
        reactions: 0,
        deletions: 0,
        removals: 0,
        resumes: 0,
        total_losses: 0,
        rollbacks: 0,
        half_losses: 0,
        moves: 0,
        gateway_deaths: 0,
        redeliveries: 0,
        lost_notices: 0,
        partial_failures: 0,
        reconciliations: 0,
        races: 0,
        trims: 0,
        rests: 0,
    };

    /// Returns the number of failures of Redis.
    pub(crate) fn failures(&self) -> u8 {
        self.total_losses + self.rollbacks + self.half_losses + self.moves
    }
}

/// A search.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The parties' mechanism.
    pub mechanism: Mechanism,
    /// The number of times that each thing may happen.
    pub budget: Budget,
    /// Rebuilds that may be under way at once, up to [`HEALERS`].
    pub healers: usize,
    /// Messages whose client ids a rebuild loads at most.
    pub dedup_max: usize,
    /// True if the client ids are sent one after the other.
    pub in_order: bool,
    /// The promises that are looked at.
    pub promises: &'static [Promise],
    /// True if the search tries from each world that the room answers again; if not, only that something can happen.
    pub drives: bool,
    /// True if they have to hold whenever the room answers. If not, only once nothing is under way any more.
    pub always: bool,
}

impl Scenario {
    /// A search that looks at every promise: at rest where the mechanism is the present one, always otherwise.
    pub fn new(mechanism: Mechanism, budget: Budget) -> Self {
        let always = mechanism != Mechanism::PRESENT;
        Self {
            mechanism,
            budget,
            healers: 1,
            dedup_max: usize::MAX,
            in_order: false,
            promises: Promise::ALL,
            drives: false,
            always,
        }
    }
}
