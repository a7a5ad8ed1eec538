use bytes::Bytes;
use rts_common::ids::OrgId;
use rts_common::room::{Room, RoomKind};
use rts_common::signalr::Protocol;
use serde_json::Value;

use super::*;
use crate::close_reason::CloseReason;
use crate::connection::Outbox;
use crate::rooms::{EventsAfter, Head};

fn seq(number: u64) -> Seq {
    Seq::new(number).unwrap()
}

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn session(name: &str) -> SessionHandle {
    SessionHandle {
        connection_id: ConnectionId::random(),
        person: Person { org: OrgId::parse("acme").unwrap(), user: user(name) },
        protocol: Protocol::Json,
        outbox: Arc::new(Outbox::default()),
    }
}

/// Returns the records that a session was sent: targets with the seq, if they have one.
fn heard(session: &SessionHandle) -> Vec<String> {
    let tell = |record: Bytes| {
        let record: Value = serde_json::from_slice(&record[..record.len() - 1]).unwrap();
        let target = record["target"].as_str().unwrap();
        match record["arguments"][0]["seq"].as_u64() {
            Some(seq) => format!("{target} {seq}"),
            None => target.to_owned(),
        }
    };
    session.outbox.drain().records.into_iter().map(tell).collect()
}

fn local_room() -> LocalRoom {
    LocalRoom::new(RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap(), SeqHint::default())
}

fn open(local: &mut LocalRoom, head: u64) {
    assert!(matches!(local.subscribed()[..], [Effect::Ask(None)]));
    local.answered(Answer::Head(Head { epoch: seq(1), seq: seq(head) }));
}

fn created(number: u64, prev: u64) -> String {
    let content = r#"{"senderId":"ann","clientId":"c","body":"hello"}"#;
    format!("c\n1\n{number}\n{prev}\n{number}\n1\nann\n{content}")
}

fn event_of(payload: &str) -> RoomEvent {
    match Publication::read(&local_room().id, payload).pop() {
        Some(Decoded::Known(Publication::Event(event))) => *event,
        other => panic!("{other:?}"),
    }
}

fn removed(number: u64, prev: u64, user: &str) -> String {
    let meta = r#"["org","acme","kind","group","name","","case","","by","ann","at","1","archived","0","v","1","seq","1","members","2"]"#;
    let body = format!(r#"{{"change":"memberRemoved","users":["{user}"],"meta":{meta},"members":[],"marks":[]}}"#);
    format!("u\n1\n{number}\n{prev}\n0\n0\nann\n{body}")
}

fn entrance_at(head: u64) -> JoinSnapshot {
    JoinSnapshot { room: room_at(head), is_new: true, events: Vec::new() }
}

fn room_at(head: u64) -> Room {
    Room {
        room_id: local_room().id,
        kind: RoomKind::Group,
        name: None,
        case_id: None,
        created_by: user("ann"),
        created_at: seq(0).timestamp(),
        archived: false,
        head_seq: seq(head),
        member_count: 2,
        members: None,
    }
}

fn signal() -> (OpenSignal, mpsc::Receiver<()>) {
    mpsc::channel(1)
}

/// Publishes a payload; returns the effects besides the writes to the sessions.
fn publish(local: &mut LocalRoom, payload: &str) -> Vec<Effect> {
    let mut effects = local.published(payload, Instant::now());
    effects.retain(|effect| !matches!(effect, Effect::Flush(_)));
    effects
}

#[tokio::test]
async fn a_new_session_waits_for_the_head_and_gets_all_events_after_it() {
    let mut local = local_room();
    let (ann, bob) = (session("ann"), session("bob"));
    let (open_signal, mut opened) = signal();
    assert!(local.register(ann.clone(), &open_signal), "nothing is known of the room yet");
    drop(open_signal);
    assert!(opened.try_recv().is_err());
    open(&mut local, 10);
    assert_eq!(opened.recv().await, None);
    publish(&mut local, &created(11, 10));
    let (open_signal, mut opened) = signal();
    assert!(!local.register(bob.clone(), &open_signal));
    drop(open_signal);
    assert_eq!(opened.recv().await, None, "an open room keeps nobody waiting");
    publish(&mut local, &created(12, 11));
    assert_eq!(heard(&ann), ["MessageCreated 11", "MessageCreated 12"]);
    assert_eq!(heard(&bob), ["MessageCreated 12"]);
    assert_eq!(local.hint.get().get(), 12);
    local.unregister(ann.connection_id);
    assert!(!local.is_idle());
    local.unregister(bob.connection_id);
    assert!(local.is_idle());
}

#[test]
fn a_removed_user_gets_that_event_and_nothing_after() {
    let mut local = local_room();
    let (ann, bob, bob_too) = (session("ann"), session("bob"), session("bob"));
    for session in [&ann, &bob, &bob_too] {
        local.register(session.clone(), &signal().0);
    }
    open(&mut local, 10);
    let effects = publish(&mut local, &removed(11, 10, "bob"));
    assert!(matches!(&effects[..], [Effect::Recheck(person)] if person.user == user("bob")));
    publish(&mut local, &created(12, 11));
    assert_eq!(heard(&ann), ["RoomUpdated 11", "MessageCreated 12"]);
    assert_eq!(heard(&bob), ["RoomRemoved"]);
    assert_eq!(heard(&bob_too), ["RoomRemoved"]);
    local.expel(&user("bob"));
    assert!(heard(&bob).is_empty(), "a second word about it is none");
    assert!(
        local.register(session("bob"), &signal().0),
        "a list of rooms that is behind does not bring them back unchecked"
    );
}

#[test]
fn a_joining_user_gets_the_room_and_then_the_events_it_lacks() {
    let mut local = local_room();
    let (ann, bob) = (session("ann"), session("bob"));
    local.register(ann.clone(), &signal().0);
    open(&mut local, 10);
    let join = local.hold(vec![bob.clone()], &signal().0).unwrap();
    for number in 11..14 {
        publish(&mut local, &created(number, number - 1));
    }
    assert!(heard(&bob).is_empty());
    // Read when 12 was the head.
    assert!(local.release(join, Some(&entrance_at(12))).is_empty());
    publish(&mut local, &created(14, 13));
    assert_eq!(heard(&bob), ["RoomAdded", "MessageCreated 13", "MessageCreated 14"]);
    assert_eq!(local.hold(vec![ann, bob], &signal().0), None, "all are in");
}

#[test]
fn a_new_member_misses_no_event_from_before_their_node_subscribed() {
    let mut local = local_room();
    let bob = session("bob");
    let join = local.hold(vec![bob.clone()], &signal().0).unwrap();
    open(&mut local, 12);
    publish(&mut local, &created(13, 12));
    let earlier = (11..14).map(|number| event_of(&created(number, number - 1))).collect();
    local.release(join, Some(&JoinSnapshot { room: room_at(12), is_new: true, events: earlier }));
    assert_eq!(heard(&bob), ["RoomAdded", "MessageCreated 11", "MessageCreated 12", "MessageCreated 13"]);
}

#[test]
fn a_room_read_ahead_of_the_channel_is_not_repeated() {
    let mut local = local_room();
    let bob = session("bob");
    let join = local.hold(vec![bob.clone()], &signal().0).unwrap();
    open(&mut local, 10);
    local.release(join, Some(&entrance_at(12)));
    for number in 11..14 {
        publish(&mut local, &created(number, number - 1));
    }
    assert_eq!(heard(&bob), ["RoomAdded", "MessageCreated 13"]);
}

#[test]
fn a_user_removed_while_joining_does_not_join() {
    let mut local = local_room();
    let bob = session("bob");
    let join = local.hold(vec![bob.clone()], &signal().0).unwrap();
    open(&mut local, 10);
    publish(&mut local, &removed(11, 10, "bob"));
    let effects = local.release(join, Some(&entrance_at(10)));
    assert!(matches!(&effects[..], [Effect::Recheck(person)] if person.user == user("bob")));
    assert!(heard(&bob).is_empty() && local.is_idle());
    // A removal that the room's snapshot already includes is an old one.
    let join = local.hold(vec![bob.clone()], &signal().0).unwrap();
    local.release(join, Some(&entrance_at(15)));
    publish(&mut local, &removed(12, 11, "bob"));
    publish(&mut local, &created(16, 12));
    assert_eq!(heard(&bob), ["RoomAdded", "MessageCreated 16"]);
}

#[test]
fn a_loss_closes_the_rooms_sessions() {
    let mut local = local_room();
    let (ann, bob) = (session("ann"), session("bob"));
    local.register(ann.clone(), &signal().0);
    open(&mut local, 10);
    let join = local.hold(vec![bob.clone()], &signal().0).unwrap();
    assert!(matches!(publish(&mut local, &created(14, 13))[..], [Effect::Ask(Some(_))]));
    let head = Head { epoch: seq(9), seq: seq(50) };
    let effects = local.answered(Answer::After(EventsAfter::Truncated { head }));
    assert!(matches!(&effects[..], [Effect::Resync(sessions)] if sessions.len() == 1));
    let effects = local.release(join, Some(&entrance_at(50)));
    assert!(matches!(&effects[..], [Effect::Resync(sessions)] if sessions.len() == 1));
    publish(&mut local, &created(51, 50));
    assert!(heard(&ann).is_empty() && heard(&bob).is_empty());
}

#[test]
fn a_slow_session_is_closed_and_costs_the_others_nothing() {
    let mut local = local_room();
    let slow = SessionHandle { outbox: Arc::new(Outbox::with_bounds(2, 10_000)), ..session("slow") };
    let ann = session("ann");
    local.register(slow.clone(), &signal().0);
    local.register(ann.clone(), &signal().0);
    open(&mut local, 10);
    for number in 11..16 {
        publish(&mut local, &created(number, number - 1));
    }
    assert_eq!(slow.outbox.closed(), Some(CloseReason::Slow));
    assert_eq!(heard(&ann).len(), 5);
}

#[test]
fn receipts_reach_all_members_together() {
    let mut local = local_room();
    let ann = session("ann");
    local.register(ann.clone(), &signal().0);
    open(&mut local, 10);
    let now = Instant::now();
    assert!(matches!(local.published("m\nbob\n10\n10", now)[..], [Effect::ReceiptsDue(_)]));
    assert!(local.published("m\nann\n9\n10", now).is_empty());
    local.tell_receipts(now);
    local.tell_receipts(now);
    assert_eq!(heard(&ann), ["ReceiptsUpdated"]);
}

#[test]
fn unreadable_events_are_skipped_without_a_gap() {
    let mut local = local_room();
    let ann = session("ann");
    local.register(ann.clone(), &signal().0);
    open(&mut local, 10);
    for payload in ["z\n1\n11\n10\n11\n1\nann\nwhat", "c\n1\n12\n11\n12\n1\nann\n{"] {
        assert!(publish(&mut local, payload).is_empty(), "{payload}");
    }
    publish(&mut local, &created(13, 12));
    assert_eq!(heard(&ann), ["MessageCreated 13"]);
}

#[test]
fn a_publication_without_a_place_makes_the_room_ask_the_stream() {
    for payload in ["", "c", "typing\nann", "c\n1\nx\n10\n", "b2\n1 2 3"] {
        let mut local = local_room();
        let ann = session("ann");
        local.register(ann.clone(), &signal().0);
        open(&mut local, 10);
        assert!(
            matches!(publish(&mut local, payload)[..], [Effect::Ask(Some(after))] if after == seq(10)),
            "{payload}"
        );
        let events = vec![event_of(&created(11, 10))];
        local.answered(Answer::After(EventsAfter::Whole { head: Head { epoch: seq(1), seq: seq(11) }, events }));
        assert_eq!(heard(&ann), ["MessageCreated 11"]);
    }
}
