//! Jobs for a user's rooms: the reads from Redis and the changes after them, one job of a user at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rts_common::ids::{Person, RoomId};
use rts_common::seq::{SEQ_MAX, Seq};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{sleep, timeout};

use super::local_user::{Job, Outcome, Task};
use crate::connection::SessionHandle;
use crate::fanout::AttachError;
use crate::fanout::command::Command;
use crate::fanout::inner::Inner;
use crate::fanout::room::JoinSnapshot;
use crate::rooms::{EventsAfter, RoomError};

/// Time for one job. A Redis that is unreachable for longer fails an attach; everything else is retried.
const JOB_TIMEOUT: Duration = Duration::from_secs(10);
const RELOAD_FIRST: Duration = Duration::from_millis(200);
const RELOAD_CEILING: Duration = Duration::from_secs(5);
/// Time for a session's attach.
const ATTACH_JOB_TIMEOUT: Duration = Duration::from_secs(50);
/// Rooms of one user read at once.
const ROOMS_AT_ONCE: usize = 16;
/// A seq after every head: reads a room's head without any events.
const BEYOND: Seq = Seq::new(SEQ_MAX).expect("the largest seq is valid");

/// Runs a job, and reports to the user's shard.
pub(in crate::fanout) fn start(fanout: &Arc<Inner>, job: Job) {
    let worker = Arc::clone(fanout);
    fanout.spawn(async move {
        let person = job.person.clone();
        let outcome = run(&worker, job).await;
        let shard = worker.shard_of_person(&person);
        worker.send(shard, Command::JobDone { person, outcome }).await;
    });
}

/// Compares a user's rooms again after a while.
pub(in crate::fanout) fn reload_later(fanout: &Arc<Inner>, person: Person, failures: u32) {
    let pause = RELOAD_FIRST.saturating_mul(1 << failures.min(8)).min(RELOAD_CEILING);
    let later = Arc::clone(fanout);
    fanout.spawn(async move {
        sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
        let shard = later.shard_of_person(&person);
        later.send(shard, Command::Reload { person }).await;
    });
}

async fn run(fanout: &Inner, mut job: Job) -> Outcome {
    let mut outcome = Outcome::default();
    let sessions = std::mem::take(&mut job.sessions);
    match job.task {
        Task::Attach { session, reply } => {
            outcome.sessions = vec![session.connection_id];
            let attached = timeout(ATTACH_JOB_TIMEOUT, attach(fanout, &session, job.subscribed, &mut outcome));
            let result = match attached.await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(error)) => {
                    tracing::warn!(connection = %session.connection_id, %error, "cannot attach a session");
                    Err(AttachError::Unavailable)
                }
                Err(_) => Err(AttachError::Unavailable),
            };
            let _ = reply.send(result);
        }
        Task::Recheck(room) => {
            outcome.sessions = connections(&sessions);
            settle_all(fanout, &job.person, &sessions, [room].into(), &mut outcome).await;
        }
        Task::Reload => {
            outcome.sessions = connections(&sessions);
            outcome.unsettled = job.unsettled;
            match timeout(JOB_TIMEOUT, rooms_of(fanout, &job.person)).await {
                Ok(Ok(now)) => {
                    let now: HashSet<_> = now.into_iter().collect();
                    let mut changed = std::mem::take(&mut outcome.unsettled);
                    changed.extend(now.symmetric_difference(&job.rooms).cloned());
                    settle_all(fanout, &job.person, &sessions, changed, &mut outcome).await;
                }
                Ok(Err(_)) | Err(_) => outcome.has_failed = true,
            }
        }
    }
    outcome
}

fn connections(sessions: &[SessionHandle]) -> Vec<crate::connection::ConnectionId> {
    sessions.iter().map(|session| session.connection_id).collect()
}

/// Adds a session to all rooms of its user. The user's channel is subscribed before their rooms are read, so that no
/// change of the list is missed.
async fn attach(
    fanout: &Inner,
    session: &SessionHandle,
    mut subscribed: mpsc::Receiver<()>,
    outcome: &mut Outcome,
) -> Result<(), RoomError> {
    // Nothing is ever sent: it ends once its sender is dropped.
    let _: Option<()> = subscribed.recv().await;
    let rooms = rooms_of(fanout, &session.person).await?;
    outcome.joined.extend(rooms.iter().cloned());
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
        let is_member = is_member(fanout, &session.person, &room).await?;
        Ok::<_, RoomError>((!is_member).then_some(room))
    });
    let checked: Vec<_> = stream::iter(checks).buffer_unordered(ROOMS_AT_ONCE).collect().await;
    for room in checked {
        // Rooms that should not have been in the list; the list will be corrected soon.
        if let Some(room) = room? {
            fanout.unregister(session.connection_id, vec![room]);
        }
    }
    Ok(())
}

async fn settle_all(
    fanout: &Inner,
    person: &Person,
    sessions: &[SessionHandle],
    rooms: HashSet<RoomId>,
    outcome: &mut Outcome,
) {
    let settled: Vec<_> = stream::iter(rooms)
        .map(async |room| {
            let result = settle(fanout, person, sessions, &room).await;
            (room, result)
        })
        .buffer_unordered(ROOMS_AT_ONCE)
        .collect()
        .await;
    for (room, result) in settled {
        match result {
            Ok(true) => outcome.joined.insert(room),
            Ok(false) => outcome.left.insert(room),
            Err(error) => {
                tracing::warn!(room = %room, %error, "cannot look up a membership; trying again");
                outcome.has_failed = true;
                outcome.unsettled.insert(room)
            }
        };
    }
}

/// Adds a user's sessions to a room if the user is in it, and removes them if not.
async fn settle(fanout: &Inner, person: &Person, sessions: &[SessionHandle], room: &RoomId) -> Result<bool, RoomError> {
    let shard = fanout.shard_of_room(room);
    if !is_member(fanout, person, room).await? {
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
    let read = timeout(JOB_TIMEOUT, read(fanout, person, room, opened)).await;
    let (read, result) = match read {
        Ok(Ok(read)) => {
            let is_member = read.is_some();
            (read, Ok(is_member))
        }
        Ok(Err(error)) => (None, Err(error)),
        Err(_) => (None, Err(RoomError::Unavailable("no answer in time".to_owned()))),
    };
    let release = Command::Release { room: room.clone(), join, read: read.map(Box::new) };
    fanout.send(shard, release).await;
    result
}

/// Reads the room for its new members, while its events are being held, and the events that they missed since they
/// became members; a long membership that this node did not know of has the history instead.
async fn read(
    fanout: &Inner,
    person: &Person,
    room: &RoomId,
    mut opened: mpsc::Receiver<()>,
) -> Result<Option<JoinSnapshot>, RoomError> {
    let _: Option<()> = opened.recv().await;
    let _turn = fanout.turn().await;
    let view = match fanout.rooms.view(person, room).await {
        Ok(view) => view,
        Err(RoomError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    let events = match fanout.rooms.resume(person, room, view.joined_seq).await {
        Ok(EventsAfter::Whole { events, .. }) => events,
        Ok(EventsAfter::Truncated { .. }) => Vec::new(),
        Err(RoomError::NotFound) => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(Some(JoinSnapshot { room: view.room().abridged(), events }))
}

async fn rooms_of(fanout: &Inner, person: &Person) -> Result<Vec<RoomId>, RoomError> {
    // After a reconnect every user is compared: not all at once.
    let _turn = fanout.turn().await;
    fanout.rooms.rooms_of(person).await
}

async fn is_member(fanout: &Inner, person: &Person, room: &RoomId) -> Result<bool, RoomError> {
    let _turn = fanout.turn().await;
    match fanout.rooms.resume(person, room, BEYOND).await {
        Ok(_) => Ok(true),
        Err(RoomError::NotFound) => Ok(false),
        Err(error) => Err(error),
    }
}
