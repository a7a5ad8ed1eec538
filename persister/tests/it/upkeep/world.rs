//! Tables, a bucket and a Redis, and what people leave in them.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::config::Builder;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::Value;
use rts_common::files::{METADATA, object_key};
use rts_common::ids::{AttachmentId, ClientId, NodeId, OrgId, Person, RoomId};
use rts_common::message::{Attachment, MessageContent, MessageState, Reaction};
use rts_common::record::{FORMAT, MessageRecord, RoomChange, RoomRecord};
use rts_common::redis::{Redis, keys, read, scripts};
use rts_common::room::{Closing, Membership, Role, RoomFacts, RoomKind};
use rts_common::seq::{Seq, Timestamp};
use rts_common::store::upkeep::Keeper;
use rts_common::store::writer::Writer;
use rts_persister::upkeep::{Files, Times, Upkeep};
use rts_persister::{Notifier, Persister, Queue};
use serde_json::json;

use crate::support::{Database, RedisServer, event_of, marks, sdk_config, seq, store, user};

/// Tables, a bucket and a Redis, with functions between them.
pub(super) struct World {
    pub(super) database: Database,
    pub(super) server: RedisServer,
    pub(super) redis: Redis,
    pub(super) s3: aws_sdk_s3::Client,
    pub(super) bucket: String,
    pub(super) messages: Persister,
    pub(super) rooms: Persister,
    pub(super) upkeep: Upkeep,
}

impl World {
    pub(super) async fn start() -> Self {
        let (database, server) = (Database::start().await, RedisServer::start().await);
        let config = sdk_config(database.endpoint());
        let s3 = aws_sdk_s3::Client::from_conf(Builder::from(&config).force_path_style(true).build());
        let bucket = database.tables.rooms.to_lowercase().replace('_', "-");
        s3.create_bucket().bucket(&bucket).send().await.unwrap();
        let client = || Redis::new(&server.servers(), |_, _| ()).unwrap();
        let persister = |queue| {
            let writer = Writer::connect(&config, database.tables.clone());
            Persister::new(queue, writer, Notifier::new(Some(&server.servers())).unwrap())
        };
        let times = Times { settle: Duration::ZERO, wait: Duration::from_millis(300), ..Times::default() };
        let upkeep = Upkeep {
            keeper: Keeper::connect(&config, database.tables.clone()),
            redis: Some(client()),
            files: Some(Files::new(&config, &bucket)),
            times,
        };
        let (messages, rooms, redis) = (persister(Queue::Messages), persister(Queue::Rooms), client());
        // So that a dump shows texts as they are.
        assert_eq!(server.talk().await.say("CONFIG SET rdbcompression no").await, "+OK");
        Self { database, server, redis, s3, bucket, messages, rooms, upkeep }
    }

    /// Makes a room, in Redis and in the tables; the first member owns it.
    pub(super) async fn room(&self, org: &OrgId, kind: RoomKind, names: &[&str]) -> RoomId {
        let room = RoomId::new_group();
        let kind_text = if kind == RoomKind::Direct { "direct" } else { "group" };
        let mut arguments = vec![org.as_str(), names[0], kind_text, "plans", ""];
        arguments.extend(names.iter().flat_map(|name| [*name, if *name == names[0] { "o" } else { "m" }, "Name"]));
        let made = self.redis.run(&scripts::CREATE_ROOM, &keys::room(&room), &arguments).await.unwrap();
        let made: Vec<String> = read(made).unwrap();
        let version = Seq::parse(&made[1]).unwrap();
        let facts = RoomFacts {
            kind,
            name: Some("plans".to_owned()),
            case_id: None,
            created_by: user(names[0]),
            created_at: version.timestamp(),
            archived_at: None,
            version,
        };
        let members = names.iter().enumerate().map(|(index, name)| Membership {
            user_id: user(name),
            display_name: format!("{name} by name"),
            role: Some(if index == 0 { Role::Owner } else { Role::Member }),
            version,
            joined_seq: seq(u64::try_from(names.len() - index).unwrap()),
        });
        let change = RoomChange::Room {
            room_id: room.clone(),
            version,
            facts: Some(facts),
            members: members.collect(),
            closing: None,
        };
        store(&self.rooms, event_of(&[RoomRecord { v: FORMAT, org: org.clone(), change }])).await;
        room
    }

    /// Sends a message, and returns its record, which is not stored.
    pub(super) async fn send(&self, org: &OrgId, room: &RoomId, name: &str, content: MessageContent) -> MessageRecord {
        let body = serde_json::to_string(&content).unwrap();
        let client = content.client_id.to_string();
        let arguments = ["1", "0", "1", org.as_str(), name, &client, &body, "", "accept", "0"];
        let sent: Vec<String> =
            read(self.redis.run(&scripts::SEND, &keys::room(room), &arguments).await.unwrap()).unwrap();
        let parts: Vec<&str> = sent[0].split(' ').collect();
        assert_eq!(parts[0], "sent", "{sent:?}");
        let seq = Seq::parse(parts[1]).unwrap();
        let ordinal = parts[2].parse().unwrap();
        let message = MessageState { room_id: room.clone(), seq, version: seq, ordinal, content };
        MessageRecord { v: FORMAT, org: org.clone(), origin: NodeId::parse("n1").unwrap(), message }
    }

    pub(super) async fn stored(
        &self,
        org: &OrgId,
        room: &RoomId,
        name: &str,
        content: MessageContent,
    ) -> MessageRecord {
        let record = self.send(org, room, name, content).await;
        store(&self.messages, event_of(std::slice::from_ref(&record))).await;
        record
    }

    /// Uploads a file of a user.
    pub(super) async fn file(&self, org: &OrgId, room: &RoomId, name: &str) -> AttachmentId {
        let id = AttachmentId::random();
        let promise =
            json!({"name": "plan.pdf", "type": "application/pdf", "size": 3, "sha256": "x", "user": name, "at": 1});
        let put = self.s3.put_object().bucket(&self.bucket).key(object_key(org, room, &id));
        let put = put.metadata(METADATA, URL_SAFE_NO_PAD.encode(promise.to_string())).body(b"pdf".to_vec().into());
        put.send().await.unwrap();
        id
    }

    pub(super) async fn keys_of_files(&self) -> Vec<String> {
        let listed = self.s3.list_objects_v2().bucket(&self.bucket).send().await.unwrap();
        listed.contents.unwrap_or_default().into_iter().filter_map(|object| object.key).collect()
    }

    /// Returns all items of the tables as text, in one order.
    pub(super) async fn items(&self) -> Vec<String> {
        let mut items = Vec::new();
        for table in [&self.database.tables.rooms, &self.database.tables.messages, &self.database.tables.archive] {
            let found = self.database.client.scan().table_name(table).consistent_read(true).send().await.unwrap();
            items.extend(found.items.unwrap_or_default().into_iter().map(|item| shown(&AttributeValue::M(item))));
        }
        items.sort();
        items
    }

    /// Returns all keys of Redis with their contents.
    pub(super) async fn dump(&self) -> Vec<(String, String)> {
        let all: Vec<String> = read(self.redis.command("keys", redis::cmd("KEYS").arg("*")).await.unwrap()).unwrap();
        let mut found = Vec::new();
        for key in all {
            let Value::BulkString(content) = self.redis.command("dump", redis::cmd("DUMP").arg(&key)).await.unwrap()
            else {
                panic!("{key} is gone");
            };
            found.push((key, String::from_utf8_lossy(&content).into_owned()));
        }
        found
    }

    /// Returns the keys of Redis in which a text occurs, in their names or contents.
    pub(super) async fn redis_with(&self, text: &str) -> Vec<String> {
        let dump = self.dump().await.into_iter();
        dump.filter(|(key, content)| key.contains(text) || content.contains(text)).map(|(key, _)| key).collect()
    }

    /// Runs the command, and returns what it prints.
    pub(super) async fn data(&self, arguments: &[&str]) -> (bool, String) {
        let mut command = Command::new(env!("CARGO_BIN_EXE_data"));
        let tables = &self.database.tables;
        let variables = [
            ("RTS_ROOMS_TABLE", tables.rooms.as_str()),
            ("RTS_MESSAGES_TABLE", &tables.messages),
            ("RTS_ARCHIVE_TABLE", &tables.archive),
            ("RTS_FILES_BUCKET", &self.bucket),
            ("RTS_REDIS_URL", &self.server.url()),
            ("AWS_ENDPOINT_URL", self.database.endpoint()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "test"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ];
        command.args(arguments).envs(variables);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }
}

/// Returns a value as text, with the parts of maps in order.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::M(map) => {
            let parts: BTreeMap<_, _> = map.iter().map(|(name, part)| (name, shown(part))).collect();
            format!("{parts:?}")
        }
        AttributeValue::L(list) => format!("{:?}", list.iter().map(shown).collect::<Vec<_>>()),
        other => format!("{other:?}"),
    }
}

pub(super) fn org(name: &str) -> OrgId {
    OrgId::parse(name).unwrap()
}

pub(super) fn person(org_name: &str, name: &str) -> Person {
    Person { org: org(org_name), user: user(name) }
}

pub(super) fn text(name: &str, body: &str) -> MessageContent {
    MessageContent::new(user(name), ClientId::parse(&format!("client of {name} {body}")).unwrap(), body.to_owned())
}

/// Ids that occur nowhere by chance.
pub(super) const ANN: &str = "ann-Zq7";
pub(super) const BOB: &str = "bob-Zq7";

/// What a person leaves behind.
pub(super) struct Life {
    pub(super) group: RoomId,
    pub(super) direct: RoomId,
    pub(super) secret: MessageRecord,
    pub(super) of_bob: MessageRecord,
}

/// Ann's life in an organization, with Bob's beside it.
pub(super) async fn life(world: &World, org: &OrgId) -> Life {
    let group = world.room(org, RoomKind::Group, &[ANN, "cho-Zq7", BOB]).await;
    let direct = world.room(org, RoomKind::Direct, &[ANN, BOB]).await;
    let attachment_id = world.file(org, &group, ANN).await;
    world.file(org, &group, ANN).await;
    world.file(org, &group, BOB).await;
    let mut secret = text(ANN, "hunter2 is secret");
    secret.attachments = vec![Attachment {
        attachment_id,
        file_name: "plan.pdf".to_owned(),
        content_type: "a/b".to_owned(),
        size_bytes: 3,
    }];
    secret.reactions = vec![Reaction { emoji: "👍".to_owned(), user_ids: vec![user(BOB)] }];
    let secret = world.stored(org, &group, ANN, secret).await;
    world.stored(org, &direct, ANN, text(ANN, "hunter2 again")).await;
    let mut hello = text(BOB, "hello all");
    hello.mentions = vec![user(ANN), user("cho-Zq7")];
    let both = |users: &[&str]| users.iter().map(|name| user(name)).collect();
    hello.reactions = vec![
        Reaction { emoji: "❤️".to_owned(), user_ids: both(&[ANN]) },
        Reaction { emoji: "👍".to_owned(), user_ids: both(&["cho-Zq7", ANN]) },
    ];
    let of_bob = world.stored(org, &group, BOB, hello).await;
    world.stored(org, &group, BOB, text(BOB, "nothing of hers")).await;
    for name in [ANN, BOB] {
        let display_name = format!("{name} by name");
        let change = RoomChange::Profile { user_id: user(name), display_name, version: seq(5) };
        store(&world.rooms, event_of(&[RoomRecord { v: FORMAT, org: org.clone(), change }])).await;
        let someone = Person { org: org.clone(), user: user(name) };
        world.redis.run(&scripts::NAME, &keys::person_profile(&someone), &[name]).await.unwrap();
    }
    let mut read_it = marks(&group, ANN, secret.message.seq.get(), secret.message.seq.get());
    read_it.org = org.clone();
    store(&world.rooms, event_of(&[read_it])).await;
    archive(world, org).await;
    Life { group, direct, secret, of_bob }
}

/// A room that was archived with both of them in it.
async fn archive(world: &World, org: &OrgId) {
    let room = RoomId::new_group();
    let facts = RoomFacts {
        kind: RoomKind::Group,
        name: None,
        case_id: None,
        created_by: user(BOB),
        created_at: Timestamp::now(),
        archived_at: Some(Timestamp::now()),
        version: seq(9),
    };
    let closing = Some(Closing {
        members: vec![user(ANN), user(BOB)],
        first_seq: Seq::ZERO,
        last_seq: Seq::ZERO,
        message_count: 0,
    });
    let members = [ANN, BOB].map(|name| Membership {
        user_id: user(name),
        display_name: name.to_owned(),
        role: Some(Role::Member),
        version: seq(9),
        joined_seq: Seq::ZERO,
    });
    let change =
        RoomChange::Room { room_id: room, version: seq(9), facts: Some(facts), members: members.to_vec(), closing };
    store(&world.rooms, event_of(&[RoomRecord { v: FORMAT, org: org.clone(), change }])).await;
}
