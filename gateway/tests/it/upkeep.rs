//! What the operator's tool leaves behind, as gateways read it: rooms rebuilt from tables that a backup was put back into,
//! or of which a person was erased. The queues, the functions and DynamoDB are real ones.

use std::time::Duration;

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType as Type,
};
use rts_common::ids::RoomId;
use rts_common::message::MessageContent;
use rts_common::redis::{Redis, RedisServers, upkeep};
use rts_common::store::Tables;
use rts_common::store::schema::{archive, messages, rooms};
use rts_common::store::upkeep::Keeper;
use rts_gateway::rooms::{RoomError, Sent};
use rts_persister::upkeep::{Times, Upkeep};

use crate::rollback::{World, person};
use crate::support::aws_of;

/// Makes tables as those of a backup: with the same keys, under other names.
async fn backup_tables(world: &World) -> Tables {
    let (config, tables) = aws_of(&world.cluster);
    let client = aws_sdk_dynamodb::Client::new(&config);
    let other = |name: &str| format!("{name}-restored");
    let restored =
        Tables { rooms: other(&tables.rooms), messages: other(&tables.messages), archive: other(&tables.archive) };
    let keys = [
        (&restored.rooms, (rooms::PK, Type::S), (rooms::SK, Type::S)),
        (&restored.messages, (messages::ROOM_MONTH, Type::S), (messages::SEQ, Type::N)),
        (&restored.archive, (archive::ORG, Type::S), (archive::ARCHIVED_AT_ROOM, Type::S)),
    ];
    for (table, hash, range) in keys {
        let mut create = client.create_table().table_name(table).billing_mode(BillingMode::PayPerRequest);
        for ((name, kind), part) in [(hash, KeyType::Hash), (range, KeyType::Range)] {
            let attribute = AttributeDefinition::builder().attribute_name(name).attribute_type(kind);
            create = create.attribute_definitions(attribute.build().unwrap());
            create =
                create.key_schema(KeySchemaElement::builder().attribute_name(name).key_type(part).build().unwrap());
        }
        create.send().await.unwrap();
    }
    restored
}

async fn bodies(world: &World, name: &str, room: &RoomId) -> Vec<String> {
    let found = world.history_of(&person(name), room).await.unwrap();
    found.into_iter().map(|message| message.content.body).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_reads_as_of_the_moment_to_which_its_tables_were_restored() {
    let world = World::start().await;
    let room = world.group(&["ann", "bob"]).await;
    let first = world.send(&room, "first").await;
    world.send(&room, "second").await;
    world.wait_stored(&room).await;
    let (config, tables) = aws_of(&world.cluster);
    let restored = backup_tables(&world).await;
    Keeper::connect(&config, restored.clone()).copy_from(&tables, true).await.unwrap();

    world.change(&room, first, MessageContent::bury, true).await;
    let third = world.send(&room, "third").await;
    world.remove(&room, "bob").await;
    world.wait_stored(&room).await;
    assert_eq!(bodies(&world, "ann", &room).await, ["", "second", "third"]);
    assert_eq!(world.rooms.view(&person("bob"), &room).await.err(), Some(RoomError::NotFound));

    Keeper::connect(&config, tables).copy_from(&restored, true).await.unwrap();
    assert!(upkeep::empty(&world.redis, true).await.unwrap() > 0);
    // Redis is rebuilt from the tables by whoever asks.
    for name in ["ann", "bob"] {
        assert!(world.rooms.rebuild(&room).await.unwrap());
        assert_eq!(bodies(&world, name, &room).await, ["first", "second"]);
    }
    let next = world.send(&room, "next").await;
    assert!(next > third, "no seq is given twice");
    assert_eq!(bodies(&world, "bob", &room).await, ["first", "second", "next"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_goes_on_without_the_person_who_was_erased() {
    let world = World::start().await;
    let room = world.group(&["ann", "bob"]).await;
    world.send(&room, "of ann").await;
    let (config, tables) = aws_of(&world.cluster);
    let servers = RedisServers::parse(&world.cluster.redis_url()).unwrap();
    let upkeep = Upkeep {
        keeper: Keeper::connect(&config, tables),
        redis: Some(Redis::new(&servers, |_, _| ()).unwrap()),
        files: None,
        times: Times { settle: Duration::ZERO, wait: Duration::from_secs(30), ..Times::default() },
    };
    // What is under way is waited for.
    let erased = upkeep.erase(&person("ann")).await.unwrap();
    assert_eq!((erased.messages, erased.memberships), (1, 2));

    assert!(world.rooms.rebuild(&room).await.unwrap());
    assert_eq!(bodies(&world, "bob", &room).await, [""]);
    let view = world.rooms.view(&person("bob"), &room).await.unwrap();
    let members: Vec<_> = view.snapshot.members.iter().map(|(member, _)| member.user_id.as_str()).collect();
    assert_eq!(members, ["bob"]);
    assert_eq!(world.rooms.view(&person("ann"), &room).await.err(), Some(RoomError::NotFound));
    let sent = world.show_of(&person("bob"), &room, "of bob").await;
    assert!(matches!(sent, Sent::New(_)));
    assert_eq!(bodies(&world, "bob", &room).await, ["", "of bob"]);
}
