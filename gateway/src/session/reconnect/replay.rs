//! Sent records that are not acknowledged, by number.

use std::collections::VecDeque;

use bytes::Bytes;
use rts_common::limits::REPLAY_BYTES;
use rts_common::signalr::{Protocol, first_record_bytes};

/// The bytes that answers may take on top: a client's acknowledgement is read only once the calls before it have room.
const ANSWER_BYTES: usize = 1024 * 1024;

/// Sent records from the first unacknowledged one on.
#[derive(Debug)]
pub(super) struct Replay {
    protocol: Protocol,
    /// One item each. They share their bytes with the other sessions that got the same records.
    records: VecDeque<Bytes>,
    bytes: usize,
    /// The number of the first, or of the next that is sent.
    first: u64,
}

impl Replay {
    pub(super) fn new(protocol: Protocol) -> Self {
        Self { protocol, records: VecDeque::new(), bytes: 0, first: 1 }
    }

    /// Appends complete records.
    pub(super) fn push(&mut self, mut records: Bytes) {
        self.bytes += records.len();
        while !records.is_empty() {
            let length = first_record_bytes(self.protocol, &records).unwrap_or(records.len());
            self.records.push_back(records.split_to(length));
        }
    }

    /// Drops all records up to a number. A number that was never sent counts as the last one that was.
    pub(super) fn acknowledge(&mut self, last: u64) {
        while self.first <= last
            && let Some(record) = self.records.pop_front()
        {
            self.bytes -= record.len();
            self.first += 1;
        }
        if self.records.is_empty() {
            self.records = VecDeque::new();
        }
    }

    /// Returns the number of the first unacknowledged record.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Returns the bytes that still fit; a single record may be larger.
    pub(super) fn room(&self) -> usize {
        REPLAY_BYTES.saturating_sub(self.bytes)
    }

    /// True if an answer may be sent.
    pub(super) fn takes_answers(&self) -> bool {
        self.bytes < REPLAY_BYTES + ANSWER_BYTES
    }

    /// Returns all records, in order.
    pub(super) fn records(&self) -> impl Iterator<Item = Bytes> {
        self.records.iter().cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_counted_one_by_one_and_dropped_by_number() {
        let mut replay = Replay::new(Protocol::Json);
        replay.push(Bytes::from_static(b"a\x1ebb\x1e"));
        replay.push(Bytes::from_static(b"ccc\x1e"));
        assert_eq!((replay.first(), replay.room()), (1, REPLAY_BYTES - 9));
        replay.acknowledge(1);
        assert_eq!(replay.records().collect::<Vec<_>>(), ["bb\x1e", "ccc\x1e"]);
        assert_eq!((replay.first(), replay.room()), (2, REPLAY_BYTES - 7));
        replay.acknowledge(0);
        replay.acknowledge(99);
        assert_eq!((replay.first(), replay.room(), replay.records.capacity()), (4, REPLAY_BYTES, 0));
        replay.push(Bytes::from_static(b"d\x1e"));
        assert_eq!((replay.first(), replay.records().count()), (4, 1));
    }

    #[test]
    fn message_pack_records_are_cut_by_their_length() {
        let mut replay = Replay::new(Protocol::MessagePack);
        replay.push(Bytes::from_static(b"\x02\x91\x06\x03\x92\x08\x01"));
        assert_eq!(replay.records().collect::<Vec<_>>(), [&b"\x02\x91\x06"[..], b"\x03\x92\x08\x01"]);
    }
}
