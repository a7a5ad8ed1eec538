use std::collections::{HashSet, VecDeque};
use std::sync::atomic::AtomicU32;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use rts_common::ids::{ClientId, NodeId, OrgId, RoomId, UserId};
use rts_common::message::{MessageContent, MessageState};
use rts_common::record::FORMAT;
use rts_common::seq::Seq;
use serde_json::{Value, json};

use super::*;

/// The endpoint's answer to one call.
#[derive(Clone, Copy)]
enum Plan {
    Accept,
    /// Refuses entries by their index: permanently, or for now.
    Entries {
        refused: usize,
        failed: usize,
    },
    Status(u16),
    Hang,
}

/// An SQS that answers by a plan.
struct Endpoint {
    url: String,
    state: Arc<EndpointState>,
}

#[derive(Default)]
struct EndpointState {
    plans: Mutex<VecDeque<Plan>>,
    otherwise: Mutex<Option<Plan>>,
    batches: Mutex<Vec<Vec<Value>>>,
    at_once: AtomicU32,
    at_once_max: AtomicU32,
}

impl Endpoint {
    async fn start(plans: impl IntoIterator<Item = Plan>) -> Self {
        let state =
            Arc::new(EndpointState { plans: Mutex::new(plans.into_iter().collect()), ..EndpointState::default() });
        let router = Router::new().route("/", post(answer)).with_state(Arc::clone(&state));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, state }
    }

    fn journal(&self, limits: JournalLimits) -> Journal {
        let credentials = Credentials::new("test", "test", None, None, "test");
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .endpoint_url(&self.url)
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build();
        let queue = format!("{}/000000000000/chat-message-queue.fifo", self.url);
        Journal::start(&config, &queue, limits, &Lifecycle::new())
    }

    fn otherwise(&self, plan: Plan) {
        *self.state.otherwise.lock().unwrap() = Some(plan);
    }

    fn batches(&self) -> Vec<Vec<Value>> {
        self.state.batches.lock().unwrap().clone()
    }
}

async fn answer(State(state): State<Arc<EndpointState>>, body: String) -> Response {
    let now = state.at_once.fetch_add(1, Ordering::SeqCst) + 1;
    state.at_once_max.fetch_max(now, Ordering::SeqCst);
    tokio::time::sleep(Duration::from_millis(10)).await;
    state.at_once.fetch_sub(1, Ordering::SeqCst);
    let request: Value = serde_json::from_str(&body).unwrap();
    let entries = request["Entries"].as_array().unwrap().clone();
    let planned = state.plans.lock().unwrap().pop_front();
    let plan = planned.or(*state.otherwise.lock().unwrap()).unwrap_or(Plan::Accept);
    let ids: Vec<_> = entries.iter().map(|entry| entry["Id"].clone()).collect();
    state.batches.lock().unwrap().push(entries);
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    for (index, id) in ids.into_iter().enumerate() {
        match plan {
            Plan::Entries { refused, .. } if index == refused => {
                failed.push(json!({"Id": id, "SenderFault": true, "Code": "InvalidMessageContents"}));
            }
            Plan::Entries { failed: at, .. } if index == at => {
                failed.push(json!({"Id": id, "SenderFault": false, "Code": "InternalFailure"}));
            }
            Plan::Status(status) => {
                let error = json!({"__type": "com.amazonaws.sqs#RequestThrottled"});
                return (StatusCode::from_u16(status).unwrap(), error.to_string()).into_response();
            }
            Plan::Hang => tokio::time::sleep(Duration::from_mins(1)).await,
            _ => successful.push(json!({"Id": id, "MessageId": "m", "MD5OfMessageBody": "x"})),
        }
    }
    json!({"Successful": successful, "Failed": failed}).to_string().into_response()
}

pub(super) fn message(number: u64, body: &str) -> MessageRecord {
    let version = Seq::new(number).unwrap();
    MessageRecord {
        v: FORMAT,
        org: OrgId::parse("acme").unwrap(),
        origin: NodeId::parse("node").unwrap(),
        message: MessageState {
            room_id: RoomId::parse("g_AAAAAAAAAAAAAAAAAAAAAA").unwrap(),
            seq: version,
            version,
            ordinal: number,
            content: MessageContent::new(UserId::parse("ann").unwrap(), ClientId::parse("c").unwrap(), body.to_owned()),
        },
    }
}

/// Returns a message to a new room: it shares its entry with no other.
pub(super) fn apart(number: u64) -> MessageRecord {
    let mut record = message(number, "hello");
    record.message.room_id = RoomId::parse(&format!("g_{number:022}")).unwrap();
    record
}

fn send(journal: &Journal, numbers: std::ops::Range<u64>) -> Vec<Ticket> {
    numbers.map(|number| journal.reserve().unwrap().message(apart(number))).collect()
}

#[tokio::test]
async fn entries_go_in_batches_several_at_once_with_group_dedup_id_and_trace() {
    let endpoint = Endpoint::start([]).await;
    let journal = endpoint.journal(JournalLimits::default());
    for ticket in send(&journal, 1..96) {
        assert_eq!(ticket.await, Ok(()));
    }
    assert_eq!(journal.depth(), 0);
    let batches = endpoint.batches();
    let sizes: Vec<_> = batches.iter().map(Vec::len).collect();
    assert!(sizes.iter().all(|size| *size <= 10) && sizes.len() <= 12, "{sizes:?}");
    assert!(endpoint.state.at_once_max.load(Ordering::SeqCst) > 1);
    let entries: Vec<_> = batches.into_iter().flatten().collect();
    let dedup_ids: HashSet<_> = entries.iter().map(|entry| entry["MessageDeduplicationId"].to_string()).collect();
    assert_eq!(dedup_ids.len(), 95);
    assert!(dedup_ids.contains(&format!("\"{}:7\"", apart(7).message.room_id)));
    for entry in &entries {
        let trace = entry["MessageAttributes"]["traceparent"]["StringValue"].as_str().unwrap();
        let lengths: Vec<_> = trace.split('-').map(str::len).collect();
        assert_eq!(lengths, [2, 32, 16, 2]);
        let record: MessageRecord = serde_json::from_str(entry["MessageBody"].as_str().unwrap()).unwrap();
        assert_eq!(entry["MessageGroupId"], record.message.room_id.as_str());
        assert_eq!(record, apart(record.message.ordinal));
    }
}

#[tokio::test]
async fn messages_of_one_call_share_entries_and_those_journaled_again_are_the_same_entries() {
    let endpoint = Endpoint::start([]).await;
    let journal = endpoint.journal(JournalLimits::default());
    for _ in 0..2 {
        let permits = (1..21).map(|number| (journal.reserve().unwrap(), message(number, "안녕\n\u{ffff}")));
        for ticket in journal.append(permits.collect()) {
            assert_eq!(ticket.await, Ok(()));
        }
    }
    let entries: Vec<_> = endpoint.batches().into_iter().flatten().collect();
    let bodies = entries.iter().map(|entry| entry["MessageBody"].as_str().unwrap());
    // They have no character that SQS would replace.
    let lines: Vec<_> = bodies.inspect(|body| assert!(!body.contains('\u{ffff}'))).flat_map(str::lines).collect();
    let records: Vec<MessageRecord> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let sent: Vec<_> = (1..21).map(|number| message(number, "안녕\n\u{ffff}")).collect();
    assert_eq!(records, [sent.clone(), sent].concat());
    let room = message(1, "").message.room_id;
    let ids: Vec<_> = entries.iter().map(|entry| entry["MessageDeduplicationId"].as_str().unwrap()).collect();
    let expected = [format!("{room}:1-16"), format!("{room}:17-20")];
    assert_eq!(ids, [expected.clone(), expected].concat());
    assert_eq!(journal.accepted().take(Duration::ZERO, 99, Instant::now()).len(), 40);
}

#[tokio::test]
async fn entries_are_refused_while_sqs_does_not_accept_them() {
    let endpoint = Endpoint::start([]).await;
    endpoint.otherwise(Plan::Status(503));
    let journal = endpoint.journal(JournalLimits::default());
    let (mut tickets, begun) = (Vec::new(), Instant::now());
    let busy = loop {
        match journal.reserve() {
            Ok(permit) => tickets.push(permit.message(apart(tickets.len() as u64))),
            Err(busy) => break busy,
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "all of {} are taken", tickets.len());
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(busy.retry_after >= Duration::from_millis(250) && busy.retry_after <= Duration::from_secs(5));
    let taken = tickets.len() as u64;
    for ticket in tickets {
        assert_eq!(ticket.await, Err(JournalError::Unavailable), "all are told while SQS still refuses");
    }
    assert_eq!((journal.depth() as u64, journal.accepted_records()), (taken, 0), "the entries go on");
    endpoint.otherwise(Plan::Accept);
    while journal.depth() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(journal.accepted_records(), taken, "what was taken is accepted in the end");
    assert_eq!(journal.accepted().take(Duration::ZERO, usize::MAX, Instant::now()).len() as u64, taken);
    assert!(!journal.is_failing());
    assert!(journal.reserve().is_ok());
}

#[tokio::test]
async fn a_waiter_for_an_entry_that_sqs_does_not_accept_is_notified_soon() {
    let endpoint = Endpoint::start([]).await;
    endpoint.otherwise(Plan::Entries { refused: usize::MAX, failed: 0 });
    let journal = endpoint.journal(JournalLimits::default());
    let permits = [1, 2].map(|number| (journal.reserve().unwrap(), apart(number)));
    let mut results = Vec::new();
    for (permit, record) in permits {
        results.push(permit.message(record).await);
    }
    assert_eq!(results, [Err(JournalError::Unavailable); 2]);
    assert_eq!(journal.depth(), 2, "both are still tried");
    endpoint.otherwise(Plan::Accept);
    while journal.depth() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(journal.accepted_records(), 2);
}

#[tokio::test]
async fn each_entrys_own_result_counts() {
    let plan = Plan::Entries { refused: 1, failed: 3 };
    let endpoint = Endpoint::start([plan]).await;
    let journal = endpoint.journal(JournalLimits::default());
    let mut results = Vec::new();
    for ticket in send(&journal, 1..11) {
        results.push(ticket.await);
    }
    let refused = results.iter().filter(|result| **result == Err(JournalError::Refused));
    assert_eq!(refused.count(), 1);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 9);
    assert_eq!(endpoint.batches().iter().map(Vec::len).collect::<Vec<_>>(), [10, 1]);
}

#[tokio::test]
async fn a_transient_failure_is_retried() {
    let endpoint = Endpoint::start([Plan::Status(503), Plan::Status(400)]).await;
    let journal = endpoint.journal(JournalLimits::default());
    for ticket in send(&journal, 1..3) {
        assert_eq!(ticket.await, Ok(()));
    }
    assert_eq!(endpoint.batches().len(), 3);
}

#[tokio::test]
async fn an_entry_is_given_up_at_its_deadline_also_one_that_was_never_sent() {
    let endpoint = Endpoint::start([]).await;
    endpoint.otherwise(Plan::Hang);
    let limits = JournalLimits { deadline: Duration::from_millis(700), ..JournalLimits::default() };
    let journal = endpoint.journal(limits);
    let begun = Instant::now();
    for ticket in send(&journal, 1..301) {
        assert_eq!(ticket.await, Err(JournalError::Unavailable));
    }
    // One call may be under way at the deadline.
    assert!(begun.elapsed() < Duration::from_secs(6), "{:?}", begun.elapsed());
    assert!(endpoint.batches().iter().map(Vec::len).sum::<usize>() < 300);
    assert_eq!(journal.depth(), 0);
}

#[tokio::test]
async fn a_full_journal_refuses_entries_until_it_has_room() {
    let endpoint = Endpoint::start([]).await;
    let limits = JournalLimits { places: 3, ..JournalLimits::default() };
    let journal = endpoint.journal(limits);
    let permits: Vec<_> = (0..3).map(|_| journal.reserve().unwrap()).collect();
    assert!(journal.reserve().is_err());
    drop(permits);
    assert!(journal.reserve().is_ok());
    let limits = JournalLimits { bytes: 10_000, ..JournalLimits::default() };
    let journal = endpoint.journal(limits);
    let ticket = journal.reserve().unwrap().message(message(1, &"x".repeat(10_000)));
    assert!(journal.reserve().is_err());
    assert_eq!(ticket.await, Ok(()));
    assert!(journal.reserve().is_ok());
}

#[tokio::test]
async fn a_flush_refuses_new_entries_and_waits_for_the_rest() {
    let endpoint = Endpoint::start([Plan::Status(500)]).await;
    let journal = endpoint.journal(JournalLimits::default());
    let late = journal.reserve().unwrap();
    drop(send(&journal, 1..30));
    let flush = tokio::spawn({
        let journal = journal.clone();
        async move { journal.flush(Duration::from_secs(10)).await }
    });
    while journal.reserve().is_ok() {
        tokio::task::yield_now().await;
    }
    let last = message(99, "a place that was taken can be filled");
    let late_id = format!("{}:99", last.message.room_id);
    drop(late.message(last));
    assert!(flush.await.unwrap());
    // The first batch is sent twice.
    let sent: HashSet<_> =
        endpoint.batches().into_iter().flatten().map(|entry| entry["MessageDeduplicationId"].to_string()).collect();
    assert_eq!(sent.len(), 30);
    let late = format!("\"{late_id}\"");
    assert!(sent.contains(&late), "{late} of {sent:?}");
    assert!(journal.flush(Duration::from_secs(1)).await, "an empty one is flushed at once");
}

#[tokio::test]
async fn a_flush_that_takes_too_long_says_so() {
    let endpoint = Endpoint::start([Plan::Hang]).await;
    let journal = endpoint.journal(JournalLimits::default());
    drop(send(&journal, 1..2));
    assert!(!journal.flush(Duration::from_millis(100)).await);
}
