//! Turns: a semaphore whose waiters are served by shares.
//!
//! A turn that comes free goes to the first waiter who is within their shares, and then to one whose organization alone is
//! beyond its share; to others only if nobody is, and some turns are left for who may come. So whoever asks for many turns waits for themselves.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};

use rts_common::ids::Person;
use tokio::sync::oneshot;

use super::Holders;

/// Turns of a kind of work on this node.
pub struct FairTurns {
    inner: Arc<Inner>,
}

struct Inner {
    whole: usize,
    state: Mutex<State>,
}

struct State {
    free: usize,
    holders: Holders,
    /// In the order in which they came.
    waiting: VecDeque<Waiter>,
}

struct Waiter {
    person: Option<Person>,
    turn: oneshot::Sender<Turn>,
}

/// A turn of a user, until it is dropped.
pub struct Turn {
    inner: Arc<Inner>,
    person: Option<Person>,
}

impl FairTurns {
    /// Makes so many turns, at least one.
    pub fn new(whole: usize) -> Self {
        let state = State { free: whole, holders: Holders::default(), waiting: VecDeque::new() };
        Self { inner: Arc::new(Inner { whole, state: Mutex::new(state) }) }
    }

    /// Waits for a turn. Whoever gives up waiting loses nothing but their place.
    pub async fn acquire(&self, person: &Person) -> Turn {
        self.acquire_as(Some(person)).await
    }

    /// Waits for a turn for the node's own work, of which there is little: it has no share.
    pub async fn acquire_for_node(&self) -> Turn {
        self.acquire_as(None).await
    }

    async fn acquire_as(&self, person: Option<&Person>) -> Turn {
        let turn = {
            let mut state = self.inner.lock();
            let may_take = state.waiting.is_empty() && self.inner.may_take(&state, person);
            if may_take {
                return self.inner.give(&mut state, person);
            }
            let (sender, turn) = oneshot::channel();
            state.waiting.push_back(Waiter { person: person.cloned(), turn: sender });
            turn
        };
        self.inner.serve();
        turn.await.expect("a waiter is in the queue until it is served")
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }

    fn may_take(&self, state: &State, person: Option<&Person>) -> bool {
        // One of a few, or a tenth of many, are for whoever is within their shares.
        let left = if self.whole > 1 { self.whole.div_ceil(super::USERS) } else { 0 };
        let has_room = |person| state.holders.has_room(person, 1, self.whole);
        state.free > 0 && (state.free > left || person.is_none_or(has_room))
    }

    fn give(self: &Arc<Self>, state: &mut State, person: Option<&Person>) -> Turn {
        state.free -= 1;
        if let Some(person) = person {
            state.holders.add(person, 1);
        }
        Turn { inner: Arc::clone(self), person: person.cloned() }
    }

    /// Gives free turns to those who wait.
    fn serve(self: &Arc<Self>) {
        loop {
            let (waiter, turn) = {
                let mut state = self.lock();
                state.waiting.retain(|waiter| !waiter.turn.is_closed());
                let excess = |at: &usize| {
                    let person = state.waiting[*at].person.as_ref();
                    person.map(|person| state.holders.excess(person, 1, self.whole)).unwrap_or_default()
                };
                let next = (0..state.waiting.len()).min_by_key(excess);
                let Some(next) = next.filter(|&next| self.may_take(&state, state.waiting[next].person.as_ref())) else {
                    return;
                };
                let Some(waiter) = state.waiting.remove(next) else { return };
                let turn = self.give(&mut state, waiter.person.as_ref());
                (waiter, turn)
            };
            // Whoever has just gone drops it, and the next one is served.
            drop(waiter.turn.send(turn));
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        {
            let mut state = self.inner.lock();
            state.free += 1;
            if let Some(person) = &self.person {
                state.holders.remove(person, 1);
            }
        }
        self.inner.serve();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::super::tests::person;
    use super::*;

    #[tokio::test]
    async fn whoever_asks_for_many_waits_for_themselves() {
        let turns = FairTurns::new(6);
        let (hog, other, third) = (person("one", "hog"), person("one", "other"), person("two", "third"));
        let mut held: Vec<_> = (0..5).map(|_| turns.acquire(&hog).now_or_never().expect("nobody wants it")).collect();
        let mut more: Vec<_> = (0..3).map(|_| Box::pin(turns.acquire(&hog))).collect();
        for waiting in &mut more {
            assert!(waiting.as_mut().now_or_never().is_none(), "the last one is for somebody else");
        }
        let first = turns.acquire(&other);
        tokio::pin!(first);
        // An organization has half of six; it holds five.
        assert!(first.as_mut().now_or_never().is_none());
        let theirs = turns.acquire(&third).now_or_never().expect("the last one is for another organization");
        drop(held.split_off(2));
        let _first = first.await;
        assert!(more[0].as_mut().now_or_never().is_some(), "and what nobody else wants is theirs");
        drop((held, theirs, more));
        assert_eq!(turns.inner.lock().free, 5);
    }

    #[tokio::test]
    async fn one_turn_alone_goes_around() {
        let turns = FairTurns::new(1);
        let (ann, bob) = (person("one", "ann"), person("one", "bob"));
        let turn = turns.acquire(&ann).await;
        let mut next = Box::pin(turns.acquire(&bob));
        assert!(next.as_mut().now_or_never().is_none());
        drop(turn);
        drop(next.await);
        drop(turns.acquire(&ann).await);
    }
}
