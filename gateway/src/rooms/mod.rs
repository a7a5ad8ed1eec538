//! Rooms in Redis, backed by DynamoDB: every operation on a room, typed.
//!
//! Each operation is one script. A room that Redis does not have is rebuilt from DynamoDB under a new epoch and the
//! operation is tried again; a room that neither has is not found. Nothing here journals: a caller that changes
//! something gets the change back for the journal.
//!
//! Calls to DynamoDB are boxed at the call: their futures are tens of kilobytes, and most operations never make one.

mod changes;
mod event;
mod events;
mod fence;
mod history;
mod marks;
mod members;
mod mentions;
mod messages;
mod names;
mod quiet;
mod rebuild;
mod reply;
mod revocation;
mod sending;
mod seq_hint;
mod snapshot;
mod storing;
mod summary;
mod typing;
mod unstored;
mod view;

use std::sync::Arc;

use rts_common::ids::{Person, RoomId};
use rts_common::redis::{NamedScript, Redis, RedisFailure, keys};
use rts_common::seq::Seq;
use rts_common::store::{Store, StoreError};

pub use self::changes::{CreatedRoom, NewRoom, RoomOperation, RoomOutcome};
pub use self::event::{
    Change, Decoded, EventPayload, EventPosition, Publication, ReactionChange, RoomEvent, RoomUpdate,
};
pub use self::events::{EventsAfter, EventsBudget, Head};
pub use self::fence::Fencing;
pub(crate) use self::history::messages_within;
pub use self::history::{HistoryPage, HistoryRange};
pub use self::marks::{MarkKind, Marked};
pub use self::members::ListedRoom;
pub use self::messages::{Found, MessageAt, MessageChange};
pub use self::names::Invitee;
pub use self::sending::{Attempt, Sending, Sent};
pub use self::seq_hint::SeqHint;
pub use self::summary::RoomSummary;
pub use self::view::RoomView;

use self::rebuild::Rebuilds;
use self::reply::Reply;
use self::seq_hint::SeqHints;
use self::storing::Storing;
use crate::shares::FairTurns;

/// Lists of rooms read from DynamoDB at once: when many users connect at once, they wait here rather than in retries.
const LIST_LOADS_AT_ONCE: usize = 32;

/// The reason why an operation was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// There is no such room, or it is not visible to the caller.
    #[error("not found")]
    NotFound,
    /// There is no such message.
    #[error("no such message")]
    NoMessage,
    /// The user to be removed is not a member.
    #[error("no such member")]
    NoMember,
    /// The caller is not allowed to do this.
    #[error("forbidden")]
    Forbidden,
    /// The room is read-only.
    #[error("archived")]
    Archived,
    /// The message is at another version.
    #[error("conflict")]
    Conflict,
    /// A file of the message belongs to another one.
    #[error("file taken")]
    FileTaken,
    /// The message would have no content.
    #[error("empty body")]
    EmptyBody,
    /// The room would have too many members.
    #[error("too many members")]
    TooManyMembers,
    /// The message would have too many reactions.
    #[error("too many reactions")]
    TooManyReactions,
    /// Redis or DynamoDB did not answer; it is unknown if the operation took effect.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Internal error: data or a reply is invalid.
    #[error("fault: {0}")]
    Fault(String),
}

impl From<RedisFailure> for RoomError {
    fn from(failure: RedisFailure) -> Self {
        match failure {
            RedisFailure::Unavailable(what) => Self::Unavailable(what),
            RedisFailure::Unexpected(what) => Self::Fault(what),
        }
    }
}

impl From<StoreError> for RoomError {
    fn from(error: StoreError) -> Self {
        if error.is_retryable() { Self::Unavailable(error.to_string()) } else { Self::Fault(error.to_string()) }
    }
}

/// The rooms of all organizations.
pub struct Rooms {
    redis: Arc<Redis>,
    store: Store,
    rebuilds: Arc<Rebuilds>,
    list_loads: FairTurns,
    hints: SeqHints,
    storing: Storing,
}

impl Rooms {
    /// Returns the rooms in these stores.
    pub fn new(redis: Arc<Redis>, store: Store) -> Self {
        let rebuilds = Rebuilds::new(Arc::clone(&redis), store.clone());
        let list_loads = FairTurns::new(LIST_LOADS_AT_ONCE);
        Self { redis, store, rebuilds, list_loads, hints: SeqHints::default(), storing: Storing::default() }
    }

    /// Sets the way to the journal, without which a room that Redis may have lost something of cannot be rebuilt.
    pub fn set_fencing(&self, fencing: Fencing) {
        self.rebuilds.set_fencing(fencing);
    }

    /// Returns the hint of a room's next seq, which observers of its events raise.
    pub fn seq_hint(&self, room: &RoomId) -> SeqHint {
        self.hints.of(room).clone()
    }

    /// True if one call must stay within one partition.
    pub fn have_slots(&self) -> bool {
        self.redis.is_cluster()
    }

    /// Returns the seq up to which messages have expired: nobody reads them any more, wherever they still are.
    pub fn expired(&self) -> Seq {
        self.store.retention().expired()
    }

    /// Runs a script as a member. The first two arguments are the organization and the user.
    ///
    /// A room of others, one that nobody has, and one that Redis does not have, cost the same for who is in none of
    /// them: their own list of rooms is asked in each case, and nothing is read or rebuilt for them.
    async fn as_member(
        &self,
        script: &NamedScript,
        room: &RoomId,
        person: &Person,
        arguments: &[&str],
    ) -> Result<Reply, RoomError> {
        let mut all = vec![person.org.as_str(), person.user.as_str()];
        all.extend(arguments);
        let key = keys::room(room);
        // A cold room is rebuilt once; if Redis loses it again in between, the client has to retry.
        for _ in 0..2 {
            let reply = Reply::new(self.redis.run(script, &key, &all).await?)?;
            let status = reply.status()?;
            let Some(refusal) = refused(status) else { return Ok(reply) };
            if refusal != RoomError::NotFound {
                return Err(refusal);
            }
            if !self.is_listed(person, room).await?
                || status != COLD
                || !Box::pin(self.rebuild_as(Some(person), room)).await?
            {
                return Err(RoomError::NotFound);
            }
        }
        Err(lost_again())
    }

    /// Runs a script as the node itself, which may see every room.
    async fn as_node(&self, script: &NamedScript, room: &RoomId, arguments: &[&str]) -> Result<Reply, RoomError> {
        let mut all = vec!["", ""];
        all.extend(arguments);
        self.on_room(script, room, &all).await
    }

    async fn on_room(&self, script: &NamedScript, room: &RoomId, arguments: &[&str]) -> Result<Reply, RoomError> {
        let key = keys::room(room);
        // A cold room is rebuilt once; if Redis loses it again in between, the client has to retry.
        for _ in 0..2 {
            let reply = Reply::new(self.redis.run(script, &key, arguments).await?)?;
            match reply.status()? {
                COLD => {
                    if !Box::pin(self.rebuild(room)).await? {
                        return Err(RoomError::NotFound);
                    }
                }
                status => match refused(status) {
                    Some(refusal) => return Err(refusal),
                    None => return Ok(reply),
                },
            }
        }
        Err(lost_again())
    }
}

/// What scripts answer for a room that Redis does not have.
const COLD: &str = "cold";

fn lost_again() -> RoomError {
    RoomError::Unavailable("the room was lost again while it was rebuilt".to_owned())
}

/// Returns the error for a script's status word.
fn refused(status: &str) -> Option<RoomError> {
    Some(match status {
        "notFound" | COLD => RoomError::NotFound,
        "forbidden" => RoomError::Forbidden,
        "archived" => RoomError::Archived,
        "conflict" => RoomError::Conflict,
        "fileTaken" => RoomError::FileTaken,
        "tooMany" => RoomError::TooManyMembers,
        "noMember" => RoomError::NoMember,
        "absent" => RoomError::NoMessage,
        _ => return None,
    })
}

fn unexpected_status(reply: &Reply) -> RoomError {
    RoomError::Fault(format!("unexpected status {:?}", reply.status().unwrap_or_default()))
}
