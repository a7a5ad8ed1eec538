//! Watches the presence of people, as one session does it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rts_common::ids::Person;
use rts_common::redis::keys::Partition;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::watches::WatchCommand;
use crate::connection::{ConnectionId, SessionHandle};
use crate::fanout::inner::Inner;
use crate::fanout::shard::Command;
use crate::presence::PersonStatus;

/// How long it may take to subscribe to those who are watched and to read their status.
const WATCH_TIMEOUT: Duration = Duration::from_secs(5);

/// People cannot be watched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("presence cannot be watched now")]
pub struct WatchError;

/// A session that may watch people; a clone is the same.
#[derive(Clone)]
pub struct WatchList {
    fanout: Arc<Inner>,
    session: SessionHandle,
    list: Arc<Mutex<List>>,
}

/// Whom a session watches.
#[derive(Default)]
struct List {
    people: HashSet<Person>,
    answers: u64,
    /// The session is over: nobody is watched for it any more.
    is_over: bool,
}

/// Keeps events from a session until its answer is on its way, which is when this is dropped.
#[must_use = "dropping it lets events overtake the answer"]
pub struct AnswerUnderWay {
    fanout: Arc<Inner>,
    connection: ConnectionId,
    people: Vec<Person>,
    answer: u64,
}

impl WatchList {
    pub(in crate::fanout) fn new(fanout: Arc<Inner>, session: SessionHandle) -> Self {
        Self { fanout, session, list: Arc::default() }
    }

    /// The connection that it is.
    pub fn connection(&self) -> ConnectionId {
        self.session.connection_id
    }

    /// Watches these and no others. Gives the status of each; of every change from then on the session is told.
    pub async fn watch(
        &self,
        people: HashSet<Person>,
    ) -> Result<(HashMap<Person, PersonStatus>, AnswerUnderWay), WatchError> {
        let (answer, dropped) = {
            let mut list = self.list();
            list.answers += 1;
            let before = std::mem::replace(&mut list.people, people.clone());
            (list.answers, before.difference(&people).cloned().collect::<Vec<_>>())
        };
        let wanted: Vec<_> = people.into_iter().collect();
        let connection = self.session.connection_id;
        let under_way = AnswerUnderWay { fanout: Arc::clone(&self.fanout), connection, people: wanted.clone(), answer };
        let watched = timeout(WATCH_TIMEOUT, self.start(&wanted, dropped, answer)).await;
        match watched {
            Ok(statuses) if statuses.len() == wanted.len() => Ok((statuses, under_way)),
            // Without an answer, the client knows of none.
            Ok(_) | Err(_) => {
                let people = std::mem::take(&mut self.list().people);
                self.unwatch(people).await;
                Err(WatchError)
            }
        }
    }

    async fn start(&self, people: &[Person], dropped: Vec<Person>, answer: u64) -> HashMap<Person, PersonStatus> {
        let connection = self.session.connection_id;
        self.unwatch(dropped).await;
        let (open, mut opened) = mpsc::channel(1);
        let shards = self.fanout.people_by_shard(people.iter().cloned());
        for (shard, people) in &shards {
            let (session, people, open) = (self.session.clone(), people.clone(), open.clone());
            self.fanout.send(*shard, Command::Watch(WatchCommand::Begin { session, people, answer, open })).await;
        }
        drop(open);
        // The session may have ended before these commands were sent, and then nobody else takes them back.
        if self.list().is_over {
            self.unwatch(people.to_vec()).await;
            return HashMap::new();
        }
        let _: Option<()> = opened.recv().await;
        let mut statuses = HashMap::with_capacity(people.len());
        for (shard, people) in shards {
            let (reply, answered) = oneshot::channel();
            self.fanout.send(shard, Command::Watch(WatchCommand::Answer { connection, people, reply })).await;
            statuses.extend(answered.await.unwrap_or_default());
        }
        statuses
    }

    /// The session is over.
    pub(in crate::fanout) fn end(&self) {
        let people = {
            let mut list = self.list();
            list.is_over = true;
            std::mem::take(&mut list.people)
        };
        for (shard, people) in self.fanout.people_by_shard(people) {
            let connection = self.session.connection_id;
            self.fanout.post(shard, Command::Watch(WatchCommand::End { connection, people }));
        }
    }

    /// In order with what is sent after it.
    async fn unwatch(&self, people: impl IntoIterator<Item = Person>) {
        for (shard, people) in self.fanout.people_by_shard(people) {
            let connection = self.session.connection_id;
            self.fanout.send(shard, Command::Watch(WatchCommand::End { connection, people })).await;
        }
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().expect("no holder of this lock panics")
    }
}

impl Drop for AnswerUnderWay {
    fn drop(&mut self) {
        let people = std::mem::take(&mut self.people);
        for (shard, people) in self.fanout.people_by_shard(people) {
            let (connection, answer) = (self.connection, self.answer);
            self.fanout.post(shard, Command::Watch(WatchCommand::Answered { connection, people, answer }));
        }
    }
}

impl Inner {
    fn people_by_shard(&self, people: impl IntoIterator<Item = Person>) -> HashMap<usize, Vec<Person>> {
        let mut groups: HashMap<usize, Vec<Person>> = HashMap::new();
        for person in people {
            let shard = Partition::of_person(&person).index() % self.shards.len();
            groups.entry(shard).or_default().push(person);
        }
        groups
    }
}
