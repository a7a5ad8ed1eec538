//! One user whose presence is watched on this node: their status, and their watchers.
//!
//! A watcher gets the answer first and changes after it: from the moment its answer was made until it is being sent to
//! the client, no change is sent, or the older answer would overwrite the newer event.

use std::collections::HashMap;
use std::sync::Arc;

use rts_common::ids::Person;
use rts_common::redis::keys;
use rts_common::seq::Seq;

use crate::connection::{ConnectionId, SessionHandle};
use crate::fanout::notification::presence_changed;
use crate::fanout::room::OpenSignal;
use crate::presence::{PersonStatus, UserStatus};

/// A watched user. About 600 bytes, and 150 for each watcher.
pub(in crate::fanout) struct WatchedUser {
    person: Person,
    pub(in crate::fanout) channel: Arc<str>,
    watchers: HashMap<ConnectionId, WatchedBy>,
    known: Option<PersonStatus>,
    /// Older versions are ignored. Starts again with each subscription: Redis may have lost versions that it gave
    /// before.
    version: Seq,
    waiting: Vec<OpenSignal>,
    /// The generation of the subscription: a status read under an earlier one is ignored.
    pub(in crate::fanout) generation: Arc<()>,
}

struct WatchedBy {
    session: SessionHandle,
    /// Answers that are not being sent to it yet.
    answers: Vec<u64>,
    /// The last status sent to it.
    told: Option<PersonStatus>,
}

impl WatchedUser {
    pub(in crate::fanout) fn new(person: Person) -> Self {
        Self {
            channel: keys::presence_channel(&person).into(),
            person,
            watchers: HashMap::new(),
            known: None,
            version: Seq::ZERO,
            waiting: Vec::new(),
            generation: Arc::default(),
        }
    }

    /// Adds a watcher, which gets nothing before its answer is [`Self::answered`].
    pub(in crate::fanout) fn watch(&mut self, session: &SessionHandle, answer: u64, open: &OpenSignal) {
        let new = || WatchedBy { session: session.clone(), answers: Vec::new(), told: None };
        self.watchers.entry(session.connection_id).or_insert_with(new).answers.push(answer);
        if self.known.is_none() {
            self.waiting.push(open.clone());
        }
    }

    /// Removes a watcher. True if none is left.
    pub(in crate::fanout) fn unwatch(&mut self, connection: ConnectionId) -> bool {
        self.watchers.remove(&connection);
        self.watchers.is_empty()
    }

    /// Returns the answer for a session.
    pub(in crate::fanout) fn answer(&mut self, connection: ConnectionId) -> Option<PersonStatus> {
        let watcher = self.watchers.get_mut(&connection)?;
        watcher.told = self.known;
        self.known
    }

    /// Notes that an answer is being sent to the client, or will never be.
    pub(in crate::fanout) fn answered(&mut self, connection: ConnectionId, answer: u64) {
        if let Some(watcher) = self.watchers.get_mut(&connection) {
            watcher.answers.retain(|other| *other != answer);
        }
        self.tell();
    }

    /// Handles a subscription of the channel; perhaps not the first. The status has to be read.
    pub(in crate::fanout) fn subscribed(&mut self) {
        self.version = Seq::ZERO;
        self.generation = Arc::default();
    }

    /// Handles a publication of the status.
    pub(in crate::fanout) fn published(&mut self, text: &str) {
        match PersonStatus::parse(text) {
            Some(status) if status.version > self.version => self.learn(status),
            Some(_) => {}
            None => tracing::error!("skipping a presence that cannot be parsed"),
        }
    }

    /// Handles the status that was read after the subscription.
    pub(in crate::fanout) fn read(&mut self, status: PersonStatus) {
        if status.version >= self.version {
            self.learn(status);
        }
    }

    fn learn(&mut self, status: PersonStatus) {
        self.version = status.version;
        self.known = Some(status);
        self.waiting.clear();
        self.tell();
    }

    /// Sends the status to the watchers whose last one differs.
    fn tell(&mut self) {
        let Some(known) = self.known else { return };
        let mut record = presence_changed(UserStatus::new(&self.person.user, &known));
        for watcher in self.watchers.values_mut() {
            if watcher.answers.is_empty() && !watcher.told.is_some_and(|told| told.looks_like(&known)) {
                watcher.told = Some(known);
                if let Some(bytes) = record.get(watcher.session.protocol) {
                    watcher.session.outbox.try_push(bytes);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rts_common::ids::{OrgId, UserId};
    use rts_common::signalr::Protocol;
    use tokio::sync::mpsc;

    use super::*;
    use crate::connection::Outbox;
    use crate::presence::Status;

    fn session() -> SessionHandle {
        let person = Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse("ann").unwrap() };
        let outbox = Arc::new(Outbox::default());
        SessionHandle { connection_id: ConnectionId::random(), person, protocol: Protocol::Json, outbox }
    }

    fn heard(session: &SessionHandle) -> Vec<String> {
        let records = session.outbox.drain().records;
        let statuses = records.iter().map(|record| {
            let text = std::str::from_utf8(record).unwrap();
            let at = text.find("\"status\":\"").unwrap() + 10;
            text[at..].split('"').next().unwrap().to_owned()
        });
        statuses.collect()
    }

    fn watched() -> WatchedUser {
        let person = Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse("bob").unwrap() };
        WatchedUser::new(person)
    }

    fn status(text: &str) -> PersonStatus {
        PersonStatus::parse(text).unwrap()
    }

    #[test]
    fn an_answer_waits_until_the_status_is_known_and_events_wait_for_the_answer() {
        let (mut bob, ann) = (watched(), session());
        let (open, mut opened) = mpsc::channel(1);
        bob.watch(&ann, 1, &open);
        drop(open);
        assert!(opened.try_recv() == Err(mpsc::error::TryRecvError::Empty));
        bob.subscribed();
        bob.read(status("o 5 0"));
        assert!(opened.try_recv() == Err(mpsc::error::TryRecvError::Disconnected));
        assert_eq!(bob.answer(ann.connection_id).unwrap().status, Status::Online);
        bob.published("f 6 100");
        assert_eq!(heard(&ann), Vec::<String>::new());
        bob.answered(ann.connection_id, 1);
        assert_eq!(heard(&ann), ["offline"]);
        bob.published("o 7 100");
        bob.published("o 7 100");
        assert_eq!(heard(&ann), ["online"]);
        assert!(bob.unwatch(ann.connection_id));
    }

    #[test]
    fn of_two_pending_answers_the_last_counts() {
        let (mut bob, ann) = (watched(), session());
        let (open, _opened) = mpsc::channel(1);
        bob.subscribed();
        bob.watch(&ann, 1, &open);
        bob.read(status("f 0 0"));
        bob.answer(ann.connection_id);
        bob.watch(&ann, 2, &open);
        bob.published("o 3 0");
        bob.answer(ann.connection_id);
        bob.answered(ann.connection_id, 1);
        bob.published("a 4 0");
        assert_eq!(heard(&ann), Vec::<String>::new());
        bob.answered(ann.connection_id, 2);
        assert_eq!(heard(&ann), ["away"]);
    }

    #[test]
    fn older_versions_are_ignored_unless_the_subscription_is_new() {
        let (mut bob, ann) = (watched(), session());
        let (open, _opened) = mpsc::channel(1);
        bob.subscribed();
        bob.watch(&ann, 1, &open);
        bob.published("o 9 0");
        bob.read(status("f 8 100"));
        bob.answer(ann.connection_id);
        bob.answered(ann.connection_id, 1);
        bob.published("f 8 100");
        assert_eq!(heard(&ann), Vec::<String>::new());
        // Redis came back with older data.
        bob.subscribed();
        bob.read(status("f 4 100"));
        bob.read(status("f 4 100"));
        assert_eq!(heard(&ann), ["offline"]);
    }
}
