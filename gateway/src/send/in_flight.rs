//! The messages that one connection has under way: its calls take effect in the order in which it made them, also
//! where it does not wait for one before it makes the next.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rts_common::ids::RoomId;
use tokio::sync::Notify;

/// Messages of one connection that are handed in, and have not happened yet; all of them to one room.
#[derive(Debug, Default)]
pub struct InFlight {
    begun: AtomicU64,
    ended: AtomicU64,
    room: Mutex<Option<RoomId>>,
    idle: Notify,
}

impl InFlight {
    /// Waits until those that are under way now have happened.
    pub async fn idle(&self) {
        let begun = self.begun.load(Ordering::Acquire);
        while self.ended.load(Ordering::Acquire) < begun {
            let mut idle = pin!(self.idle.notified());
            idle.as_mut().enable();
            // Once more, now that none can land unnoticed.
            if self.ended.load(Ordering::Acquire) < begun {
                idle.await;
            }
        }
    }

    /// One more, to this room: what was sent to another has to have happened before. A connection makes one call
    /// that changes something at a time, so that none takes off meanwhile.
    pub async fn begin(self: &Arc<Self>, room: &RoomId) -> InFlightSend {
        if !self.is_to(room) {
            self.idle().await;
            *self.room.lock().expect("no holder of this lock panics") = Some(room.clone());
        }
        self.begun.fetch_add(1, Ordering::AcqRel);
        InFlightSend(Arc::clone(self))
    }

    fn is_to(&self, room: &RoomId) -> bool {
        self.room.lock().expect("no holder of this lock panics").as_ref() == Some(room)
    }
}

/// One of them; dropped when it has happened.
#[derive(Debug)]
pub struct InFlightSend(Arc<InFlight>);

impl Drop for InFlightSend {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
        self.0.idle.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_room_takes_many_and_another_waits_for_them() {
        let flights = Arc::new(InFlight::default());
        let (one, other) = (RoomId::new_group(), RoomId::new_group());
        let first = flights.begin(&one).await;
        let second = flights.begin(&one).now_or_never().expect("a room keeps its order");
        assert!(flights.begin(&other).now_or_never().is_none());
        assert!(flights.idle().now_or_never().is_none());
        drop(first);
        assert!(flights.begin(&other).now_or_never().is_none());
        drop(second);
        assert!(flights.idle().now_or_never().is_some());
        let third = flights.begin(&other).now_or_never().expect("all have idle");
        let idle = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.idle().await }
        });
        tokio::task::yield_now().await;
        drop(third);
        idle.await.unwrap();
    }
}
