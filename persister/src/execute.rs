//! Carries out a plan: many concurrent writes, each retried while that may help and time is left.

use futures_util::StreamExt as _;
use rts_common::store::writer::{Writer, Written};
use rts_common::store::{StoreError, backoff};
use tokio::time::{Instant, sleep, timeout_at};

use crate::plan::Planned;

/// Concurrent writes: a room's creation has up to a thousand, and each takes a connection of the SDK.
const WRITES_AT_ONCE: usize = 32;

/// The outcome of a plan.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// For each record of the batch, the reason why it is not stored.
    pub(crate) failures: Vec<Option<StoreError>>,
    /// The number of items written.
    pub(crate) applied: usize,
    /// The number of items that were already there, in this version or a later one.
    pub(crate) superseded: usize,
    /// The number of attempts beyond the first.
    pub(crate) retries: u32,
}

/// Writes all items of a plan, until a deadline; `records` is the size of the batch.
pub(crate) async fn execute(writer: &Writer, plan: &[Planned], records: usize, until: Instant) -> Outcome {
    let mut outcome = Outcome { failures: vec![None; records], ..Outcome::default() };
    for last in [false, true] {
        let (ready, waiting): (Vec<_>, Vec<_>) = plan
            .iter()
            .filter(|planned| planned.write.comes_last() == last)
            .partition(|planned| outcome.failure_among(&planned.records).is_none());
        for planned in waiting {
            // A write that should precede this one has failed; this one is delivered again with it.
            if let Some(failure) = outcome.failure_among(&planned.records).cloned() {
                outcome.fail(&planned.records, &failure);
            }
        }
        let mut under_way = futures_util::stream::iter(ready)
            .map(async |planned| (planned, write(writer, planned, until).await))
            .buffer_unordered(WRITES_AT_ONCE);
        while let Some((planned, (result, retries))) = under_way.next().await {
            outcome.retries += retries;
            match result {
                Ok(Written::Applied) => outcome.applied += 1,
                Ok(Written::Superseded) => outcome.superseded += 1,
                Err(failure) => outcome.fail(&planned.records, &failure),
            }
        }
    }
    outcome
}

impl Outcome {
    fn failure_among(&self, records: &[usize]) -> Option<&StoreError> {
        records.iter().find_map(|index| self.failures[*index].as_ref())
    }

    fn fail(&mut self, records: &[usize], failure: &StoreError) {
        for index in records {
            self.failures[*index].get_or_insert_with(|| failure.clone());
        }
    }
}

/// Makes one write with its retries; returns its outcome and their number.
async fn write(writer: &Writer, planned: &Planned, until: Instant) -> (Result<Written, StoreError>, u32) {
    let mut retries = 0;
    loop {
        let attempt = timeout_at(until, Box::pin(planned.write.apply(writer))).await;
        let failure = match attempt.unwrap_or(Err(StoreError::Unavailable)) {
            Ok(written) => return (Ok(written), retries),
            Err(failure) => failure,
        };
        let pause = backoff(retries);
        if !failure.is_retryable() || Instant::now() + pause >= until {
            return (Err(failure), retries);
        }
        sleep(pause).await;
        retries += 1;
    }
}
