//! What a machine has measured, as it travels: histograms whole, so that they can be added up.

use std::collections::BTreeMap;

use bytes::Bytes;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};
use serde::{Deserialize, Serialize};

use crate::engine::stats::{Count, Latency, Stats};

/// Of a second or so.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    /// As [`Count::ALL`].
    pub(super) counts: Vec<u64>,
    /// As [`Latency::ALL`], each in the format V2 of HDR histograms; empty where nothing was measured.
    pub(super) latencies: Vec<Bytes>,
    /// When they were made, by the run's clock.
    pub(super) at_us: u64,
    /// Sends under way then.
    pub(super) pending: u64,
    /// Why connections ended since the last time.
    pub(super) ends: BTreeMap<String, u64>,
    /// How far off its clock may be.
    pub(super) clock_error_us: u64,
}

impl Figures {
    /// Without a time, sends under way, ends, and the clock's error.
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

    /// What was measured; `None` if these are no figures.
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
