//! A session begins to listen to the rooms of its user.
//!
//! Its client counts on all that happens after the answer to its handshake. The answer waits for the attach, so that
//! nothing can be missed; but a client does not wait for ever, and in a storm of connections, or while Redis is away, it
//! is answered first. Then the session gets what it missed since: removals and additions by the versions in its user's
//! list, events from the rooms' streams. Redis's clock decides about that and the node's clock knows the moment, so it
//! may get the last second before the answer as well, which a client tells by the seqs.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use rts_common::ids::RoomId;
use rts_common::seq::Seq;
use tokio::sync::{mpsc, oneshot};

use super::local_user::Outcome;
use super::settle::{Missed, ROOMS_AT_ONCE, head, settle};
use crate::close_reason::CloseReason;
use crate::connection::SessionHandle;
use crate::fanout::command::Command;
use crate::fanout::inner::Inner;
use crate::fanout::notification::room_removed;
use crate::rooms::{ListedRoom, RoomError};

/// The most by which this node's clock and Redis's differ, and the time from the list of rooms to the session's
/// registration in them.
const MARGIN: Duration = Duration::from_secs(1);

/// Adds a session to all rooms of its user. The user's channel is subscribed before their rooms are read, so that no
/// change of the list is missed.
pub(super) async fn attach(
    fanout: &Inner,
    session: &SessionHandle,
    answer_by: Instant,
    mut subscribed: mpsc::Receiver<()>,
    outcome: &mut Outcome,
) -> Result<(), RoomError> {
    // Nothing is ever sent: it ends once its sender is dropped.
    let _: Option<()> = subscribed.recv().await;
    let listed = {
        // After a reconnect every user is compared: not all at once.
        let _turn = fanout.turn().await;
        fanout.rooms.listed_rooms(&session.person).await?
    };
    let is_member = |listed: &&ListedRoom| listed.is_member;
    outcome.joined.extend(listed.iter().filter(is_member).map(|listed| listed.room_id.clone()));
    if answer_by.saturating_duration_since(Instant::now()) < MARGIN {
        return catch_up(fanout, session, since(answer_by), listed).await;
    }
    let rooms = listed.into_iter().filter(|listed| listed.is_member).map(|listed| listed.room_id).collect();
    let checked = register(fanout, session, rooms).await?;
    let late = (Instant::now() > answer_by).then(|| since(answer_by));
    for (room, head) in checked {
        match (head, late) {
            // The room was opened after the answer, and something happened before: its client has to resume.
            (Some(head), Some(since)) if head > since => session.outbox.close(CloseReason::Resync),
            (Some(_), _) => {}
            // Rooms that should not have been in the list; the list will be corrected soon.
            (None, late) => {
                if late.is_some() {
                    push_removed(session, &room);
                }
                fanout.unregister(session.connection_id, vec![room]);
            }
        }
    }
    Ok(())
}

/// Returns a seq before everything that happens after a moment.
fn since(moment: Instant) -> Seq {
    Seq::now().minus(Instant::now().saturating_duration_since(moment) + MARGIN)
}

/// Registers a session in rooms, and waits until they are open. Returns the rooms in which its user's membership does
/// not follow from the events seen here, each with its head if they are a member.
async fn register(
    fanout: &Inner,
    session: &SessionHandle,
    rooms: Vec<RoomId>,
) -> Result<Vec<(RoomId, Option<Seq>)>, RoomError> {
    let (open, mut all_open) = mpsc::channel(1);
    let mut answers = Vec::new();
    for (shard, rooms) in fanout.by_shard(rooms) {
        let (needs_check, answer) = oneshot::channel();
        let command = Command::Register { session: session.clone(), rooms, open: open.clone(), needs_check };
        fanout.send(shard, command).await;
        answers.push(answer);
    }
    drop(open);
    let mut needs_check = Vec::new();
    for answer in answers {
        needs_check.extend(answer.await.unwrap_or_default());
    }
    let _: Option<()> = all_open.recv().await;
    let checks = needs_check.into_iter().map(async |room| {
        let head = head(fanout, &session.person, &room).await?;
        Ok((room, head))
    });
    let checks: Vec<_> = checks.collect();
    stream::iter(checks).buffer_unordered(ROOMS_AT_ONCE).try_collect().await
}

/// Adds a session to its rooms with all that happened in them since a moment.
async fn catch_up(
    fanout: &Inner,
    session: &SessionHandle,
    since: Seq,
    listed: Vec<ListedRoom>,
) -> Result<(), RoomError> {
    let sessions = std::slice::from_ref(session);
    for left in listed.iter().filter(|listed| !listed.is_member && listed.version > since) {
        push_removed(session, &left.room_id);
    }
    let settled = listed.iter().filter(|listed| listed.is_member).map(async |listed| {
        let missed = Missed { since, is_new: listed.version > since };
        settle(fanout, &session.person, sessions, &listed.room_id, Some(missed)).await.map(drop)
    });
    let settled: Vec<_> = settled.collect();
    stream::iter(settled).buffer_unordered(ROOMS_AT_ONCE).try_collect().await
}

fn push_removed(session: &SessionHandle, room: &RoomId) {
    if let Some(record) = room_removed(room).get(session.protocol) {
        session.outbox.try_push(record);
    }
}
