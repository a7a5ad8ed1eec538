//! The observations of one machine's users, on their way to the machine that checks.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::{Deserialize, Serialize};

use super::acks::Unacked;
use crate::checker::Tell;
use crate::sync::lock;

/// The most observations that may wait for the lead: some 50 MB, a few seconds of the most that a machine can receive.
const WAITING_MAX: usize = 1_000_000;

/// An observation for the lead. Names on the wire are short: there is one observation for each delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Said {
    /// A room, a time, and an observation of a member.
    #[serde(rename = "t")]
    Tell(u32, u64, Tell),
    /// A room was created: its number, id and head.
    #[serde(rename = "m")]
    Made(u32, String, u64),
    /// A user, and whether it is connected and has resumed.
    #[serde(rename = "o")]
    Online(u32, bool),
    /// Sends that were never acknowledged.
    #[serde(rename = "n")]
    Unacked(Unacked),
}

/// The observations waiting to be sent, in order. It is bounded: one that does not fit fails the run, because a
/// silently missing check is worse than none.
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

    /// Takes all waiting observations; an error if one did not fit.
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
