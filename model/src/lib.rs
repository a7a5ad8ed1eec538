//! A model of a room's life while Redis loses, moves and forgets.
//!
//! One room of one partition, everybody who knows something of it, and every order in which what they do may happen:
//! a breadth-first search ([`explore`]) sees all worlds that a [`Scenario`] allows, and looks in each at the promises of
//! the design ([`Promise`]). The first broken one is reached by the fewest steps, which are printed, a line a step
//! with the world after it. `MECHANISM.md` beside this crate is the mechanism that it was used to find.
//!
//! The tests are in three parts: `planted` finds the faults of today, `holds` shows that the new mechanism keeps the
//! promises, `needed` takes each of its parts away and finds what that breaks.
//!
//! # What stands for what
//! | here | there |
//! |---|---|
//! | a seq | µs; here the n-th event of the world has n |
//! | [`Mechanism`] | the scripts of `common/src/redis`, `rooms`, `reconciler`, `journal`; each field is one part of the new one |
//! | a history | the replication id of the server that serves: a new one after each restart, failover, and move of a slot |
//! | the copy | a dump, or a replica that is behind; taken at any moment, loaded at any later one |
//! | half a loss | a room's facts are gone and its stream is there, or the reverse |
//! | flights | what a gateway has got from Redis and SQS has not accepted: each on a gateway of its own, which may die |
//! | acceptance | SQS accepts, and the client is answered, in one step; each client may send again whenever it likes |
//! | fifo, standard | the two queues: one room's group in its order, and one without any order |
//! | the second record | functions get batches: one may be written and the one before it not |
//! | written | a function between its write and its notice: it may die there, or not reach Redis |
//! | a rebuild | up to two at once: a fence and what goes ahead of it, the reading of DynamoDB, the install |
//! | a change | read, then compare-and-set, with anything in between |
//! | the observer | a client that has a cursor and what it was given; a failing Redis cuts it off, it resumes when it likes |
//! | content | what was done to a message, as a set: an acked change that is not in it was undone |
//! | Bob | the one member who can be removed |
//! | at rest | nothing is under way, and all that is to be stored is |
//!
//! A client that dies before its ack, or a gateway that dies between acceptance and ack, is the same world but for
//! fewer promises and one more resend, so it needs no step. Time is none: what happens after a while may happen at
//! once. The one exception is the quiet before a fence, which stands for ten seconds: it is over when no flight of an
//! earlier history is left. `something_of_before_comes_behind_the_fence` looks at the worlds in which it was not.
//!
//! # What is left out, and why that is sound
//! - *Other rooms*: scripts of one room touch no other's keys, but for the partition's index, of which each room sees
//!   its own entries only.
//! - *More of the same*: a third message, a fourth gateway. Each fault known takes one message or two, and one loss; two
//!   losses are searched as well. This is a bound, no proof.
//! - *Organizations, rights, marks, counts, mentions, names, archives*: they follow from memberships and messages, are
//!   counted anew after a rebuild, or merge by version as the removal does.
//! - *A clock that goes back*: a room of a new history makes no event for ten seconds, and its first one lies beyond
//!   Redis's clock, its own last one, and what the node has seen.
//! - *A flush on its way*: what goes ahead of a fence is read and accepted in one step. If its gateway freezes in between, it is a
//!   copy of what another flush carries, or a flight of an earlier history, and that is here.
//! - *Dead letters*: a record that is set aside is late, and comes behind the fence; those worlds are searched.
//! - *Copies in the queue*: a copy is what redelivery and the reconciler make, and both are here.
//! - *A slot that is half moved*: scripts name the keys that they use, so Redis refuses them (`TRYAGAIN`) until it is whole;
//!   then it is a move. What is half lost is here.

mod faults;
mod functions;
mod gateway;
mod invariants;
mod list;
mod mechanism;
mod promise;
mod scenario;
mod scripts;
mod search;
mod show;
mod step;
mod world;

pub use mechanism::Mechanism;
pub use promise::Promise;
pub use scenario::{Budget, CLIENT_IDS, HEALERS, Scenario};
pub use search::{Counterexample, Outcome, explore};
