//! What the users of one machine tell, on its way to the machine that checks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::acks::Unacked;
use crate::checker::Tell;
use crate::sync::lock;

/// So much may wait for the lead: some 50 MB, a few seconds of the most that a machine can receive.
const WAITING_MAX: usize = 1_000_000;

/// Something that the lead has to know. Names on the wire are short: there is one for each delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Said {
    /// A room, when, and what a member tells.
    #[serde(rename = "t")]
    Tell(u32, u64, Tell),
    /// A room was made: its number, id and head.
    #[serde(rename = "m")]
    Made(u32, String, u64),
    /// Whether a user is connected, and has resumed.
    #[serde(rename = "o")]
    Online(u32, bool),
    /// Sends that were never acknowledged.
    #[serde(rename = "n")]
    Unacked(Unacked),
}

/// Waits to be sent, in order. It is bounded: what does not fit makes the run a failed one, for a check
/// that is left out in silence is worse than none.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: Mutex<Vec<Said>>,
    is_overrun: AtomicBool,
}

impl Outbox {
    pub(super) fn push(&self, said: Said) {
        let mut waiting = lock(&self.waiting);
        if waiting.len() >= WAITING_MAX {
            self.is_overrun.store(true, Ordering::Relaxed);
            return;
        }
        waiting.push(said);
    }

    /// All that waits; an error if something did not fit.
    pub(super) fn take(&self) -> Result<Vec<Said>, Overrun> {
        if self.is_overrun.load(Ordering::Relaxed) {
            return Err(Overrun);
        }
        Ok(std::mem::take(&mut *lock(&self.waiting)))
    }
}

/// The lead takes the checks more slowly than they are made.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the lead takes the checks too slowly")]
pub(super) struct Overrun;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_never_left_out_in_silence() {
        let outbox = Outbox::default();
        outbox.push(Said::Online(1, true));
        assert_eq!(outbox.take().unwrap(), [Said::Online(1, true)]);
        for user in 0..=u32::try_from(WAITING_MAX).unwrap() {
            outbox.push(Said::Online(user, true));
        }
        assert!(outbox.take().is_err());
    }
}
