//! The search: breadth first through all worlds that a scenario allows, so that the first one that breaks a promise is
//! reached by the fewest steps.

use std::collections::HashSet;
use std::fmt;
use std::hash::{Hash, Hasher};

use crate::invariants::broken;
use crate::promise::Promise;
use crate::scenario::Scenario;
use crate::step::{self, Step};
use crate::world::World;

/// The result of a search.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Different worlds that were seen.
    pub states: usize,
    /// Of these, those in which nothing is under way any more, Redis having failed if it may.
    pub rests: usize,
    /// True if all worlds were seen that the scenario allows: not, if a promise is broken, or there are too many.
    pub is_exhausted: bool,
    /// The promise that was broken first, and how.
    pub broken: Option<Counterexample>,
}

/// The fewest steps that break a promise. Displays as one line a step.
#[derive(Clone, Debug)]
pub struct Counterexample {
    /// Which.
    pub promise: Promise,
    first: World,
    steps: Vec<Step>,
    scenario: Scenario,
}

impl Counterexample {
    /// Returns the number of steps.
    pub fn steps(&self) -> usize {
        self.steps.len()
    }
}

/// Worlds of one search, at most: some 60 bytes are kept of each, and some hundreds of those that are next.
const STATES_MAX: usize = 4_000_000;

/// The world that another was reached from, and how.
#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    step: Step,
}

/// Explores a scenario, until a promise is broken or all is seen.
pub fn explore(scenario: &Scenario) -> Outcome {
    let first = World::new(scenario);
    let mut seen = HashSet::from([fingerprint(&first)]);
    let mut origins = vec![Origin { parent: 0, step: Step::Move }];
    let mut level = vec![(0, first.clone())];
    let mut rests = 0;
    while !level.is_empty() {
        let mut next_level = Vec::new();
        for (place, world) in level {
            let mut is_stuck = true;
            for step in step::all(&world, scenario) {
                let Some(next) = step.take(&world, scenario) else { continue };
                is_stuck = false;
                if seen.insert(fingerprint(&next)) {
                    let number = u32::try_from(origins.len()).expect("memory ends before the numbers do");
                    origins.push(Origin { parent: place, step });
                    next_level.push((number, next));
                }
            }
            if let Some(promise) = broken(&world, scenario, is_stuck) {
                let steps = way(&origins, place);
                let found = Counterexample { promise, first, steps, scenario: scenario.clone() };
                return Outcome { states: seen.len(), rests, is_exhausted: false, broken: Some(found) };
            }
            let may_fail = scenario.budget.failures() > 0;
            rests += usize::from((world.history > 1 || !may_fail) && world.is_at_rest(scenario));
        }
        if seen.len() > STATES_MAX {
            return Outcome { states: seen.len(), rests, is_exhausted: false, broken: None };
        }
        level = next_level;
    }
    Outcome { states: seen.len(), rests, is_exhausted: true, broken: None }
}

fn way(origins: &[Origin], mut place: u32) -> Vec<Step> {
    let mut steps = Vec::new();
    while place != 0 {
        let origin = &origins[place as usize];
        steps.push(origin.step);
        place = origin.parent;
    }
    steps.reverse();
    steps
}

/// Stands for a world in the set of those seen: 128 bits, so that two of some millions are taken for one with a
/// probability of 10^-25.
fn fingerprint(world: &World) -> u128 {
    let mut hasher = Wide(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);
    world.hash(&mut hasher);
    hasher.0 ^ (hasher.0 >> 61)
}

/// FNV-1a with 128 bits, a word at a time.
struct Wide(u128);

impl Hasher for Wide {
    fn finish(&self) -> u64 {
        unreachable!("only the wide state is asked for")
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, number: u8) {
        self.write_u64(number.into());
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ u128::from(number)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
        self.0 = mixed ^ (mixed >> 67);
    }
}

impl fmt::Display for Counterexample {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(to, "Broken: {}.", self.promise)?;
        let mut world = self.first.clone();
        writeln!(to, "      in the beginning\n         {world}")?;
        for (number, step) in (1..).zip(&self.steps) {
            world = step.take(&world, &self.scenario).expect("the search took this step");
            writeln!(to, "  {number:>2}. {step}\n         {world}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::Mechanism;
    use crate::scenario::Budget;

    #[test]
    fn fingerprints_tell_worlds_apart_as_the_worlds_themselves_do() {
        let budget = Budget { sends: [2, 1], deletions: 1, rollbacks: 1, resumes: 1, ..Budget::NONE };
        let scenario = Scenario::new(Mechanism::NEW, budget);
        let mut seen = HashSet::from([World::new(&scenario)]);
        let mut waiting: Vec<_> = seen.iter().cloned().collect();
        while let Some(world) = waiting.pop() {
            for next in step::all(&world, &scenario).into_iter().filter_map(|step| step.take(&world, &scenario)) {
                if seen.insert(next.clone()) {
                    waiting.push(next);
                }
            }
        }
        let outcome = explore(&scenario);
        assert!(outcome.is_exhausted);
        assert_eq!(outcome.states, seen.len());
    }
}
