//! The connections of this node, by id.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use tokio::sync::Notify;

use super::{HttpTransport, ReconnectSlot};
use crate::connection::{ConnectionId, Outbox};

/// Connections by id. Ids of ended ones are remembered as long as their token could be used.
#[derive(Debug)]
pub struct Registry {
    connections_max: usize,
    state: Mutex<State>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct State {
    live: HashMap<ConnectionId, Live>,
    /// The number of requests that are about to claim an id: they ask the other nodes first.
    beginning: HashMap<ConnectionId, usize>,
    ended: HashSet<ConnectionId>,
    /// The times until which ended ones are remembered. Tokens all have the same lifetime, so the oldest is at the
    /// front, or so nearly that nothing is kept for much longer.
    memory: VecDeque<(Instant, ConnectionId)>,
}

#[derive(Debug)]
struct Live {
    outbox: Arc<Outbox>,
    held: Carrier,
}

/// The carrier of a live connection.
#[derive(Clone, Debug)]
pub enum Carrier {
    /// A WebSocket, which HTTP requests cannot use. Its next socket is passed in here, if it may have one.
    WebSocket(Option<Arc<ReconnectSlot>>),
    /// HTTP requests.
    Http(Arc<HttpTransport>),
}

/// The reason why an id cannot be claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimError {
    /// It belongs to a live connection.
    InUse,
    /// Its connection has ended.
    Ended,
    /// The node has the maximum number of connections.
    Full,
}

/// A request that is about to claim an id; dropped when it has, or does not.
#[derive(Debug)]
pub struct Beginning {
    registry: Arc<Registry>,
    id: ConnectionId,
}

/// A live connection's place, given up when dropped.
#[derive(Debug)]
pub struct Claim {
    registry: Arc<Registry>,
    id: ConnectionId,
    /// The time until which its token could be used again.
    token_ends: Instant,
}

impl Registry {
    /// Returns a registry of at most this many connections.
    pub fn new(connections_max: usize) -> Arc<Self> {
        Arc::new(Self { connections_max, state: Mutex::default(), emptied: Notify::new() })
    }

    /// Claims an id for a connection whose token ends at a moment.
    pub fn claim(
        self: &Arc<Self>,
        id: ConnectionId,
        token_ends: Instant,
        outbox: &Arc<Outbox>,
        held: Carrier,
    ) -> Result<Claim, ClaimError> {
        let mut state = self.lock();
        if state.live.contains_key(&id) {
            return Err(ClaimError::InUse);
        }
        if state.ended.contains(&id) {
            return Err(ClaimError::Ended);
        }
        if state.live.len() >= self.connections_max {
            return Err(ClaimError::Full);
        }
        state.live.insert(id, Live { outbox: Arc::clone(outbox), held });
        drop(state);
        Ok(Claim { registry: Arc::clone(self), id, token_ends })
    }

    /// Notes that a request is about to claim an id.
    pub fn begin(self: &Arc<Self>, id: ConnectionId) -> Beginning {
        *self.lock().beginning.entry(id).or_default() += 1;
        Beginning { registry: Arc::clone(self), id }
    }

    /// Returns the carrier of a connection, if it is live.
    pub fn find(&self, id: ConnectionId) -> Option<Carrier> {
        self.lock().live.get(&id).map(|live| live.held.clone())
    }

    /// True if an id's connection has ended, as far as is remembered.
    pub fn has_ended(&self, id: ConnectionId) -> bool {
        self.lock().ended.contains(&id)
    }

    /// True if there is no room for another connection.
    pub fn is_full(&self) -> bool {
        self.len() >= self.connections_max
    }

    /// Returns the number of live connections.
    pub fn len(&self) -> usize {
        self.lock().live.len()
    }

    /// True if no connection is live.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the outboxes of all live connections.
    pub fn outboxes(&self) -> Vec<Arc<Outbox>> {
        self.lock().live.values().map(|live| Arc::clone(&live.outbox)).collect()
    }

    /// Waits until no connection is live.
    pub async fn emptied(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of this lock panics")
    }
}

impl Beginning {
    /// Returns the outcome of another request of this node for the id: a live connection, none yet, or none any more.
    pub fn taken(&self) -> Result<Carrier, ClaimError> {
        let state = self.registry.lock();
        if let Some(live) = state.live.get(&self.id) {
            return Ok(live.held.clone());
        }
        let is_under_way = state.beginning.get(&self.id).is_some_and(|requests| *requests > 1);
        Err(if is_under_way && !state.ended.contains(&self.id) { ClaimError::InUse } else { ClaimError::Ended })
    }
}

impl Drop for Beginning {
    fn drop(&mut self) {
        let mut state = self.registry.lock();
        if let Entry::Occupied(mut requests) = state.beginning.entry(self.id) {
            *requests.get_mut() -= 1;
            if *requests.get() == 0 {
                requests.remove();
            }
        }
    }
}

impl Claim {
    /// Returns the time until which the connection's token could be used again.
    pub fn token_ends(&self) -> Instant {
        self.token_ends
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let now = Instant::now();
        let mut state = self.registry.lock();
        state.live.remove(&self.id);
        while let Some((until, id)) = state.memory.front().copied()
            && until <= now
        {
            state.memory.pop_front();
            state.ended.remove(&id);
        }
        if self.token_ends > now && state.ended.insert(self.id) {
            state.memory.push_back((self.token_ends, self.id));
        }
        let is_last = state.live.is_empty();
        drop(state);
        if is_last {
            self.registry.emptied.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_id_is_claimed_once_and_its_end_remembered_as_long_as_its_token() {
        let registry = Registry::new(2);
        let (id, other) = (ConnectionId::random(), ConnectionId::random());
        let now = Instant::now();
        let claim = |id, ends| registry.claim(id, ends, &Arc::default(), Carrier::WebSocket(None)).map(drop);
        let held = registry.claim(id, now + Duration::from_mins(1), &Arc::default(), Carrier::WebSocket(None)).unwrap();
        assert_eq!(claim(id, now).unwrap_err(), ClaimError::InUse);
        let second = registry.claim(other, now, &Arc::default(), Carrier::WebSocket(None)).unwrap();
        assert_eq!(claim(ConnectionId::random(), now).unwrap_err(), ClaimError::Full);
        drop((held, second));
        assert!(registry.is_empty());
        assert_eq!(claim(id, now).unwrap_err(), ClaimError::Ended);
        assert!(claim(other, now).is_ok(), "its token is over, so it needs no memory");
    }

    #[test]
    fn whoever_comes_second_while_the_first_is_under_way_finds_the_id_in_use() {
        let registry = Registry::new(2);
        let (id, ends) = (ConnectionId::random(), Instant::now() + Duration::from_mins(1));
        let second = registry.begin(id);
        assert_eq!(second.taken().unwrap_err(), ClaimError::Ended, "nobody else asks for it");
        let first = registry.begin(id);
        assert_eq!(second.taken().unwrap_err(), ClaimError::InUse);
        let claim = registry.claim(id, ends, &Arc::default(), Carrier::WebSocket(None)).unwrap();
        drop(first);
        assert!(matches!(second.taken(), Ok(Carrier::WebSocket(None))));
        drop(claim);
        let third = registry.begin(id);
        assert_eq!(second.taken().unwrap_err(), ClaimError::Ended, "it is over");
        drop((second, third));
        assert!(registry.lock().beginning.is_empty());
    }
}
