//! Reads a room or a user from Redis, until it answers or the result is not needed any more.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rts_common::ids::{Person, RoomId};
use rts_common::seq::Seq;
use tokio::time::sleep;

use super::command::Command;
use super::command::WatchCommand;
use super::inner::Inner;
use super::room::sequencer::Answer;
use crate::presence::status_of;
use crate::rooms::RoomError;

const PAUSE_FIRST: Duration = Duration::from_millis(50);
const PAUSE_CEILING: Duration = Duration::from_secs(2);

/// Reads a room's head, or the events after a seq, and reports to the room's shard.
pub(super) fn start(fanout: &Arc<Inner>, room: RoomId, after: Option<Seq>, generation: Weak<()>) {
    let asker = Arc::clone(fanout);
    fanout.spawn(async move {
        let mut pause = PAUSE_FIRST;
        while generation.strong_count() > 0 {
            match asker.ask(&room, after).await {
                Ok(answer) => {
                    let shard = asker.shard_of_room(&room);
                    let command = Command::Answered { room, generation, answer };
                    return asker.send(shard, command).await;
                }
                Err(error) => {
                    tracing::warn!(room = %room, %error, "cannot catch up with a room yet");
                    sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                    pause = (pause * 2).min(PAUSE_CEILING);
                }
            }
        }
    });
}

/// Reads a watched user's status, and reports to their shard.
pub(super) fn read_status(fanout: &Arc<Inner>, person: Person, generation: Weak<()>) {
    let reader = Arc::clone(fanout);
    fanout.spawn(async move {
        let mut pause = PAUSE_FIRST;
        while generation.strong_count() > 0 {
            let read = {
                let _turn = reader.turn().await;
                status_of(&reader.redis, &person).await
            };
            match read {
                Ok(status) => {
                    let shard = reader.shard_of_person(&person);
                    return reader.send(shard, Command::Watch(WatchCommand::Read { person, generation, status })).await;
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot read a presence yet");
                    sleep(pause.mul_f64(rand::random_range(0.5..1.0))).await;
                    pause = (pause * 2).min(PAUSE_CEILING);
                }
            }
        }
    });
}

impl Inner {
    async fn ask(&self, room: &RoomId, after: Option<Seq>) -> Result<Answer, RoomError> {
        // After a reconnect every room reads: not all at once.
        let _turn = self.turn().await;
        Ok(match after {
            None => self.rooms.head(room).await?.map_or(Answer::Gone, Answer::Head),
            Some(after) => self.rooms.events_after(room, after).await?.map_or(Answer::Gone, Answer::After),
        })
    }
}
