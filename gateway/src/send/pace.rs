//! The rate of calls of a busy room. Sans-IO.

use std::collections::HashMap;
use std::time::Duration;

use rts_common::ids::RoomId;
use tokio::time::Instant;

/// Calls that a room may make without waiting.
const BURST: f64 = 20.0;
/// Calls per second that it may make after that.
const PER_SECOND: f64 = 50.0;
/// Number of rooms above which quiet ones are forgotten; some 60 bytes each.
const SWEEP_ABOVE: usize = 4096;

/// The remaining calls of each room of a lane.
#[derive(Debug, Default)]
pub(super) struct Paces {
    rooms: HashMap<RoomId, Pace>,
}

#[derive(Debug)]
struct Pace {
    calls: f64,
    at: Instant,
}

impl Pace {
    fn at(&self, now: Instant) -> f64 {
        now.saturating_duration_since(self.at).as_secs_f64().mul_add(PER_SECOND, self.calls).min(BURST)
    }
}

impl Paces {
    /// Returns the time until a room may make another call.
    pub(super) fn wait(&self, room: &RoomId, now: Instant) -> Option<Duration> {
        let calls = self.rooms.get(room)?.at(now);
        (calls < 1.0).then(|| Duration::from_secs_f64((1.0 - calls) / PER_SECOND))
    }

    pub(super) fn count(&mut self, room: &RoomId, now: Instant) {
        if let Some(pace) = self.rooms.get_mut(room) {
            *pace = Pace { calls: (pace.at(now) - 1.0).max(0.0), at: now };
            return;
        }
        if self.rooms.len() >= SWEEP_ABOVE {
            self.rooms.retain(|_, pace| pace.at(now) < BURST);
        }
        self.rooms.insert(room.clone(), Pace { calls: BURST - 1.0, at: now });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_room_makes_fifty_calls_a_second_after_its_burst() {
        let (mut paces, room) = (Paces::default(), RoomId::new_group());
        let begun = Instant::now();
        let mut calls = 0;
        for millis in 0..2000 {
            let now = begun + Duration::from_millis(millis);
            if paces.wait(&room, now).is_none() {
                paces.count(&room, now);
                calls += 1;
            }
        }
        assert!((118..=121).contains(&calls), "{calls}");
        assert_eq!(paces.wait(&RoomId::new_group(), begun), None);
    }

    #[test]
    fn quiet_rooms_are_forgotten() {
        let mut paces = Paces::default();
        let now = Instant::now();
        for _ in 0..SWEEP_ABOVE {
            paces.count(&RoomId::new_group(), now);
        }
        paces.count(&RoomId::new_group(), now + Duration::from_secs(1));
        assert_eq!(paces.rooms.len(), 1);
    }
}
