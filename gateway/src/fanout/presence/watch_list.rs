//! The watch list of one session: the users whose presence it watches.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use rts_common::ids::Person;
use rts_common::redis::keys::Partition;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::connection::{ConnectionId, SessionHandle};
use crate::fanout::command::Command;
use crate::fanout::command::WatchCommand;
use crate::fanout::inner::Inner;
use crate::presence::PersonStatus;

/// Time to subscribe to the watched users and to read their status.
const WATCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Users cannot be watched now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("presence cannot be watched now")]
pub struct WatchError;

/// A session's list of watched users; a clone is the same list.
#[derive(Clone)]
pub struct WatchList {
    fanout: Arc<Inner>,
    session: SessionHandle,
    list: Arc<Mutex<List>>,
}

/// The users whom a session watches.
#[derive(Default)]
struct List {
    people: HashSet<Person>,
    answers: u64,
    /// The session has ended: no user is watched for it any more.
    is_over: bool,
}

/// Holds back events of a session until its answer is being sent, which is when this is dropped.
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

    /// Returns the session's connection.
    pub fn connection(&self) -> ConnectionId {
        self.session.connection_id
    }

    /// Watches these users and no others. Returns the status of each; the session gets every change from then on.
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
            // Without an answer, the client does not know of any.
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
        // If the session ended before these commands were sent, nothing else takes them back.
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

    /// Ends the list with its session.
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

    /// Sent in order with later commands.
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
