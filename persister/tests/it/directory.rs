//! The directory and the texts by which users are found.

use aws_sdk_dynamodb::types::AttributeValue;
use rts_common::ids::OrgId;
use rts_common::names::fold;
use rts_common::record::{FORMAT, RoomChange, RoomRecord};
use rts_common::store::schema::rooms as names;

use crate::support::{Database, event_of, org, seq, store, user};

fn named(id: &str, name: &str, version: u64) -> RoomRecord {
    let change = RoomChange::Profile { user_id: user(id), display_name: name.to_owned(), version: seq(version) };
    RoomRecord { v: FORMAT, org: org(), change }
}

async fn found(database: &Database, query: &str) -> Vec<(String, String)> {
    let page = database.store.names(&org(), &fold(query), None, 100).await.unwrap();
    assert_eq!(page.next, None);
    page.found.into_iter().map(|found| (found.text, found.user_id.to_string())).collect()
}

fn texts(of: &[(&str, &str)]) -> Vec<(String, String)> {
    of.iter().map(|(text, id)| (fold(text), (*id).to_owned())).collect()
}

/// Writes a text as a function leaves it that dies.
async fn leave_over(database: &Database, text: &str, id: &str, version: u64) {
    database
        .client
        .put_item()
        .table_name(&database.tables.rooms)
        .item(names::PK, AttributeValue::S(names::directory_pk(&org())))
        .item(names::SK, AttributeValue::S(names::name_sk(&fold(text), &user(id))))
        .item(names::USER_ID, AttributeValue::S(id.to_owned()))
        .item(names::VERSION, AttributeValue::N(version.to_string()))
        .send()
        .await
        .unwrap();
}

#[tokio::test]
async fn people_are_found_by_words_and_id_within_their_organization() {
    let database = Database::start().await;
    let mut foreign = named("u3", "Ann Elsewhere", 1);
    foreign.org = OrgId::parse("other").unwrap();
    store(&database.rooms, event_of(&[named("u1", "Ann Lee", 1), named("u2", "이 안나", 1), foreign])).await;
    assert_eq!(found(&database, "a").await, texts(&[("ann lee", "u1")]));
    assert_eq!(found(&database, "LEE").await, texts(&[("lee", "u1")]));
    assert_eq!(found(&database, "아").await, texts(&[("안나", "u2")]));
    assert_eq!(found(&database, "u").await, texts(&[("u1", "u1"), ("u2", "u2")]));
    assert_eq!(found(&database, "").await.len(), 6);

    let first = database.store.names(&org(), "", None, 4).await.unwrap();
    let rest = database.store.names(&org(), "", first.next.as_deref(), 4).await.unwrap();
    assert_eq!((first.found.len(), rest.found.len(), rest.next), (4, 2, None));
    assert_eq!(first.next, first.found.last().map(rts_common::store::FoundName::place));
}

#[tokio::test]
async fn a_new_name_takes_the_texts_of_the_old_one_along() {
    let database = Database::start().await;
    for (name, version) in [("Ann Before", 5), ("Ann After", 9), ("Ann Late", 7), ("Ann After", 9), ("Ann Before", 5)] {
        store(&database.rooms, event_of(&[named("u1", name, version)])).await;
    }
    let expected = texts(&[("after", "u1"), ("ann after", "u1"), ("u1", "u1")]);
    assert_eq!(found(&database, "").await, expected);
    // Back to an earlier name.
    store(&database.rooms, event_of(&[named("u1", "Ann Before", 11)])).await;
    store(&database.rooms, event_of(&[named("u1", "Ann After", 9)])).await;
    assert_eq!(found(&database, "").await, texts(&[("ann before", "u1"), ("before", "u1"), ("u1", "u1")]));
}

#[tokio::test]
async fn a_function_that_died_at_any_step_is_made_good_by_the_same_record() {
    let database = Database::start().await;
    store(&database.rooms, event_of(&[named("u1", "Ann", 5)])).await;
    // After some texts, before the profile.
    leave_over(&database, "bea", "u1", 9).await;
    store(&database.rooms, event_of(&[named("u1", "Bea", 9)])).await;
    assert_eq!(found(&database, "").await, texts(&[("bea", "u1"), ("u1", "u1")]));
    // After the profile, before the old texts were removed.
    leave_over(&database, "ann", "u1", 5).await;
    store(&database.rooms, event_of(&[named("u1", "Bea", 9)])).await;
    assert_eq!(found(&database, "").await, texts(&[("bea", "u1"), ("u1", "u1")]));
    // After its texts, while a newer name was written.
    leave_over(&database, "late", "u1", 7).await;
    store(&database.rooms, event_of(&[named("u1", "Late", 7)])).await;
    assert_eq!(found(&database, "").await, texts(&[("bea", "u1"), ("u1", "u1")]));
}

#[tokio::test]
async fn names_that_come_at_once_leave_the_newest_and_nothing_else() {
    let database = Database::start().await;
    for round in 0..5_u64 {
        let versions: Vec<_> = (1..=4).map(|each| round * 10 + each).collect();
        let stored = versions.iter().map(|version| {
            let record = named("u1", &format!("Name{version} Same"), *version);
            let rooms = &database.rooms;
            async move {
                // A record given up after several attempts is delivered again, as by SQS.
                let event = event_of(&[record]);
                while !crate::support::handle(rooms, event.clone()).await.concat().is_empty() {}
            }
        });
        futures_util::future::join_all(stored).await;
        let newest = format!("name{} same", round * 10 + 4);
        assert_eq!(found(&database, "").await, texts(&[(&newest, "u1"), ("same", "u1"), ("u1", "u1")]));
    }
}
