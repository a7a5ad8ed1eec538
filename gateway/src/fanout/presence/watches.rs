//! The users of a shard's partitions whose presence is watched on this node.

use std::collections::HashMap;
use std::sync::Arc;

use rts_common::ids::Person;

use super::watched_user::WatchedUser;
use crate::connection::ConnectionId;
use crate::fanout::command::WatchCommand;
use crate::fanout::fetch;
use crate::fanout::inner::Inner;
use crate::fanout::shard::text;
use crate::fanout::subscriber::link::Incoming;
use crate::metrics;

/// The most users of one shard who may be watched: about 60 MiB, and as many subscriptions.
const WATCHED_MAX: usize = 100_000;

/// All watched users.
pub(in crate::fanout) struct Watches {
    fanout: Arc<Inner>,
    people: HashMap<Person, WatchedUser>,
}

impl Watches {
    pub(in crate::fanout) fn new(fanout: Arc<Inner>) -> Self {
        Self { fanout, people: HashMap::new() }
    }

    pub(in crate::fanout) fn incoming(&mut self, person: Person, incoming: &Incoming) {
        // A user who is not here any more is being unsubscribed.
        let Some(watched) = self.people.get_mut(&person) else {
            return;
        };
        match incoming {
            Incoming::Subscribed(_) => {
                watched.subscribed();
                fetch::read_status(&self.fanout, person, Arc::downgrade(&watched.generation));
            }
            Incoming::Published { payload, .. } => {
                if let Some(payload) = text(payload) {
                    watched.published(payload);
                }
            }
        }
    }

    pub(in crate::fanout) fn command(&mut self, command: WatchCommand) {
        match command {
            WatchCommand::Begin { session, people, answer, open } => {
                for person in people {
                    if let Some(watched) = self.person(person) {
                        watched.watch(&session, answer, &open);
                    }
                }
            }
            WatchCommand::Answer { connection, people, reply } => {
                let answer = |person: Person| {
                    let status = self.people.get_mut(&person)?.answer(connection)?;
                    Some((person, status))
                };
                let _ = reply.send(people.into_iter().filter_map(answer).collect());
            }
            WatchCommand::Answered { connection, people, answer } => {
                for person in people {
                    if let Some(watched) = self.people.get_mut(&person) {
                        watched.answered(connection, answer);
                    }
                }
            }
            WatchCommand::End { connection, people } => {
                for person in people {
                    self.end(connection, &person);
                }
            }
            WatchCommand::Read { person, generation, status } => {
                if let Some(watched) = self.people.get_mut(&person)
                    && generation.ptr_eq(&Arc::downgrade(&watched.generation))
                {
                    watched.read(status);
                }
            }
        }
    }

    /// Returns a watched user; `None` if too many are watched.
    fn person(&mut self, person: Person) -> Option<&mut WatchedUser> {
        if self.people.len() >= WATCHED_MAX && !self.people.contains_key(&person) {
            return None;
        }
        Some(self.people.entry(person).or_insert_with_key(|person| {
            let watched = WatchedUser::new(person.clone());
            self.fanout.subscriptions.want(&watched.channel);
            metrics::presence_watched(true);
            watched
        }))
    }

    fn end(&mut self, connection: ConnectionId, person: &Person) {
        if let Some(watched) = self.people.get_mut(person)
            && watched.unwatch(connection)
        {
            self.fanout.subscriptions.drop_channel(&watched.channel);
            self.people.remove(person);
            metrics::presence_watched(false);
        }
    }
}
