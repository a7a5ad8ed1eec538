use std::collections::{HashMap, VecDeque};

use proptest::prelude::*;

use super::*;

const AFTER: Duration = Duration::from_secs(15);
const SECOND: u64 = 1000;

fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn clock() -> QueueClock {
    QueueClock { visibility: Duration::from_mins(3), receives: 5, ..QueueClock::default() }
}

fn note(decision: Decision) -> Journaled {
    match decision {
        Decision::Journal(note) => note,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_entry_that_nobody_journaled_is_due_after_its_time() {
    let version = Seq::of(at(1_000_000));
    let decide = |journaled, now| decide(version, journaled, &clock(), AFTER, at(now));
    assert_eq!(decide(None, 1_014_999), Decision::Wait);
    let mut known = note(decide(None, 1_015_000));
    // Without a known result it is requested twice more, and then left to the queue.
    let mut asked = vec![1_015_000];
    for now in (1_015_000..1_400_000).step_by(500) {
        if let Decision::Journal(again) = decide(Some(known), now) {
            known = again;
            asked.push(now);
        }
    }
    assert_eq!(asked, [1_015_000, 1_035_000, 1_075_000]);
    assert_eq!((known.requests, known.losses, known.accepted), (3, 0, false));
}

#[test]
fn an_accepted_entry_is_left_to_its_queue_for_as_long_as_that_may_hold_it() {
    let known = Journaled::accepted(at(0));
    let decide = |clock: &QueueClock, now| decide(Seq::ZERO, Some(known), clock, AFTER, at(now));
    let day = 86_400 * SECOND;
    assert_eq!(decide(&clock(), day), Decision::Wait, "the functions stand still");
    let moving = |told_at: u64| {
        let waits = Waits { longest: Duration::from_secs(100), told_at: at(told_at * SECOND) };
        QueueClock { waits: Some(waits), ..clock() }
    };
    assert_eq!(decide(&moving(159), 161 * SECOND), Decision::Wait, "it is not its turn yet");
    assert_eq!(decide(&moving(160), 161 * SECOND), Decision::Check);
    // A minute, five receives of three minutes, and twice the wait.
    assert_eq!(decide(&moving(1159), 1160 * SECOND), Decision::Check);
    assert_eq!(decide(&moving(1159), day), Decision::Check, "nothing is known since");
    assert_eq!(note(decide(&moving(1160), 1160 * SECOND)).losses, 1);
    let empty = QueueClock { empty_since: Some(at(100 * SECOND)), ..clock() };
    assert_eq!(decide(&empty, 159 * SECOND), Decision::Check);
    assert_eq!(note(decide(&empty, 160 * SECOND)).losses, 1);
    let just_empty = QueueClock { empty_since: Some(at(30 * SECOND)), ..clock() };
    assert_eq!(decide(&just_empty, 300 * SECOND), Decision::Check, "it may have been accepted after the count");
}

#[test]
fn a_dead_letter_is_journaled_again_ever_more_rarely() {
    let always_empty = |now: u64| QueueClock { empty_since: Some(at(now.saturating_sub(120 * SECOND))), ..clock() };
    let mut known = Journaled::accepted(at(0));
    let mut journaled = Vec::new();
    for now in (0..7200).map(|second| second * SECOND) {
        if let Decision::Journal(again) = decide(Seq::ZERO, Some(known), &always_empty(now), AFTER, at(now)) {
            journaled.push(now / SECOND);
            known = Journaled { accepted: true, requests: 0, ..again };
        }
    }
    assert_eq!(journaled, [180, 360, 600, 1080, 2040, 3960]);
}

#[test]
fn all_is_stored_that_was_accepted_before_the_queue_was_empty_or_the_functions_were_so_far() {
    assert_eq!(clock().stored_until(at(1000 * SECOND)), None, "nothing is known");
    // The slack is a minute here.
    let empty = QueueClock { empty_since: Some(at(100 * SECOND)), ..clock() };
    assert_eq!(empty.stored_until(at(159 * SECOND)), None, "only just");
    assert_eq!(empty.stored_until(at(500 * SECOND)), Some(at(440 * SECOND)));
    let waits = Waits { longest: Duration::from_secs(100), told_at: at(400 * SECOND) };
    let lagging = QueueClock { waits: Some(waits), ..clock() };
    assert_eq!(lagging.stored_until(at(10_000 * SECOND)), Some(at(240 * SECOND)), "nothing is known since");
    let both = QueueClock { empty_since: Some(at(100 * SECOND)), ..lagging };
    assert_eq!(both.stored_until(at(500 * SECOND)), Some(at(440 * SECOND)));
}

#[test]
fn what_was_set_aside_is_only_looked_up_until_its_letter_is_about_to_end() {
    let known = Some(Journaled::set_aside(at(0)));
    let empty = |now: u64| QueueClock { empty_since: Some(at(SECOND)), ..clock_told(now) };
    let decide = |now| decide(Seq::ZERO, known, &empty(now), AFTER, at(now));
    let day = 86_400 * SECOND;
    for now in [SECOND, 3600 * SECOND, day, 13 * day - 1] {
        assert_eq!(decide(now), Decision::Check, "{now}");
    }
    let again = note(decide(13 * day));
    assert_eq!((again.requests, again.accepted, again.set_aside), (1, false, false));
}

fn clock_told(now: u64) -> QueueClock {
    QueueClock { waits: Some(Waits { longest: Duration::ZERO, told_at: at(now) }), ..clock() }
}

/// A queue that drops copies for five minutes, and functions with any lag behind it.
#[derive(Default)]
struct World {
    now: u64,
    index: HashMap<u64, (u64, Option<Journaled>)>,
    queue: VecDeque<(u64, u64)>,
    seen: HashMap<(u64, u8), u64>,
    /// Entries that the queue accepted, copies left out, of each message.
    entries: HashMap<u64, u32>,
    /// The time when a message was first journaled by a reconciler, of those that were never accepted.
    found: HashMap<u64, u64>,
    waits: Vec<(u64, u64)>,
    empty_since: Option<u64>,
}

/// The events of one step of five seconds.
#[derive(Clone, Debug)]
struct Step {
    /// For each new message: true if SQS accepts it from its own node, and true if that is noted.
    messages: Vec<(bool, bool)>,
    /// True if SQS accepts the reconcilers' entries, and true if its answer comes back.
    reconciler: (bool, bool),
    /// Number of entries that the functions store.
    stored: usize,
}

impl World {
    fn send(&mut self, message: u64, losses: u8) {
        let seen = self.seen.get(&(message, losses)).is_some_and(|at| self.now - at < 300 * SECOND);
        if !seen {
            self.seen.insert((message, losses), self.now);
            self.queue.push_back((message, self.now));
            *self.entries.entry(message).or_default() += 1;
        }
    }

    fn clock(&self) -> QueueClock {
        let recent = |within: u64| self.waits.iter().filter(move |(at, _)| at + within >= self.now);
        let longest = recent(1800 * SECOND).map(|(_, wait)| *wait).max();
        let told_at = recent(1800 * SECOND).map(|(at, _)| *at).max();
        let waits = longest.zip(told_at);
        let waits =
            waits.map(|(longest, told_at)| Waits { longest: Duration::from_millis(longest), told_at: at(told_at) });
        QueueClock { empty_since: self.empty_since.map(at), waits, ..clock() }
    }

    fn step(&mut self, step: &Step, number: u64) {
        self.now += 5 * SECOND;
        for (place, (accepted, noted)) in (0..).zip(&step.messages) {
            let message = number * 100 + place;
            let journaled = (*accepted && *noted).then(|| Journaled::accepted(at(self.now)));
            if *accepted {
                self.send(message, 0);
            }
            self.index.insert(message, (self.now, journaled));
        }
        for _ in 0..step.stored {
            let Some((message, sent)) = self.queue.pop_front() else { break };
            self.waits.push((self.now, self.now - sent));
            self.index.remove(&message);
        }
        // Counted after the functions, and before anything else.
        self.empty_since = self.queue.is_empty().then(|| self.empty_since.unwrap_or(self.now));
        self.reconcile(step.reconciler);
    }

    fn reconcile(&mut self, (takes, tells): (bool, bool)) {
        let clock = self.clock();
        let index: Vec<_> = self.index.iter().map(|(message, known)| (*message, *known)).collect();
        for (message, (accepted_at, journaled)) in index {
            let decision = decide(Seq::of(at(accepted_at)), journaled, &clock, AFTER, at(self.now));
            let Decision::Journal(note) = decision else { continue };
            self.found.entry(message).or_insert(self.now - accepted_at);
            if takes {
                self.send(message, note.losses);
            }
            let known = Journaled {
                accepted: takes && tells,
                requests: if takes && tells { 0 } else { note.requests },
                ..note
            };
            self.index.insert(message, (accepted_at, Some(known)));
        }
    }
}

fn step() -> impl Strategy<Value = Step> {
    let messages = prop::collection::vec((prop::bool::weighted(0.8), any::<bool>()), 0..4);
    let stored = prop_oneof![3 => Just(0_usize), 1 => 0..20_usize];
    (messages, any::<(bool, bool)>(), stored).prop_map(|(messages, reconciler, stored)| Step {
        messages,
        reconciler,
        stored,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// For any lag, and any lost answers of SQS.
    #[test]
    fn a_message_makes_two_entries_at_most_and_none_is_left_without_one(
        steps in prop::collection::vec(step(), 1..500),
        (stops, stopped) in (0..200_u64, 0..400_u64),
    ) {
        let mut world = World::default();
        let mut accepted = HashMap::new();
        for (number, step) in (1..).zip(&steps) {
            for (place, (taken, _)) in (0..).zip(&step.messages) {
                accepted.insert(number * 100 + place, *taken);
            }
            let is_stopped = (stops..stops + stopped).contains(&number);
            world.step(&Step { stored: if is_stopped { 0 } else { step.stored }, ..step.clone() }, number);
        }
        for (message, entries) in &world.entries {
            prop_assert!(*entries <= 2, "message {message} makes {entries} entries");
        }
        for (message, taken) in &accepted {
            let waited = world.now - world.index.get(message).map_or(world.now, |(since, _)| *since);
            if !taken && waited > 30 * SECOND {
                let found = world.found.get(message);
                prop_assert!(found.is_some_and(|after| *after <= 30 * SECOND), "{message}: {found:?}");
            }
        }
    }
}
