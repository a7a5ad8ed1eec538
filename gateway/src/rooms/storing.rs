//! How far storing has come: until it has passed the moment at which a room was rebuilt, the room may lack messages that
//! were accepted before, and whatever is counted in it is "at least".

use std::sync::atomic::{AtomicU64, Ordering};

use rts_common::seq::{Seq, Timestamp};

use super::Rooms;

/// The time up to which everything that SQS accepted is stored, in milliseconds; zero while nothing is known.
#[derive(Debug, Default)]
pub(super) struct Storing(AtomicU64);

impl Rooms {
    /// Notes that everything that SQS accepted before a time is stored.
    pub fn note_stored_until(&self, at: Timestamp) {
        self.storing.0.fetch_max(at.millis(), Ordering::Relaxed);
    }

    /// True if a room that was rebuilt at a moment may lack messages that were accepted before.
    pub(super) fn may_lack_messages(&self, rebuilt: Option<Seq>) -> bool {
        rebuilt.is_some_and(|rebuilt| rebuilt.timestamp().millis() >= self.storing.0.load(Ordering::Relaxed))
    }
}
