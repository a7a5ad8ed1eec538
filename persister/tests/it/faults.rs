//! DynamoDB throttling, failing, refusing.

use std::time::Duration;

use rts_common::ids::RoomId;
use rts_common::room::Role;
use rts_common::store::Tables;
use rts_persister::Queue;
use tokio::time::Instant;

use crate::support::{
    FaultyDynamo, body, event, event_of, facts, handle, identifiers, membership, message, persister, room_record, seq,
    store,
};

#[tokio::test]
async fn throttled_writes_are_repeated_until_they_succeed() {
    let dynamo = FaultyDynamo::start(|number, _| match number {
        0 => Some("ProvisionedThroughputExceededException"),
        1 => Some("InternalServerError"),
        2 => Some("ThrottlingException"),
        _ => None,
    })
    .await;
    let persister = persister(Queue::Messages, &dynamo.endpoint, &Tables::default());
    let room = RoomId::new_group();
    store(&persister, event_of(&[message(&room, seq(1), seq(1))])).await;
    assert_eq!(dynamo.calls(), 4);
}

#[tokio::test]
async fn endless_throttling_ends_before_the_deadline_and_reports_every_record() {
    let dynamo = FaultyDynamo::start(|_, _| Some("RequestLimitExceeded")).await;
    let persister = persister(Queue::Messages, &dynamo.endpoint, &Tables::default());
    let room = RoomId::new_group();
    let batch = event_of(&[message(&room, seq(1), seq(1)), message(&room, seq(2), seq(2))]);
    let deadline = Instant::now() + Duration::from_secs(2);
    let response = persister.handle(batch, deadline).await.unwrap();
    assert!(Instant::now() < deadline);
    assert_eq!(identifiers(response), ["id-0", "id-1"]);
    assert!(dynamo.calls() >= 4, "{} calls", dynamo.calls());
}

#[tokio::test]
async fn an_invocation_without_time_left_reports_every_record() {
    let dynamo = FaultyDynamo::start(|_, _| Some("ThrottlingException")).await;
    let persister = persister(Queue::Messages, &dynamo.endpoint, &Tables::default());
    let batch = event_of(&[message(&RoomId::new_group(), seq(1), seq(1))]);
    let response = persister.handle(batch, Instant::now()).await.unwrap();
    assert_eq!(identifiers(response), ["id-0"]);
    assert!(dynamo.calls() <= 1);
}

#[tokio::test]
async fn a_dead_endpoint_reports_every_record() {
    let endpoint = FaultyDynamo::start(|_, _| None).await.endpoint.clone();
    let persister = persister(Queue::Messages, &endpoint, &Tables::default());
    let batch = event_of(&[message(&RoomId::new_group(), seq(1), seq(1))]);
    let deadline = Instant::now() + Duration::from_secs(1);
    let response = persister.handle(batch, deadline).await.unwrap();
    assert_eq!(identifiers(response), ["id-0"]);
}

#[tokio::test]
async fn a_superseded_write_is_a_success() {
    let dynamo = FaultyDynamo::start(|_, _| Some("ConditionalCheckFailedException")).await;
    let persister = persister(Queue::Messages, &dynamo.endpoint, &Tables::default());
    store(&persister, event_of(&[message(&RoomId::new_group(), seq(1), seq(1))])).await;
    assert_eq!(dynamo.calls(), 1);
}

#[tokio::test]
async fn without_a_side_queue_a_refused_record_is_written_once_more_and_stops_its_own_group_only() {
    let dynamo = FaultyDynamo::start(|_, body| body.contains("version 13").then_some("ValidationException")).await;
    let persister = persister(Queue::Messages, &dynamo.endpoint, &Tables::default());
    let (one, other) = (RoomId::new_group(), RoomId::new_group());
    let of = |room: &RoomId, at| (if *room == one { "one" } else { "other" }, body(&message(room, seq(at), seq(at))));
    let batch = event(&[of(&one, 12), of(&other, 1), of(&one, 13), of(&other, 2), of(&one, 14)]);
    assert_eq!(handle(&persister, batch).await, ["id-2", "id-4"]);
    assert_eq!(dynamo.calls(), 6);
}

#[tokio::test]
async fn facts_are_not_written_before_all_members_of_their_record() {
    let dynamo = FaultyDynamo::start(|_, body| body.contains("MEMBER#bob").then_some("ValidationException")).await;
    let persister = persister(Queue::Rooms, &dynamo.endpoint, &Tables::default());
    let members = vec![membership("ann", 1, Some(Role::Owner)), membership("bob", 1, Some(Role::Member))];
    let whole = room_record(&RoomId::new_group(), Some(facts(1)), members);
    let sound = room_record(&RoomId::new_group(), Some(facts(1)), vec![membership("ann", 1, None)]);
    assert_eq!(handle(&persister, event_of(&[whole, sound])).await, ["id-0"]);
    // Twice two members and then no facts; one member and its facts.
    assert_eq!(dynamo.calls(), 6);
}
