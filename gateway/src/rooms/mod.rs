//! Rooms as Redis holds them, with DynamoDB behind: every operation on a room, typed.
//!
//! Each operation is one script. A room that Redis does not have is rebuilt from DynamoDB under a
//! new epoch and the operation is tried again; a room that neither has is not found. Nothing here
//! journals: whoever changes something gets back what the journal has to carry.
//!
//! Calls to DynamoDB are boxed where they stand: their futures are tens of kilobytes, and most calls never
//! make one.

mod changes;
mod event;
mod events;
mod history;
mod marks;
mod members;
mod mentions;
mod messages;
mod rebuild;
mod reply;
mod sending;
mod seq_hint;
mod snapshot;
mod summary;
mod typing;
mod unstored;
mod view;

use std::sync::Arc;

use rts_common::ids::{Person, RoomId};
use rts_common::redis::{NamedScript, Redis, RedisFailure, keys};
use rts_common::seq::Seq;
use rts_common::store::{Store, StoreError};
use tokio::sync::Semaphore;

pub use self::changes::{CreatedRoom, NewRoom, RoomOperation, RoomOutcome};
pub use self::event::{
    Change, Decoded, EventPayload, EventPosition, Publication, ReactionChange, RoomEvent, RoomUpdate,
};
pub use self::events::{EventsAfter, Head};
pub use self::history::{HistoryPage, HistoryRange};
pub use self::marks::MarkKind;
pub use self::messages::{Found, MessageAt, MessageChange};
pub use self::sending::{Attempt, Sending, Sent};
pub use self::seq_hint::SeqHint;
pub use self::summary::RoomSummary;
pub use self::view::RoomView;

use self::reply::Reply;
use self::seq_hint::SeqHints;

/// Lists of rooms read from DynamoDB at once: a storm of newcomers waits its turn here rather than in
/// retries.
const LIST_LOADS_AT_ONCE: usize = 32;

/// Why an operation did not happen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RoomError {
    /// No such room, or not the caller's to see.
    #[error("not found")]
    NotFound,
    /// No such message.
    #[error("no such message")]
    NoMessage,
    /// The one to be removed is no member.
    #[error("no such member")]
    NoMember,
    /// Not the caller's to do.
    #[error("forbidden")]
    Forbidden,
    /// The room is read-only.
    #[error("archived")]
    Archived,
    /// The message is at another version.
    #[error("conflict")]
    Conflict,
    /// The message would say nothing.
    #[error("empty body")]
    EmptyBody,
    /// The room would have too many members.
    #[error("too many members")]
    TooManyMembers,
    /// The message would have too many reactions.
    #[error("too many reactions")]
    TooManyReactions,
    /// Redis or DynamoDB did not answer; whether it took effect is unknown.
    #[error("unavailable: {0}")]
    Unavailable(String),
    /// Something is not as it should be.
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
    list_loads: Semaphore,
    hints: SeqHints,
}

impl Rooms {
    /// On these stores.
    pub fn new(redis: Arc<Redis>, store: Store) -> Self {
        Self { redis, store, list_loads: Semaphore::new(LIST_LOADS_AT_ONCE), hints: SeqHints::default() }
    }

    /// Returns the hint of a room's next seq, for whoever sees its events.
    pub fn seq_hint(&self, room: &RoomId) -> SeqHint {
        self.hints.of(room).clone()
    }

    /// Whether one call must keep to one partition.
    pub fn have_slots(&self) -> bool {
        self.redis.is_cluster()
    }

    /// Messages up to here have expired: nobody reads them any more, wherever they still are.
    pub fn expired(&self) -> Seq {
        self.store.retention().expired()
    }

    /// Runs a script as a member. The first two arguments are the organization and the user.
    async fn as_member(
        &self,
        script: &NamedScript,
        room: &RoomId,
        person: &Person,
        arguments: &[&str],
    ) -> Result<Reply, RoomError> {
        let mut all = vec![person.org.as_str(), person.user.as_str()];
        all.extend(arguments);
        self.on_room(script, room, &all).await
    }

    /// Runs a script as the node itself, which may see every room.
    async fn as_node(&self, script: &NamedScript, room: &RoomId, arguments: &[&str]) -> Result<Reply, RoomError> {
        let mut all = vec!["", ""];
        all.extend(arguments);
        self.on_room(script, room, &all).await
    }

    async fn on_room(&self, script: &NamedScript, room: &RoomId, arguments: &[&str]) -> Result<Reply, RoomError> {
        let key = keys::room(room);
        // Once cold, once rebuilt; a second loss of Redis in between is the client's to try again.
        for _ in 0..2 {
            let reply = Reply::new(self.redis.run(script, &key, arguments).await?)?;
            match reply.status()? {
                "cold" => {
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
        Err(RoomError::Unavailable("the room was lost again while it was rebuilt".to_owned()))
    }
}

/// The refusal that a script's status word stands for.
fn refused(status: &str) -> Option<RoomError> {
    Some(match status {
        "notFound" => RoomError::NotFound,
        "forbidden" => RoomError::Forbidden,
        "archived" => RoomError::Archived,
        "conflict" => RoomError::Conflict,
        "tooMany" => RoomError::TooManyMembers,
        "noMember" => RoomError::NoMember,
        "absent" => RoomError::NoMessage,
        _ => return None,
    })
}

fn unexpected_status(reply: &Reply) -> RoomError {
    RoomError::Fault(format!("unexpected status {:?}", reply.status().unwrap_or_default()))
}
