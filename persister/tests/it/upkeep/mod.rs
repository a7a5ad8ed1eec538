//! Export, erasure, and a backup put back, on the stand-in's tables and bucket and on a real Redis.

mod world;

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use rts_common::ids::RoomId;
use rts_common::record::MessageRecord;
use rts_common::redis::{keys, stored};
use rts_common::room::Role;
use rts_common::seq::Timestamp;
use rts_common::store::Tables;
use rts_common::store::upkeep::Keeper;
use rts_persister::upkeep::Subject;

use self::world::{ANN, BOB, World, life, org, person, text};
use crate::support::{Database, event_of, sdk_config, seq, store, user};

fn kinds(lines: &str) -> HashMap<String, usize> {
    let mut kinds = HashMap::new();
    for line in lines.lines() {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        *kinds.entry(value["type"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    kinds
}

#[tokio::test]
async fn an_export_is_whole_and_of_a_person_has_nothing_of_others() {
    let world = World::start().await;
    let life = life(&world, &org("acme")).await;
    let mut out = Vec::new();
    world.upkeep.export(&Subject::Person(person("acme", ANN)), &mut out).await.unwrap();
    let lines = String::from_utf8(out).unwrap();
    let expected = [
        ("export", 1),
        ("profile", 1),
        ("room", 3),
        ("message", 2),
        ("reaction", 2),
        ("mention", 1),
        ("file", 2),
        ("end", 1),
    ];
    assert_eq!(kinds(&lines), expected.map(|(kind, count)| (kind.to_owned(), count)).into(), "{lines}");
    for part in ["hunter2 is secret", "hunter2 again", "plan.pdf", "readSeq", life.group.as_str(), life.direct.as_str()]
    {
        assert!(lines.contains(part), "{part} in {lines}");
    }
    for part in ["hello all", "nothing of hers", "cho-Zq7"] {
        assert!(!lines.contains(part), "{part} in {lines}");
    }
    let (done, said) = world.data(&["export", "--org", "acme", "--everyone"]).await;
    assert!(done, "{said}");
    let lines = said.lines().filter(|line| line.starts_with('{')).collect::<Vec<_>>().join("\n");
    let expected = [("export", 1), ("profile", 2), ("room", 3), ("message", 4), ("file", 3), ("end", 1)];
    assert_eq!(kinds(&lines), expected.map(|(kind, count)| (kind.to_owned(), count)).into(), "{lines}");
    assert!(said.contains("4 messages") && lines.contains("cho-Zq7"), "{said}");
    // What is not stored is told.
    world.send(&org("acme"), &life.group, BOB, text(BOB, "just now")).await;
    let counts = world.upkeep.export(&Subject::Organization(org("acme")), &mut Vec::new()).await.unwrap();
    assert_eq!((counts.unstored, counts.messages), (1, 4));
}

#[tokio::test]
async fn of_an_erased_person_nothing_is_left_and_of_others_all() {
    let world = World::start().await;
    let acme = org("acme");
    let life = life(&world, &acme).await;
    let ann = person("acme", ANN);
    let (items, files, dump) = (world.items().await, world.keys_of_files().await, world.dump().await);
    let count = |items: &[String], text: &str| items.iter().filter(|item| item.contains(text)).count();
    assert!(count(&items, ANN) > 8 && !world.redis_with("hunter2").await.is_empty());

    // Looking changes nothing.
    let (done, said) = world.data(&["erase", "--org", "acme", "--user", ANN]).await;
    assert!(done && said.contains("--yes") && !said.contains("hunter2"), "{said}");
    let found = world.upkeep.would_erase(&ann).await.unwrap();
    assert_eq!((found.messages, found.touched, found.files, found.inherited, found.archived), (2, 1, 2, 1, 1));
    assert_eq!((world.items().await, world.keys_of_files().await), (items, files));
    assert_eq!(world.dump().await, dump);

    let erased = world.upkeep.erase(&ann).await.unwrap();
    assert_eq!((erased.messages, erased.touched, erased.files, erased.inherited, erased.archived), (2, 1, 2, 1, 1));
    let items = world.items().await;
    assert_eq!((count(&items, ANN), count(&items, "hunter2"), count(&items, "plan.pdf")), (0, 0, 0), "{items:#?}");
    assert_eq!((count(&items, "hello all"), count(&items, "nothing of hers")), (1, 1));
    assert_eq!(world.keys_of_files().await.len(), 1);
    assert_eq!(world.redis_with(ANN).await, [keys::person_revoked(&ann)]);
    assert!(world.redis_with("hunter2").await.is_empty());

    // Messages of others have their text, and the reactions and mentions of others; hers keep their places.
    let store = world.upkeep.keeper.store();
    let message = |record: &MessageRecord| (record.message.room_id.clone(), record.message.seq);
    let (room, seq) = message(&life.of_bob);
    let of_bob = store.message(&room, seq).await.unwrap().unwrap().content;
    assert_eq!((of_bob.body.as_str(), of_bob.mentions.len(), of_bob.reactions.len()), ("hello all", 1, 1));
    assert_eq!(of_bob.reactions[0].user_ids, [user("cho-Zq7")]);
    let (room, seq) = message(&life.secret);
    assert!(store.message(&room, seq).await.unwrap().unwrap().content.deleted);
    let stored = store.room(&life.group).await.unwrap().unwrap();
    let roles: Vec<_> = stored.members.iter().map(|(member, _)| (member.user_id.as_str(), member.role)).collect();
    assert_eq!(roles, [(BOB, Some(Role::Owner)), ("cho-Zq7", Some(Role::Member))]);

    // SQS delivers the message once more: it stays what it is. And a second run finds nothing.
    crate::support::store(&world.messages, event_of(&[life.secret])).await;
    assert_eq!(count(&world.items().await, "hunter2"), 0);
    let (done, said) = world.data(&["erase", "--org", "acme", "--user", ANN, "--settle", "0"]).await;
    assert!(done && said.contains("nothing is there"), "{said}");
    let again = world.upkeep.erase(&ann).await.unwrap();
    assert!(again.is_nothing(), "{again:?}");
}

#[tokio::test]
async fn what_is_not_stored_is_waited_for_and_a_dead_run_is_made_good() {
    let world = World::start().await;
    let acme = org("acme");
    let life = life(&world, &acme).await;
    let late = world.send(&acme, &life.group, ANN, text(ANN, "hunter2 late")).await;
    let error = world.upkeep.erase(&person("acme", ANN)).await.unwrap_err().to_string();
    assert!(error.contains("1 entries") && error.contains("dlq"), "{error}");
    store(&world.messages, event_of(&[late])).await;
    // A run that died after the tables, before Redis.
    let alias = user("erased-x");
    for record in [&life.secret] {
        world.upkeep.keeper.erase_message(&record.message, &alias).await.unwrap();
    }
    world.upkeep.keeper.remove_member(&life.group, &user(ANN)).await.unwrap();
    world.upkeep.erase(&person("acme", ANN)).await.unwrap();
    let left: Vec<_> =
        world.items().await.into_iter().filter(|item| item.contains(ANN) || item.contains("hunter2")).collect();
    assert!(left.is_empty(), "{left:#?}");
    assert_eq!(world.redis_with(ANN).await.len(), 1);
    // Without Redis, nothing is done.
    let mut upkeep = world.upkeep;
    upkeep.redis = None;
    assert!(upkeep.erase(&person("acme", BOB)).await.unwrap_err().to_string().contains("RTS_REDIS_URL"));
}

#[tokio::test]
async fn of_an_erased_organization_nothing_is_left_and_of_others_all() {
    let world = World::start().await;
    let (acme, other) = (org("acme-Zq7"), org("other"));
    let ended = life(&world, &acme).await;
    let before = (world.items().await.len(), world.dump().await.len());
    let elsewhere = life(&world, &other).await;
    world.send(&acme, &ended.group, BOB, text(BOB, "never stored")).await;
    let found = world.upkeep.erase_organization(&acme, false).await.unwrap();
    assert_eq!((found.rooms, found.messages, found.files, found.unstored), (3, 4, 3, 1));

    let (done, said) = world.data(&["erase", "--org", acme.as_str(), "--everyone", "--yes", "--settle", "0"]).await;
    assert!(done && said.contains("erased"), "{said}");
    let items = world.items().await;
    assert_eq!(items.len(), before.0, "those of the other one");
    assert!(!items.iter().any(|item| item.contains("acme-Zq7") || item.contains(ended.group.as_str())));
    assert_eq!(world.keys_of_files().await.len(), 3);
    let left = world.redis_with("acme-Zq7").await;
    assert!(left.iter().all(|key| key.ends_with(":revoked")), "{left:?}");
    for text in [ended.group.as_str(), ended.direct.as_str(), "never stored"] {
        assert!(world.redis_with(text).await.is_empty(), "{text}");
    }
    assert!(!world.redis_with(elsewhere.group.as_str()).await.is_empty());
    assert!(world.upkeep.erase_organization(&acme, true).await.unwrap().is_nothing());
}

#[tokio::test]
async fn tables_become_as_they_were_at_a_moment_and_redis_empty() {
    let world = World::start().await;
    let acme = org("acme");
    let life = life(&world, &acme).await;
    let backup = Database::start().await;
    let config = sdk_config(backup.endpoint());
    // A backup restored to new tables, as AWS does it.
    Keeper::connect(&config, backup.tables.clone()).copy_from(&world.database.tables, true).await.unwrap();
    let before = world.items().await;

    world.stored(&acme, &life.group, BOB, text(BOB, "after the moment")).await;
    world.upkeep.keeper.erase_message(&life.secret.message, &user("somebody")).await.unwrap();
    let Tables { rooms, messages, archive } = &backup.tables;
    let arguments = ["restore", "--rooms-from", rooms, "--messages-from", messages, "--archive-from", archive];
    let (done, said) = world.data(&arguments).await;
    assert!(done && said.contains("1 would be written, 1 would be removed") && said.contains("--yes"), "{said}");
    assert_ne!(world.items().await, before);

    // Not while a gateway runs.
    let mut running = redis::cmd("ZADD");
    running.arg(keys::formats()).arg(Timestamp::now().millis()).arg("1 n1");
    world.redis.command("running", &running).await.unwrap();
    let (done, said) = world.data(&[&arguments[..], &["--yes"]].concat()).await;
    assert!(!done && said.contains("1 gateways run"), "{said}");
    world.redis.command("stopped", redis::cmd("DEL").arg(keys::formats())).await.unwrap();
    let (done, said) = world.data(&[&arguments[..], &["--yes"]].concat()).await;
    assert!(done && said.contains("empty-redis"), "{said}");
    assert_eq!(world.items().await, before);
    let (done, said) = world.data(&arguments).await;
    assert!(done && !said.contains("1 would be"), "{said}");

    // Redis still has the message that came after.
    assert!(!world.redis_with("after the moment").await.is_empty());
    world.send(&acme, &life.group, BOB, text(BOB, "not stored")).await;
    let (done, said) = world.data(&["empty-redis", "--yes"]).await;
    assert!(!done && said.contains("--even-unstored"), "{said}");
    let other = redis::cmd("SET").arg("not ours").arg("1").clone();
    world.redis.command("other", &other).await.unwrap();
    let (done, said) = world.data(&["empty-redis", "--yes", "--even-unstored"]).await;
    assert!(done && said.contains("keys deleted"), "{said}");
    let left: Vec<_> = world.dump().await.into_iter().map(|(key, _)| key).collect();
    assert_eq!(left, ["not ours"]);
}

#[tokio::test]
async fn attributes_that_this_build_does_not_know_stay() {
    let world = World::start().await;
    let acme = org("acme");
    let life = life(&world, &acme).await;
    let message = &life.of_bob.message;
    let table = &world.database.tables.messages;
    let partition = format!("{}#{}", message.room_id, message.seq.month());
    let update = world.database.client.update_item().table_name(table);
    let update =
        update.key("roomMonth", AttributeValue::S(partition)).key("seq", AttributeValue::N(message.seq.to_string()));
    let update = update.update_expression("SET expiresAt = :at, newer = :at");
    update.expression_attribute_values(":at", AttributeValue::N("4102444800".to_owned())).send().await.unwrap();
    world.upkeep.erase(&person("acme", ANN)).await.unwrap();
    let kept = world.items().await.into_iter().find(|item| item.contains("hello all")).unwrap();
    assert_eq!(kept.matches("4102444800").count(), 2, "{kept}");
}

/// A list of rooms is one that a connection loads.
#[tokio::test]
async fn a_room_that_only_redis_knows_is_looked_at_too() {
    let world = World::start().await;
    let room = RoomId::new_group();
    let ann = person("acme", ANN);
    let listed = [(&room, seq(7), true)];
    stored::merge_rooms(&world.redis, &ann, stored::RoomList::Load, &listed).await.unwrap();
    let found = world.upkeep.would_erase(&ann).await.unwrap();
    assert_eq!((found.rooms, found.redis_keys), (1, 1));
    assert_eq!(world.upkeep.erase(&ann).await.unwrap().redis_keys, 1);
}
