//! Turns that each user has for themselves: so much at once, on however many connections, and nobody waits for others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use rts_common::ids::Person;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Turns of a kind of work on this node, for each user.
pub struct OwnTurns {
    each: usize,
    /// Users who have a turn, or wait for one.
    people: Mutex<HashMap<Person, Arc<Semaphore>>>,
}

/// A turn of a user, until it is dropped; without a permit, their wait for one.
pub struct OwnTurn {
    among: Arc<OwnTurns>,
    person: Person,
    turns: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
}

impl OwnTurns {
    /// Gives each user so many turns.
    pub fn new(each: usize) -> Arc<Self> {
        Arc::new(Self { each, people: Mutex::default() })
    }

    /// Waits for a turn, in the order in which they are asked for.
    pub async fn acquire(self: &Arc<Self>, person: &Person) -> OwnTurn {
        let new = || Arc::new(Semaphore::new(self.each));
        let turns = Arc::clone(self.lock().entry(person.clone()).or_insert_with(new));
        let mut turn = OwnTurn { among: Arc::clone(self), person: person.clone(), turns, permit: None };
        turn.permit = Some(Arc::clone(&turn.turns).acquire_owned().await.expect("nobody closes it"));
        turn
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Person, Arc<Semaphore>>> {
        self.people.lock().expect("no holder of this lock panics")
    }
}

impl Drop for OwnTurn {
    fn drop(&mut self) {
        let mut people = self.among.lock();
        self.permit = None;
        // The map's, and this one's.
        if Arc::strong_count(&self.turns) <= 2 {
            people.remove(&self.person);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::tests::person;
    use super::*;

    #[tokio::test]
    async fn each_user_has_a_few_and_nobody_waits_for_another() {
        let turns = OwnTurns::new(2);
        let (ann, bob) = (person("one", "ann"), person("one", "bob"));
        let mut held = vec![turns.acquire(&ann).await, turns.acquire(&ann).await];
        let (mut next, mut given_up) = (Box::pin(turns.acquire(&ann)), Box::pin(turns.acquire(&ann)));
        assert!(next.as_mut().now_or_never().is_none() && given_up.as_mut().now_or_never().is_none());
        held.push(turns.acquire(&bob).now_or_never().expect("another user"));
        drop(held.remove(0));
        held.push(next.await);
        drop(held);
        drop(given_up);
        assert!(turns.lock().is_empty(), "nothing is kept for users without a turn");
    }
}
