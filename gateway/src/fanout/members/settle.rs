//! One room of a user: adds their sessions to it, or removes them, by what Redis says.

use std::time::Duration;

use rts_common::ids::{Person, RoomId};
use rts_common::seq::Seq;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::close_reason::CloseReason;
use crate::connection::SessionHandle;
use crate::fanout::command::Command;
use crate::fanout::inner::Inner;
use crate::fanout::room::JoinSnapshot;
use crate::rooms::{EventsAfter, RoomError};

/// Time for one job. A Redis that is unreachable for longer fails an attach; everything else is retried.
pub(super) const JOB_TIMEOUT: Duration = Duration::from_secs(10);
/// Rooms of one user read at once.
pub(super) const ROOMS_AT_ONCE: usize = 16;

/// The part of a room's events that late sessions count on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Missed {
    /// All events after this moment.
    pub(super) since: Seq,
    /// The room itself was new then.
    pub(super) is_new: bool,
}

/// Adds a user's sessions to a room if the user is in it, and removes them if not. They get what they missed; without
/// it, the room and all that happened after the user joined.
pub(super) async fn settle(
    fanout: &Inner,
    person: &Person,
    sessions: &[SessionHandle],
    room: &RoomId,
    missed: Option<Missed>,
) -> Result<bool, RoomError> {
    let shard = fanout.shard_of_room(room);
    if head(fanout, person, room).await?.is_none() {
        let (room, person) = (room.clone(), person.clone());
        fanout.send(shard, Command::Remove { room, person }).await;
        return Ok(false);
    }
    let (open, opened) = mpsc::channel(1);
    let (join, held) = oneshot::channel();
    let command = Command::Hold { room: room.clone(), sessions: sessions.to_vec(), open, join };
    fanout.send(shard, command).await;
    let Some(join) = held.await.unwrap_or_default() else {
        return Ok(true);
    };
    // From here on events are held: they are released in any case.
    let read = timeout(JOB_TIMEOUT, read(fanout, person, room, missed, opened)).await;
    let (read, result) = match read {
        Ok(Ok(read)) => {
            let is_member = read.is_some();
            (read, Ok(is_member))
        }
        Ok(Err(error)) => (None, Err(error)),
        Err(_) => (None, Err(RoomError::Unavailable("no answer in time".to_owned()))),
    };
    if let (Some(Read { is_whole: false, .. }), Some(_)) = (&read, missed) {
        for session in sessions {
            session.outbox.close(CloseReason::Resync);
        }
    }
    let release = Command::Release { room: room.clone(), join, read: read.map(|read| Box::new(read.snapshot)) };
    fanout.send(shard, release).await;
    result
}

/// A room as it was read for sessions that join.
struct Read {
    snapshot: JoinSnapshot,
    /// False if the room's stream does not reach back to where they count on its events.
    is_whole: bool,
}

/// Reads the room for its new members, while its events are being held, and the events that they missed since they
/// became members; a long membership that this node did not know of has the history instead.
async fn read(
    fanout: &Inner,
    person: &Person,
    room: &RoomId,
    missed: Option<Missed>,
    mut opened: mpsc::Receiver<()>,
) -> Result<Option<Read>, RoomError> {
    let _: Option<()> = opened.recv().await;
    let _turn = fanout.turn().await;
    // Of a large room only the number of members: each of a thousand newcomers would read them all.
    let view = match fanout.rooms.glance(person, room).await {
        Ok(view) => view,
        Err(RoomError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let found = match missed {
        Some(missed) if missed.since > view.joined_seq => fanout.rooms.since(person, room, missed.since).await,
        _ => fanout.rooms.resume(person, room, view.joined_seq).await,
    };
    let (events, is_whole) = match found {
        Ok(EventsAfter::Whole { events, .. }) => (events, true),
        Ok(EventsAfter::Truncated { .. }) => (Vec::new(), false),
        Err(RoomError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_new = missed.is_none_or(|missed| missed.is_new);
    Ok(Some(Read { snapshot: JoinSnapshot { room: view.room().abridged(), is_new, events }, is_whole }))
}

/// Returns a room's head; `None` if the user is not in the room.
pub(super) async fn head(fanout: &Inner, person: &Person, room: &RoomId) -> Result<Option<Seq>, RoomError> {
    let _turn = fanout.turn().await;
    match fanout.rooms.head_for(person, room).await {
        Ok(head) => Ok(Some(head.seq)),
        Err(RoomError::NotFound) => Ok(None),
        Err(error) => Err(error),
    }
}
