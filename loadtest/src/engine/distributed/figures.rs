//! The figures of a machine, as they travel: complete histograms, so that they can be merged.

use std::collections::BTreeMap;

use bytes::Bytes;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

use crate::engine::stats::{Count, Latency, Stats};

/// The figures of a second or so.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// The counts, as [`Count::ALL`].
    pub(super) counts: Vec<u64>,
    /// The histograms, as [`Latency::ALL`], each in the HDR format V2; empty if nothing was measured.
    pub(super) latencies: Vec<Bytes>,
    /// The time when they were made, by the run's clock.
    pub(super) at_us: u64,
    /// The number of sends in flight at that time.
    pub(super) pending: u64,
    /// The reasons why connections ended since the last time.
    pub(super) ends: BTreeMap<String, u64>,
    /// The possible error of the machine's clock.
    pub(super) clock_error_us: u64,
}

impl Figures {
    /// Packs figures without a time, sends in flight, ends, and the clock's error.
    pub(super) fn new(stats: &Stats) -> Self {
        let mut serializer = V2Serializer::new();
        let mut pack = |histogram: &Histogram<u64>| {
            let mut packed = Vec::new();
            if !histogram.is_empty() {
                serializer.serialize(histogram, &mut packed).expect("a histogram fits into memory twice");
            }
            packed.into()
        };
        Self {
            counts: Count::ALL.into_iter().map(|count| stats.count(count)).collect(),
            latencies: Latency::ALL.into_iter().map(|latency| pack(stats.latency(latency))).collect(),
            at_us: 0,
            pending: 0,
            ends: BTreeMap::new(),
            clock_error_us: 0,
        }
    }

    /// Unpacks the figures; `None` if they are malformed.
    pub(super) fn stats(&self) -> Option<Stats> {
        let mut stats = Stats::new();
        if self.counts.len() != Count::ALL.len() || self.latencies.len() != Latency::ALL.len() {
            return None;
        }
        for (count, number) in Count::ALL.into_iter().zip(&self.counts) {
            stats.add(count, *number);
        }
        for (latency, packed) in Latency::ALL.into_iter().zip(&self.latencies) {
            if !packed.is_empty() {
                let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut packed.as_ref()).ok()?;
                stats.add_latencies(latency, &histogram)?;
            }
        }
        Some(stats)
    }
}
