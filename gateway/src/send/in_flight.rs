//! The messages that one connection has under way: its calls take effect in the order in which it made them, also
//! where it does not wait for one before it makes the next.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rts_common::ids::RoomId;
use tokio::sync::Notify;

/// Messages of one connection that are handed in, and have not happened yet; all of them to one room.
#[derive(Debug, Default)]
pub struct Flights {
    begun: AtomicU64,
    ended: AtomicU64,
    room: Mutex<Option<RoomId>>,
    landed: Notify,
}

impl Flights {
    /// Waits until those that are under way now have happened.
    pub async fn landed(&self) {
        let begun = self.begun.load(Ordering::Acquire);
        while self.ended.load(Ordering::Acquire) < begun {
            let mut landed = pin!(self.landed.notified());
            landed.as_mut().enable();
            // Once more, now that none can land unnoticed.
            if self.ended.load(Ordering::Acquire) < begun {
                landed.await;
            }
        }
    }

    /// One more, to this room: what was sent to another has to have happened before. A connection makes one call
    /// at a time, so that none takes off meanwhile.
    pub async fn take_off(self: &Arc<Self>, room: &RoomId) -> Flight {
        if !self.is_to(room) {
            self.landed().await;
            *self.room.lock().expect("no holder of this lock panics") = Some(room.clone());
        }
        self.begun.fetch_add(1, Ordering::AcqRel);
        Flight(Arc::clone(self))
    }

    fn is_to(&self, room: &RoomId) -> bool {
        self.room.lock().expect("no holder of this lock panics").as_ref() == Some(room)
    }
}

/// One of them; dropped when it has happened.
#[derive(Debug)]
pub struct Flight(Arc<Flights>);

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::AcqRel);
        self.0.landed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn one_room_takes_many_and_another_waits_for_them() {
        let flights = Arc::new(Flights::default());
        let (one, other) = (RoomId::new_group(), RoomId::new_group());
        let first = flights.take_off(&one).await;
        let second = flights.take_off(&one).now_or_never().expect("a room keeps its order");
        assert!(flights.take_off(&other).now_or_never().is_none());
        assert!(flights.landed().now_or_never().is_none());
        drop(first);
        assert!(flights.take_off(&other).now_or_never().is_none());
        drop(second);
        assert!(flights.landed().now_or_never().is_some());
        let third = flights.take_off(&other).now_or_never().expect("all have landed");
        let landed = tokio::spawn({
            let flights = Arc::clone(&flights);
            async move { flights.landed().await }
        });
        tokio::task::yield_now().await;
        drop(third);
        landed.await.unwrap();
    }
}
