//! Fences: a gateway that rebuilds a room puts one behind all that it has in the room's group, and waits until it is
//! stored.

use std::collections::HashSet;

use futures_util::StreamExt as _;
use rts_common::record::FenceRecord;
use rts_common::store::writer::Writer;
use rts_common::store::{StoreError, backoff};
use tokio::time::{Instant, sleep, timeout_at};

use crate::batch::Received;
use crate::record::Record;

const WRITES_AT_ONCE: usize = 32;

/// Writes the fences of a batch, once all other records are written and told. One behind a failed record of its group is
/// not written: it is delivered again with that record. Returns the indexes of those that could not be written.
pub(crate) async fn write_fences(writer: &Writer, batch: &[Received], failed: &[bool], until: Instant) -> Vec<usize> {
    let mut broken = HashSet::new();
    let mut fences = Vec::new();
    for (index, (received, failed)) in batch.iter().zip(failed).enumerate() {
        let group = received.group.as_deref();
        if *failed {
            broken.insert(group);
        }
        if let Ok(Record::Fence(fence)) = &received.record
            && !broken.contains(&group)
        {
            fences.push((index, fence));
        }
    }
    futures_util::stream::iter(fences)
        .map(async |(index, fence)| (index, write(writer, fence, until).await))
        .buffer_unordered(WRITES_AT_ONCE)
        .filter_map(async |(index, written)| {
            let error = written.err()?;
            tracing::warn!(room = %batch_room(batch, index), %error, "a fence was not stored");
            Some(index)
        })
        .collect()
        .await
}

fn batch_room(batch: &[Received], index: usize) -> &str {
    batch[index].group.as_deref().unwrap_or("none")
}

async fn write(writer: &Writer, fence: &FenceRecord, until: Instant) -> Result<(), StoreError> {
    let mut retries = 0;
    loop {
        let attempt = timeout_at(until, Box::pin(writer.fence(&fence.room_id, fence.number))).await;
        let Err(failure) = attempt.unwrap_or(Err(StoreError::Unavailable)) else { return Ok(()) };
        let pause = backoff(retries);
        if !failure.is_retryable() || Instant::now() + pause >= until {
            return Err(failure);
        }
        sleep(pause).await;
        retries += 1;
    }
}
