//! The users of a shard's partitions whose presence is watched on this node.

use std::collections::HashMap;
use std::sync::Arc;

use rts_common::ids::{OrgId, Person};

use super::watched_user::WatchedUser;
use crate::connection::ConnectionId;
use crate::fanout::command::WatchCommand;
use crate::fanout::fetch;
use crate::fanout::inner::Inner;
use crate::fanout::shard::text;
use crate::fanout::subscriber::link::Incoming;
use crate::metrics;

/// The most users of one shard who may be watched: about 60 MiB, and as many subscriptions. Beyond half of it, no
/// organization has more than half; a user watches far less than a tenth.
const WATCHED_MAX: usize = 100_000;

/// All watched users.
pub(in crate::fanout) struct Watches {
    fanout: Arc<Inner>,
    people: HashMap<Person, WatchedUser>,
    orgs: OrgShares,
}

/// Numbers of watched users, by organization; those who watch them are of the same one.
#[derive(Default)]
struct OrgShares {
    counts: HashMap<OrgId, usize>,
    all: usize,
}

impl OrgShares {
    /// True if another user of an organization may be watched, of so many that may be in all.
    fn has_room(&self, org: &OrgId, most: usize) -> bool {
        let own = self.counts.get(org).copied().unwrap_or(0);
        self.all < most / 2 || (self.all < most && own < most / 2)
    }

    fn add(&mut self, org: &OrgId) {
        self.all += 1;
        *self.counts.entry(org.clone()).or_default() += 1;
    }

    fn remove(&mut self, org: &OrgId) {
        self.all -= 1;
        if let Some(count) = self.counts.get_mut(org) {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(org);
            }
        }
    }
}

impl Watches {
    pub(in crate::fanout) fn new(fanout: Arc<Inner>) -> Self {
        Self { fanout, people: HashMap::new(), orgs: OrgShares::default() }
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
        if !self.people.contains_key(&person) {
            if !self.orgs.has_room(&person.org, WATCHED_MAX) {
                return None;
            }
            self.orgs.add(&person.org);
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
            self.orgs.remove(&person.org);
            metrics::presence_watched(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_organization_has_half_and_the_rest_is_for_others() {
        let (mut shares, one, two) = (OrgShares::default(), OrgId::parse("one").unwrap(), OrgId::parse("two").unwrap());
        for _ in 0..5 {
            assert!(shares.has_room(&one, 10));
            shares.add(&one);
        }
        assert!(!shares.has_room(&one, 10), "half of them");
        for _ in 0..5 {
            assert!(shares.has_room(&two, 10));
            shares.add(&two);
        }
        assert!(!shares.has_room(&two, 10) && !shares.has_room(&OrgId::parse("three").unwrap(), 10));
        shares.remove(&one);
        assert!(shares.has_room(&one, 10) && !shares.has_room(&two, 10));
        for org in [[&one; 4].as_slice(), &[&two; 5]].concat() {
            shares.remove(org);
        }
        assert!(shares.counts.is_empty() && shares.all == 0);
    }
}
