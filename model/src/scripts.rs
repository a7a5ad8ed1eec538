//! Redis's scripts, each in one step: `send`, `change_message`, `change_room`, `events`, `history`,
//! `stored_messages`, `stored_room`, `install_room`, `trim`.

use crate::scenario::Scenario;
use crate::world::{Content, Data, Entry, History, Items, Message, Messages, Meta, NO_HISTORY, Record, World};

impl Data {
    /// A message's newest state in the stream; none if only DynamoDB can tell.
    pub(crate) fn newest(&self, seq: u8) -> Option<Message> {
        self.stream.iter().rev().filter_map(|entry| entry.message).find(|message| message.seq == seq)
    }

    /// Returns true if an entry of the unstored index is of this record.
    fn awaits(entry: Entry, record: Record) -> bool {
        match (record, entry.message) {
            (Record::Message(stored, _), Some(message)) => message.seq == stored.seq && entry.seq == stored.version,
            (Record::Removal(version), None) => entry.seq == version,
            _ => false,
        }
    }
}

/// Lays a message over others: a newer version of one, or one more.
pub(crate) fn lay_over(messages: &mut Messages, message: Message) {
    match messages.iter_mut().find(|known| known.seq == message.seq) {
        Some(known) if known.version < message.version => *known = message,
        Some(_) => {}
        None => {
            messages.push(message);
            messages.sort_unstable_by_key(|message| message.seq);
        }
    }
}

impl World {
    /// Records and publishes an event of a room that is served.
    fn append(&mut self, meta: Meta, message: Option<Message>, scenario: &Scenario) -> Entry {
        let entry = Entry { seq: self.clock, prev: meta.seq, message, unstored: true };
        self.redis.stream.push(entry);
        self.redis.meta = Some(Meta { seq: entry.seq, ..meta });
        if self.observer.attached {
            if entry.prev == self.observer.cursor {
                if let Some(message) = message {
                    lay_over(&mut self.observer.view, message);
                }
                self.observer.cursor = entry.seq;
            } else {
                self.ask(scenario);
            }
        }
        entry
    }

    /// Makes a message; its sender is known not to have made it.
    pub(crate) fn send(&mut self, meta: Meta, client: u8, scenario: &Scenario) -> Message {
        let seq = self.tick();
        let message = Message { seq, version: seq, client, content: Content::default() };
        self.append(meta, Some(message), scenario);
        self.redis.sent[usize::from(client)] = seq;
        message
    }

    /// Sets a message's state.
    pub(crate) fn set(&mut self, meta: Meta, from: Message, adds: Content, scenario: &Scenario) -> Message {
        let message = Message { version: self.tick(), content: from.content.with(adds), ..from };
        self.append(meta, Some(message), scenario);
        message
    }

    /// Removes the member.
    pub(crate) fn remove_member(&mut self, meta: Meta, scenario: &Scenario) -> u8 {
        let version = self.tick();
        self.append(Meta { removed: version, ..meta }, None, scenario);
        version
    }

    /// Makes the room.
    pub(crate) fn create_room(&mut self) -> u8 {
        let epoch = self.tick();
        self.redis.meta = Some(Meta { history: self.history, epoch, unstored: true, ..Meta::default() });
        self.redis.token = 0;
        self.redis.stream.clear();
        epoch
    }

    /// The messages of the room, as everybody reads them: the stream's part, and DynamoDB's with what was changed
    /// since laid over it.
    pub(crate) fn messages(&self, meta: Meta) -> Messages {
        let mut messages = Messages::default();
        for stored in self.items.messages.iter().filter(|message| message.seq <= meta.trimmed) {
            let newer = self.redis.newest(stored.seq).filter(|newer| newer.version > stored.version);
            messages.push(newer.unwrap_or(*stored));
        }
        for message in self.redis.stream.iter().filter_map(|entry| entry.message) {
            if message.is_new() && message.seq > meta.trimmed {
                messages.push(self.redis.newest(message.seq).unwrap_or(message));
            }
        }
        messages
    }

    /// Answers the observer, who saw all up to its cursor: with the events after it, or that it has to read anew.
    pub(crate) fn ask(&mut self, scenario: &Scenario) {
        let Some(meta) = self.serving(scenario) else { return };
        let seen = self.observer.cursor;
        let first = self.redis.stream.iter().find(|entry| entry.seq > seen);
        let is_truncated = seen > meta.seq
            || (seen < meta.trimmed && seen != meta.seq)
            || first.is_some_and(|first| first.prev < seen);
        if is_truncated {
            self.observer.view = self.messages(meta);
        } else {
            for message in self.redis.stream.iter().filter(|entry| entry.seq > seen).filter_map(|entry| entry.message) {
                lay_over(&mut self.observer.view, self.redis.newest(message.seq).unwrap_or(message));
            }
        }
        self.observer.cursor = meta.seq;
        self.observer.attached = true;
    }

    /// A function tells what it has written.
    pub(crate) fn tell(&mut self, record: Record, scenario: &Scenario) {
        for entry in self.redis.stream.iter_mut().filter(|entry| Data::awaits(**entry, record)) {
            entry.unstored = false;
        }
        if self.serving(scenario).is_none() {
            // Whoever has read DynamoDB for a rebuild may not have seen it.
            self.redis.token = 0;
        }
        match record {
            Record::Message(message, made_in) => self.tell_message(message, made_in, scenario),
            Record::Creation(_) => {
                if let Some(meta) = &mut self.redis.meta {
                    meta.unstored = false;
                }
            }
            Record::Removal(version) => {
                if let Some(meta) = &mut self.redis.meta {
                    meta.removed = meta.removed.max(version);
                }
            }
            Record::Fence(_) => {}
        }
    }

    fn tell_message(&mut self, message: Message, made_in: History, scenario: &Scenario) {
        let client = usize::from(message.client);
        let is_served = self.serving(scenario).is_some();
        let Some(meta) = &mut self.redis.meta else {
            self.redis.late[client] = message.seq;
            return;
        };
        if scenario.mechanism.names_history {
            if scenario.mechanism.distrusts_late && is_served && made_in != meta.history {
                meta.history = NO_HISTORY;
            }
        } else if message.version < meta.epoch {
            if message.is_new() && self.redis.sent[client] == 0 {
                self.redis.sent[client] = message.seq;
            }
            meta.seq = meta.seq.max(message.version);
        }
    }

    /// Returns true if nothing came between this rebuild's reading and now.
    pub(crate) fn holds_token(&self, healer: usize, scenario: &Scenario) -> bool {
        !scenario.mechanism.leaves_token || usize::from(self.redis.token) == healer + 1
    }

    /// Opens a room that was rebuilt from DynamoDB.
    pub(crate) fn install(&mut self, healer: usize, history: History, items: &Items, scenario: &Scenario) {
        let mechanism = &scenario.mechanism;
        let known = self.redis.meta;
        let is_overtaken = if mechanism.names_history {
            history != self.history || self.serving(scenario).is_some()
        } else {
            known.is_some()
        };
        if is_overtaken || !self.holds_token(healer, scenario) || items.room == 0 {
            return;
        }
        self.dropped |= self.redis.stream.iter().any(|entry| entry.unstored && !covers(items, *entry));
        let slept = known.filter(|meta| meta.at_rest && meta.history == self.history);
        let epoch = self.tick();
        let changed = items.messages.iter().map(|message| message.version).max();
        let mut head = changed.unwrap_or_default().max(items.room).max(items.removed);
        self.redis.sent = dedup_window(items, scenario);
        if !mechanism.names_history {
            for client in 0..self.redis.late.len() {
                let late = self.redis.late[client];
                if late != 0 && self.redis.sent[client] == 0 {
                    self.redis.sent[client] = late;
                }
                head = head.max(late);
            }
        }
        if let Some(slept) = slept {
            head = head.max(slept.seq);
        } else if mechanism.raises_head {
            head = epoch;
        }
        self.redis.late = Default::default();
        self.redis.token = 0;
        self.redis.stream.clear();
        let (history, trimmed, removed) = (self.history, epoch, items.removed);
        self.redis.meta = Some(Meta { history, epoch, seq: head, trimmed, removed, ..Meta::default() });
        // A room with a new head says so on its channel.
        if mechanism.raises_head && self.observer.attached {
            self.ask(scenario);
        }
    }

    /// Drops the oldest entry of the stream.
    pub(crate) fn trim(&mut self, meta: Meta) {
        self.redis.stream.remove(0);
        self.redis.meta = Some(Meta { trimmed: self.redis.stream[0].prev, ..meta });
    }

    /// Keeps nothing of the room but that it is DynamoDB's.
    pub(crate) fn lay_to_rest(&mut self, meta: Meta) {
        let stub = Meta { history: meta.history, epoch: self.tick(), seq: meta.seq, at_rest: true, ..Meta::default() };
        self.redis = Data { meta: Some(stub), ..Data::default() };
    }
}

fn covers(items: &Items, entry: Entry) -> bool {
    match entry.message {
        Some(message) => items.messages.iter().any(|stored| {
            stored.seq == message.seq && (stored.version >= message.version || stored.content.is_deleted())
        }),
        None => items.removed >= entry.seq,
    }
}

fn dedup_window(items: &Items, scenario: &Scenario) -> [u8; crate::scenario::CLIENT_IDS] {
    let messages = &items.messages;
    let excess = messages.len().saturating_sub(scenario.dedup_max);
    let kept = if scenario.mechanism.newest_first { &messages[excess..] } else { &messages[..messages.len() - excess] };
    let mut sent = [0; crate::scenario::CLIENT_IDS];
    for message in kept {
        sent[usize::from(message.client)] = message.seq;
    }
    sent
}
