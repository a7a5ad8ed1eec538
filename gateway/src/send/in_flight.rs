//! The messages of one connection that are in flight: its calls take effect in the order in which it made them, even
//! where it does not wait for one before it makes the next.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use rts_common::ids::RoomId;
use tokio::sync::Notify;

/// Messages of one connection that are enqueued and have not taken effect yet; all of them are for one room.
#[derive(Debug, Default)]
pub struct InFlight {
    begun: AtomicU64,
    ended: AtomicU64,
    room: Mutex<Option<RoomId>>,
    idle: Notify,
}

impl InFlight {
    /// Waits until the messages that are in flight now have taken effect.
    pub async fn wait_idle(&self) {
        let begun = self.begun.load(Ordering::Acquire);
        while self.ended.load(Ordering::Acquire) < begun {
            let mut idle = pin!(self.idle.notified());
            idle.as_mut().enable();
            // Checked once more, now that no completion can be missed.
            if self.ended.load(Ordering::Acquire) < begun {
                idle.await;
            }
        }
    }

    /// Begins one more, for this room: messages for another have to take effect before. A connection makes one call at
    /// a time, so that none begins meanwhile.
    pub async fn begin(self: &Arc<Self>, room: &RoomId) -> InFlightSend {
        if !self.is_to(room) {
            self.wait_idle().await;
            *self.room.lock().expect("no holder of this lock panics") = Some(room.clone());
        }
        self.begun.fetch_add(1, Ordering::AcqRel);
        InFlightSend(Arc::clone(self))
    }

    fn is_to(&self, room: &RoomId) -> bool {
        self.room.lock().expect("no holder of this lock panics").as_ref() == Some(room)
    }
}

/// One message in flight; dropped when it has taken effect.
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
    async fn messages_to_one_room_do_not_wait_and_another_room_waits_for_them() {
        let in_flight = Arc::new(InFlight::default());
        let (one, other) = (RoomId::new_group(), RoomId::new_group());
        let first = in_flight.begin(&one).await;
        let second = in_flight.begin(&one).now_or_never().expect("a room keeps its order");
        assert!(in_flight.begin(&other).now_or_never().is_none());
        assert!(in_flight.wait_idle().now_or_never().is_none());
        drop(first);
        assert!(in_flight.begin(&other).now_or_never().is_none());
        drop(second);
        assert!(in_flight.wait_idle().now_or_never().is_some());
        let third = in_flight.begin(&other).now_or_never().expect("all have taken effect");
        let idle = tokio::spawn({
            let in_flight = Arc::clone(&in_flight);
            async move { in_flight.wait_idle().await }
        });
        tokio::task::yield_now().await;
        drop(third);
        idle.await.unwrap();
    }
}
