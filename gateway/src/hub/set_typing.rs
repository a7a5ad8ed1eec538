//! `SetTyping`: published to the other members in the room, at most about once a second, and stored nowhere.
//!
//! Clients repeat it every few seconds while the user types. They assume that a user has stopped after six seconds
//! without it, or when the user's message arrives.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use rts_common::ids::{Person, RoomId};
use serde::{Deserialize, Serialize};

use super::request::RoomRef;
use super::{Answer, Caller, Hub};
use crate::error::HubError;

/// The least time between two announcements that a user types in a room.
const PAUSE: Duration = Duration::from_secs(1);
/// Time for which it is remembered that a user was announced to have stopped.
const MEMORY: Duration = Duration::from_secs(10);
/// Number of entries above which those without effect are removed, at most once a second; about 200 bytes each.
const SWEEP_ABOVE: usize = 10_000;
/// Number of entries beyond which no others are remembered: those users may be announced more often.
const ENTRIES_MAX: usize = 100_000;

#[derive(Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub(super) struct Request {
    room_id: RoomRef,
    typing: bool,
}

#[derive(Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub(super) struct Response {}

/// The users last announced as typing, or as having stopped, from this node.
#[derive(Default)]
pub struct Typists {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    announced: HashMap<(Person, RoomId), Announced>,
    swept_at: Option<Instant>,
}

#[derive(Clone, Copy)]
struct Announced {
    typing: bool,
    at: Instant,
    /// The time when they were last announced as typing.
    typed_at: Option<Instant>,
}

pub(super) async fn run(hub: &Hub, caller: &Caller, request: Request) -> Result<Answer<Response>, HubError> {
    let room = request.room_id.id()?;
    let who = (caller.person.clone(), room.clone());
    let tell = hub.parts.typists.is_due(&who, request.typing, Instant::now());
    // Checked also when nothing is published: a user who may not type here gets the error each time.
    hub.parts.rooms.typing(&caller.person, room, request.typing, tell).await?;
    if tell {
        hub.parts.typists.note(who, request.typing, Instant::now());
    }
    Ok(Answer::now(Response {}))
}

impl Typists {
    /// True if it is to be published. A stop always is, once: otherwise the user would seem to keep typing.
    fn is_due(&self, who: &(Person, RoomId), typing: bool, now: Instant) -> bool {
        let told = self.lock().announced.get(who).copied();
        let Some(told) = told else { return true };
        let since = |moment: Instant| now.saturating_duration_since(moment);
        if typing { told.typed_at.is_none_or(|at| since(at) >= PAUSE) } else { told.typing || since(told.at) >= MEMORY }
    }

    /// Somebody sent a message, which says that they have stopped: if they type on, that is told at once.
    pub(super) fn sent(&self, person: &Person, room: &RoomId) {
        if let Some(told) = self.lock().announced.get_mut(&(person.clone(), room.clone())) {
            told.typing = false;
            told.typed_at = None;
        }
    }

    fn note(&self, who: (Person, RoomId), typing: bool, now: Instant) {
        let mut known = self.lock();
        let Known { announced, swept_at } = &mut *known;
        let is_swept = swept_at.is_some_and(|at| now.saturating_duration_since(at) < PAUSE);
        if announced.len() > SWEEP_ABOVE && !is_swept {
            announced.retain(|_, told| now.saturating_duration_since(told.at) < MEMORY);
            *swept_at = Some(now);
        }
        let before = announced.get(&who);
        if before.is_none() && announced.len() >= ENTRIES_MAX {
            return;
        }
        let typed_at = if typing { Some(now) } else { before.and_then(|told| told.typed_at) };
        announced.insert(who, Announced { typing, at: now, typed_at });
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use rts_common::ids::{OrgId, UserId};

    use super::*;

    #[test]
    fn memory_is_swept_at_most_once_a_second_however_many_type() {
        let typists = Typists::default();
        let person = Person { org: OrgId::parse("o").unwrap(), user: UserId::parse("u").unwrap() };
        let begin = Instant::now();
        let note = |millis| {
            let at = begin + Duration::from_millis(millis);
            typists.note((person.clone(), RoomId::new_group()), true, at);
            typists.lock().announced.len()
        };
        for _ in 0..=SWEEP_ABOVE {
            note(0);
        }
        let full = typists.lock().announced.len();
        assert_eq!(note(9900), full + 1, "swept, and all are remembered still");
        assert_eq!(note(10_100), full + 2, "forgotten by now, and not swept again so soon");
        assert_eq!(note(10_900), 3);
    }

    #[test]
    fn typing_is_published_once_a_second_and_its_end_once() {
        let typists = Typists::default();
        let person = Person { org: OrgId::parse("o").unwrap(), user: UserId::parse("u").unwrap() };
        let who = (person, RoomId::new_group());
        let begin = Instant::now();
        let at = |millis| begin + Duration::from_millis(millis);
        let told = |typing, millis| {
            let is_due = typists.is_due(&who, typing, at(millis));
            if is_due {
                typists.note(who.clone(), typing, at(millis));
            }
            is_due
        };
        assert!(told(true, 0));
        assert!(!told(true, 900), "a repetition");
        assert!(told(false, 950), "the end is always told");
        assert!(!told(false, 960));
        assert!(!told(true, 970), "too soon again");
        assert!(told(true, 1000));
        assert!(told(true, 2000), "said again while it lasts");
        assert!(told(false, 2100));
        assert!(!told(false, 12_000));
        assert!(told(false, 12_200));
        assert!(told(true, 12_300) && !told(true, 12_310));
        typists.sent(&who.0, &RoomId::new_group());
        assert!(!told(true, 12_320), "a message elsewhere");
        typists.sent(&who.0, &who.1);
        assert!(!told(false, 12_330), "the message has said so");
        assert!(told(true, 12_340), "at once again");
        let elsewhere = (who.0.clone(), RoomId::new_group());
        assert!(typists.is_due(&elsewhere, true, at(0)));
    }
}
