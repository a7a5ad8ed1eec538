//! Jobs for a user's rooms: the reads from Redis and the changes after them, one job of a user at a time.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use rts_common::ids::{Person, RoomId};
use tokio::time::{sleep, timeout};

use super::attach::attach;
use super::local_user::{Job, Outcome, Task};
use super::settle::{JOB_TIMEOUT, ROOMS_AT_ONCE, settle};
use crate::connection::SessionHandle;
use crate::fanout::AttachError;
use crate::fanout::command::Command;
use crate::fanout::inner::Inner;
use crate::rooms::RoomError;

const RELOAD_FIRST: Duration = Duration::from_millis(200);
const RELOAD_CEILING: Duration = Duration::from_secs(5);
/// Time for a session's attach.
const ATTACH_JOB_TIMEOUT: Duration = Duration::from_secs(50);

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
        Task::Attach { session, answer_by, reply } => {
            outcome.sessions = vec![session.connection_id];
            let attaching = attach(fanout, &session, answer_by, job.subscribed, &mut outcome);
            let attached = timeout(ATTACH_JOB_TIMEOUT, attaching);
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

async fn settle_all(
    fanout: &Inner,
    person: &Person,
    sessions: &[SessionHandle],
    rooms: HashSet<RoomId>,
    outcome: &mut Outcome,
) {
    let settled: Vec<_> = stream::iter(rooms)
        .map(async |room| {
            let result = settle(fanout, person, sessions, &room, None).await;
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

async fn rooms_of(fanout: &Inner, person: &Person) -> Result<Vec<RoomId>, RoomError> {
    // After a reconnect every user is compared: not all at once.
    let _turn = fanout.turn().await;
    fanout.rooms.rooms_of(person).await
}
