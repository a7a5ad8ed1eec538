//! Counts the connections of each address on this node. Those of users are counted over all nodes, by presence.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};

/// Connections of addresses.
pub type AddressConnections = Quota<IpAddr>;
/// One counted connection of an address.
pub type AddressConnection = Counted<IpAddr>;

/// Counts the uses of each key, up to a limit.
#[derive(Debug)]
pub struct Quota<K: Eq + Hash> {
    most: usize,
    counts: Mutex<HashMap<K, usize>>,
}

/// One counted use, until dropped.
#[derive(Debug)]
pub struct Counted<K: Eq + Hash> {
    among: Arc<Quota<K>>,
    key: K,
}

impl<K: Clone + Eq + Hash> Quota<K> {
    /// Returns a quota of at most `most` for each key.
    pub fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, counts: Mutex::default() })
    }

    /// Counts one more; `None` if the key has the maximum number.
    pub fn open(self: &Arc<Self>, key: &K) -> Option<Counted<K>> {
        let mut counts = self.lock();
        let count = counts.entry(key.clone()).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        Some(Counted { among: Arc::clone(self), key: key.clone() })
    }
}

impl<K: Eq + Hash> Quota<K> {
    fn lock(&self) -> MutexGuard<'_, HashMap<K, usize>> {
        self.counts.lock().expect("no holder of this lock panics")
    }
}

impl<K: Eq + Hash> Drop for Counted<K> {
    fn drop(&mut self) {
        let mut counts = self.among.lock();
        if let Some(count) = counts.get_mut(&self.key) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn each_key_has_a_limit_and_a_drop_makes_room() {
        let connections = AddressConnections::new(2);
        let address = |last| IpAddr::from(Ipv4Addr::new(10, 0, 0, last));
        let held = [connections.open(&address(1)), connections.open(&address(1))];
        assert!(held.iter().all(Option::is_some));
        assert!(connections.open(&address(1)).is_none());
        assert!(connections.open(&address(2)).is_some());
        drop(held);
        assert!(connections.open(&address(1)).is_some());
        assert!(connections.lock().is_empty(), "nobody is remembered who is gone");
    }
}
