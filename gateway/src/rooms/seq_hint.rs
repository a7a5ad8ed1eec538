//! The hint of a room's next seq, which has to be higher: the highest that this node has seen, so that a failover that
//! lost the newest messages reuses none of their seqs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rts_common::ids::RoomId;
use rts_common::redis::keys::{PARTITIONS, Partition};
use rts_common::seq::Seq;

/// The hints of all rooms. There is one for each partition: a room's own would be gone once nobody here is subscribed
/// to it any more, and a failover whose clock is behind ends subscriptions.
#[derive(Debug)]
pub(super) struct SeqHints([SeqHint; PARTITIONS]);

/// The hint of a room; a clone is the same one.
#[derive(Clone, Debug, Default)]
pub struct SeqHint(Arc<AtomicU64>);

impl Default for SeqHints {
    fn default() -> Self {
        Self(std::array::from_fn(|_| SeqHint::default()))
    }
}

impl SeqHints {
    pub(super) fn of(&self, room: &RoomId) -> &SeqHint {
        &self.0[Partition::of_room(room).index()]
    }
}

impl SeqHint {
    /// Notes a seq that this node has seen.
    pub fn raise(&self, seq: Seq) {
        self.0.fetch_max(seq.get(), Ordering::Relaxed);
    }

    /// Returns the highest seq that was noted; zero at first.
    pub fn get(&self) -> Seq {
        Seq::new(self.0.load(Ordering::Relaxed)).unwrap_or_default()
    }
}
