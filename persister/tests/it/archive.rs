//! The archive index always agrees with the stored facts, in whatever order and however often records arrive.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use proptest::prelude::*;
use rts_common::ids::{CaseId, OrgId, RoomId};
use rts_common::record::{RoomChange, RoomRecord};
use rts_common::room::{Closing, RoomFacts};
use rts_common::seq::Timestamp;

use crate::replays::{batches, check, deliveries};
use crate::support::{Database, event_of, facts, room_record, seq, store, user};

/// A closing at a version, or an opening.
fn change(room: &RoomId, org: &OrgId, version: u64, archived: bool) -> RoomRecord {
    let facts = RoomFacts {
        archived_at: archived.then(|| Timestamp::from_millis(1_767_225_600_000 + version)),
        case_id: Some(CaseId::parse("case").unwrap()),
        ..facts(version)
    };
    let mut record = room_record(room, Some(facts), vec![]);
    record.org = org.clone();
    if let RoomChange::Room { closing, .. } = &mut record.change {
        *closing = archived.then(|| Closing {
            members: vec![user("ann")],
            first_seq: seq(1),
            last_seq: seq(version),
            message_count: version,
        });
    }
    record
}

/// Returns the index of an organization: time of closing → version that closed it.
async fn index(database: &Database, org: &OrgId) -> BTreeMap<String, String> {
    let found = database
        .client
        .query()
        .table_name(&database.tables.archive)
        .key_condition_expression("org = :org")
        .expression_attribute_values(":org", AttributeValue::S(org.to_string()))
        .consistent_read(true)
        .send()
        .await
        .unwrap();
    found
        .items()
        .iter()
        .map(|item| (item["archivedAtRoom"].as_s().unwrap().clone(), item["version"].as_n().unwrap().clone()))
        .collect()
}

fn entry(room: &RoomId, version: u64) -> BTreeMap<String, String> {
    let at = Timestamp::from_millis(1_767_225_600_000 + version);
    [(format!("{at}#{room}"), version.to_string())].into()
}

fn org() -> OrgId {
    OrgId::parse(&format!("org-{}", RoomId::new_group())).unwrap()
}

#[tokio::test]
async fn a_late_record_brings_nothing_back() {
    let database = Database::start().await;
    let (org, room) = (org(), RoomId::new_group());
    let closed = change(&room, &org, 2, true);
    store(&database.rooms, event_of(&[change(&room, &org, 1, false)])).await;
    store(&database.rooms, event_of(std::slice::from_ref(&closed))).await;
    assert_eq!(index(&database, &org).await, entry(&room, 2));
    // Again, and with an earlier record.
    store(&database.rooms, event_of(&[closed.clone(), change(&room, &org, 1, false)])).await;
    assert_eq!(index(&database, &org).await, entry(&room, 2));
    store(&database.rooms, event_of(&[change(&room, &org, 3, false)])).await;
    store(&database.rooms, event_of(std::slice::from_ref(&closed))).await;
    assert_eq!(index(&database, &org).await, BTreeMap::new());
    store(&database.rooms, event_of(&[change(&room, &org, 4, true)])).await;
    store(&database.rooms, event_of(&[closed])).await;
    assert_eq!(index(&database, &org).await, entry(&room, 4));
    let found = database.store.facts_of(&[room.clone(), RoomId::new_group(), room.clone()]).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[&room].version, seq(4));
}

#[tokio::test]
async fn closings_at_the_same_time_end_in_the_last() {
    let database = Database::start().await;
    let (org, room) = (org(), RoomId::new_group());
    let writes = (1..=6).map(async |version| {
        let record = change(&room, &org, version, version % 2 == 0);
        crate::support::handle(&database.rooms, event_of(&[record])).await
    });
    futures_util::future::join_all(writes).await;
    // A record that lost too often against others is delivered again, as by SQS.
    store(&database.rooms, event_of(&[change(&room, &org, 6, true)])).await;
    assert_eq!(index(&database, &org).await, entry(&room, 6));
}

#[test]
fn any_order_and_any_duplicates_end_in_the_same_index() {
    let cases = (deliveries(6), prop::collection::vec(any::<bool>(), 6));
    check(&cases, &async |database: &Database, (deliveries, archived): (Vec<Vec<usize>>, Vec<bool>)| {
        let (org, room) = (org(), RoomId::new_group());
        let records: Vec<_> =
            (0_u64..).zip(&archived).map(|(index, archived)| change(&room, &org, index + 1, *archived)).collect();
        for batch in batches(&records, &deliveries) {
            store(&database.rooms, event_of(&batch)).await;
            // There are never two entries, or one that the facts do not know.
            let stored = database.store.facts_of(std::slice::from_ref(&room)).await.unwrap();
            let facts = &stored[&room];
            let expected =
                if facts.archived_at.is_some() { entry(&room, facts.version.get()) } else { BTreeMap::new() };
            assert_eq!(index(database, &org).await, expected);
        }
        let expected = if archived[5] { entry(&room, 6) } else { BTreeMap::new() };
        assert_eq!(index(database, &org).await, expected);
    });
}
