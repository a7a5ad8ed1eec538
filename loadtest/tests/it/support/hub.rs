//! The hub of the fake server: rooms in memory, with the part of the API that the tool uses.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rts_common::signalr::{Protocol, encode_invocation};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// The calls that the server refuses with `unavailable`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    /// Sends in this span of time after the first.
    pub(crate) sends: Option<Range<Duration>>,
    /// This many reads of a history.
    pub(crate) histories: usize,
}

/// The server's state.
#[derive(Default)]
pub(crate) struct Hub {
    refusals: Refusals,
    first_send: Option<Instant>,
    send_calls: usize,
    rooms: HashMap<String, Room>,
    connections: HashMap<u64, Connection>,
    counter: u64,
}

struct Connection {
    user: String,
    protocol: Protocol,
    outbox: mpsc::UnboundedSender<Bytes>,
}

struct Room {
    members: Vec<String>,
    head: u64,
    /// Events in order: `MessageCreated` only.
    events: Vec<Value>,
    read: HashMap<String, u64>,
}

impl Hub {
    pub(crate) fn new(refusals: Refusals) -> Self {
        Self { refusals, ..Self::default() }
    }

    /// Returns the number of calls of `SendMessage`.
    pub(crate) fn send_calls(&self) -> usize {
        self.send_calls
    }

    fn refuses(&mut self, target: &str) -> bool {
        match target {
            "SendMessage" => {
                self.send_calls += 1;
                let since = self.first_send.get_or_insert_with(Instant::now).elapsed();
                self.refusals.sends.as_ref().is_some_and(|range| range.contains(&since))
            }
            "GetHistory" if self.refusals.histories > 0 => {
                self.refusals.histories -= 1;
                true
            }
            _ => false,
        }
    }

    pub(crate) fn connect(&mut self, user: &str, protocol: Protocol, outbox: mpsc::UnboundedSender<Bytes>) -> u64 {
        self.counter += 1;
        self.connections.insert(self.counter, Connection { user: user.to_owned(), protocol, outbox });
        self.counter
    }

    pub(crate) fn disconnect(&mut self, connection: u64) {
        self.connections.remove(&connection);
    }

    pub(crate) fn call(&mut self, user: &str, target: &str, argument: &Value) -> Result<Value, String> {
        if self.refuses(target) {
            return Err(error("unavailable: The journal takes no more; retryAfterMs=200"));
        }
        match target {
            "CreateRoom" => Ok(self.create(user, argument)),
            "ListRooms" => Ok(self.list(user)),
            "Resume" => self.resume(user, argument),
            "SetTyping" => Ok(json!({})),
            _ => {
                let room_id = argument["roomId"].as_str().unwrap_or_default();
                let Some(room) = self.rooms.get_mut(room_id) else {
                    return Err(error("notFound: There is no such room."));
                };
                match target {
                    "SendMessage" => self.send(user, argument),
                    "GetHistory" => Ok(room.history(argument)),
                    "MarkRead" => {
                        let seq = argument["seq"].as_u64().unwrap().min(room.head);
                        let read = room.read.entry(user.to_owned()).or_default();
                        *read = seq.max(*read);
                        Ok(json!({ "readSeq": *read }))
                    }
                    _ => Err(error("internal: not played here")),
                }
            }
        }
    }

    fn create(&mut self, user: &str, argument: &Value) -> Value {
        self.counter += 1;
        let room_id = format!("g_{:022}", self.counter);
        let mut members = vec![user.to_owned()];
        members.extend(texts(&argument["memberIds"]).filter(|id| id != user));
        let head = 1_700_000_000_000_000 + self.counter;
        let room = json!({"room": {"roomId": room_id, "headSeq": head, "memberCount": members.len()}});
        self.rooms.insert(room_id, Room { members: members.clone(), head, events: Vec::new(), read: HashMap::new() });
        self.publish(&members, "RoomAdded", &room);
        room
    }

    fn send(&mut self, user: &str, argument: &Value) -> Result<Value, String> {
        let room_id = argument["roomId"].as_str().unwrap_or_default();
        let room = self.rooms.get_mut(room_id).unwrap();
        if !room.members.iter().any(|member| member == user) {
            return Err(error("notFound: There is no such room."));
        }
        let client_id = &argument["clientId"];
        let known = room
            .events
            .iter()
            .rev()
            .take(200)
            .find(|event| event["message"]["clientId"] == *client_id && event["message"]["senderId"] == user);
        if let Some(event) = known {
            return Ok(json!({"seq": event["seq"], "sentAt": "x", "duplicate": true}));
        }
        let (prev, seq) = (room.head, room.head + 3);
        room.head = seq;
        let message = json!({
            "roomId": room_id, "seq": seq, "version": seq, "clientId": client_id, "senderId": user,
            "sentAt": "2026-01-01T00:00:00.000Z", "body": argument["body"], "attachments": [],
            "deleted": false, "reactions": [],
        });
        let event = json!({"roomId": room_id, "seq": seq, "prev": prev, "message": message});
        room.events.push(event.clone());
        let members = room.members.clone();
        self.publish(&members, "MessageCreated", &event);
        let stored = json!({"roomId": room_id, "seqs": [seq]});
        self.publish(&[user.to_owned()], "MessagesStored", &stored);
        Ok(json!({"seq": seq, "sentAt": "2026-01-01T00:00:00.000Z", "duplicate": false}))
    }

    fn list(&self, user: &str) -> Value {
        let rooms: Vec<_> = self
            .rooms
            .iter()
            .filter(|(_, room)| room.members.iter().any(|member| member == user))
            .map(|(id, room)| {
                let read = room.read.get(user).copied().unwrap_or_default();
                let unread = room
                    .events
                    .iter()
                    .filter(|event| event["seq"].as_u64().unwrap() > read)
                    .filter(|event| event["message"]["senderId"] != user)
                    .count();
                json!({"room": {"roomId": id}, "headSeq": room.head, "unread": unread.min(1000),
                       "readSeq": read, "deliveredSeq": 0})
            })
            .collect();
        json!({ "rooms": rooms })
    }

    fn resume(&self, user: &str, argument: &Value) -> Result<Value, String> {
        let mut rooms = Vec::new();
        for asked in argument["rooms"].as_array().unwrap() {
            let room_id = asked["roomId"].as_str().unwrap();
            let room = self
                .rooms
                .get(room_id)
                .filter(|room| room.members.iter().any(|member| member == user))
                .ok_or_else(|| error("notFound: There is no such room."))?;
            let after = asked["seq"].as_u64().unwrap();
            let mut events: Vec<_> =
                room.events.iter().filter(|event| event["seq"].as_u64().unwrap() > after).cloned().collect();
            for event in &mut events {
                event["type"] = json!("MessageCreated");
            }
            let truncated = events.len() > 500;
            if truncated {
                events.clear();
            }
            rooms.push(json!({"roomId": room_id, "events": events, "headSeq": room.head,
                              "truncated": truncated}));
        }
        Ok(json!({"rooms": rooms, "joined": [], "left": []}))
    }

    fn publish(&self, members: &[String], target: &str, argument: &Value) {
        let [json, packed] = [Protocol::Json, Protocol::MessagePack]
            .map(|protocol| encode_invocation(protocol, target, argument).unwrap());
        for connection in self.connections.values() {
            if members.contains(&connection.user) {
                let record = match connection.protocol {
                    Protocol::Json => json.clone(),
                    Protocol::MessagePack => packed.clone(),
                };
                let _ = connection.outbox.send(record);
            }
        }
    }
}

impl Room {
    fn history(&self, argument: &Value) -> Value {
        let limit = usize::try_from(argument["limit"].as_u64().unwrap_or(50)).unwrap();
        let after = argument["after"].as_u64();
        let before = argument["before"].as_u64().unwrap_or(u64::MAX);
        let found: Vec<_> = self
            .events
            .iter()
            .filter(|event| {
                let seq = event["seq"].as_u64().unwrap();
                seq > after.unwrap_or_default() && seq < before
            })
            .map(|event| event["message"].clone())
            .collect();
        let more = found.len() > limit;
        let cut = found.len().saturating_sub(limit);
        let page = if after.is_some() { &found[..found.len() - cut] } else { &found[cut..] };
        json!({"messages": page, "hasMore": more})
    }
}

fn texts(list: &Value) -> impl Iterator<Item = String> {
    let items = list.as_array().cloned().unwrap_or_default();
    items.into_iter().filter_map(|item| item.as_str().map(str::to_owned))
}

fn error(text: &str) -> String {
    format!("An unexpected error occurred invoking 'X' on the server. HubException: {text}")
}
