//! The messages between machines.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::context::{Load, Stage};
use super::super::observation::Said;
use super::super::stats::{Count, Latency, Stats};
use super::figures::Figures;
use super::wire::{self, ToLead, ToWorker};
use crate::checker::{Content, Event, MessageKey, Resume, Tell};

async fn sent(message: &ToLead) -> ToLead {
    let mut bytes = Vec::new();
    wire::write(&mut bytes, message).await.unwrap();
    wire::read(&mut bytes.as_slice()).await.unwrap()
}

#[tokio::test]
async fn everything_that_is_said_arrives_as_it_was() {
    let key = MessageKey { sender: 3, number: 70_000 };
    let event = |content| Event { seq: 1_767_225_600_000_123, prev: 1_767_225_600_000_000, content };
    let tells = [
        Tell::Delivered(7, event(Content::Message(key))),
        Tell::Delivered(7, event(Content::Foreign)),
        Tell::Delivered(7, event(Content::Other)),
        Tell::Acked(key, 9),
        Tell::Refused(key),
        Tell::Abandoned(key),
        Tell::Resumed(Resume { slot: 1, head: 5, truncated: true }),
        Tell::Reading(1),
        Tell::Read(1, true),
        Tell::Unread(1, 1000),
        Tell::History(vec![(1, None), (2, Some(key))]),
        Tell::HistoryEnd,
        Tell::Unverified(None, "why".to_owned()),
    ];
    let mut said: Vec<_> = tells.into_iter().map(|tell| Said::Tell(300, 5_000_000, tell)).collect();
    said.extend([Said::Made(1, "g_1".to_owned(), 77), Said::Online(5, false)]);
    let ToLead::Said(arrived) = sent(&ToLead::Said(said.clone())).await else { panic!("something else") };
    assert_eq!(arrived, said);

    // Deliveries are the most frequent.
    let mut bytes = Vec::new();
    wire::write(&mut bytes, &ToLead::Said(said[..1].to_vec())).await.unwrap();
    assert!(bytes.len() < 64, "{} bytes", bytes.len());

    let mut bytes = Vec::new();
    let load = Load { from: 0.5, to: 1.0, start_us: 7, end_us: u64::MAX / 2 };
    wire::write(&mut bytes, &ToWorker::Load(load)).await.unwrap();
    wire::write(&mut bytes, &ToWorker::Stage(Stage::Checking)).await.unwrap();
    let mut reader = bytes.as_slice();
    assert!(matches!(wire::read(&mut reader).await.unwrap(), ToWorker::Load(read) if read == load));
    assert!(matches!(wire::read(&mut reader).await.unwrap(), ToWorker::Stage(Stage::Checking)));
}

#[tokio::test]
async fn histograms_are_whole_after_their_journey() {
    let mut stats = Stats::new();
    for us in 1..5000 {
        stats.record(Latency::Delivery, us * us);
    }
    stats.add(Count::Delivered, 4999);
    let ends = BTreeMap::from([("dropped: x".to_owned(), 3)]);
    let figures = Figures { pending: 12, ends: ends.clone(), clock_error_us: 40, ..Figures::new(&stats) };
    let ToLead::Figures(arrived) = sent(&ToLead::Figures(figures)).await else { panic!("something else") };
    assert_eq!((arrived.pending, &arrived.ends, arrived.clock_error_us), (12, &ends, 40));
    let mut merged = arrived.stats().unwrap();
    assert_eq!(merged.latency(Latency::Delivery), stats.latency(Latency::Delivery));
    assert_eq!(merged.count(Count::Delivered), 4999);
    // The figures of two machines add up.
    merged.merge(&arrived.stats().unwrap());
    let (both, one) = (merged.latency(Latency::Delivery), stats.latency(Latency::Delivery));
    assert_eq!((both.len(), both.value_at_quantile(0.99)), (2 * one.len(), one.value_at_quantile(0.99)));
}

#[tokio::test]
async fn a_frame_that_is_too_long_or_cut_off_is_refused() {
    let mut long = u32::MAX.to_be_bytes().to_vec();
    long.extend([0; 100]);
    assert!(wire::read::<ToLead>(&mut long.as_slice()).await.is_err());
    let mut bytes = Vec::new();
    wire::write(&mut bytes, &ToLead::Ask(1)).await.unwrap();
    bytes.pop();
    assert!(wire::read::<ToLead>(&mut bytes.as_slice()).await.is_err());
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend(&body);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            if let Ok(ToLead::Figures(figures)) = wire::read::<ToLead>(&mut frame.as_slice()).await {
                let _ = figures.stats();
            }
            let _ = wire::read::<ToWorker>(&mut frame.as_slice()).await;
        });
    }
}
