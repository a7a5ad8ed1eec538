//! A separate Redis, with the rooms and messages of a test.

use std::sync::Arc;

use aws_config::{BehaviorVersion, Region};
use rts_common::ids::{ClientId, OrgId, Person, RoomId, UserId};
use rts_common::message::{MessageContent, MessageState};
use rts_common::redis::{CallObserver, Redis, keys};
use rts_common::retention::Retention;
use rts_common::room::{Role, RoomKind};
use rts_common::seq::{Seq, Timestamp};
use rts_common::store::{Direction, Store, Tables};
use rts_gateway::rooms::{
    Attempt, CreatedRoom, HistoryPage, HistoryRange, MessageAt, MessageChange, NewRoom, RoomError, Rooms, Sending, Sent,
};

use crate::support::{self, RedisServer};

pub(super) struct World {
    _server: RedisServer,
    pub(super) redis: Arc<Redis>,
    pub(super) rooms: Rooms,
}

impl World {
    pub(super) fn new() -> Self {
        Self::keeping(Retention::default())
    }

    /// Starts a Redis in which messages expire.
    pub(super) fn keeping(retention: Retention) -> Self {
        Self::observed(retention, |_, _| ())
    }

    /// Starts a Redis whose calls are noted.
    pub(super) fn observed(retention: Retention, observe: CallObserver) -> Self {
        let server = RedisServer::start();
        let redis = server.observed(observe);
        let config = aws_config::SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url("http://127.0.0.1:9")
            .build();
        let rooms = Rooms::new(redis.clone(), Store::connect(&config, Tables::default()).with_retention(retention));
        Self { _server: server, redis, rooms }
    }

    pub(super) async fn group(&self, names: &[&str]) -> RoomId {
        let room_id = RoomId::new_group();
        let creator = person(names[0]);
        let members = names
            .iter()
            .enumerate()
            .map(|(index, name)| {
                let role = if index == 0 { Role::Owner } else { Role::Member };
                (person(name).user, role, format!("Name of {name}"))
            })
            .collect();
        let new = NewRoom {
            room_id: &room_id,
            creator: &creator,
            kind: RoomKind::Group,
            name: Some("방"),
            case_id: None,
            members,
        };
        assert!(matches!(self.rooms.create(&new).await.unwrap(), CreatedRoom::New(_)));
        room_id
    }

    /// Returns the room's own entries in the unstored index of its partition.
    pub(super) async fn unstored(&self, room: &RoomId) -> Vec<String> {
        let mut command = redis::cmd("ZRANGE");
        command.arg(keys::Partition::of_room(room).unstored()).arg(0).arg(-1);
        let all: Vec<String> = rts_common::redis::read(self.redis.command("test", &command).await.unwrap()).unwrap();
        all.into_iter().filter(|entry| entry.starts_with(&format!("r:{room}:"))).collect()
    }

    /// Marks all journaled versions of the room as stored.
    pub(super) async fn store_room(&self, room: &RoomId) {
        let mut command = redis::cmd("ZREM");
        command.arg(keys::Partition::of_room(room).unstored()).arg(self.unstored(room).await);
        self.redis.command("test", &command).await.unwrap();
    }

    pub(super) async fn send(&self, room: &RoomId, from: &str, client_id: &str, body: &str) -> Sent {
        let person = person(from);
        let content = content(&person, client_id, body);
        let sending = Sending { person: &person, room, content: &content, accept: true };
        support::send(&self.rooms, &sending).await.unwrap()
    }

    pub(super) async fn say(&self, room: &RoomId, from: &str, client_id: &str) -> MessageState {
        match self.send(room, from, client_id, &format!("body of {client_id}")).await {
            Sent::New(state) => state,
            other => panic!("{other:?}"),
        }
    }

    /// Sends messages in one call.
    pub(super) async fn say_together(&self, room: &RoomId, from: &str, client_ids: &[String]) {
        let person = person(from);
        let contents: Vec<_> = client_ids.iter().map(|id| content(&person, id, "together")).collect();
        let sending = |content| Sending { person: &person, room, content, accept: true };
        let sent = self.rooms.send(&contents.iter().map(sending).collect::<Vec<_>>()).await;
        assert!(sent.iter().all(|attempt| matches!(attempt, Attempt::Done(Ok(Sent::New(_))))), "{sent:?}");
    }

    pub(super) async fn unread(&self, room: &RoomId, who: &str) -> u64 {
        self.rooms.view(&person(who), room).await.unwrap().unread
    }

    pub(super) async fn edit(
        &self,
        room: &RoomId,
        who: &str,
        seq: Seq,
        body: &str,
    ) -> Result<(MessageState, bool), RoomError> {
        let person = person(who);
        let at = MessageAt { person: &person, room, seq };
        self.rooms
            .change_message(at, |found| {
                let mut content = found.state.content.clone();
                body.clone_into(&mut content.body);
                content.edited_at = Some(Timestamp::now());
                Ok(Some(MessageChange::Edit(content)))
            })
            .await
    }

    pub(super) async fn delete(&self, room: &RoomId, who: &str, seq: Seq) -> Result<(MessageState, bool), RoomError> {
        let person = person(who);
        let at = MessageAt { person: &person, room, seq };
        self.rooms
            .change_message(at, |found| {
                let mut content = found.state.content.clone();
                content.bury();
                Ok(Some(MessageChange::Delete(content)))
            })
            .await
    }

    pub(super) async fn page(&self, room: &RoomId, after: u64, before: Option<u64>, limit: usize) -> HistoryPage {
        let range = HistoryRange {
            after: Seq::new(after).unwrap(),
            before: before.map(|seq| Seq::new(seq).unwrap()),
            direction: if after > 0 { Direction::Ascending } else { Direction::Descending },
            limit,
            bytes: 1 << 20,
        };
        self.rooms.history(&person("ann"), room, range).await.unwrap()
    }
}

pub(super) fn person(name: &str) -> Person {
    Person { org: OrgId::parse("acme").unwrap(), user: UserId::parse(name).unwrap() }
}

pub(super) fn content(person: &Person, client_id: &str, body: &str) -> MessageContent {
    MessageContent {
        sender_id: person.user.clone(),
        client_id: ClientId::parse(client_id).unwrap(),
        body: body.to_owned(),
        attachments: vec![],
        reply_to: None,
        mentions: Vec::new(),
        edited_at: None,
        deleted: false,
        reactions: vec![],
    }
}
