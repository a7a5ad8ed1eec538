//! The searches: what the present mechanism breaks, that the new one holds, and what each of its parts is needed for.

mod holds;
mod needed;
mod planted;

use std::time::Instant;

use rts_model::{Counterexample, Mechanism, Outcome, Promise, Scenario, explore};

/// The new mechanism.
const NEW: Mechanism = Mechanism::NEW;

fn search(scenario: &Scenario) -> Outcome {
    let begun = Instant::now();
    let outcome = explore(scenario);
    let (states, rests, name) = (outcome.states, outcome.rests, std::thread::current().name().map(str::to_owned));
    println!("{}: {states} states, {rests} at rest, {:?}", name.unwrap_or_default(), begun.elapsed());
    outcome
}

/// The search finds that a promise is broken, and the shortest way takes so many steps.
fn breaks(scenario: &Scenario, promise: Promise, steps: usize) -> Counterexample {
    let found = search(scenario).broken.expect("a promise is broken");
    println!("{found}");
    assert_eq!((found.promise, found.steps()), (promise, steps));
    found
}

/// All worlds are seen, at least so many; the room came to rest in some of them; no promise is broken in any.
fn holds(scenario: &Scenario, states_min: usize) {
    let outcome = search(scenario);
    if let Some(found) = &outcome.broken {
        panic!("{found}");
    }
    assert!(outcome.is_exhausted, "{} states were not all", outcome.states);
    assert!(outcome.states >= states_min && outcome.rests > 0, "too little happened: {outcome:?}");
}
